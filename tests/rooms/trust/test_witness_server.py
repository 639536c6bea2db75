"""A witness's server bears what clients send, however much, however slowly, and none waits for another."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import pathlib
import re
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.rooms.trust.logs import MadeLog, make_log
from tests.rooms.trust.witnesses import make_witness, post, request, served
from whence.errors import StoreError
from whence.trust.witness import Reply, Witness
from whence.trust.witness_server import Limits, WitnessServer


@pytest.fixture
def log(tmp_path: pathlib.Path) -> MadeLog:
    return make_log(tmp_path / "log")


@pytest.fixture
def witness(tmp_path: pathlib.Path, log: MadeLog) -> Witness:
    return make_witness(tmp_path / "w", log.vkey)


@pytest.fixture
def server(witness: Witness) -> Iterator[WitnessServer]:
    with served(witness, limits=Limits(connections=6)) as found:
        yield found


def connected(server: WitnessServer, data: bytes = b"") -> socket.socket:
    """Connect, and send something."""
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    connection = socket.create_connection((host, int(port)), timeout=30)
    connection.sendall(data)
    return connection


def heard(connection: socket.socket) -> bytes:
    """Read until the server closes."""
    found = b""
    try:
        while data := connection.recv(65536):
            found += data
    except ConnectionResetError:  # it closed before it had read all that was sent
        pass
    return found


def said(server: WitnessServer, data: bytes) -> bytes:
    """Send bytes as they are and end; the line with the status of the answer."""
    with connected(server, data) as connection:
        with contextlib.suppress(OSError):  # it may have been cut off
            connection.shutdown(socket.SHUT_WR)
        return heard(connection).partition(b"\r\n")[0]


def head(*lines: str, method: str = "POST", path: str = "/add-checkpoint") -> bytes:
    """Write the head of a request."""
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: witness", *lines, "", "")).encode()


def test_it_listens_on_the_own_machine_only(server: WitnessServer) -> None:
    assert server.url.startswith("http://127.0.0.1:")


def test_only_what_the_protocol_has_is_served(server: WitnessServer, log: MadeLog) -> None:
    for method in ("GET", "HEAD"):
        assert post(server, b"", method=method).status == 405
        assert post(server, b"", path="/", method=method).status == 404
    for path in ("/", "/add-checkpoint/", "/add-checkpoint?x=1", "/../state"):
        assert post(server, request(log, 0), path=path).status == 404
    for method in ("PUT", "DELETE", "OPTIONS", "BREW"):
        assert post(server, b"", method=method).status == 501
    assert post(server, request(log, 0)).status == 200


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (head(), b"411"),
        (head("Transfer-Encoding: chunked") + b"3\r\nold\r\n0\r\n\r\n", b"411"),
        (head("Content-Length: 3", "Transfer-Encoding: chunked") + b"old", b"411"),
        (head("Content-Length: 3", "Content-Length: 4") + b"old ", b"400"),
        (head("Content-Length: +3") + b"old", b"400"),
        (head("Content-Length: 0x3") + b"old", b"400"),
        (head("Content-Length: -1") + b"old", b"400"),
        (head("Content-Length: 9999999999") + b"old", b"400"),
        (head("Content-Length: 262145"), b"413"),
        (head("Content-Length: 3") + b"old", b"400"),
        (b"POST /add-checkpoint\r\n\r\n", b"Bad HTTP/0.9"),
        (b"nonsense\r\n\r\n", b"Bad request syntax"),
        (head(*(f"X-{number}: y" for number in range(200))), b"431"),
        (head("X: " + "y" * 70_000), b"431"),
        (head(path="/" + "x" * 70_000), b"414"),
    ],
)
def test_what_is_malformed_is_told_so(
    server: WitnessServer, log: MadeLog, data: bytes, status: bytes
) -> None:
    assert status in said(server, data)
    assert post(server, request(log, 0)).status == 200


@pytest.mark.parametrize(
    "data", [b"", b"\r\n\r\n", b"\0" * 100, head("Content-Length: 300") + b"old", head("X: y" * 50_000)]
)
def test_what_is_no_whole_request_is_not_answered(server: WitnessServer, log: MadeLog, data: bytes) -> None:
    assert b"200" not in said(server, data)
    assert post(server, request(log, 0)).status == 200


def test_a_body_that_ends_early_is_not_acted_upon(server: WitnessServer, log: MadeLog) -> None:
    body = request(log, 0)
    assert said(server, head(f"Content-Length: {len(body) + 1}") + body) == b""
    assert post(server, request(log, 0)).status == 200


def test_a_giant_body_is_not_read(server: WitnessServer, log: MadeLog) -> None:
    with connected(server, head(f"Content-Length: {1 << 30}"[:25])) as connection:
        sent = 0
        try:
            for _ in range(1 << 12):
                sent += connection.send(bytes(1 << 16))
        except OSError:  # the door was shut
            pass
        assert sent < 1 << 27
    assert post(server, request(log, 0)).status == 200


def test_an_early_answer_is_not_overtaken_by_a_reset(server: WitnessServer) -> None:
    with connected(server, head("Content-Length: 300000")) as connection:
        assert b" 413 " in heard(connection)
        for _ in range(20):  # who sends without listening isn't cut off: it would lose what was said
            connection.sendall(bytes(10_000))


def test_many_requests_come_by_one_connection(server: WitnessServer, log: MadeLog) -> None:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    connection.connect()
    socket_of_the_first = connection.sock
    for old_size in (0, 3, 4, 5):
        if old_size:
            log.grow("more")
        connection.request("POST", "/add-checkpoint", request(log, old_size))
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.read()
        assert connection.sock is socket_of_the_first
    connection.close()


def test_requests_that_come_at_once_are_answered_in_order(server: WitnessServer, log: MadeLog) -> None:
    first = request(log, 0)
    log.grow("more")
    bodies = [first, request(log, 3), request(log, 3)]
    data = b"".join(head(f"Content-Length: {len(body)}") + body for body in bodies)
    with connected(server, data) as connection:
        connection.shutdown(socket.SHUT_WR)
        answers = heard(connection)
    assert re.findall(rb"HTTP/1.1 ([0-9]+) ", answers) == [b"200", b"200", b"409"]


def test_slow_clients_make_room(witness: Witness, log: MadeLog) -> None:
    """Slow loris: more of them than there are connections, each with a request that never ends."""
    headless = (b"", b"POST", head("Content-Length: 100")[:-2])
    beginnings = itertools.cycle((*headless, head("Content-Length: 9") + b"o"))
    with served(witness, limits=Limits(connections=6, request_s=600)) as server:
        slow = [connected(server, next(beginnings)) for _ in range(25)]
        assert post(server, request(log, 0)).status == 200
        for connection in slow[:19]:
            connection.settimeout(10)
            assert heard(connection) == b""  # who came first was cut off first
        for connection in slow:
            connection.close()


@pytest.mark.parametrize("beginning", [b"", b"POST /add", head("Content-Length: 1000") + b"old"])
def test_a_request_has_a_time_however_its_bytes_drip(witness: Witness, beginning: bytes) -> None:
    with (
        served(witness, limits=Limits(request_s=0.3)) as server,
        connected(server, beginning) as connection,
    ):
        connection.settimeout(0.05)
        for _ in range(100):
            try:
                assert connection.recv(1000) == b""
                break
            except TimeoutError:
                connection.send(b"x")
            except ConnectionResetError:
                break
        else:
            pytest.fail("the drops never came to an end")


def test_who_does_not_take_the_answer_holds_up_nobody(server: WitnessServer, log: MadeLog) -> None:
    body = request(log, 0)
    deaf = [connected(server, head(f"Content-Length: {len(body)}") + body) for _ in range(4)]
    log.grow("more")
    assert post(server, request(log, 3)).status == 200
    for connection in deaf:
        connection.close()


def test_who_is_being_answered_is_answered_before_the_end(log: MadeLog) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def answer(body: bytes) -> Reply:
        begun.set()
        go_on.wait()
        return Reply(status=200, body=b"at last\n")

    server = WitnessServer(answer, limits=Limits(request_s=600))
    serving = threading.Thread(target=server.serve)
    serving.start()
    with connected(server, head("Content-Length: 1") + b"x") as busy, connected(server) as idle:
        begun.wait()
        server.stop()
        assert heard(idle) == b""
        assert serving.is_alive()
        go_on.set()
        assert heard(busy).endswith(b"at last\n")
    serving.join()
    with pytest.raises(ConnectionRefusedError):
        connected(server)


def test_a_mistake_of_ours_costs_one_connection(log: MadeLog, witness: Witness) -> None:
    lines: list[str] = []

    def answer(body: bytes) -> Reply:
        if body == b"boom":
            raise ZeroDivisionError
        return witness.answer(body)

    server = WitnessServer(answer, say=lines.append)
    serving = threading.Thread(target=server.serve)
    serving.start()
    assert said(server, head("Content-Length: 4") + b"boom") == b""
    assert post(server, request(log, 0)).status == 200
    server.stop()
    serving.join()
    assert any("a mistake of ours: ZeroDivisionError()" in line for line in lines)
    assert any("200 " in line and log.origin in line for line in lines)


def test_an_address_that_is_taken_is_named(server: WitnessServer, witness: Witness) -> None:
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(StoreError, match=f"127.0.0.1:{port} can't be listened on"):
        WitnessServer(witness.answer, port=port)


def test_it_listens_by_the_newer_protocol_too(witness: Witness, log: MadeLog) -> None:
    server = WitnessServer(witness.answer, host="::1")
    serving = threading.Thread(target=server.serve)
    serving.start()
    connection = http.client.HTTPConnection("::1", int(server.url.rpartition(":")[2]), timeout=30)
    connection.request("POST", "/add-checkpoint", request(log, 0))
    assert connection.getresponse().status == 200
    connection.close()
    server.stop()
    serving.join()
