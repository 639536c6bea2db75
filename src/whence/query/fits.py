"""Fits: what was learned of samples in a pass, which operations used it, and of which rows it was learned.

What is learned of all samples has a part in each that is made with it. These rows would bury those that a
sample was made of, so they are told apart: as an influence, field by field, not as origins.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from whence.query.following import PassLineage
from whence.vocab import from_plain, plain

OriginT = TypeVar("OriginT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit(Generic[OriginT]):
    """Values that were learned of a field of all samples, and had a part in a sample.

    Args:
        op: the operation that used them.
        field: the field.
        values: what was learned; None where no sample had a value, or where it has been destroyed.
        count: of how many samples they were learned.
        sources: the sources that these came from.
        direct: whether the sample was made with these values; False where other values were learned of
            samples made with them.
    """

    op: str
    field: str
    values: dict[str, Any] | None
    count: int
    sources: tuple[str, ...]
    direct: bool
    _origins: Callable[[], Iterator[OriginT]] = dataclasses.field(repr=False, compare=False)

    @property
    def origins(self) -> Iterator[OriginT]:
        """The source rows of the samples that they were learned of, by source and row."""
        return self._origins()

    def to_json(self) -> dict[str, Any]:
        """As JSON; without the rows, which may be all there are."""
        return {
            "op": self.op,
            "field": self.field,
            "values": None if self.values is None else plain(self.values),
            "count": self.count,
            "sources": list(self.sources),
            "direct": self.direct,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Influence:
    """Values that were learned of some rows, among others, and with which samples were made.

    Args:
        run: the run's name.
        stream: the stream's name.
        op: the operation that used them.
        field: the field.
        values: what was learned.
        count: of how many samples they were learned.
        epochs: the passes in which it happened.
        direct: whether they were learned of samples made of the rows; False where they were learned of
            samples that were made with values which were.
    """

    run: str
    stream: str
    op: str
    field: str
    values: dict[str, Any] | None
    count: int
    epochs: tuple[int, ...]
    direct: bool

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "run": self.run,
            "stream": self.stream,
            "op": self.op,
            "field": self.field,
            "values": None if self.values is None else plain(self.values),
            "count": self.count,
            "epochs": list(self.epochs),
            "direct": self.direct,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What a fit learned of one field in one pass; see `Fit`."""

    op: str
    field: str
    values: dict[str, Any] | None
    count: int


def is_fit(lineage: PassLineage, index: int) -> bool:
    """Whether a node learns of samples rather than handing them on."""
    return lineage.node(index).get("mapping") == "fit"


def learned_at(lineage: PassLineage, index: int) -> list[Learned]:
    """Say what a fit learned of each of its fields."""
    names = list(lineage.node(index)["params"]["statistics"])
    told = {each["field"]: each for each in lineage.record.fitted(lineage.view.number).get(index, ())}
    users = [number for number, node in enumerate(lineage.stream.nodes) if index in node["inputs"]]
    op = lineage.node(users[0] if users else index)["label"]
    found = []
    for place, name in enumerate(names):
        if name in told:
            values = told[name]["values"]
            found.append(
                Learned(
                    op=op,
                    field=name,
                    values=None if values is None else from_plain(values),
                    count=told[name]["count"],
                )
            )
        else:  # destroyed, or the process died before anything was delivered
            (mapping,) = lineage.mappings(index)
            count = len(mapping.backward([place]).indices)
            found.append(Learned(op=op, field=name, values=None, count=count))
    return found


def fits_among(lineage: PassLineage, indices: Iterable[int]) -> set[int]:
    """Find the fits that some nodes use by themselves."""
    return {below for index in indices for below in lineage.inputs(index) if is_fit(lineage, below)}


def fits_below(lineage: PassLineage, fits: Iterable[int]) -> set[int]:
    """Find the fits whose values had a part in what others learned: those on the ways to them."""
    found: set[int] = set()
    seen: set[int] = set()
    waiting = [below for index in fits for below in lineage.inputs(index)]
    while waiting:
        index = waiting.pop()
        if index in seen:
            continue
        seen.add(index)
        if is_fit(lineage, index):
            found.add(index)
        waiting += lineage.inputs(index)
    return found


def nodes_below(lineage: PassLineage, index: int) -> set[int]:
    """Find the nodes that samples came through on their way to a node, without those of fits."""
    seen: set[int] = set()
    waiting = [index]
    while waiting:
        for below in lineage.inputs(waiting.pop()):
            if below not in seen and not is_fit(lineage, below):
                seen.add(below)
                waiting.append(below)
    return seen


def only_for_fits(nodes: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """Find the nodes whose samples are learned of and go nowhere else; each with the label of the fit."""
    found: dict[int, str] = {}
    delivered = {len(nodes) - 1}
    for index in range(len(nodes) - 1, -1, -1):
        node = nodes[index]
        for below in node["inputs"]:
            if index in delivered and nodes[below].get("mapping") != "fit":
                delivered.add(below)
            elif node.get("mapping") == "fit":
                found[below] = node["label"]
            elif index in found:
                found.setdefault(below, found[index])
    return {index: label for index, label in found.items() if index not in delivered}


def known_values(lineage: PassLineage, index: int) -> tuple[Mapping[str, Any], ...] | None:
    """What a fit learned, as it is given on; None where the record has lost it."""
    told = lineage.record.fitted(lineage.view.number).get(index)
    if told is None or len(told) != lineage.size(index):
        return None
    return tuple(from_plain(each) for each in told)
