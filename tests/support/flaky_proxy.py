"""A real HTTP proxy before a real server, which on demand answers 503 or does not answer."""

from __future__ import annotations

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import urlsplit

FINE, UNAVAILABLE, STALLED, LOSES_ANSWERS = "fine", "unavailable", "stalled", "loses answers"


class FlakyProxy:
    """Listens on the loopback interface and forwards to `uri`, as long as `mood` is fine.

    Where answers are lost, the server does what it is asked and the client hears 503.
    """

    def __init__(self, uri: str) -> None:
        self.mood = FINE
        self.refused = 0
        """Requests that were not answered as the server would."""
        self._recovered = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, uri))
        self._server.daemon_threads = True
        self.uri = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FlakyProxy:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.recover()
        self._server.shutdown()
        self._server.server_close()

    def fail(self, mood: str) -> None:
        """Answer no request from now on as the server would."""
        self._recovered.clear()
        self.mood = mood

    def recover(self) -> None:
        """Forward everything again; requests that wait are dropped."""
        self.mood = FINE
        self._recovered.set()

    def stall(self) -> None:
        """Wait until the proxy recovers."""
        self._recovered.wait(60)


def _handler(proxy: FlakyProxy, uri: str) -> type[BaseHTTPRequestHandler]:
    place = urlsplit(uri).netloc

    class Handler(BaseHTTPRequestHandler):
        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            mood = proxy.mood
            proxy.refused += mood != FINE
            if mood == STALLED:
                proxy.stall()
                self.close_connection = True
                return
            status, headers, content = 503, [], b"no server is ready"
            if mood != UNAVAILABLE:
                answer = self.ask(body)
                if mood == FINE:
                    status, headers, content = answer
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
            connection = http.client.HTTPConnection(place, timeout=60)
            headers = {k: v for k, v in self.headers.items() if k.lower() != "host"}
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            return answer.status, answer.getheaders(), content

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward  # noqa: N815

        def log_message(self, *_words: object) -> None:
            """Say nothing."""

    return Handler
