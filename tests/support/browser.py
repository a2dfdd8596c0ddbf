"""Chromium without a window, spoken to through its DevTools protocol.

Only what looking at a page needs: open it, change screen or medium, evaluate an expression, take a
picture, and collect everything that the page complained about.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
REQUIRED = "THERMOMETER_BROWSER_TESTS"
"""Environment variable; ``required`` makes a missing browser or axe a failure."""
AXE = Path(__file__).resolve().parents[2] / ".venv" / "node_modules" / "axe-core" / "axe.min.js"
COLOURS = ("color-contrast", "link-in-text-block")
"""Rules of axe that depend on colours."""
NOT_OURS = "ResizeObserver loop completed with undelivered notifications"
"""A page that is slower than its own layout: the browser postpones a call and says so. MLflow's
pages do on loaded machines; nothing is lost, and nothing of ours observes sizes."""
_QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
)


def find_browser() -> str | None:
    """Return the path of an installed Chromium."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


def axe_source() -> str | None:
    """Return the script of axe-core, if ``make axe`` or AXE_CORE provides it."""
    path = Path(os.environ.get("AXE_CORE", AXE))
    return path.read_text(encoding="utf-8") if path.is_file() else None


@contextmanager
def running_browser(program: str) -> Iterator[Browser]:
    """Run Chromium for as long as the context lasts."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        process = subprocess.Popen(
            [program, *_QUIET, "--remote-debugging-port=0", f"--user-data-dir={home}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            with asyncio.Runner() as runner:
                yield Browser(runner, _port(Path(home) / "DevToolsActivePort", process))
        finally:
            process.terminate()
            process.wait(timeout=20)


def _port(file: Path, process: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if file.is_file() and (lines := file.read_text().splitlines()):
            return int(lines[0])
        time.sleep(0.05)
    raise RuntimeError("the browser did not start")


class Browser:
    """A running Chromium."""

    def __init__(self, runner: asyncio.Runner, port: int) -> None:
        self._runner = runner
        self._base = f"http://127.0.0.1:{port}"

    @contextmanager
    def page(self, width: int = 1200, height: int = 900) -> Iterator[Page]:
        """Open an empty page for as long as the context lasts."""
        page = Page(self._runner, self._base)
        try:
            page.resize(width, height)
            yield page
        finally:
            page.close()


class Page:
    """A page of the browser; blocking calls around one websocket."""

    def __init__(self, runner: asyncio.Runner, base: str) -> None:
        self._run = runner.run
        self._base = base
        self._number = 0
        self.complaints: list[str] = []
        """Errors of the console, uncaught exceptions, failed requests."""
        self.warnings: list[str] = []
        """Warnings of the console."""
        self._events: list[str] = []
        self._run(self._open())
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    async def _open(self) -> None:
        self._session = aiohttp.ClientSession()
        async with self._session.put(f"{self._base}/json/new?about:blank") as answer:
            target = await answer.json()
        self._id = target["id"]
        self._socket = await self._session.ws_connect(
            target["webSocketDebuggerUrl"], max_msg_size=0
        )

    def close(self) -> None:
        """Close the page."""

        async def close() -> None:
            await self._socket.close()
            async with self._session.get(f"{self._base}/json/close/{self._id}"):
                pass
            await self._session.close()

        self._run(close())

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self._number += 1
        call = {"id": self._number, "method": method, "params": parameters}

        async def exchange() -> dict[str, Any]:
            await self._socket.send_json(call)
            while True:
                message = await self._socket.receive_json(timeout=60)
                if message.get("id") == call["id"]:
                    return message
                self._note(message)

        answer = self._run(exchange())
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def _note(self, message: dict[str, Any]) -> None:
        method, told = message.get("method", ""), message.get("params", {})
        self._events.append(method)
        if method.startswith(("Runtime.", "Log.")) and NOT_OURS in json.dumps(told):
            return
        if method == "Runtime.exceptionThrown":
            details = told["exceptionDetails"]
            thrown = details.get("exception", {}).get("description", details["text"])
            self.complaints.append(thrown)
        elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning"):
            parts = [str(a.get("value", a.get("description", ""))) for a in told["args"]]
            self._list_of(told["type"]).append(" ".join(parts))
        elif method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            entry = told["entry"]
            found = f"{entry['text']} {entry.get('url', '')}".strip()
            self._list_of(entry["level"]).append(found)

    def _list_of(self, level: str) -> list[str]:
        return self.complaints if level == "error" else self.warnings

    def open(self, address: str) -> None:
        """Go to an address and wait until it has loaded."""
        self._events.clear()
        self.send("Page.navigate", url=address)
        self.wait_for("document.readyState === 'complete'")

    def wait_for(self, condition: str, seconds: float = 60) -> None:
        """Wait until an expression is true."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.evaluate(condition):
                return
            time.sleep(0.1)
        raise TimeoutError(f"{condition} is not true after {seconds:g} s")

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, awaited if it is a promise."""
        done = self.send(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in done:
            raise RuntimeError(str(done["exceptionDetails"].get("exception", done)))
        return done["result"].get("value")

    def click(self, element: str) -> None:
        """Click in the middle of the element that a JavaScript expression returns."""
        self.wait_for(f"!!({element})")
        middle = (
            f"(e => {{e.scrollIntoView({{block: 'center'}}); const b = e.getBoundingClientRect();"
            f"return [b.x + b.width / 2, b.y + b.height / 2]}})({element})"
        )
        x, y = self.evaluate(middle)
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def resize(self, width: int, height: int = 900) -> None:
        """Give the page another window."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def show_as(self, scheme: str, medium: str = "screen") -> None:
        """Show the page ``light`` or ``dark``, on ``screen`` or in ``print``."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", media=medium, features=features)

    def screenshot(
        self, path: Path, whole: bool = True, size: tuple[int, int] | None = None
    ) -> Path:
        """Save a picture of the page, of its visible part, or of its upper left `size`."""
        clip: dict[str, Any] = {}
        if size is None and whole:
            content = self.send("Page.getLayoutMetrics")["cssContentSize"]
            size = (content["width"], content["height"])
        if size is not None:
            clip = {"clip": {"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1}}
        taken = self.send("Page.captureScreenshot", captureBeyondViewport=whole, **clip)
        path.write_bytes(base64.b64decode(taken["data"]))
        return path

    def pdf(self) -> bytes:
        """Return the page as it would be printed on A4."""
        printed = self.send(
            "Page.printToPDF", paperWidth=8.27, paperHeight=11.69, printBackground=False
        )
        return base64.b64decode(printed["data"])

    def serious_findings(self, axe: str, rules: tuple[str, ...] = ()) -> list[str]:
        """Return what axe finds wrong for people with disabilities, if serious or critical.

        With `rules`, only these are checked, such as :data:`COLOURS` on a page that another
        scheme shows in other colours and is the same otherwise.
        """
        self.evaluate(f"{axe}\n;0")
        options: dict[str, Any] = {"resultTypes": ["violations"]}
        if rules:
            options["runOnly"] = {"type": "rule", "values": list(rules)}
        found = self.evaluate(
            f"axe.run(document, {json.dumps(options)}).then(r => r.violations"
            ".filter(v => ['serious', 'critical'].includes(v.impact))"
            ".map(v => v.id + ': ' + v.help + ' at ' +"
            " v.nodes.slice(0, 4).map(n => n.target.join(' ')).join(' | ')))"
        )
        return list(found)
