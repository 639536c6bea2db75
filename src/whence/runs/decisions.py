"""What the data decided in the passes of a run: sealed in blocks, or as it was written before each delivery.

A pass that ended was sealed, and the journal says where its directory is. Any other is read from the first
frame to the last: there decisions follow one another, so that one that is missing would move all that come
after it, and a file with a damaged place isn't believed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from whence.errors import DamagedError, NotFoundError
from whence.lineage import (
    BLOCK_HEAD_BYTES,
    EXPANSION,
    GIVEN,
    GIVEN_COUNTS,
    ROWS,
    SELECTION,
    TAKEN,
    TAKEN_COUNTS,
    WITNESSES,
    BlockHead,
    BlockList,
    CountsIndex,
    Directory,
    Place,
    RelationIndex,
    SealedCounts,
    SealedRelation,
    SealedSelection,
    SealedValues,
    SealedWitnesses,
    SelectionIndex,
    WitnessIndex,
    read_directory,
)
from whence.store import (
    DECISIONS,
    Damage,
    Frame,
    Journal,
    SealedSegment,
    decisions_name,
    decode_content,
    split_damages,
)
from whence.vocab import digest_bytes

LINEAGE = "lineage"

_REMEDY = "Restore the file from a copy; whence verify tells what else is damaged."


class Decisions(Protocol):
    """What the data decided at one node during one pass."""

    @property
    def row_count(self) -> int:
        """How many rows a source had."""

    def selection(self) -> SelectionIndex:
        """As the selection of a filter, a dedup, a sample."""

    def counts(self) -> CountsIndex:
        """As the counts of a flat_map or an unbatch."""

    def relations(self, in_sizes: Sequence[int]) -> list[RelationIndex]:
        """As the relations of a sort, a join, a group_by to each of its inputs, of these sizes."""

    def witnesses(self) -> WitnessIndex | None:
        """What the samples that a selection dropped repeat; None where that wasn't told."""


class GatheredDecisions:
    """Decisions chunk by chunk, as they were written before each delivery."""

    def __init__(self) -> None:
        self._in_counts: list[int] = []
        self._out_counts: list[int] = []
        self._datas: list[bytes] = []
        self._witnesses: list[bytes] = []
        self._relations: dict[int, tuple[list[int], list[bytes]]] = {}

    def add(self, in_count: int, out_count: int, data: bytes, witnesses: bytes) -> None:
        """Take the next chunk."""
        self._in_counts.append(in_count)
        self._out_counts.append(out_count)
        self._datas.append(data)
        self._witnesses.append(witnesses)

    def relate(self, number: int, out_count: int, data: bytes) -> None:
        """Take the next chunk of the relation to one input."""
        out_counts, datas = self._relations.setdefault(number, ([], []))
        out_counts.append(out_count)
        datas.append(data)

    @property
    def row_count(self) -> int:
        """How many rows a source had."""
        return sum(self._in_counts)

    def selection(self) -> SelectionIndex:
        """As a selection."""
        return SelectionIndex(self._in_counts, self._out_counts, self._datas)

    def counts(self) -> CountsIndex:
        """As counts."""
        return CountsIndex(self._in_counts, self._out_counts, self._datas)

    def relations(self, in_sizes: Sequence[int]) -> list[RelationIndex]:
        """As a relation to each input."""
        return [
            RelationIndex(size, *self._relations.get(number, ([], [])))
            for number, size in enumerate(in_sizes)
        ]

    def witnesses(self) -> WitnessIndex | None:
        """What dropped samples repeat."""
        if not any(self._witnesses):
            return None
        drop_counts = np.array(self._in_counts, np.int64) - np.array(self._out_counts, np.int64)
        return WitnessIndex(self.selection(), drop_counts, self._witnesses)


class SealedDecisions:
    """Decisions in sealed blocks, of which a question reads those that it touches.

    Args:
        segment: the file they are in.
        lists: the blocks of the node, by role and input.
    """

    def __init__(self, segment: SealedSegment, lists: Mapping[tuple[int, int], BlockList]) -> None:
        self._segment = segment
        self._lists = lists

    @property
    def row_count(self) -> int:
        """How many rows a source had."""
        return int(self._blocks(ROWS).in_starts[-1])

    def selection(self) -> SelectionIndex:
        """As a selection."""
        return SealedSelection(*self._list(SELECTION))

    def counts(self) -> CountsIndex:
        """As counts."""
        return SealedCounts(*self._list(EXPANSION))

    def relations(self, in_sizes: Sequence[int]) -> list[RelationIndex]:
        """As a relation to each input."""
        return [
            SealedRelation(
                size,
                (SealedCounts(*self._list(TAKEN_COUNTS, number)), SealedValues(*self._list(TAKEN, number))),
                (SealedCounts(*self._list(GIVEN_COUNTS, number)), SealedValues(*self._list(GIVEN, number))),
            )
            for number, size in enumerate(in_sizes)
        ]

    def witnesses(self) -> WitnessIndex | None:
        """What dropped samples repeat."""
        if (WITNESSES, 0) not in self._lists:
            return None
        return SealedWitnesses(self.selection(), *self._list(WITNESSES))

    def _blocks(self, role: int, number: int = 0) -> BlockList:
        return self._lists.get((role, number), _NO_BLOCKS)

    def _list(self, role: int, number: int = 0) -> tuple[BlockList, _BlockData]:
        blocks = self._blocks(role, number)
        return blocks, _BlockData(self._segment, blocks.places)


