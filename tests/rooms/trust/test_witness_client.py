"""Asking witnesses: what they say counts if it is theirs, and what they do costs no more than was given."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.rooms.trust.logs import MadeLog, make_log
from tests.rooms.trust.witnesses import make_witness, request, served
from whence.errors import (
    DamagedError,
    EvidenceError,
    ForkError,
    NotFoundError,
    RemoteError,
    SignatureError,
    WhenceError,
)
from whence.ledger import KnownWitness, check_note, parse_note, parse_policy
from whence.trust import Asked, Witness, WitnessServer
from whence.trust.witness import Reply
from whence.trust.witness_client import Wish, ask_each, ask_witness
from whence.trust.witness_server import Limits

SIZE = "text/x.tlog.size"


@pytest.fixture
def log(tmp_path: pathlib.Path) -> MadeLog:
    return make_log(tmp_path / "log")


@pytest.fixture
def witness(tmp_path: pathlib.Path, log: MadeLog) -> Witness:
    return make_witness(tmp_path / "w", log.vkey)


def known(witness: Witness, url: str) -> KnownWitness:
    policy = parse_policy(f"witness w1 {witness.cosigner.vkey} {url}\nquorum none\n")
    return policy.witnesses[0]


def wish(log: MadeLog) -> Wish:
    return Wish(note=parse_note(log.checkpoint()), read=log.read, vkey=log.vkey)


def asked(log: MadeLog, witness: KnownWitness, *, timeout_s: float = 30) -> Asked:
    return ask_witness(wish(log), witness, last=None, until=time.monotonic() + timeout_s)


@contextlib.contextmanager
def answering(answer: Callable[[bytes], Reply], witness: Witness) -> Iterator[KnownWitness]:
    """Serve other answers than the witness's own, under its name."""
    stand_in = type("StandIn", (), {"answer": staticmethod(answer)})()
    with served(stand_in) as server:
        yield known(witness, server.url)


def always(reply: Reply) -> Callable[[bytes], Reply]:
    return lambda body: reply


def test_what_a_witness_has_seen_is_asked_of_it(witness: Witness, log: MadeLog) -> None:
    with served(witness) as server:
        for count in (1, 300, 1):
            found = asked(log, known(witness, server.url + "/"))  # the prefix may end so
            assert found.signature is not None
            check_note(parse_note(log.checkpoint()).signed(found.signature), [witness.cosigner.verifier])
            log.grow(*(f"{number}" for number in range(count)))


def test_who_is_rolled_back_is_told(tmp_path: pathlib.Path, witness: Witness, log: MadeLog) -> None:
    old = log.checkpoint()
    log.grow("more")
    assert witness.answer(request(log, 0)).status == 200
    (log.path / "checkpoint").write_bytes(old)
    with (
        served(witness) as server,
        pytest.raises(EvidenceError, match=r"rolled back.*4 entries.*here are 3") as caught,
    ):
        asked(log, known(witness, server.url))
    assert not isinstance(caught.value, ForkError)


@pytest.mark.parametrize("count", [3, 4, 300])
def test_who_rewrote_is_told(tmp_path: pathlib.Path, witness: Witness, log: MadeLog, count: int) -> None:
    assert witness.answer(request(log, 0)).status == 200
    rewritten = make_log(tmp_path / "again", entries=0)
    rewritten.grow(*(f"other {number}" for number in range(count)))
    with served(witness) as server, pytest.raises(ForkError, match=r"two histories.*other first 3 entries"):
        asked(rewritten, known(witness, server.url))


def test_a_log_that_is_not_known_is_told_what_to_do(tmp_path: pathlib.Path, witness: Witness) -> None:
    stranger = make_log(tmp_path / "stranger", origin="example.com/stranger")
    thief = make_log(tmp_path / "thief", seed=7)
    with served(witness) as server:
        with pytest.raises(NotFoundError) as unknown:
            asked(stranger, known(witness, server.url))
        with pytest.raises(SignatureError) as unsigned:
            asked(thief, known(witness, server.url))
    assert stranger.vkey in unknown.value.remedy
    assert thief.vkey in unsigned.value.remedy


def test_damage_here_is_not_taken_for_a_fork(witness: Witness, log: MadeLog) -> None:
    assert witness.answer(request(log, 0)).status == 200
    log.grow("more")
    tile = log.path / "tile/0/000.p/4"
    data = bytearray(tile.read_bytes())
    data[0] ^= 1
    tile.write_bytes(data)
    with served(witness) as server, pytest.raises(DamagedError, match="the tiles here"):
        asked(log, known(witness, server.url))


def test_a_witness_that_forgot_is_told_of(tmp_path: pathlib.Path, witness: Witness, log: MadeLog) -> None:
    last = wish(log).tree
    log.grow("more")
    with served(witness) as server:  # it has cosigned 3 entries, and remembers nothing
        found = ask_witness(wish(log), known(witness, server.url), last=last, until=time.monotonic() + 30)
    assert found.signature is not None
    assert found.has_forgotten


