"""The command line: ``thermometer``, whose commands ``--help`` lists.

Exit codes: 0 done (diverged and censored runs are results), 1 a replay differs, 2 usage,
3 incomplete, 4 some points failed, 5 folder in use, 130 interrupted. Heavy packages load inside
the commands that need them: ``--help`` answers at once, and ``fit`` and ``report`` on a table
load no torch, Ray or MLflow.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Any

import click

from search_spaces.choices import InvalidSettingError, nearest
from studies.commands.analysis import fit, report
from studies.commands.cite import cite
from studies.commands.exit_codes import DONE, INTERRUPTED, USAGE
from studies.commands.listing import list_studies
from studies.commands.replay import replay
from studies.commands.run import run
from studies.commands.settings import settings
from studies.commands.show import show
from studies.commands.status import status
from studies.commands.sync import sync
from studies.commands.ui import ui


class _StoppedError(Exception):
    """Ctrl-C or SIGTERM, as a sentence."""

    exit_code = INTERRUPTED

    def __str__(self) -> str:
        return "stopped; what was finished is saved"


class _Commands(click.Group):
    """A group that names the nearest command for a mistyped one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [
            "run",
            "status",
            "show",
            "fit",
            "report",
            "replay",
            "sync",
            "ui",
            "cite",
            "list",
            "settings",
        ]

    def invoke(self, ctx: click.Context) -> Any:
        # click itself would print an empty line before its Abort.
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise _StoppedError from None

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = super().get_command(ctx, cmd_name)
        if command is None:
            hint = nearest(cmd_name, self.commands)
            allowed = ", ".join(self.list_commands(ctx))
            raise click.UsageError(f"no command {cmd_name!r}; there are {allowed}{hint}")
        return command


@click.group(
    cls=_Commands,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 99,
        # click itself leaves colours out of pipes only.
        "color": False if os.environ.get("NO_COLOR") else None,
    },
)
@click.version_option(package_name="sgd-thermometer", prog_name="thermometer")
def cli() -> None:
    """Measure the noise of stochastic gradient descent."""
    logging.basicConfig(level=logging.WARNING, format="thermometer: %(message)s")


for _command in (run, status, show, fit, report, replay, sync, ui, cite, list_studies, settings):
    cli.add_command(_command)


def _stop(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt; a moment later within a finalizer, where Python would drop it."""
    while frame is not None:
        if frame.f_code.co_name == "__del__":
            threading.Timer(0.05, os.kill, (os.getpid(), number)).start()
            return
        frame = frame.f_back
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code; errors are one sentence, never a traceback."""
    # Until a study begins to train, and after that, SIGTERM is what Ctrl-C is.
    signal.signal(signal.SIGTERM, _stop)
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    try:
        code = cli.main(args=arguments, prog_name="thermometer", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return USAGE
    except click.ClickException as error:
        return _complain(" ".join(error.format_message().split()), USAGE)
    except (KeyboardInterrupt, click.Abort):
        return _complain(str(_StoppedError()), INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        return DONE
    except OSError as error:
        return _complain(" ".join(str(error).split()), USAGE)
    except Exception as error:
        # Only errors whose message is a sentence for the user; anything else is our own fault.
        if not hasattr(error, "exit_code") and not _is_users(error):
            raise
        return _complain(str(error), getattr(error, "exit_code", USAGE))
    return int(code or 0)


def _is_users(error: Exception) -> bool:
    """Whether the message of an error is a sentence meant for the user."""
    from analysis import ReadTableError

    return isinstance(error, InvalidSettingError | ReadTableError)


def _complain(message: str, code: int) -> int:
    click.echo(f"thermometer: {message}", err=True)
    return code
