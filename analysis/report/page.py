"""From results to a page that a referee can read, and to files that a script can.

The page is one self-contained HTML file: drawings inline, nothing loaded, no script. Every file is
written under a temporary name and then moved, so that a reader never meets half of one.
"""

from __future__ import annotations

import io
import json
import os
import platform
import re
import tempfile
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from analysis.report import style as figure_style
from analysis.report.citations import SOFTWARE, bibtex, works
from analysis.report.content import PlannedFigure, ReportContent, ReportContext
from analysis.report.typeset import key, typeset

_TALL = 0.75
"""Height over width of a drawing beyond which a third of a page makes its letters too small."""
_VERSIONS = ("numpy", "scipy", "pandas", "matplotlib")


class WriteReportError(OSError):
    """A report that cannot be written; the message is one sentence meant for the user."""


@dataclass(frozen=True)
class DrawnFigure:
    """A figure, ready for the page and for the folder."""

    name: str
    """File name without suffix."""
    svg: Markup
    """Drawing for the page."""
    is_tall: bool
    """Whether paper must give it more height than a third of a page."""
    pdf: bytes
    """Drawing for a paper."""
    caption: str
    """What stands under it."""
    csv: str | None = None
    """The numbers it draws, if the study gives them."""


def write_report(
    content: ReportContent, folder: str | Path, context: ReportContext | None = None
) -> Path:
    """Write the report of a study into `folder`.

    That is report.html, report.json, references.bib, each figure as figures/NAME.pdf with its
    numbers in figures/NAME.csv, and the content's tables.

    Returns
    -------
    path
        The HTML page.

    Raises
    ------
    WriteReportError
        If the folder cannot be written.
    """
    context = context or ReportContext()
    folder = Path(folder)
    try:
        (folder / "figures").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(folder, error) from None
    drawn = draw_figures(content.figures)
    page = render_page(content, context, drawn)
    numbers = json.dumps(report_numbers(content, context), indent=2, allow_nan=False) + "\n"
    texts = {name: _csv(frame) for name, frame in content.files.items()}
    texts["references.bib"] = bibtex(cited_keys(content, context))
    texts["report.json"] = numbers
    try:
        for figure in drawn:
            _write(folder / "figures" / f"{figure.name}.pdf", figure.pdf)
            if figure.csv is not None:
                _write(folder / "figures" / f"{figure.name}.csv", figure.csv.encode())
        for name, text in texts.items():
            _write(folder / name, text.encode())
        _write(folder / "report.html", page.encode())
    except OSError as error:
        raise _cannot_write(folder, error) from None
    return folder / "report.html"


def cited_keys(content: ReportContent, context: ReportContext) -> tuple[str, ...]:
    """Return the keys of every work the report rests on, each once: papers, data, software."""
    return tuple(dict.fromkeys((*content.citations, *context.citations, *SOFTWARE)))


def _csv(frame: pd.DataFrame) -> str:
    return frame.to_csv(index=False, lineterminator="\n")


def _cannot_write(folder: Path, error: OSError) -> WriteReportError:
    return WriteReportError(f"cannot write the report to {folder}: {error.strerror}")


def report_numbers(content: ReportContent, context: ReportContext) -> dict[str, Any]:
    """Return what report.json holds: the numbers of the result under the study's name."""
    numbers = dict(content.numbers)
    counts = {
        **numbers.pop("counts"),
        "planned": context.counts_planned,
        "failed": context.counts_failed,
    }
    return {
        "study": context.study,
        "spec_hash": context.spec_hash,
        "date": context.date or None,
        "commit": context.commit or None,
        "conditional_on": context.data_sentence,
        "counts": counts,
        **numbers,
    }


def draw_figures(planned: tuple[PlannedFigure, ...]) -> list[DrawnFigure]:
    """Draw the figures for the page and for the folder."""
    with matplotlib.rc_context(figure_style.STYLE):
        return [
            replace(
                _draw(figure.name, number, figure.plot(), figure.caption),
                csv=None if figure.data is None else _csv(figure.data()),
            )
            for number, figure in enumerate(planned, start=1)
        ]


def _draw(name: str, number: int, figure: Figure, caption: str) -> DrawnFigure:
    vector, paper = io.StringIO(), io.BytesIO()
    # Solve the layout once, and draw nothing for it; savefig would do both for every format.
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
    figure.set_layout_engine("none")
    svg_canvas: Any = FigureCanvasSVG(figure)
    svg_canvas.print_svg(vector, metadata={"Date": None})
    pdf_canvas: Any = FigureCanvasPdf(figure)
    pdf_canvas.print_pdf(paper, metadata={"CreationDate": None})
    svg = _inline(vector.getvalue(), f"f{number}-", name)
    width, height = figure.get_size_inches()
    return DrawnFigure(name, svg, height > _TALL * width, paper.getvalue(), caption)


def _inline(svg: str, prefix: str, title: str) -> Markup:
    """Make a drawing part of a page: no header, no metadata, ids of its own, width by style."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{prefix}', svg)
    svg = svg.replace('href="#', f'href="#{prefix}').replace("url(#", f"url(#{prefix}")
    svg = re.sub(r'<svg ([^>]*?)height="[^"]*"', r"<svg \1", svg, count=1)
    svg = re.sub(r'<svg ([^>]*?)width="([^"]*)"', r'<svg \1style="width: \2"', svg, count=1)
    name = str(Markup.escape(title))
    return Markup(svg.replace("<svg ", f'<svg role="img" aria-label="{name}" ', 1))


def render_page(content: ReportContent, context: ReportContext, drawn: list[DrawnFigure]) -> str:
    """Return the page as text."""
    environment = Environment(
        loader=PackageLoader("analysis.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"typeset": typeset, "key": key}
    template = environment.get_template("page.html.j2")
    fixed = {**content.fixed, **context.spec}
    return template.render(
        context=context,
        content=content,
        links={text: to for text, to in context.links.items() if _is_safe_address(to)},
        files=(*context.files, *content.files, "report.json", "references.bib"),
        works=works(cited_keys(content, context)),
        figures=drawn,
        fixed={name: _short(value) for name, value in fixed.items()},
        environment=_environment(context),
        made=_made(content, context),
    )


def _made(content: ReportContent, context: ReportContext) -> str:
    """Return where and how the runs were made, in one line."""
    known = context.environment
    counts = content.numbers.get("counts", {})
    ended = sum(n for name in ("fitted", "censored", "diverged") if (n := counts.get(name)))
    n_rows = ended or counts.get("measured") or counts.get("rows")
    parts = [
        "" if n_rows is None else f"{n_rows} runs",
        str(known.get("training", "")),
        f"host {known['host']}" if "host" in known else "",
        str(known.get("processor", "")),
        str({**content.fixed, **context.spec}.get("dtype", "")),
    ]
    return f"{', '.join(filter(None, parts))}." if context.environment else ""


def _short(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_short(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _environment(context: ReportContext) -> dict[str, str]:
    versions = {name: metadata.version(name) for name in _VERSIONS}
    own = {"python (analysis)": platform.python_version()}
    own |= {f"{name} (analysis)": version for name, version in versions.items()}
    return own | {name: _short(value) for name, value in context.environment.items()}


def _is_safe_address(address: str) -> bool:
    """Whether a link may stand on the page: relative, http(s) or file, never a script."""
    scheme, colon, _ = address.partition(":")
    return not colon or scheme.lower() in ("http", "https", "file")


def _write(path: Path, content: bytes) -> None:
    """Write a file under a temporary name and move it into place."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
