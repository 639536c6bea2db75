"""One request to a server outside: however it misbehaves, it costs what was set, and no more."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.rooms.trust.answering import answering
from whence.errors import InputError, RemoteError
from whence.trust import ask

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/Plain; charset=x\r\n"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine's own environment says of proxies is no business of these tests."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@contextlib.contextmanager
def speaking(act: Callable[[socket.socket], None], heard: list[bytes] | None = None) -> Iterator[str]:
    """A server that takes one connection and does with it what a test says, until the client is gone."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with contextlib.suppress(OSError), listening.accept()[0] as connection:
                first = connection.recv(65_536)
                if heard is not None:
                    heard.append(first)
                act(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/path"
        finally:
            thread.join()


def dripping(head: bytes, drop: bytes) -> Callable[[socket.socket], None]:
    """Say a little now and then, for ever."""

    def act(connection: socket.socket) -> None:
        connection.sendall(head)
        for _ in range(2_000):
            connection.sendall(drop)
            time.sleep(0.005)

    return act


def test_an_answer_is_what_the_server_said() -> None:
    with answering(lambda method, path, body: (207, f"{method} {path} ".encode() + body)) as server:
        answer = ask(f"{server.address}/a?b=c", body=b"content", headers={"X-Y": "z"})
        assert (answer.status, answer.body) == (207, b"POST /a?b=c content")
        assert server.asked[0][3]["X-Y"] == "z"
        assert ask(server.address).body == b"GET / "


def test_a_media_type_is_read_without_its_parameters() -> None:
    with speaking(lambda connection: connection.sendall(HEAD + b"Content-Length: 2\r\n\r\nok")) as address:
        assert ask(address).media_type == "text/plain"


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda connection: connection.recv(1), id="silent"),
        pytest.param(dripping(b"", b"H"), id="status"),
        pytest.param(dripping(HEAD, b"X: y\r\n"), id="headers"),
        pytest.param(dripping(HEAD + b"Content-Length: 100000\r\n\r\n", b"x"), id="body"),
        pytest.param(dripping(HEAD + b"\r\n", b"x"), id="body without a length"),
        pytest.param(dripping(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"), id="chunks"),
    ],
)
def test_a_slow_server_is_left_when_the_time_has_passed(act: Callable[[socket.socket], None]) -> None:
    with speaking(act) as address, pytest.raises(RemoteError, match=r"no answer in 0\.2 s|headers"):
        ask(address, timeout_s=0.2)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (b"", "Remote|closed|reset"),
        (b"SSH-2.0-x\r\n", "SSH"),
        (b"HTTP/1.1 twohundred OK\r\n\r\n", "twohundred"),
        (HEAD + b"Content-Length: 10\r\n\r\nhalf", "IncompleteRead"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhe", "IncompleteRead"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhe", "IncompleteRead|invalid"),
        (HEAD + b"X: " + b"y" * 70_000 + b"\r\n\r\n", "more than"),
        (HEAD + b"Content-Length: 2000\r\n\r\n" + b"x" * 2_000, "more than 1,000 bytes"),
        (HEAD + b"\r\n" + b"x" * 2_000, "more than 1,000 bytes"),
    ],
)
def test_what_is_no_answer_is_an_error_that_names_the_address(said: bytes, problem: str) -> None:
    with speaking(lambda connection: connection.sendall(said)) as address:
        with pytest.raises(RemoteError, match=problem) as caught:
            ask(address, limit=1_000, timeout_s=20)
        assert caught.value.message.startswith(address)
        assert caught.value.remedy


def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    def act(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"\r\n")
        while True:
            connection.sendall(bytes(65_536))

    with speaking(act) as address, pytest.raises(RemoteError, match="more than 1,000 bytes"):
        ask(address, limit=1_000, timeout_s=5)


def test_nobody_there_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(RemoteError, match="refused"):
        ask(f"http://127.0.0.1:{port}/", timeout_s=5)


