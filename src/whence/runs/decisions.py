"""What the data decided in the passes of a run, as it was written before each delivery.

Decisions follow one another, so that one that is missing would move all that come after it: a pass
with decisions after a damaged place is not believed any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from whence.lineage import CountsIndex, RelationIndex, SelectionIndex
from whence.store import Scan, decode_content


class Decisions:
    """What the data decided at one node during one pass, chunk by chunk."""

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
        """As the selection of a filter, a dedup, a sample."""
        return SelectionIndex(self._in_counts, self._out_counts, self._datas)

    def counts(self) -> CountsIndex:
        """As the counts of a flat_map or an unbatch."""
        return CountsIndex(self._in_counts, self._out_counts, self._datas)

    def relations(self, in_sizes: Sequence[int]) -> list[RelationIndex]:
        """As the relations of a sort, a join, a group_by to each of its inputs, of these sizes."""
        return [
            RelationIndex(size, *self._relations.get(number, ([], [])))
            for number, size in enumerate(in_sizes)
        ]

    def witness_chunks(self) -> Iterator[tuple[int, int, int, bytes]]:
        """Give each chunk's first input position, inputs, outputs, and what its dropped ones repeat."""
        start = 0
        for in_count, out_count, data in zip(self._in_counts, self._out_counts, self._witnesses, strict=True):
            yield start, in_count, out_count, data
            start += in_count


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageSegment:
    """All decisions of a run, and how far they can be believed.

    Args:
        by_pass: the decisions by pass and node.
        after_damage: the passes that have decisions after a damaged place.
        broken_from: the first pass that may have lost its last decisions; None where nothing is missing.
    """

    by_pass: dict[int, dict[int, Decisions]]
    after_damage: frozenset[int]
    broken_from: int | None

    def is_broken(self, pass_number: int) -> bool:
        """Whether decisions of a pass may be missing, or be others than were made."""
        if self.broken_from is None:
            return False
        return pass_number >= self.broken_from or pass_number in self.after_damage


def read_decisions(scan: Scan, *, sealed: Mapping[str, Any] | None) -> LineageSegment:
    """Sort the frames of a lineage segment by pass and node.

    Args:
        scan: the segment.
        sealed: what the journal of an ended run says of it.
    """
    by_pass: dict[int, dict[int, Decisions]] = {}
    after: set[int] = set()
    last = 0
    damage = min((damage.offset for damage in scan.damages), default=None)
    for frame in scan.frames:
        content = decode_content(frame.payload)
        nodes = by_pass.setdefault(content["p"], {})
        if damage is not None and frame.offset >= damage:
            after.add(content["p"])
        else:
            last = max(last, content["p"])
        for node, in_count, out_count, data, *more in content["n"]:
            nodes.setdefault(node, Decisions()).add(in_count, out_count, data, more[0] if more else b"")
        for node, number, out_count, data in content.get("r", ()):
            nodes.setdefault(node, Decisions()).relate(number, out_count, data)
    broken_from = None if damage is None else last
    if damage is None and sealed is not None and scan.chain != sealed["chain"]:
        broken_from = last if scan.sound_bytes < sealed["bytes"] else 0  # cut off, or written anew
    return LineageSegment(by_pass=by_pass, after_damage=frozenset(after), broken_from=broken_from)