class _BlockData:
    """Reads the data of blocks; where a list is pickled, the file is opened again."""

    def __init__(self, segment: SealedSegment, places: Sequence[Place]) -> None:
        self._segment = segment
        self._places = places

    def __call__(self, number: int) -> memoryview:
        return self._segment.block(self._places[number])[BLOCK_HEAD_BYTES:]


def read_decisions(journal: Journal, segment: SealedSegment, pass_number: int) -> dict[int, Decisions]:
    """Find what was decided in a pass, by node.

    Args:
        journal: of the run.
        segment: with its sealed blocks.
        pass_number: the pass.

    Raises:
        DamagedError: some of it is missing or isn't what was written.
    """
    end = _end_of(journal, pass_number)
    sealed = None if end is None else end.get("lineage")
    if sealed is None:
        return _read_gathered(journal, pass_number)
    try:
        return _sealed_by_node(segment, segment.directory(sealed["at"], sealed["digest"]))
    except (DamagedError, NotFoundError) as error:
        scan = journal.segment(decisions_name(pass_number))
        if scan.chain == sealed["decisions"] and not scan.damages:
            return _gathered_by_node(scan.frames, pass_number)  # a power cut came between the two
        content = _directory_again(segment, pass_number)
        if digest_bytes(content) != sealed["digest"]:
            raise _damaged(str(segment.path), pass_number, error.message) from error
        return _sealed_by_node(segment, memoryview(content))


def check_sealed(journal: Journal, segment: SealedSegment) -> list[Damage]:
    """Compare the blocks of each sealed pass with what the journal committed to.

    A pass whose first file is still there, whole, needs no blocks: its writer died between the two.
    """
    damages = []
    for end in (event.public for event in journal.find("pass_end")):
        sealed = end.get("lineage")
        if sealed is None:
            continue
        try:
            for blocks in read_directory(segment.directory(sealed["at"], sealed["digest"]))[1].values():
                for place in blocks.places:
                    segment.block(place)
        except (DamagedError, NotFoundError) as error:
            scan = journal.survey(decisions_name(end["pass"]))
            if scan.damages or scan.chain != sealed["decisions"]:
                path, problem = str(segment.path), f"pass {end['pass']}: {error.message}"
                damages.append(Damage(path=path, offset=sealed["at"], length=0, problem=problem))
    return damages


def check_passes(journal: Journal) -> list[Damage]:
    """Check what the seal of a run doesn't: the sealed passes of one that goes on, or whose writer died."""
    if journal.end is not None:
        return []
    return check_sealed(journal, SealedSegment(journal.path / "segments" / LINEAGE))


def _read_gathered(journal: Journal, pass_number: int) -> dict[int, Decisions]:
    """Read what was written before each delivery, of a pass that isn't sealed."""
    name = decisions_name(pass_number)
    if not (journal.path / "segments" / name).exists() and _has_no_sealed_pass(journal):
        name = LINEAGE  # whence 0.1 kept the decisions of all passes there
    scan = journal.segment(name)
    promises = [event.public for event in journal.find("segment") if event.public["name"] == name]
    damages, unsettled = split_damages(journal, scan.damages)
    # a power cut leaves holes in what wasn't on the disk yet, and what comes after one can't be told
    end = min((each.offset for each in unsettled), default=scan.sound_bytes)
    if damages or (promises and scan.chain != promises[-1]["chain"]):
        path = journal.path / "segments" / name
        raise _damaged(str(path), pass_number, "it holds other bytes than were written")
    return _gathered_by_node([frame for frame in scan.frames if frame.offset < end], pass_number)


def _gathered_by_node(frames: Sequence[Frame], pass_number: int) -> dict[int, Decisions]:
    nodes: dict[int, GatheredDecisions] = {}
    for frame in frames:
        if frame.kind != DECISIONS:
            continue
        content = decode_content(frame.payload)
        if content["p"] != pass_number:
            continue
        for node, in_count, out_count, data, *more in content["n"]:
            nodes.setdefault(node, GatheredDecisions()).add(
                in_count, out_count, data, more[0] if more else b""
            )
        for node, number, out_count, data in content.get("r", ()):
            nodes.setdefault(node, GatheredDecisions()).relate(number, out_count, data)
    return dict(nodes)


def _sealed_by_node(segment: SealedSegment, content: memoryview) -> dict[int, Decisions]:
    by_node: dict[int, dict[tuple[int, int], BlockList]] = {}
    for (node, role, number), blocks in read_directory(content)[1].items():
        by_node.setdefault(node, {})[role, number] = blocks
    return {node: SealedDecisions(segment, lists) for node, lists in by_node.items()}


def _directory_again(segment: SealedSegment, pass_number: int) -> bytes:
    """Spell the directory of a pass from the blocks that are there."""
    directory = Directory(pass_number)
    try:
        for place, payload in segment.blocks():
            head = BlockHead.read(payload)
            if head.pass_number == pass_number:
                directory.add(head, place)
    except NotFoundError:
        return b""
    return directory.spell()


def _end_of(journal: Journal, pass_number: int) -> dict[str, Any] | None:
    ends = (event.public for event in journal.find("pass_end"))
    return next((end for end in ends if end["pass"] == pass_number), None)


def _has_no_sealed_pass(journal: Journal) -> bool:
    return not any("lineage" in event.public for event in journal.find("pass_end"))


def _damaged(place: str, pass_number: int, problem: str) -> DamagedError:
    return DamagedError(
        f"{place}: what was decided in pass {pass_number} is damaged: {problem}",
        remedy=_REMEDY,
        place=place,
    )


_NO_BLOCKS = BlockList(np.zeros(1, np.int64), np.zeros(1, np.int64), [])
