"""The door to the network: one request, with a limit for everything, and errors that say what to do.

No redirect is followed and nothing tried twice: an answer that isn't from the address that the user named
says nothing. Where the environment names a proxy (`https_proxy`, `http_proxy`, `no_proxy`) it is gone
through, but never to this machine itself. A server that is slow, talks without end or nonsense costs the time
and the bytes that the caller set, and no more.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from whence.errors import InputError, RemoteError

TIMEOUT_S = 30.0
ANSWER_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server said.

    Args:
        status: the HTTP status.
        media_type: what it calls its content, without parameters, in lower case.
        body: the content.
    """

    status: int
    media_type: str
    body: bytes


def ask(
    address: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = TIMEOUT_S,
    limit: int = ANSWER_LIMIT,
) -> Answer:
    """Ask a server: GET, or POST where there is a body.

    Args:
        address: `http://…` or `https://…`.
        body: what is sent.
        headers: what is sent before it.
        timeout_s: for the whole of it, from the first to the last byte.
        limit: how many bytes of an answer are read.

    Returns:
        The answer, whatever its status.

    Raises:
        InputError: that is no address.
        RemoteError: no answer in time, or one that isn't HTTP, or a longer one.
    """
    connection, target = _connection(address, timeout_s)
    has_passed = threading.Event()
    try:
        connection.connect()
        with _until(connection, timeout_s, has_passed):
            connection.request("GET" if body is None else "POST", target, body, dict(headers or {}))
            with contextlib.closing(connection.getresponse()) as response:
                content = response.read(limit + 1)
                if len(content) <= limit and response.length:
                    raise http.client.IncompleteRead(content, response.length)
    except (OSError, http.client.HTTPException, ValueError) as error:
        said = _late(timeout_s) if has_passed.is_set() or isinstance(error, TimeoutError) else _said(error)
        raise RemoteError(
            f"{address}: {said}", remedy="Check the address and the network, then try again."
        ) from error
    finally:
        connection.close()
    if has_passed.is_set():  # it was cut off, and an answer without a length ends where it is cut
        raise RemoteError(f"{address}: {_late(timeout_s)}", remedy="Try again later.")
    if len(content) > limit:
        raise RemoteError(f"{address}: answers with more than {limit:,} bytes", remedy="Check the address.")
    media_type = (response.getheader("Content-Type") or "").partition(";")[0].strip().lower()
    return Answer(status=response.status, media_type=media_type, body=content)


def _connection(address: str, timeout_s: float) -> tuple[http.client.HTTPConnection, str]:
    try:
        parts = urllib.parse.urlsplit(address)
        port = parts.port
        named = parts.hostname or ""
        host = named.encode("idna").decode() if ":" not in named else named
    except ValueError as error:
        raise InputError(f"{address!r:.200}: no address ({error})") from error
    is_plain = parts.scheme in ("http", "https") and parts.username is None and not parts.fragment
    if not is_plain or not host or not address.isprintable() or not address.isascii() or " " in address:
        raise InputError(
            f"{address!r:.200}: no address that can be asked",
            remedy="Write https://host/path, without a user.",
        )
    path = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    proxy = _proxy_for(parts.scheme, named)
    if proxy is None:
        return kind(host, port, timeout=timeout_s), path
    connection = kind(*proxy, timeout=timeout_s)
    if parts.scheme == "http":
        return connection, address
    connection.set_tunnel(host, port)
    return connection, path


def _proxy_for(scheme: str, host: str) -> tuple[str, int] | None:
    """Find the proxy that the environment names for a host; raises `InputError` where it is no address."""
    named = urllib.request.getproxies_environment().get(scheme)
    if named is None or urllib.request.proxy_bypass(host) or _is_here(host):
        return None
    try:
        parts = urllib.parse.urlsplit(named if "//" in named else f"//{named}")
        found = parts.hostname, parts.port
    except ValueError as error:
        raise InputError(f"{scheme}_proxy={named!r:.200}: no address of a proxy ({error})") from error
    if found[0] is None or found[1] is None or parts.username is not None or parts.scheme not in ("", "http"):
        raise InputError(
            f"{scheme}_proxy={named!r:.200}: no address of a proxy that can be asked",
            remedy="Write http://host:port, without a user, or unset it.",
        )
    return found[0], found[1]


def _is_here(host: str) -> bool:
    """Tell whether a host is this machine itself, by its name alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextlib.contextmanager
def _until(
    connection: http.client.HTTPConnection, timeout_s: float, has_passed: threading.Event
) -> Iterator[None]:
    """End a connection when the time has passed: a server that sends a byte now and then never times out."""
    held = connection.sock  # the connection lets go of it where the answer has no length

    def end() -> None:
        has_passed.set()
        with contextlib.suppress(OSError):  # it may be closed at this moment
            held.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(timeout_s, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _late(timeout_s: float) -> str:
    return f"no answer in {timeout_s:g} s"


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
