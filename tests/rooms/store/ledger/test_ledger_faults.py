"""Disks that refuse, processes killed at every step, power cuts, and bytes that change on the way."""

from __future__ import annotations

import errno
import functools
import json
import operator
import os
import pathlib
import random
import shutil
import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.rooms.store.contending import together
from tests.rooms.store.ledger.ledgers import (
    NOW_MS,
    check_once,
    check_whole,
    ledger_in,
    said,
    texts_of,
)
from tests.survival.failing import SYNCS, WRITES, FailingDisk
from tests.survival.powercut import Acknowledged, Recorder
from whence.errors import DamagedError, StoreError
from whence.ledger import Grower
from whence.store import Ledger, liveness

NEXT_YEAR_MS = NOW_MS + 366 * 86_400_000
CHANGES = (*WRITES, *SYNCS, "open", "replace", "rename", "unlink", "ftruncate", "mkdir")


def signed_by(ledger: Ledger) -> list[tuple[bytes, Any]]:
    """What is signed, and what the signer remembers of it."""
    return [(shard.checkpoint(), ledger.keys.remembered(shard.origin)) for shard in ledger.shards()]


def check_signed_is_there(ledger: Ledger) -> None:
    """What was signed last is on the disk, and so is what the checkpoint says, which isn't ahead of it."""
    slots = [path.read_bytes().replace(b"\0", b"") for path in (ledger.keys.path / "signed").iterdir()]
    origins = {json.loads(slot.splitlines()[0])["origin"] for slot in slots if slot}
    assert origins == {shard.origin for shard in ledger.shards()}
    for shard in ledger.shards():
        signed = ledger.keys.remembered(shard.origin)
        assert signed is not None
        assert shard.size <= signed.size
        for tree in (shard.tree, signed):
            assert Grower.read(shard.read, tree.size).root == tree.root


# a disk that refuses


@pytest.mark.parametrize("names", [WRITES, SYNCS])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_whatever_the_disk_refuses_what_is_staged_is_logged_once(
    tmp_path: pathlib.Path, number: int, names: tuple[str, ...]
) -> None:
    said_once: list[str] = []
    attempted: list[str] = []
    ledger_in(tmp_path).append(said("first"))
    for at in range(100):
        texts = [f"{at}{letter}" for letter in "abc"]
        attempted += texts
        ledger_in(tmp_path).stage(said(texts[0]))
        said_once.append(texts[0])
        disk = FailingDisk(refuses=functools.partial(operator.eq, at), number=number, is_short=at % 2 == 0)
        with pytest.MonkeyPatch.context() as patch:
            disk.install(patch, names)
            try:
                ledger_in(tmp_path).stage(said(texts[1]))
                said_once.append(texts[1])
                ledger_in(tmp_path).append(said(texts[2]))
                said_once.append(texts[2])
            except StoreError:
                assert disk.refused
        check_signed_is_there(ledger_in(tmp_path))
        if not disk.refused:
            break
    else:
        raise AssertionError("it never came to an end")
    ledger_in(tmp_path).commit()
    check_once(ledger_in(tmp_path), said_once, [*attempted, "first"])
    assert len(ledger_in(tmp_path).shards()) == 1


def test_a_disk_that_stays_full_takes_nothing_and_gives_nothing_half(tmp_path: pathlib.Path) -> None:
    ledger_in(tmp_path).append(said("first"))
    ledger_in(tmp_path).stage(said("staged"))
    before = signed_by(ledger_in(tmp_path))
    for at in range(40):
        disk = FailingDisk(refuses=functools.partial(operator.le, at))
        with pytest.MonkeyPatch.context() as patch:
            disk.install(patch, WRITES)
            try:
                ledger_in(tmp_path).commit()
            except StoreError:
                check_signed_is_there(ledger_in(tmp_path))
                assert at > 3 or signed_by(ledger_in(tmp_path)) == before
            else:
                break
    ledger_in(tmp_path).commit()
    check_once(ledger_in(tmp_path), ["first", "staged"], ["first", "staged"])


def test_a_sync_of_staging_that_fails_leaves_nothing_to_be_logged(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = ledger_in(tmp_path)
    ledger.append(said("first"))
    with monkeypatch.context() as patch:
        FailingDisk(refuses=lambda call: True, number=errno.EIO).install(patch, SYNCS)
        with pytest.raises(StoreError):
            ledger.stage(said("refused"))
    ledger.append(said("second"))
    assert texts_of(ledger) == ["first", "second"]


# processes that are killed


def killed_at(step: int, act: Callable[[], object]) -> bool:
    """Do something in a process that is killed when it is about to change the disk for the n-th time.

    Returns:
        Whether it came so far; False where it finished before.
    """

    def child(_: int) -> None:
        count = 0

        def counting(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*given: Any, **named: Any) -> Any:
                nonlocal count
                count += 1
                if count == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*given, **named)

            return call

        for name in CHANGES:
            setattr(os, name, counting(getattr(os, name)))
        act()

    (code,) = together(1, child)
    assert code in (0, -signal.SIGKILL)
    return code != 0


