"""How source rows flowed through one pass: forward over the plan, to deliveries and drops."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from whence.lineage import Mapping, each_once
from whence.query.fits import Influence, Learned, fits_below, is_fit, learned_at, only_for_fits
from whence.query.following import Int64Array, PassLineage
from whence.query.places import Places, go_up
from whence.query.trace import origin_of
from whence.runs import Fate
from whence.vocab import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposurePoint:
    """One delivery of a sample made of the rows asked about.

    Args:
        run: the name of the run.
        stream: the name of the stream.
        epoch: the number of the pass.
        repeat: counts the passes over the same epoch.
        batch: the batch; None where there are none.
        item: the item in the batch, or the sample.
        fate: "delivered"; "abandoned" where the consumer was begun anew from a place before it; "again"
            where it had been delivered before.
    """

    run: str
    stream: str
    epoch: int
    repeat: int
    batch: int | None
    item: int
    fate: Fate = "delivered"

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
            "fate": self.fate,
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
        self._learned: dict[int, list[Learned]] = {}
        self._only_for_fits = only_for_fits(lineage.stream.nodes)
        self.unreached = 0
        self._lineage = lineage
        self._has_batches = lineage.node(lineage.stream.items_at)["kind"] == "batch"
        self._items, self._outputs = self._follow(rows_by_source)

    @property
    def count(self) -> int:
        """How many deliveries there were."""
        return len(self._outputs)

    @property
    def outputs(self) -> Int64Array:
        """The places of what was delivered: of batches where there are some; one for each delivery."""
        return self._outputs

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
                fate=self._lineage.view.fate(output),
            )

    def _follow(self, rows_by_source: dict[int, Int64Array]) -> tuple[Int64Array, Int64Array]:
        """Fold forward over the plan; at the last batch op each item's place in its batch is kept."""
        nodes = self._lineage.stream.nodes
        top, items_at = self._lineage.stream.top, self._lineage.stream.items_at
        reached: dict[int, tuple[Places, Int64Array]] = {}  # by node: places and items, aligned
        for index, node in enumerate(nodes):
            if node["kind"] == "source":
                rows = rows_by_source.get(node["source"], np.empty(0, np.int64))
                known = self._lineage.size(index)
                self.unreached += int((rows >= known).sum())
                rows = rows[rows < known]
                reached[index] = (Places.whole(rows), np.zeros_like(rows))
                continue
            inputs = self._lineage.inputs(index)
            if is_fit(self._lineage, index):
                self._learn(index, reached[inputs[0]][0].positions)
                continue
            found: list[tuple[Places, Int64Array]] = []
            for number, mapping in enumerate(self._lineage.mappings(index)):
                if is_fit(self._lineage, inputs[number]):
                    continue  # an influence on all samples, told apart
                places, items = reached[inputs[number]]
                if index == items_at and self._has_batches:
                    items = places.positions % int(node["params"]["size"])
                found.append(self._step(index, number, mapping, places, items))
            reached[index] = _each_once(found)
        places, items = reached[top]
        if self._has_batches:
            pairs = np.unique(np.column_stack((places.positions, items)), axis=0)
            outputs, items = pairs[:, 0], pairs[:, 1]
        else:
            outputs = each_once(places.positions)
            items = np.zeros_like(outputs)
        view = self._lineage.view
        self.unreached += int((outputs >= view.delivered).sum())
        delivered = (outputs >= view.first) & (outputs < self._lineage.known)
        return items[delivered], outputs[delivered]

    def _learn(self, index: int, positions: Int64Array) -> None:
        """Note what a fit learned of samples made of the rows; what it alone reads ends there."""
        (mapping,) = self._lineage.mappings(index)
        came = positions[positions < mapping.in_size]
        found = mapping.forward(came)
        places = np.unique(found.indices).tolist()
        learned = learned_at(self._lineage, index) if places else []
        self._learned[index] = [learned[place] for place in places]
        if self._lineage.node(index)["kind"] == "fit_of":
            self.unreached += len(positions) - len(came)
            gone = np.unique(came[np.diff(found.indptr) == 0])
            if len(gone):
                self._drop(index, gone)

    @property
    def learned(self) -> list[tuple[Learned, bool]]:
        """What was learned of samples made of the rows, and of samples made with that: True and False."""
        direct = {index for index, found in self._learned.items() if found}
        indirect = {index for index in self._learned if fits_below(self._lineage, [index]) & direct}
        found = [(each, True) for index in sorted(direct) for each in self._learned[index]]
        for index in sorted(indirect):
            names = {each.field for each in self._learned[index]}
            others = learned_at(self._lineage, index)
            found += [(each, False) for each in others if each.field not in names]
        return found

    def _step(
        self, index: int, number: int, mapping: Mapping, places: Places, items: Int64Array
    ) -> tuple[Places, Int64Array]:
        if not len(places):
            return Places.whole(places.positions), items
        node = self._lineage.node(index)
        if not mapping.known:
            self.unknown_ops.append(node["label"])
            return places.taken(slice(0)), items[:0]
        here = places.positions < mapping.in_size
        self.unreached += int((~here).sum())
        places, items = places.taken(here), items[here]
        above, which = go_up(node, mapping, number, places)
        came = np.zeros(len(places), np.bool_)
        came[which] = True
        gone = np.unique(places.positions[~came])
        if len(gone):
            self._drop(index, gone)
        return above, items[which]

    def _drop(self, index: int, positions: Int64Array) -> None:
        node = self._lineage.node(index)
        view = self._lineage.view
        if index in view.untold:
            positions = positions[positions >= view.untold[index][0]]
        if not view.is_complete:
            positions = self._settled(node, positions)
        if node["mapping"] == "relation" and not self._was_exhausted(index):
            self.unreached += len(positions)  # its outputs come in another order, and some weren't asked for
            return
        for position in positions.tolist():
            self.drops.append((node["label"], node["reason"], self._detail(index, position)))

    def _was_exhausted(self, index: int) -> bool:
        """Whether everything that a node had to give was asked for."""
        if is_fit(self._lineage, index):
            return True
        for above, node in enumerate(self._lineage.stream.nodes):
            if index in node["inputs"]:
                stops = node["kind"] == "mix" or node["params"].get("stop") is not None
                return not stops and self._was_exhausted(above)
        return self._lineage.view.is_complete

    def _settled(self, node: dict[str, Any], positions: Int64Array) -> Int64Array:
        """Leave out what might have come yet, had the pass gone on."""
        kind, params = node["kind"], node["params"]
        settled = np.ones(len(positions), np.bool_)
        if kind in ("batch", "pack", "mix"):  # a group might have filled up, an input have gone on
            settled[:] = False
        elif kind == "window":
            settled = positions % int(params["step"]) >= int(params["size"])
        self.unreached += int((~settled).sum())
        return positions[settled]

    def _detail(self, index: int, position: int) -> str:
        lineage = self._lineage
        kind = lineage.node(index)["kind"]
        if index in self._only_for_fits:
            return f"for the {self._only_for_fits[index]}"
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


