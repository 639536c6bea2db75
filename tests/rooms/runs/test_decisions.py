"""What a pass decided: sealed or as it was written, the answers are the same; nothing is lost between."""

from __future__ import annotations

import errno
import itertools
import os
import pathlib
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import whence as wh
from whence.capture import gathering, sealing
from whence.capture.deciding import PassDecisions
from whence.errors import PositionError, RecordWarning
from whence.runs.decisions import Decisions, read_decisions
from whence.store import BLOCK, Folder, RunWriter, SealedSegment, read_journal, scan_frames
from whence.streams import pacing

MASKS = st.lists(st.lists(st.booleans(), max_size=150), max_size=12)
COUNTS = st.lists(st.lists(st.integers(0, 4) | st.integers(0, 400), max_size=100), max_size=10)
IN_ORDER = st.builds(
    lambda first, count, step: [{first + step * number} for number in range(count)],
    st.integers(0, 300),
    st.integers(0, 150),
    st.sampled_from([1, 1, 1, 0, 2]),
)
RELATIONS = st.lists(
    st.lists(st.sets(st.integers(0, 300), max_size=5), max_size=60)
    | IN_ORDER
    | st.integers(0, 150).map(lambda count: [set[int]()] * count),
    max_size=10,
)
IN_ORDER_THROUGHOUT = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 80)), max_size=10).map(
    lambda runs: [
        [{gaps + sum(count for _, count in runs[:place]) + number} for number in range(runs[place][1])]
        for place in range(len(runs))
        for gaps in [sum(gap for gap, _ in runs[: place + 1])]
    ]
)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "MASK_BLOCK", 192)
    monkeypatch.setattr(gathering, "COUNTS_BLOCK", 100)
    monkeypatch.setattr(gathering, "VALUES_BLOCK", 70)
    monkeypatch.setattr(sealing, "PAIRS_AT_ONCE", 60)


def both_readings(
    folder: pathlib.Path, tell: Callable[[PassDecisions], None]
) -> tuple[dict[int, Decisions], dict[int, Decisions]]:
    """Read the decisions of a pass as they were written before its delivery, and as they were sealed."""
    home = Folder(folder / ".whence")
    writer = RunWriter(home, f"RUN{len(home.run_ids())}")
    decisions = PassDecisions(writer, 3, 4)
    tell(decisions)
    decisions.flush()
    segment = SealedSegment(writer.path / "segments" / "lineage")
    journal = read_journal_of(home, writer)
    gathered = read_decisions(journal, segment, 3)
    writer.append("pass_end", {"pass": 3, "lineage": decisions.seal()})
    journal = read_journal_of(home, writer)
    decisions.retire()
    writer.sync()
    assert not list((writer.path / "segments").glob("decisions-*"))
    sealed = read_decisions(journal, segment, 3)
    writer.seal("finished")
    return gathered, sealed


def read_journal_of(folder: Folder, writer: RunWriter) -> Any:
    return read_journal(folder, writer.run_id)


def everything(decisions: Decisions) -> list[Any]:
    """All answers that are asked of a selection or an expansion."""
    selection, counts = decisions.selection(), decisions.counts()
    inputs, outputs = np.arange(selection.in_size), np.arange(selection.out_size)
    found: list[Any] = [decisions.row_count, selection.in_size, selection.out_size]
    found += [selection.select(outputs).tolist(), *(each.tolist() for each in selection.rank(inputs))]
    return [*found, counts.in_size, counts.out_size]


@given(masks=MASKS)
def test_a_selection_is_the_same_sealed(
    tmp_path_factory: pytest.TempPathFactory, masks: list[list[bool]]
) -> None:
    def tell(decisions: PassDecisions) -> None:
        decisions.nodes[0].found_rows(sum(map(len, masks)))
        for mask in masks:
            kept = np.array(mask, np.bool_)
            decisions.nodes[1].selected(None if kept.all() else kept, len(kept))
            if len(mask) % 2:
                decisions.flush()

    gathered, sealed = both_readings(tmp_path_factory.mktemp("ws"), tell)
    kept = [place for place, each in enumerate(itertools.chain(*masks)) if each]
    if kept:
        assert sealed[1].selection().select(range(len(kept))).tolist() == kept
        again = pickle.loads(pickle.dumps(sealed[1].selection()))
        assert again.select([len(kept) - 1]).tolist() == kept[-1:]
        assert sealed[1].witnesses() is None
    for node, found in sealed.items():
        one, other = found.selection(), gathered[node].selection()
        if node:
            assert one.in_size == other.in_size
            assert one.out_size == other.out_size
            for ours, theirs in zip(
                one.rank(range(one.in_size)), other.rank(range(one.in_size)), strict=True
            ):
                assert ours.tolist() == theirs.tolist()
        else:
            assert found.row_count == gathered[node].row_count


@given(lists=COUNTS)
def test_counts_are_the_same_sealed(tmp_path_factory: pytest.TempPathFactory, lists: list[list[int]]) -> None:
    def tell(decisions: PassDecisions) -> None:
        for numbers in lists:
            counts = np.array(numbers, np.int64)
            decisions.nodes[2].expanded(counts)
            counts[:] = 9  # what was told must not change with the array
            decisions.flush()

    gathered, sealed = both_readings(tmp_path_factory.mktemp("ws"), tell)
    numbers = list(itertools.chain(*lists))
    if numbers:
        one, other = sealed[2].counts(), gathered[2].counts()
        assert one.children(range(len(numbers)))[1].tolist() == numbers
        assert other.children(range(len(numbers)))[1].tolist() == numbers
        assert one.parents(range(sum(numbers))).tolist() == other.parents(range(sum(numbers))).tolist()
        again = pickle.loads(pickle.dumps(one))
        assert again.out_size == sum(numbers)