def test_a_redirect_is_an_answer_and_not_followed() -> None:
    with answering(lambda *asked: (302, b"")) as server:
        assert ask(server.address).status == 302
        assert len(server.asked) == 1


def test_a_server_that_refuses_to_encrypt_is_an_error() -> None:
    refusal = b"\x15\x03\x01\x00\x02\x02\x28"
    with (
        speaking(lambda connection: connection.sendall(refusal)) as address,
        pytest.raises(RemoteError, match=r"(?i)ssl|tls"),
    ):
        ask(address.replace("http", "https"), timeout_s=5)


def test_a_server_whose_certificate_nobody_signed_is_not_spoken_to(tmp_path: pathlib.Path) -> None:
    subject = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2", "-nodes")
    made = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", *subject)
    subprocess.run([*made, "-keyout", "key", "-out", "cert"], cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with (
                contextlib.suppress(OSError),
                listening.accept()[0] as connection,
                context.wrap_socket(connection, server_side=True) as secure,
            ):
                heard.append(secure.recv(100))

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(RemoteError, match="certificate verify failed"):
            ask(f"https://127.0.0.1:{listening.getsockname()[1]}/", body=b"secret", timeout_s=20)
        thread.join()
    assert b"".join(heard) == b""


class TestAProxy:
    """Gone through where the environment names one, by which the machine is reached that was named."""

    def test_it_is_asked_for_the_whole_address(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with answering(lambda method, path, body: (200, path.encode())) as proxy:
            monkeypatch.setenv("http_proxy", proxy.address)
            assert ask("http://far.invalid/a?b=c").body == b"http://far.invalid/a?b=c"

    def test_what_is_encrypted_goes_through_a_tunnel(self, monkeypatch: pytest.MonkeyPatch) -> None:
        heard: list[bytes] = []

        def tunnel(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            heard.append(connection.recv(65_536))

        with speaking(tunnel, heard) as address:
            monkeypatch.setenv("https_proxy", address.removesuffix("/path"))
            with pytest.raises(RemoteError, match=r"(?i)ssl|tls|eof|reset"):
                ask("https://far.invalid/a", body=b"secret", timeout_s=20)
        assert heard[0].startswith(b"CONNECT far.invalid:443 ")
        assert heard[1].startswith(b"\x16\x03")  # the beginning of a handshake, to whoever is at the end
        assert b"secret" not in b"".join(heard)

    def test_one_that_refuses_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        refusal = b"HTTP/1.1 403 No\r\n\r\n"
        with speaking(lambda connection: connection.sendall(refusal)) as address:
            monkeypatch.setenv("https_proxy", address)
            with pytest.raises(RemoteError, match="403"):
                ask("https://far.invalid/a", timeout_s=20)

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_this_machine_is_asked_itself(self, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
        monkeypatch.setenv("http_proxy", "http://far.invalid:1")
        with answering(lambda *asked: (200, b"here")) as server:
            assert ask(server.address.replace("127.0.0.1", host)).body == b"here"

    def test_a_host_that_needs_none_is_asked_itself(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        monkeypatch.setenv("no_proxy", "near.invalid")
        with pytest.raises(RemoteError, match=r"Name or service|resolution|nodename|not known"):
            ask("http://near.invalid/", timeout_s=5)

    @pytest.mark.parametrize("proxy", ["http://user:word@p:1", "http://p", "socks5://p:1", "p:port", "//"])
    def test_one_that_cannot_be_asked_is_refused(self, monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
        monkeypatch.setenv("http_proxy", proxy)
        with pytest.raises(InputError, match="http_proxy"):
            ask("http://far.invalid/")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "example.org",
        "ftp://example.org",
        "file:///etc/passwd",
        "http://",
        "http://user:word@example.org/",
        "http://example.org:port/",
        "http://example.org/#part",
        "http://example.org/a b",
        "http://example.org/\r\nX: y",
        "http://exämple.org/",
        "http://[::1",
    ],
)
def test_what_is_no_address_is_refused_before_anybody_is_asked(address: str) -> None:
    with pytest.raises(InputError):
        ask(address)
