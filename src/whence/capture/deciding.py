"""What the data decided in one pass, on its way to the disk: twice, quickly and then in few bytes.

Before anything is delivered, what was decided about it is appended to the pass's own file as it is: bits,
and numbers in whole bytes. That is what is left when the process dies. At the same time it is gathered
for `sealing`, and once that is done the file isn't needed any more.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from whence.capture.sealing import Sealing
from whence.lineage import ALL_KEPT, Numbers, encode_relation, spell_counts, spell_mask
from whence.store import DECISIONS, RunWriter, decisions_name

BoolArray = NDArray[np.bool_]
Int64Array = NDArray[np.int64]

_encode = msgspec.msgpack.Encoder().encode


class PassDecisions:
    """Listens to what the nodes of one pass decide, and writes it.

    Args:
        writer: where it writes.
        pass_number: the pass.
        node_count: how many nodes there are.
    """

    def __init__(self, writer: RunWriter, pass_number: int, node_count: int) -> None:
        self._writer = writer
        self._number = pass_number
        self._name = decisions_name(pass_number)
        self._sealing = Sealing(writer, pass_number)
        self._chain = b""
        self._has_lost = False
        self.nodes = [NodeDecisions(index) for index in range(node_count)]

    def flush(self) -> None:
        """Write what was decided since the last time; what comes of it may be delivered then.

        Decisions follow one another: after the first that is lost, none of the pass is worth anything.
        """
        decided = [node for node in self.nodes if node.entries or node.relations]
        if not decided:
            return
        if not self._has_lost:
            self._write(decided)
        for node in decided:
            node.clear()

    def _write(self, decided: list[NodeDecisions]) -> None:
        frame: dict[str, Any] = {
            "p": self._number,
            "n": [entry for node in decided for entry in node.entries],
        }
        relations = [entry for node in decided for entry in node.relations]
        if relations:
            frame["r"] = relations
        place = self._writer.append_segment(self._name, DECISIONS, _encode(frame))
        if place is None:
            self._has_lost = True
            self._writer.lose("decisions", of_pass=self._number)
            self._sealing.let_go()
            return
        self._chain = place.chain
        self._sealing.attempt(lambda: _hand_on(decided, self._sealing))

    def seal(self) -> dict[str, Any] | None:
        """Seal the pass, all of which was written.

        Returns:
            What the journal says of it; None where nothing was decided, or where it couldn't be sealed.
        """
        if not self._chain or self._has_lost:
            return None
        sealed = self._sealing.finish()
        return None if sealed is None else sealed | {"decisions": self._chain}

    def retire(self) -> None:
        """Take the file as it was written away, as soon as what replaces it is on the disk."""
        self._writer.retire(self._name)


class NodeDecisions:
    """Gathers what one node decided since the last time it was written."""

    __slots__ = ("_counts", "_rows", "_selections", "_taken", "entries", "index", "relations")

    def __init__(self, index: int) -> None:
        self.index = index
        self.clear()

    def clear(self) -> None:
        """Begin again."""
        self.entries: list[list[Any]] = []
        self.relations: list[list[Any]] = []
        self._rows = 0
        self._selections: list[tuple[int, int, bytes | None, Numbers | None]] = []
        self._counts: list[Numbers] = []
        self._taken: list[tuple[int, Numbers, Numbers]] = []

    def hand_to(self, sealing: Sealing) -> None:
        """Hand what was gathered on, to be sealed."""
        if self._rows:
            sealing.found_rows(self.index, self._rows)
        for selection in self._selections:
            sealing.selected(self.index, *selection)
        for counts in self._counts:
            sealing.expanded(self.index, counts)
        for number, counts, positions in self._taken:
            sealing.related(self.index, number, counts, positions)

    def selected(self, kept: BoolArray | None, count: int) -> None:
        """Of the next `count` inputs those with True went on; None: all."""
        if kept is None:
            self.entries.append([self.index, count, count, ALL_KEPT])
            self._selections.append((count, count, None, None))
            return
        out_count = int(np.count_nonzero(kept))
        spelled = spell_mask(kept)
        self.entries.append([self.index, count, out_count, spelled])
        self._selections.append((count, out_count, spelled[1:], None))

    def duplicated(self, witnesses: Int64Array) -> None:
        """Each input just dropped repeats the one at this position."""
        spelled, small = spell_counts(witnesses)
        self.entries[-1].append(spelled)
        self._selections[-1] = (*self._selections[-1][:3], small)

    def expanded(self, counts: Int64Array) -> None:
        """The next inputs gave so many outputs each."""
        spelled, small = spell_counts(counts)
        self.entries.append([self.index, len(counts), int(counts.sum()), spelled])
        self._counts.append(small)

    def related(self, number: int, counts: Int64Array, positions: Int64Array) -> None:
        """The next outputs came from these positions of one input."""
        spelled, small_counts, small_positions = encode_relation(counts, positions)
        self.relations.append([self.index, number, len(counts), spelled])
        self._taken.append((number, small_counts, small_positions))

    def found_rows(self, count: int) -> None:
        """So many more rows are there at the source of the node."""
        self._rows += count
        self.entries = [[self.index, self._rows, self._rows, b""]]  # a source tells of nothing else


def _hand_on(decided: list[NodeDecisions], sealing: Sealing) -> None:
    for node in decided:
        node.hand_to(sealing)