@settings(max_examples=40)
@given(chunks=RELATIONS | IN_ORDER_THROUGHOUT)
def test_a_relation_is_the_same_sealed_in_both_directions(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[list[set[int]]]
) -> None:
    def tell(decisions: PassDecisions) -> None:
        for rows in chunks:
            counts = np.array([len(row) for row in rows], np.int64)
            positions = np.array([each for row in rows for each in sorted(row)], np.int64)
            decisions.nodes[3].related(0, counts, positions)
            decisions.nodes[3].related(1, counts, positions * 1_000)
            decisions.flush()

    gathered, sealed = both_readings(tmp_path_factory.mktemp("ws"), tell)
    rows = [sorted(row) for chunk in chunks for row in chunk]
    sizes = [1_200, 1_200_000]
    for number, factor in enumerate((1, 1_000)) if rows else ():
        one, other = sealed[3].relations(sizes)[number], gathered[3].relations(sizes)[number]
        assert one.out_size == other.out_size == len(rows)
        wanted = [[factor * each for each in row] for row in rows]
        assert one.backward(range(len(rows))).tolist() == other.backward(range(len(rows))).tolist() == wanted
        inputs = np.arange(1_200) * factor
        turned = [[output for output, row in enumerate(wanted) if each in row] for each in inputs.tolist()]
        assert one.forward(inputs).tolist() == other.forward(inputs).tolist() == turned
        again = pickle.loads(pickle.dumps(one))
        assert again.forward(inputs[::-1]).tolist() == turned[::-1]
        assert again.backward([len(rows) - 1, 0]).tolist() == [wanted[-1], wanted[0]]


@given(keys=st.lists(st.integers(0, 90) | st.integers(0, 3), max_size=700), size=st.integers(1, 200))
def test_what_is_repeated_is_the_same_sealed(
    tmp_path_factory: pytest.TempPathFactory, keys: list[int], size: int
) -> None:
    firsts: dict[int, int] = {}
    repeated = {
        place: firsts[key] for place, key in enumerate(keys) if firsts.setdefault(key, place) != place
    }

    def tell(decisions: PassDecisions) -> None:
        for start in range(0, len(keys), size):
            places = range(start, min(start + size, len(keys)))
            kept = np.array([place not in repeated for place in places], np.bool_)
            decisions.nodes[1].selected(None if kept.all() else kept, len(kept))
            if not kept.all():
                found = [repeated[place] for place in places if place in repeated]
                decisions.nodes[1].duplicated(np.array(found, np.int64))
            decisions.flush()

    gathered, sealed = both_readings(tmp_path_factory.mktemp("ws"), tell)
    for reading in (gathered, sealed) if repeated else ():
        witnesses = reading[1].witnesses()
        assert witnesses is not None
        assert witnesses.of(list(repeated)).tolist() == list(repeated.values())
        assert (
            pickle.loads(pickle.dumps(sealed[1].witnesses())).of([max(repeated)]) == repeated[max(repeated)]
        )
        with pytest.raises(PositionError, match="was kept"):
            witnesses.of([0])


def test_an_op_that_names_what_only_some_drops_repeat_is_wrong(tmp_path: pathlib.Path) -> None:
    def tell(decisions: PassDecisions) -> None:
        decisions.nodes[1].selected(np.array([True, False, False]), 3)
        decisions.nodes[1].duplicated(np.array([0]))
        decisions.flush()

    with pytest.raises(AssertionError, match="some of its dropped"):
        both_readings(tmp_path, tell)


def test_a_pass_that_decided_nothing_has_no_blocks(tmp_path: pathlib.Path) -> None:
    gathered, sealed = both_readings(tmp_path, lambda decisions: None)
    assert gathered == sealed == {}


# what the disk refuses


def is_third(number: int) -> bool:
    return number * 2_654_435_761 % 1_009 % 3 == 0


def refusing(name: str, real: Callable[..., int]) -> Callable[..., int]:
    def write(descriptor: int, data: Any) -> int:
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith(name):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data)

    return write


@pytest.fixture
def kept() -> list[int]:
    return [number for number in range(2_000) if is_third(number)]


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="finds out which file is written by /proc")
@pytest.mark.parametrize("file", ["/lineage", "/decisions-0"])
def test_what_is_refused_while_a_pass_goes_on_is_written_before_its_end(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, kept: list[int], file: str
) -> None:
    run = wh.start_run("t", workspace=tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", refusing(file, os.write))
        with pytest.warns(RecordWarning, match="No space left"):
            assert wh.from_items(range(2_000)).filter(is_third).collect() == kept
    run.finish()
    (end,) = run.record.journal.find("pass_end")
    assert end.public["lineage"] is not None
    assert wh.open(tmp_path).verify().holds
    again = wh.open(tmp_path).run()
    assert [again.trace(0, output).origins[0].row for output in (0, 200, len(kept) - 1)] == [
        kept[0],
        kept[200],
        kept[-1],
    ]


def test_the_blocks_are_the_same_whatever_the_chunks_were(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = []
    for size in (1, 7, 256):
        for name in ("FIRST_CHUNK", "LARGEST_CHUNK", "LARGEST_QUICK_CHUNK"):
            monkeypatch.setattr(pacing, name, size)
        with wh.start_run("t", workspace=tmp_path) as run:
            stream = wh.from_items(range(2_000), name="n").filter(is_third)
            stream.flat_map(lambda number: [number // 5] * (number % 4)).dedup().collect()
        frames = scan_frames(run.record.journal.path / "segments" / "lineage").frames
        contents.append(sorted(frame.payload for frame in frames if frame.kind == BLOCK))
    assert contents[0] == contents[1] == contents[2]
    assert len(contents[0]) > 20
