"""A server on the loopback that answers as a test tells it, for a client whose protocol is tested."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Respond = Callable[[str, str, bytes], tuple[int, bytes]]
"""From method, path and body to status and content."""


@dataclass
class Server:
    """Where it is, and what it was asked."""

    address: str = ""
    asked: list[tuple[str, str, bytes, dict[str, str]]] = field(default_factory=list)


@contextlib.contextmanager
def answering(respond: Respond) -> Iterator[Server]:
    """Answer every request by `respond`, while the block lasts."""
    server = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.answer()

        def do_POST(self) -> None:
            self.answer()

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            server.asked.append((self.command, self.path, body, dict(self.headers)))
            status, content = respond(self.command, self.path, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Connection", "close")
            self.end_headers()
            with contextlib.suppress(OSError):  # the client may have read enough
                self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        listening.daemon_threads = True
        server.address = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()
