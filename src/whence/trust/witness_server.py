"""A witness's front door: HTTP with a limit for everything, so that no client costs another one its turn.

A connection has a thread. A request has a time from its first to its last byte, however slowly they come,
and a size; where connections run out, the one that has kept its thread waiting longest makes room. What is
answered is decided in `witness`; nothing else is served, since the protocol has nothing else.
Source: C2SP tlog-witness, "HTTP Interface"; RFC 9112 sections 6 and 9.
"""

from __future__ import annotations

import contextlib
import http.server
import io
import re
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from whence.errors import StoreError
from whence.trust.witness import Reply

PATH = "/add-checkpoint"

_LENGTH = re.compile(r"[0-9]{1,9}", re.ASCII)
_HEAD_LIMIT = 64 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one client may cost.

    Args:
        request_s: from the first byte of a request that may come to its last.
        answer_s: for taking an answer.
        body_bytes: of a request: 63 hashes, and a checkpoint with more than the standard's 16 signatures.
        connections: at one time.
        stop_s: how long requests that are being answered hold up the end.
    """

    request_s: float = 20.0
    answer_s: float = 10.0
    body_bytes: int = 256 << 10
    connections: int = 128
    stop_s: float = 10.0


class WitnessServer:
    """Answers requests until it is stopped.

    Args:
        answer: what to say to the body of a request; called from many threads.
        host, port: where to listen; port 0 for any that is free.
        limits: what one client may cost.
        say: told of each answer and each mishap, one line.

    Raises:
        StoreError: that address can't be listened on.
    """

    def __init__(
        self,
        answer: Callable[[bytes], Reply],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        limits: Limits | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._door = _Door((host, port), family, answer, limits or Limits(), say)
        except (OSError, OverflowError) as error:
            raise StoreError(
                f"{host}:{port} can't be listened on ({error})", remedy="Name a free port and an own address."
            ) from error

    @property
    def url(self) -> str:
        """The submission prefix, for clients on this machine."""
        host, port = self._door.server_address[:2]
        shown = f"[{host!s}]" if ":" in str(host) else str(host)
        return f"http://{shown}:{port}"

    def serve(self) -> None:
        """Answer until `stop` is called from another thread."""
        try:
            self._door.serve_forever(poll_interval=0.1)
        finally:
            self._door.end()

    def stop(self) -> None:
        """Take no more requests; those that are being answered are answered first."""
        self._door.shutdown()


class _Door(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """The listening socket, and whose connection is where."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        family: socket.AddressFamily,
        answer: Callable[[bytes], Reply],
        limits: Limits,
        say: Callable[[str], None],
    ) -> None:
        self.address_family = family
        self.answer, self.limits, self.say = answer, limits, say
        self._waiting: dict[socket.socket, float] = {}  # for the bytes of a request, since when
        self._open: set[socket.socket] = set()
        self._changed = threading.Condition()
        self._has_ended = False
        super().__init__(address, _Exchange)

    def server_bind(self) -> None:
        """Bind, without asking a name server what this machine is called."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "", self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin a thread for a connection; where there are too many, the slowest client makes room."""
        with self._changed:
            if len(self._open) >= self.limits.connections:
                slowest = min(self._waiting, key=self._waiting.__getitem__, default=request)
                self._waiting.pop(slowest, None)
                _end(slowest)
            self._open.add(request)
            self._waiting[request] = time.monotonic()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection and forget it."""
        with self._changed:
            self._open.discard(request)
            self._waiting.pop(request, None)
            self._changed.notify_all()
        super().shutdown_request(request)

    def is_answering(self, request: socket.socket) -> None:
        """Note that a whole request is there."""
        with self._changed:
            self._waiting.pop(request, None)

    def is_waiting(self, request: socket.socket) -> None:
        """Note that the next request of a connection may come."""
        with self._changed:
            self._waiting[request] = time.monotonic()
            if self._has_ended:
                _end(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say that a request met a mistake of ours, which costs nobody else anything."""
        self.say(f"{client_address[0]}: a mistake of ours: {sys.exception()!r}")

    def end(self) -> None:
        """Close the door, cut off who hasn't asked yet, and wait a bounded time for the answers."""
        self.socket.close()
        with self._changed:
            self._has_ended = True
            for connection in self._waiting:
                _end(connection)
            self._changed.wait_for(lambda: not self._open, timeout=self.limits.stop_s)


