"""A witness never forgets what it cosigned: not in a race, not when killed, not when its disk is changed."""

from __future__ import annotations

import itertools
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from tests.rooms.trust import racing
from tests.rooms.trust.logs import MadeLog, make_log
from tests.rooms.trust.witnesses import make_witness, request
from whence.errors import DamagedError
from whence.ledger import Note, parse_checkpoint, parse_note
from whence.trust.witness import Reply, Witness
from whence.trust.witness_memory import Memory

ROOT = pathlib.Path(__file__).parents[3]


@pytest.fixture
def log(tmp_path: pathlib.Path) -> MadeLog:
    return make_log(tmp_path / "log")


@pytest.fixture
def witness(tmp_path: pathlib.Path, log: MadeLog) -> Witness:
    return make_witness(tmp_path / "w", log.vkey)


def kept(place: pathlib.Path) -> pathlib.Path:
    """Find the one checkpoint that is remembered in a place."""
    (path,) = place.rglob("checkpoint")
    return path


def size_kept(place: pathlib.Path) -> int:
    return parse_checkpoint(parse_note(kept(place).read_bytes()).text).size


def racer(log: pathlib.Path, witness: pathlib.Path, seed: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.rooms.trust.racing", str(log), str(witness), str(seed)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT / "src")}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def grants_in(output: str) -> list[tuple[int, int]]:
    """Read the grants of a process; a line that a kill cut short says nothing."""
    whole = output[: output.rfind("\n") + 1]
    return [(int(old), int(new)) for old, new in (line.split() for line in whole.splitlines())]


class TestTheRaceOfTheStandard:
    """tlog-witness: checking the old size and persisting the new checkpoint must be performed atomically."""

    def test_who_decides_keeps_others_waiting_until_it_is_remembered(
        self, tmp_path: pathlib.Path, log: MadeLog
    ) -> None:
        small, replies = request(log, 0), dict[str, Reply]()
        log.grow("more", "and more")
        large = request(log, 0)
        other = threading.Thread(target=lambda: replies.update(large=second.answer(large)))
        was_held_up = []

        def now_s() -> int:  # asked between the decision and the writing
            if not other.ident:
                other.start()
                other.join(timeout=0.2)
                was_held_up.append(other.is_alive())
            return 1_700_000_000

        made = make_witness(tmp_path / "w", log.vkey)
        first, second = (
            Witness(cosigner=made.cosigner, logs=made.logs, state=made.state, beside=made.beside, now_s=now_s)
            for _ in range(2)
        )
        replies["small"] = first.answer(small)
        other.join()
        assert was_held_up == [True]
        assert replies["small"].status == 200
        assert (replies["large"].status, replies["large"].body) == (409, b"3\n")
        assert size_kept(made.state) == 3

    def test_threads_never_roll_the_log_back(self, tmp_path: pathlib.Path) -> None:
        racing.prepare(tmp_path / "log", 60)
        witness = make_witness(tmp_path / "w", MadeLog(tmp_path / "log").vkey)
        grants, begin = list[tuple[int, int]](), threading.Barrier(8)

        def advance() -> None:
            begin.wait()
            known = 0
            while known < 60:
                size = min(known + 2, 60)
                reply = witness.answer(racing.ask(tmp_path / "log", known, size))
                if reply.status == 200:
                    grants.append((known, size))
                known = size if reply.status == 200 else int(reply.body)

        threads = [threading.Thread(target=advance) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(grants) == [(old, old + 2) for old in range(0, 60, 2)]

    def test_processes_never_roll_the_log_back(self, tmp_path: pathlib.Path) -> None:
        racing.prepare(tmp_path / "log", 80)
        racers = [racer(tmp_path / "log", tmp_path / "w", seed) for seed in range(3)]
        grants = sorted(itertools.chain.from_iterable(grants_in(each.communicate()[0]) for each in racers))
        assert [each.returncode for each in racers] == [0, 0, 0]
        assert grants[0][0] == 0
        assert grants[-1][1] == 80
        assert all(earlier[1] == later[0] for earlier, later in itertools.pairwise(grants))


@pytest.mark.parametrize("count", [5, pytest.param(80, marks=pytest.mark.long)])
def test_a_kill_at_any_moment_takes_nothing_of_what_was_granted(tmp_path: pathlib.Path, count: int) -> None:
    racing.prepare(tmp_path / "log", 40 * count)
    reached = 0
    for kill in range(count):
        process = racer(tmp_path / "log", tmp_path / "w", seed=kill)
        assert process.stdout is not None
        lines = "".join(process.stdout.readline() for _ in range(1 + kill % 7))
        process.send_signal(signal.SIGKILL)
        grants = grants_in(lines + process.communicate()[0])
        assert grants
        assert grants[0][0] >= reached  # it went on from where the one before was
        reached = size_kept(tmp_path / "w" / "state")
        assert reached >= grants[-1][1]
        reply = make_witness(tmp_path / "w", MadeLog(tmp_path / "log").vkey).answer(
            racing.ask(tmp_path / "log", 0, 1)
        )
        assert (reply.status, reply.body) == (409, b"%d\n" % reached)  # it can be read, and goes on
        if reached == 40 * count:
            break


def test_what_a_killed_writer_left_is_cleared_away(witness: Witness, log: MadeLog) -> None:
    assert witness.answer(request(log, 0)).status == 200
    for place in (witness.state, witness.beside):
        kept(place).with_name(".checkpoint.0123456789ab").write_bytes(b"half a no")
    assert witness.answer(request(log, 3)).status == 200
    assert not list(witness.state.rglob(".*")) + list(witness.beside.rglob(".*"))


@pytest.mark.parametrize("place", ["state", "key.pem.memory"])
def test_each_flipped_bit_is_noticed(
    tmp_path: pathlib.Path, witness: Witness, log: MadeLog, place: str
) -> None:
    assert witness.answer(request(log, 0)).status == 200
    path = kept(tmp_path / "w" / place)
    sound = path.read_bytes()
    memory = Memory(witness.state, witness.beside, witness.cosigner.verifier)
    for number in range(len(sound)):
        spoiled = bytearray(sound)
        spoiled[number] ^= 1 << number % 8
        path.write_bytes(spoiled)
        with (
            pytest.raises(DamagedError, match="not what this witness wrote"),
            memory.of(log.origin, witness.logs.of(log.origin)),
        ):
            pass
    path.write_bytes(sound)
    assert witness.answer(request(log, 3)).status == 200


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data, key: b"",
        lambda data, key: data[: len(data) // 2],
        lambda data, key: data.replace(b"\n3\n", b"\n2\n"),
        lambda data, key: data.rsplit("\u2014".encode(), 1)[0],  # without the witness's own line
        lambda data, key: data + data.splitlines(keepends=True)[-1],
    ],
)  # fmt: skip
def test_what_others_wrote_is_not_believed(
    witness: Witness, log: MadeLog, spoil: Callable[[bytes, object], bytes]
) -> None:
    assert witness.answer(request(log, 0)).status == 200
    path = kept(witness.state)
    path.write_bytes(spoil(path.read_bytes(), None))
    log.grow("more")
    reply = witness.answer(request(log, 3))
    assert (reply.status, reply.body) == (500, b"the witness can't cosign now\n")
    assert "not what this witness wrote" in reply.about


def test_the_memory_of_another_log_is_not_taken_for_this_one(tmp_path: pathlib.Path, log: MadeLog) -> None:
    other = make_log(tmp_path / "other", entries=1, origin="example.com/other")
    witness = make_witness(tmp_path / "w", log.vkey, other.vkey)
    assert witness.answer(request(log, 0)).status == 200
    first = kept(witness.state)
    assert witness.answer(request(other, 0)).status == 200
    (second,) = (path for path in witness.state.rglob("checkpoint") if path != first)
    note = parse_note(second.read_bytes())
    for lines in (note.signatures, note.signatures[1:]):  # the witness's own says nothing of the log's name
        first.write_bytes(Note(note.text, lines).encode())
        reply = witness.answer(request(log, 3))
        assert reply.status == 500
        assert "not what this witness wrote" in reply.about


def test_the_memory_of_another_key_is_not_taken_for_its_own(tmp_path: pathlib.Path, log: MadeLog) -> None:
    assert make_witness(tmp_path / "w", log.vkey).answer(request(log, 0)).status == 200
    assert make_witness(tmp_path / "w", log.vkey, seed=8).answer(request(log, 3)).status == 500


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_state_that_was_rolled_back_is_refused(
    tmp_path: pathlib.Path, witness: Witness, log: MadeLog, is_gone: bool
) -> None:
    assert witness.answer(request(log, 0)).status == 200
    shutil.copytree(witness.state, tmp_path / "backup")
    log.grow("more")
    assert witness.answer(request(log, 3)).status == 200
    shutil.rmtree(witness.state)
    if not is_gone:
        shutil.copytree(tmp_path / "backup", witness.state)
    log.grow("and more")
    for old_size in (0, 3, 4):
        reply = witness.answer(request(log, old_size))
        assert reply.status == 500
        assert "rolled back" in reply.about
    kept(witness.state).unlink() if not is_gone else None
    shutil.copytree(witness.beside, witness.state, dirs_exist_ok=True)  # the remedy
    assert witness.answer(request(log, 4)).status == 200


def test_a_state_that_is_ahead_of_the_key_is_a_kill_in_between(witness: Witness, log: MadeLog) -> None:
    assert witness.answer(request(log, 0)).status == 200
    before = kept(witness.beside).read_bytes()
    log.grow("more")
    assert witness.answer(request(log, 3)).status == 200
    kept(witness.beside).write_bytes(before)
    log.grow("and more")
    assert witness.answer(request(log, 3)).body == b"4\n"
    assert witness.answer(request(log, 4)).status == 200
    assert size_kept(witness.beside) == 5


def test_two_histories_signed_by_one_key_are_named(
    tmp_path: pathlib.Path, witness: Witness, log: MadeLog
) -> None:
    assert witness.answer(request(log, 0)).status == 200
    other = make_log(tmp_path / "again", entries=0)
    other.grow("three", "other", "entries")
    twin = make_witness(tmp_path / "twin", log.vkey)
    assert twin.answer(request(other, 0)).status == 200
    shutil.copy(kept(twin.beside), kept(witness.beside))
    reply = witness.answer(request(log, 3))
    assert reply.status == 500
    assert "two histories" in reply.about


@pytest.mark.parametrize("place", ["state", "key.pem.memory"])
def test_nothing_is_cosigned_that_can_not_be_remembered(
    tmp_path: pathlib.Path, witness: Witness, log: MadeLog, place: str
) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / place).write_text("where a folder should be")
    reply = witness.answer(request(log, 0))
    assert (reply.status, reply.body) == (500, b"the witness can't cosign now\n")
    (tmp_path / "w" / place).unlink()
    assert witness.answer(request(log, 0)).status == 200
