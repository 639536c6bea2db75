"""Lineage that is damaged is not followed: a decision that is missing would move all that come after."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import pytest

import whence as wh
from tests.rooms.store.test_frames import forge
from whence.errors import DamagedError
from whence.store import Frame, scan_frames
from whence.vocab import digest_bytes

COUNT = 3_000


def is_odd(number: int) -> bool:
    return number % 2 == 1


@pytest.fixture
def run(tmp_path: pathlib.Path) -> wh.Run:
    (tmp_path / "n.txt").write_text("\n".join(str(number) for number in range(COUNT)))
    stream = wh.from_text(tmp_path / "n.txt", name="n").map(int).filter(is_odd)
    with wh.start_run("t", workspace=tmp_path):
        for epoch in range(3):
            list(stream.epoch(epoch))
    return wh.open(tmp_path).run()


def frames_by_pass(run: wh.Run) -> tuple[pathlib.Path, list[Frame]]:
    path = run.record.journal.path / "segments" / "lineage"
    return path, scan_frames(path).frames


def again(run: wh.Run) -> wh.Run:
    return wh.open(run.record.folder.path).run(run.id)


def flip(path: pathlib.Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def test_a_damaged_frame_stops_answers_on_its_pass_and_those_after(run: wh.Run) -> None:
    path, frames = frames_by_pass(run)
    assert len(frames) % 3 == 0
    each = len(frames) // 3
    assert each > 2
    flip(path, frames[each + 1].offset + 50)  # in the second pass
    damaged = again(run)
    assert damaged.trace(0, 700).origins[0].row == 1401
    for epoch in (1, 2):
        with pytest.raises(DamagedError) as caught:
            damaged.trace(epoch, 700)
        assert caught.value.place == str(path)
        assert "copy" in caught.value.remedy
    impact = wh.open(run.record.folder.path).impact("n:1401")
    assert (impact.count, impact.absent) == (1, False)
    assert any("damaged" in gap for gap in impact.gaps)
    nothing = wh.open(run.record.folder.path).impact("n:0")
    assert (nothing.count, nothing.absent) == (0, False)


def test_a_damaged_frame_among_those_of_two_passes_stops_answers_on_both(tmp_path: pathlib.Path) -> None:
    (tmp_path / "n.txt").write_text("\n".join(str(number) for number in range(COUNT)))
    stream = wh.from_text(tmp_path / "n.txt", name="n").map(int).filter(is_odd)
    with wh.start_run("t", workspace=tmp_path) as run:
        assert len(list(zip(stream.epoch(0), stream.epoch(1), strict=True))) == COUNT // 2
    path, frames = frames_by_pass(run)
    flip(path, frames[4].offset + 50)
    for epoch in (0, 1):
        with pytest.raises(DamagedError):
            again(run).trace(epoch, 700)


def _cut_off(path: pathlib.Path, frames: list[Frame]) -> None:
    path.write_bytes(path.read_bytes()[: frames[-1].offset])


def _last(path: pathlib.Path, frames: list[Frame]) -> None:
    flip(path, frames[-1].offset + 50)


@pytest.mark.parametrize("attack", [_cut_off, _last])
def test_a_missing_end_stops_answers_on_the_last_pass_only(
    run: wh.Run, attack: Callable[[pathlib.Path, list[Frame]], None]
) -> None:
    attack(*frames_by_pass(run))
    damaged = again(run)
    assert damaged.trace(1, 700).origins[0].row == 1401
    with pytest.raises(DamagedError):
        damaged.trace(2, 0)
    assert not wh.open(run.record.folder.path).impact("n:0").absent


def test_decisions_written_anew_with_a_chain_of_their_own_are_not_believed(run: wh.Run) -> None:
    path, frames = frames_by_pass(run)
    data = path.read_bytes()[:16]
    chain = digest_bytes(data)
    for frame in [frames[0], *frames]:
        covered = len(frame.payload).to_bytes(4, "little") + frame.kind.to_bytes(4, "little") + frame.payload
        chain = digest_bytes(chain + covered)
        data += forge(frame.kind, frame.payload, chain)
    path.write_bytes(data)
    assert scan_frames(path).damages == []
    for epoch in range(3):
        with pytest.raises(DamagedError):
            again(run).trace(epoch, 700)


def test_a_segment_that_is_gone_stops_answers_on_all_passes(run: wh.Run) -> None:
    frames_by_pass(run)[0].unlink()
    with pytest.raises(DamagedError):
        again(run).trace(0, 700)


def test_a_damaged_digest_is_unknown_and_not_another_one(run: wh.Run) -> None:
    path = run.record.journal.path / "segments" / "digests"
    frames = scan_frames(path).frames
    whole = run.record.digests(0).items
    flip(path, frames[1].offset + 50)
    found = again(run).record.digests(0).items
    assert 0 < len(found) < len(whole)
    assert found.tolist() == whole[: len(found)].tolist()
    assert len(again(run).record.digests(1).items) == 0


def test_a_source_whose_description_is_gone_does_not_lend_its_number_to_another(
    tmp_path: pathlib.Path,
) -> None:
    with wh.start_run("t", workspace=tmp_path) as run:
        wh.from_items([1, 2], name="first").concat(wh.from_items([3], name="second")).collect()
    path = run.record.journal.path / "journal"
    event = next(event for event in run.record.journal.events if event.kind == "source")
    flip(path, scan_frames(path).frames[event.number].offset + 60)
    trace = again(run).trace(0, 2)
    assert [(origin.source, origin.row) for origin in trace.origins] == [("second", 0)]
    assert again(run).trace(0, 0).origins[0].source == "redacted source 0"