class _Exchange(http.server.BaseHTTPRequestHandler):
    """One connection: requests and answers, one after another."""

    protocol_version = "HTTP/1.1"
    error_message_format = "%(message)s\n"
    error_content_type = "text/plain; charset=utf-8"
    server: _Door

    def setup(self) -> None:
        """Read with a limit of time and bytes for each request."""
        super().setup()
        self._timely = _Timely(self.connection)
        self.rfile = io.BufferedReader(self._timely)

    def version_string(self) -> str:
        """Say what answers, and no versions."""
        return "whence"

    def handle_one_request(self) -> None:
        """Take one request and answer it."""
        limits = self.server.limits
        self._timely.allow(limits.request_s, _HEAD_LIMIT + limits.body_bytes)
        try:
            super().handle_one_request()
        except OSError:  # the client is gone, or was cut off
            self.close_connection = True
        self.server.is_waiting(self.connection)
        if self.close_connection:
            self._linger()

    def _linger(self) -> None:
        """Take what still comes of a request that was answered early: a reset might overtake the answer."""
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            while self._timely.readinto(bytearray(1 << 16)):
                pass

    def do_POST(self) -> None:
        """Answer a request to cosign."""
        lengths = self.headers.get_all("Content-Length", [])
        if self.path != PATH:
            self._refuse(404, f"only {PATH} is here")
        elif "Transfer-Encoding" in self.headers or not lengths:
            self._refuse(411, "wanted a Content-Length")
        elif len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0]):
            self._refuse(400, "wanted one Content-Length, a decimal number")
        elif int(lengths[0]) > self.server.limits.body_bytes:
            self._refuse(413, f"a request has at most {self.server.limits.body_bytes} bytes")
        else:
            self._answer(int(lengths[0]))

    def _answer(self, length: int) -> None:
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return
        self.server.is_answering(self.connection)
        reply = self.server.answer(body)
        self.server.say(f"{self.client_address[0]}: {reply.status} {reply.about}")
        self._send(reply.status, reply.body, reply.media_type)

    def do_GET(self) -> None:
        """Say that nothing is to be read here."""
        if self.path == PATH:
            self._refuse(405, "wanted POST", allow="POST")
        else:
            self._refuse(404, f"only {PATH} is here")

    def do_HEAD(self) -> None:
        """Say that nothing is to be read here."""
        self.do_GET()

    def _refuse(self, status: int, why: str, *, allow: str = "") -> None:
        """Answer without having read the body, after which this connection is of no use."""
        self.close_connection = True
        self.server.say(f"{self.client_address[0]}: {status} {why}")
        self._send(status, f"{why}\n".encode(), "text/plain; charset=utf-8", allow=allow)

    def _send(self, status: int, body: bytes, media_type: str, *, allow: str = "") -> None:
        self.connection.settimeout(self.server.limits.answer_s)
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        if allow:
            self.send_header("Allow", allow)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing; each answer is said where it is given."""


class _Timely(io.RawIOBase):
    """What comes from a connection, as long as time and bytes are left."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._until, self._left = 0.0, 0

    def allow(self, seconds: float, count: int) -> None:
        """Give a request its time and its bytes."""
        self._until, self._left = time.monotonic() + seconds, count

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what is there; nothing where the request has had its bytes.

        Raises:
            TimeoutError: the request has had its time.
        """
        seconds = self._until - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("the request has had its time")
        self._connection.settimeout(seconds)
        count = self._connection.recv_into(memoryview(buffer)[: self._left])
        self._left -= count
        return count


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it may have ended at this moment
        connection.shutdown(socket.SHUT_RDWR)