def delivered_items(lineage: PassLineage) -> Iterator[ExposurePoint]:
    """Give everything that a pass delivered, item by item, as far as the record goes."""
    view, stream = lineage.view, lineage.stream
    has_batches = lineage.node(stream.items_at)["kind"] == "batch"
    for output in range(view.first, lineage.known):
        count = 1
        if has_batches:
            index, position = stream.top, output
            while index != stream.items_at:
                position = int(lineage.mappings(index)[0].backward([position]).indices[0])
                index = lineage.inputs(index)[0]
            count = len(lineage.mappings(index)[0].backward([position]).indices)
        for item in range(count):
            yield ExposurePoint(
                run=lineage.record.name,
                stream=stream.name,
                epoch=view.epoch,
                repeat=view.repeat,
                batch=output if has_batches else None,
                item=item if has_batches else output,
                fate=view.fate(output),
            )


def gather_fits(flows: Iterable[Flow]) -> list[Influence]:
    """Gather what was learned of the rows, each with the passes in which it was."""
    found: dict[str, Influence] = {}
    for flow in flows:
        for learned, direct in flow.learned:
            what = [learned.op, learned.field, plain(learned.values), learned.count, direct]
            said = repr([flow.run, flow.stream, *what])
            known = found.get(said)
            found[said] = Influence(
                run=flow.run,
                stream=flow.stream,
                op=learned.op,
                field=learned.field,
                values=learned.values,
                count=learned.count,
                epochs=tuple(sorted({flow.epoch, *(known.epochs if known is not None else ())})),
                direct=direct,
            )
    return list(found.values())


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


def _each_once(found: list[tuple[Places, Int64Array]]) -> tuple[Places, Int64Array]:
    """Count what came to one place by two ways once."""
    found = [each for each in found if len(each[0])] or found[:1]
    if len(found) == 1 and len(found[0][0]) < 2:
        return found[0]
    places = Places.together([each for each, _ in found]).entered(
        np.concatenate([items for _, items in found])
    )
    unique = places.unique()
    return Places(unique.positions, unique.insides[:, 1:]), unique.insides[:, 0]
