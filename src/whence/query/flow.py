"""How source rows flowed through one pass: forward over the plan, to deliveries and drops."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from whence.lineage import Mapping, Origins
from whence.query.following import Int64Array, PassLineage
from whence.query.trace import origin_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposurePoint:
    """One delivery of a sample made of the rows asked about."""

    run: str
    stream: str
    epoch: int
    repeat: int
    batch: int | None
    item: int

    @property
    def address(self) -> str:
        """The sample's address."""
        repeat = f"#{self.repeat}" if self.repeat else ""
        place = f"{self.item}" if self.batch is None else f"{self.batch}.{self.item}"
        return f"{self.run}/{self.stream}@{self.epoch}{repeat}:{place}"

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "run": self.run,
            "stream": self.stream,
            "epoch": self.epoch,
            "repeat": self.repeat,
            "batch": self.batch,
            "item": self.item,
        }


class Flow:
    """How rows of a run's sources went through one pass."""

    def __init__(self, lineage: PassLineage, rows_by_source: dict[int, Int64Array]) -> None:
        self.run = lineage.record.name
        self.stream = lineage.stream.name
        self.epoch = lineage.view.epoch
        self.repeat = lineage.view.repeat
        self.drops: list[tuple[str, str, str]] = []
        self.unknown_ops: list[str] = []
        self.unreached = 0
        self._lineage = lineage
        self._has_batches = lineage.node(lineage.stream.items_at)["kind"] == "batch"
        self._items, self._outputs = self._follow(rows_by_source)

    @property
    def count(self) -> int:
        """How many deliveries there were."""
        return len(self._outputs)

    def exposures(self) -> Iterator[ExposurePoint]:
        """Every delivery."""
        for item, output in zip(self._items.tolist(), self._outputs.tolist(), strict=True):
            yield ExposurePoint(
                run=self.run,
                stream=self.stream,
                epoch=self.epoch,
                repeat=self.repeat,
                batch=output if self._has_batches else None,
                item=item if self._has_batches else output,
            )

    def _follow(self, rows_by_source: dict[int, Int64Array]) -> tuple[Int64Array, Int64Array]:
        """Fold forward over the plan; at the last batch op each item's place in its batch is kept."""
        nodes = self._lineage.stream.nodes
        top, items_at = self._lineage.stream.top, self._lineage.stream.items_at
        places: dict[int, tuple[Int64Array, Int64Array]] = {}  # node -> (positions, items), aligned
        for index, node in enumerate(nodes):
            if node["kind"] == "source":
                rows = rows_by_source.get(node["source"], np.empty(0, np.int64))
                known = self._lineage.size(index)
                self.unreached += int((rows >= known).sum())
                rows = rows[rows < known]
                places[index] = (rows, rows)
                continue
            positions: list[Int64Array] = []
            items: list[Int64Array] = []
            mappings = self._lineage.mappings(index)
            for number, mapping in zip(self._lineage.inputs(index), mappings, strict=True):
                below, carried = places.pop(number)
                if index == items_at and self._has_batches:
                    carried = below % int(node["params"]["size"])
                elif not self._has_batches or index < items_at:
                    carried = below
                rows_out, carried_out = self._step(index, mapping, below, carried)
                positions.append(rows_out)
                items.append(carried_out)
            places[index] = _unique_pairs(
                np.concatenate(positions), np.concatenate(items), by_item=index >= items_at
            )
        outputs, items_of = places[top]
        delivered = outputs < self._lineage.view.delivered
        self.unreached += int((~delivered).sum())
        return items_of[delivered], outputs[delivered]

    def _step(
        self, index: int, mapping: Mapping, below: Int64Array, carried: Int64Array
    ) -> tuple[Int64Array, Int64Array]:
        node = self._lineage.node(index)
        if not mapping.known:
            if len(below):
                self.unknown_ops.append(node["label"])
            return below[:0], carried[:0]
        here = below < mapping.in_size
        self.unreached += int((~here).sum())
        below, carried = below[here], carried[here]
        if not len(below):
            return below, carried
        forward: Origins = mapping.forward(below)
        counts = np.diff(forward.indptr)
        gone = below[counts == 0]
        if len(gone):
            self._drop(index, gone)
        return forward.indices, np.repeat(carried, counts)

    def _drop(self, index: int, positions: Int64Array) -> None:
        node = self._lineage.node(index)
        view = self._lineage.view
        if node["mapping"] == "closed" and not view.is_complete and node["kind"] == "batch":
            self.unreached += len(positions)  # its batch might have filled up yet
            return
        for position in positions.tolist():
            self.drops.append((node["label"], node["reason"], self._detail(index, position)))

    def _detail(self, index: int, position: int) -> str:
        lineage = self._lineage
        kind = lineage.node(index)["kind"]
        if kind == "dedup":
            witness = lineage.witness_of(index, position)
            return (
                ""
                if witness is None
                else f"repeats {name_origin(lineage, lineage.inputs(index)[0], witness)}"
            )
        if kind == "map":
            for node, place, said in lineage.record.set_aside(lineage.view.number):
                if node == index and place == position:
                    return f"{said.get('kind', 'error')}: {said.get('message', 'destroyed')}"
        return ""


def name_origin(lineage: PassLineage, index: int, position: int) -> str:
    """Name the first source row that a node's output came from: its file, or its source and row."""
    positions = np.array([position], np.int64)
    while lineage.node(index)["kind"] != "source":
        found = first_input(lineage, index, positions)
        if found is None:
            return f"sample {position} at {lineage.node(index)['label']}"
        index, positions = found[0], found[1][:1]
    source = lineage.record.sources[lineage.node(index)["source"]]
    origin = origin_of(source, int(positions[0]))
    return origin.path if origin.path and source.kind == "files" else f"{origin.source}:{origin.row}"


def first_input(lineage: PassLineage, index: int, positions: Int64Array) -> tuple[int, Int64Array] | None:
    """Find the first input that some outputs of a node came from, and the positions there; None at a gap."""
    for number, mapping in zip(lineage.inputs(index), lineage.mappings(index), strict=True):
        below = mapping.backward(positions).indices
        if len(below):
            return number, below
    return None


def _unique_pairs(
    positions: Int64Array, items: Int64Array, *, by_item: bool
) -> tuple[Int64Array, Int64Array]:
    """Sort by position (and item), and count what came to one place by two ways once."""
    if not by_item:
        unique = np.unique(positions)
        return unique, unique
    pairs = (
        np.unique(np.stack((positions, items), axis=1), axis=0)
        if len(positions)
        else np.empty((0, 2), np.int64)
    )
    return pairs[:, 0], pairs[:, 1]