@pytest.mark.parametrize(
    ("way", "stride"),
    [
        *(("first", 2), ("more", 1), ("year", 3), ("full", 4)),
        *(pytest.param(way, 1, marks=pytest.mark.long) for way in ("first", "year", "full")),
    ],
)
def test_killed_at_any_step_everything_is_logged_once(tmp_path: pathlib.Path, way: str, stride: int) -> None:
    now_ms = NEXT_YEAR_MS if way == "year" else NOW_MS
    begun = tmp_path / "begun"
    begun.mkdir()
    if way != "first":
        ledger_in(begun).append(said(*[f"{number}" for number in range(254 if way == "full" else 1)]))
    for step in range(1, 200, stride):
        place = begun if way == "more" else tmp_path / str(step)
        if place != begun:
            shutil.copytree(begun, place)
        told = [f"{step}a", f"{step}b"]
        earlier = texts_of(ledger_in(place))
        ledger_in(place).stage(said(told[0]))
        ledger = ledger_in(place, now_ms=now_ms)
        was_killed = killed_at(step, functools.partial(ledger.append, said(told[1])))
        ledger.append(said(f"{step}c"))
        acknowledged = [*earlier, told[0], f"{step}c", *([] if was_killed else told[1:])]
        check_once(ledger, acknowledged, [*earlier, *told, f"{step}c"])
        check_signed_is_there(ledger)
        whys = [shard.beginning.why for shard in ledger.shards()]
        assert whys == (["first", "year"] if way == "year" else ["first"])
        if not was_killed:
            return
    raise AssertionError("it never came to an end")


def test_killed_while_something_is_destroyed_it_is_destroyed_by_whoever_does_so_again(
    tmp_path: pathlib.Path,
) -> None:
    ledger = ledger_in(tmp_path)
    places = ledger.append(said(*[f"secret {number:04d}" for number in range(60)]))
    shard = ledger.current()
    assert shard is not None
    for step, place in enumerate(places, start=1):
        was_killed = killed_at(step, functools.partial(ledger.destroy, shard, [place.index]))
        ledger_in(tmp_path).destroy(shard, [place.index])
        check = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert f"secret {step - 1:04d}".encode() not in check
        assert f"secret {step:04d}".encode() in check
        if not was_killed:
            break
    assert texts_of(ledger) == [f"secret {number:04d}" for number in range(step, 60)]