@pytest.mark.parametrize(
    ("status", "body", "media_type", "error", "words"),
    [
        (200, b"", "text/plain", RemoteError, "signature lines"),
        (200, b"nonsense\n", "text/plain", RemoteError, "signature lines"),
        (200, b"\xff\xff\n", "text/plain", RemoteError, "signature lines"),
        (200, "\u2014 witness.example/w1 AAAAAAAA\n".encode(), "text/plain", SignatureError, "no signature"),
        (409, b"3\n", "text/plain", RemoteError, "answered 409"),
        (409, b"3", SIZE, RemoteError, "size"),
        (409, b"three\n", SIZE, RemoteError, "size"),
        (409, b"0\n", SIZE, RemoteError, "contradicts itself"),
        (422, b"no\n", "text/plain", RemoteError, "answered 422 no"),
        (400, b"why\n", "text/plain", RemoteError, "answered 400 why"),
        (302, b"", "text/plain", RemoteError, "answered 302"),
        (200, bytes(100_000), "text/plain", RemoteError, "more than 65,536 bytes"),
    ],
)  # fmt: skip
def test_answers_that_are_none_are_refused(
    witness: Witness,
    log: MadeLog,
    status: int,
    body: bytes,
    media_type: str,
    error: type[WhenceError],
    words: str,
) -> None:
    answer = always(Reply(status=status, body=body, media_type=media_type))
    with answering(answer, witness) as false, pytest.raises(error, match=words):
        asked(log, false)


def test_the_cosignature_of_another_checkpoint_or_key_is_refused(
    tmp_path: pathlib.Path, witness: Witness, log: MadeLog
) -> None:
    old = witness.answer(request(log, 0)).body
    log.grow("more")
    other = make_witness(tmp_path / "other", log.vkey, seed=2)
    theirs = other.answer(request(log, 0)).body
    for body in (old, theirs):
        with (
            answering(always(Reply(status=200, body=body)), witness) as false,
            pytest.raises(SignatureError),
        ):
            asked(log, false)


def test_a_witness_that_names_ever_other_sizes_is_given_up(witness: Witness, log: MadeLog) -> None:
    sizes = iter(range(1, 100))
    log.grow(*(f"{number}" for number in range(100)))
    with (
        answering(lambda _: Reply(status=409, body=b"%d\n" % next(sizes), media_type=SIZE), witness) as false,
        pytest.raises(RemoteError, match="another size 4 times"),
    ):
        asked(log, false)


def test_a_witness_that_names_the_size_that_it_was_asked_from_accuses_nobody(
    witness: Witness, log: MadeLog
) -> None:
    with (
        answering(always(Reply(status=409, body=b"1\n", media_type=SIZE)), witness) as false,
        pytest.raises(RemoteError, match="contradicts itself"),
    ):
        asked(log, false)


def test_who_is_known_to_have_seen_more_is_asked_all_the_same(
    tmp_path: pathlib.Path, witness: Witness, log: MadeLog
) -> None:
    old = log.checkpoint()
    log.grow("more")
    last = wish(log).tree
    assert witness.answer(request(log, 0)).status == 200
    (log.path / "checkpoint").write_bytes(old)
    with served(witness) as server, pytest.raises(EvidenceError, match="rolled back"):
        ask_witness(wish(log), known(witness, server.url), last=last, until=time.monotonic() + 30)


def test_a_name_server_that_hangs_holds_up_nobody(
    witness: Witness, log: MadeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, over = threading.Event(), list[bool]()

    def hang(*_: object, **__: object) -> list[object]:
        go_on.wait(30)
        over.append(True)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    (found,) = ask_each(wish(log), [(known(witness, "http://w.example"), None)], timeout_s=0.2)
    assert isinstance(found.error, RemoteError)
    assert not over
    go_on.set()


def test_a_witness_that_is_busy_is_asked_again(witness: Witness, log: MadeLog) -> None:
    statuses = iter([503, 429])

    def answer(body: bytes) -> Reply:
        status = next(statuses, 200)
        return Reply(status=status, body=b"later\n") if status != 200 else witness.answer(body)

    with answering(answer, witness) as busy:
        assert asked(log, busy).signature is not None
        assert next(statuses, None) is None


def test_who_is_away_slow_or_silent_holds_up_nobody(
    tmp_path: pathlib.Path, witness: Witness, log: MadeLog
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.create_server(("127.0.0.1", 0)) as closed:
        away = closed.getsockname()[1]
        closed.close()
        with served(witness) as server:
            urls = [f"http://127.0.0.1:{silent.getsockname()[1]}", f"http://127.0.0.1:{away}", server.url]
            found = ask_each(wish(log), [(known(witness, url), None) for url in urls], timeout_s=1.5)
    assert [each.signature is not None for each in found] == [False, False, True]
    assert [type(each.error) for each in found[:2]] == [RemoteError, RemoteError]
    assert [each.witness.url for each in found] == urls


def test_many_are_asked_at_the_same_time(tmp_path: pathlib.Path, log: MadeLog) -> None:
    with contextlib.ExitStack() as stack:
        witnesses = []
        for number in range(8):
            made = make_witness(
                tmp_path / f"{number}", log.vkey, seed=20 + number, name=f"w.example/{number}"
            )
            server = stack.enter_context(served(made, limits=Limits(connections=2)))
            witnesses.append((known(made, server.url), None))
        found = ask_each(wish(log), witnesses, timeout_s=30)
    lines = [each.signature for each in found if each.signature is not None]
    _, signed = check_note(
        parse_note(log.checkpoint()).signed(*lines), [each.verifier for each, _ in witnesses]
    )
    assert len(signed) == 8


def test_a_server_of_another_kind_is_no_witness(witness: Witness, log: MadeLog) -> None:
    with served(witness) as server, pytest.raises(NotFoundError, match="or isn't there"):
        asked(log, known(witness, f"{server.url}/somewhere/else"))
    assert isinstance(server, WitnessServer)