@pytest.mark.parametrize("count", [2, 16])
def test_processes_that_append_at_once_while_some_are_killed_lose_and_double_nothing(
    tmp_path: pathlib.Path, count: int
) -> None:
    read, write = os.pipe()
    chance = random.Random(count)
    ends = [chance.randrange(10, 60) for _ in range(count // 2)]

    def act(number: int) -> None:
        if number < len(ends):
            left = ends[number]

            def counted(real: Callable[..., Any]) -> Callable[..., Any]:
                def call(*given: Any, **named: Any) -> Any:
                    nonlocal left
                    left -= 1
                    if not left:
                        os.kill(os.getpid(), signal.SIGKILL)
                    return real(*given, **named)

                return call

            for name in CHANGES:
                setattr(os, name, counted(getattr(os, name)))
        ledger = ledger_in(tmp_path)
        for step in range(6):
            text = f"{number}.{step}"
            if step % 3:
                ledger.append(said(text))
            else:
                ledger.stage(said(text))
            real_write(write, f"{text}\n".encode())

    real_write = os.write
    codes = together(count, act)
    os.close(write)
    with os.fdopen(read) as file:
        told = file.read().split()
    assert codes.count(-signal.SIGKILL) + codes.count(0) == count
    assert codes.count(-signal.SIGKILL) * 2 >= len(ends)  # of what another one commits, one needs few steps
    ledger = ledger_in(tmp_path)
    ledger.append(said("last"))
    everything = [f"{number}.{step}" for number in range(count) for step in range(6)]
    check_once(ledger, [*told, "last"], [*everything, "last"])
    assert len(ledger.shards()) == 1


# power cuts


@pytest.mark.parametrize("count", [60, pytest.param(3000, marks=pytest.mark.long)])
def test_a_power_cut_takes_nothing_that_was_acknowledged(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    recorder = Recorder(root)
    with monkeypatch.context() as patch:
        recorder.install(patch)
        for step in range(4):
            ledger = ledger_in(root)
            ledger.stage(said(f"{step}a" * 300))
            recorder.acknowledge(f"{step}a" * 300)
            ledger.stage(said(f"{step}b"))
            recorder.acknowledge(f"{step}b")
            if step % 2:
                ledger.commit()
            else:
                ledger.append(said(f"{step}c"))
                recorder.acknowledge(f"{step}c")
            if step == 2:
                ledger.rotate()
    monkeypatch.setattr(liveness, "_boot", lambda: "the boot after the cut")
    everything = [each.what for each in recorder.steps if isinstance(each, Acknowledged)]
    chance = random.Random(count)
    for number in range(count):
        end = chance.randrange(len(recorder.steps) + 1)
        state = tmp_path / f"{number}"
        recorder.state(end, chance if number else None, state)
        for path in state.rglob("*"):
            if path.is_relative_to(state / "keys"):
                path.chmod(0o700 if path.is_dir() else 0o600)
        if (state / "keys").exists():
            (state / "keys").chmod(0o700)
        told = [each.what for each in recorder.steps[:end] if isinstance(each, Acknowledged)]
        ledger = ledger_in(state)
        ledger.append(said("after"))
        assert ledger.damaged() == []
        check_once(ledger, [*told, "after"], [*everything, "after"])
        shutil.rmtree(state)


# bytes that change between an append and its signature


def test_of_500_bytes_that_change_on_the_disk_before_it_is_read_back_none_is_signed(
    tmp_path: pathlib.Path,
) -> None:
    chance = random.Random(5)
    ledger = ledger_in(tmp_path)
    ledger.append(said(*[f"{number}" for number in range(250)]))
    ledger.stage(said(*[f"staged {number}" for number in range(12)]))
    before = signed_by(ledger)
    payloads = next(ledger.path.rglob("payload/000"))
    old = {str(payloads): payloads.stat().st_size}  # what was there before isn't written
    flipped: list[str] = []

    def flipping(real: Callable[[int], None], wanted: int) -> Callable[[int], None]:
        seen = 0

        def sync(descriptor: int) -> None:
            nonlocal seen
            real(descriptor)
            path = os.readlink(f"/proc/self/fd/{descriptor}")
            if not ("/tile/" in path or "/payload/" in path) or os.path.isdir(path):
                return
            if not pathlib.Path(path).read_bytes()[old.get(path, 0) :].strip(b"\0"):
                return  # what was left of the last time is taken away
            if seen == wanted:
                flip(pathlib.Path(path), chance, behind=old.get(path, 0))
                flipped.append(path)
            seen += 1

        return sync

    for number in range(500):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fdatasync", flipping(os.fdatasync, number % 7))
            with pytest.raises(DamagedError):
                ledger.commit()
        assert signed_by(ledger) == before
        assert len(flipped) == number + 1
    assert {"/tile/0/", "/tile/1/", "/entries/", "/payload/"} <= {
        part
        for path in flipped
        for part in ("/tile/0/", "/tile/1/", "/entries/", "/payload/")
        if part in path
    }
    assert ledger.commit().count == 12
    check_whole(ledger)
    assert len(ledger.shards()) == 1


def test_of_500_bytes_that_change_in_staging_none_is_signed(tmp_path: pathlib.Path) -> None:
    chance = random.Random(6)
    ledger = ledger_in(tmp_path)
    ledger.append(said("first"))
    before = signed_by(ledger)
    slot = ledger.path / "staging" / "0"
    for number in range(500):
        ledger.stage(said("x" * chance.randrange(1, 900)))
        written = -(-len(slot.read_bytes().rstrip(b"\0")) // 512) * 512
        content = bytearray(slot.read_bytes())
        # all but the marks at the ends of sectors, which belong to no content
        content[chance.choice([at for at in range(written) if at % 512 < 508])] ^= 1 << chance.randrange(8)
        slot.write_bytes(content)
        with pytest.raises(DamagedError, match="set aside"):
            ledger.commit()
        assert signed_by(ledger) == before
        assert len(ledger.damaged()) == number + 1
        assert not slot.read_bytes().strip(b"\0")
    ledger.append(said("last"))
    check_once(ledger, ["first", "last"], ["first", "last"])


def test_what_does_not_check_keeps_nothing_else_from_being_logged(tmp_path: pathlib.Path) -> None:
    ledger = ledger_in(tmp_path)
    ledger.append(said("first"))
    ledger.stage(said("a"))
    ledger.stage(said("b" * 900))
    ledger.stage(said("c"))
    slot = ledger.path / "staging" / "0"
    content = bytearray(slot.read_bytes())
    content[content.index(b"b" * 100)] ^= 1
    slot.write_bytes(content)
    ledger.append(said("d"))  # who didn't stage it isn't troubled
    assert texts_of(ledger) == ["first", "a", "c", "d"]
    assert [b"b" * 100 in path.read_bytes() for path in ledger.damaged()] == [True]
    shard = ledger.current()
    assert shard is not None
    ledger.destroy(shard, [1])
    assert not b"".join(path.read_bytes() for path in ledger.damaged()).strip(b"\0")


def flip(path: pathlib.Path, chance: random.Random, *, behind: int = 0) -> None:
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    content[chance.randrange(behind, len(content))] ^= 1 << chance.randrange(8)
    with path.open("r+b") as file:
        file.write(content)
