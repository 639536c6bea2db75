"""Whence: from a delivered sample back to the source rows it came from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from whence.chance import draw_from_spec, draw_key
from whence.errors import NotFoundError
from whence.lineage import each_once
from whence.query.addresses import Address
from whence.query.differences import drawn_in
from whence.query.fields import FieldUse, field_uses
from whence.query.fits import Fit, Learned, fits_among, fits_below, is_fit, learned_at, nodes_below
from whence.query.following import SOURCE_BITS, Int64Array, PassLineage, find_pass, lineage_of
from whence.query.places import Places, go_down
from whence.runs import PassView, RunRecord, SourceView
from whence.vocab import digest_text, plain

__all__ = ["SOURCE_BITS", "Origin", "Step", "Trace", "trace_address"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A source row that a sample came from.

    Args:
        source: the source's name.
        row: the row's position in the source.
        path: the file it is in, as it was recorded; None for data in memory.
        digest: of the file, or of the part in memory, as it was read; None where it was never read whole.
    """

    source: str
    row: int
    path: str | None
    digest: str | None

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {"source": self.source, "row": self.row, "path": self.path, "digest": self.digest}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One operation on a sample's way, the first one first.

    Args:
        op: what the record calls the operation.
        kind: map, filter, ...
        params: its parameters.
        code: the user's functions in it: name, file, line, digest and source text.
        random: what it drew for this sample: named values, or key and draw id from which they follow.
        fitted: by field the values that it used and that were learned of all samples.
        fields: what it did with fields, as follows from its parameters or was seen on its first samples.
        foreign: the generators that it was seen to draw from in this pass and that aren't its samples' own;
            where there are any, it draws anew in a replay.
        known: False at a gap: it isn't known which inputs the op made this sample of.
    """

    op: str
    kind: str
    params: dict[str, Any]
    code: dict[str, Any]
    random: dict[str, Any]
    fitted: dict[str, Any] = field(default_factory=dict)
    fields: list[FieldUse] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    known: bool = True

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "op": self.op,
            "kind": self.kind,
            "params": self.params,
            "code": self.code,
            "random": self.random,
            "fitted": plain(self.fitted),
            "fields": [use.to_json() for use in self.fields],
            "foreign": self.foreign,
            "known": self.known,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Where a sample or a batch came from.

    Args:
        address: what was asked.
        origins: the source rows, by source and row.
        steps: the operations between, in the order of the pipeline as it was written.
        fits: what was learned of other samples and had a part in this one; their rows aren't its origins.
        complete: False where a gap is known; the gap is in `steps`.
        in_flight: the run died when this sample had been handed out and nothing more was asked for.
    """

    address: str
    origins: list[Origin] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    fits: list[Fit[Origin]] = field(default_factory=list)
    complete: bool = True
    in_flight: bool = False

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "address": self.address,
            "origins": [origin.to_json() for origin in self.origins],
            "steps": [step.to_json() for step in self.steps],
            "fits": [fit.to_json() for fit in self.fits],
            "complete": self.complete,
            "in_flight": self.in_flight,
        }


def trace_address(record: RunRecord, address: Address) -> Trace:
    """Trace the sample or batch at an address.

    Raises:
        NotFoundError: nothing was delivered there.

    Cost: the positions asked for, through each op; not the length of the run.
    """
    view = pass_at(record, address)
    lineage = lineage_of(record, view)
    if lineage.known <= _output_of(address) < view.delivered:
        return Trace(address=str(address), steps=[_LOST], complete=False)
    reached = {
        index: [Places.whole(positions) for positions in found]
        for index, found in locate(lineage, address).items()
    }
    steps, rows, complete = descended(lineage, reached)
    written = sorted(steps, key=lambda index: lineage.node(index)["written"])
    uses = field_uses(record, lineage.stream)
    origins = list(_origins(lineage, rows))
    return Trace(
        address=str(address),
        origins=origins,
        steps=[_step(lineage, index, *steps[index], uses.get(index, [])) for index in written],
        fits=_fits(lineage, steps),
        complete=complete and bool(origins),
        in_flight=not view.is_ended
        and record.status not in ("running", "resumed")
        and _output_of(address) >= view.taken,
    )


_LOST = Step(op="unknown", kind="unknown", params={}, code={}, random={}, known=False)
"""Stands for all operations of a pass, where what they decided was lost."""


def pass_at(record: RunRecord, address: Address) -> PassView:
    """Find the pass that delivered what is at an address; raises `NotFoundError`."""
    return find_pass(
        record,
        epoch=address.epoch,
        stream=address.stream,
        repeat=address.repeat,
        output=_output_of(address),
    )


_Rows = dict[int, Int64Array]


def descended(
    lineage: PassLineage, reached: dict[int, list[Places]]
) -> tuple[dict[int, tuple[Int64Array, bool]], _Rows, bool]:
    """Go down from places at some nodes to the sources.

    Returns:
        For each operation passed its outputs, and whether what they were made of is known; the rows
        reached, by source; and whether all is known.
    """
    steps: dict[int, tuple[Int64Array, bool]] = {}
    rows: dict[int, list[Int64Array]] = {}
    # inputs have smaller numbers than the nodes that read them: going down visits each node once
    for index in range(len(lineage.stream.nodes) - 1, -1, -1):
        if index not in reached:
            continue
        places = Places.together(reached.pop(index)).unique()
        node = lineage.node(index)
        if node["kind"] == "source":
            rows.setdefault(node["source"], []).append(places.positions)
            continue
        mappings = lineage.mappings(index)
        steps[index] = each_once(places.positions), all(mapping.known for mapping in mappings)
        for number, mapping in enumerate(mappings):
            if is_fit(lineage, lineage.inputs(index)[number]):
                continue  # an influence on all samples, told apart
            below = go_down(node, mapping, number, places)
            if len(below):
                reached.setdefault(lineage.inputs(index)[number], []).append(below)
    by_source = {number: each_once(np.concatenate(found)) for number, found in sorted(rows.items())}
    return steps, by_source, all(known for _, known in steps.values())


def _origins(lineage: PassLineage, rows: _Rows) -> Iterator[Origin]:
    sources = {source.number: source for source in lineage.record.sources}
    for number, found in rows.items():
        for row in found.tolist():
            yield origin_of(sources[number], row)


def _fits(lineage: PassLineage, steps: Iterable[int]) -> list[Fit[Origin]]:
    """Say what was learned of other samples and had a part in those that came through some nodes."""
    direct = fits_among(lineage, steps)
    every = direct | fits_below(lineage, direct)
    return [
        _fit(lineage, index, place, learned, direct=index in direct)
        for index in sorted(every, key=lambda index: int(lineage.node(index)["written"]))
        for place, learned in enumerate(learned_at(lineage, index))
    ]


def _fit(lineage: PassLineage, index: int, place: int, learned: Learned, *, direct: bool) -> Fit[Origin]:
    def origins() -> Iterator[Origin]:
        (mapping,) = lineage.mappings(index)
        below = Places.whole(mapping.backward([place]).indices)
        _, rows, _ = descended(lineage, {lineage.inputs(index)[0]: [below]})
        yield from _origins(lineage, rows)

    nodes = (lineage.node(each) for each in nodes_below(lineage, index))
    numbers = sorted({node["source"] for node in nodes if node["kind"] == "source"})
    return Fit(
        op=learned.op,
        field=learned.field,
        values=learned.values,
        count=learned.count,
        sources=tuple(lineage.record.sources[number].name for number in numbers),
        direct=direct,
        _origins=origins,
    )


def locate(lineage: PassLineage, address: Address) -> dict[int, list[Int64Array]]:
    """Find the positions that an address stands for: at the top, or below it at the batch that holds an item.

    Raises:
        NotFoundError: nothing was delivered there.
    """
    view, stream = lineage.view, lineage.stream
    has_batches = lineage.node(stream.items_at)["kind"] == "batch"
    output = _output_of(address)
    if not view.first <= output < view.delivered:
        what = "batches" if has_batches else "samples"
        asked = f"Ask for {view.first} to {view.delivered - 1}." if view.count else "Ask for another pass."
        raise NotFoundError(
            f"{address}: pass {address.epoch} delivered {view.count} {what}"
            + (f", the first of them {view.first}" if view.first else ""),
            remedy=asked,
        )
    if output >= lineage.known:
        raise NotFoundError(
            f"{address}: what it was made of was lost before it was written",
            remedy=f"Ask for those before {lineage.known}.",
        )
    positions = np.array([output], np.int64)
    if address.item is None or address.batch is None:
        return {stream.top: [positions]}
    if not has_batches:
        raise NotFoundError(
            f"{address}: the stream has no batches", remedy=f"Write {address.with_item_only(output)}."
        )
    index = stream.top
    path: list[int] = []
    while index != stream.items_at:
        path.append(index)
        positions = lineage.mappings(index)[0].backward(positions).indices
        index = lineage.inputs(index)[0]
    items = lineage.mappings(index)[0].backward(positions).indices
    if not 0 <= address.item < len(items):
        raise NotFoundError(
            f"{address}: the batch has {len(items)} items", remedy=f"Ask for 0 to {len(items) - 1}."
        )
    return {lineage.inputs(index)[0]: [items[address.item : address.item + 1]]}


def origin_of(source: SourceView, row: int) -> Origin:
    """Name a source row: the file it is in and that file's digest."""
    part = part_of(source, row)
    path = None
    if source.paths and source.kind not in ("items", "arrays", "table") and part < len(source.paths):
        path = "/".join(each for each in (source.root.rstrip("/"), source.paths[part]) if each)
        path = "/" + source.paths[part] if source.root == "/" else path
    return Origin(source=source.name, row=row, path=path, digest=_digest_of(source, part, row))


def part_of(source: SourceView, row: int) -> int:
    """Find the part that a row of a source is in."""
    if source.layout == "columns" or source.kind in ("items", "arrays", "table"):
        return 0
    counts = source.rows
    if counts is None:
        if source.kind == "files" or not source.part_rows:
            return row if source.kind == "files" else 0
        counts = [source.part_rows.get(part, 1 << 62) for part in range(len(source.paths))]
    ends = np.cumsum(np.minimum(np.array(counts, np.int64), 1 << 40))
    return int(np.searchsorted(ends, row, side="right"))


def _digest_of(source: SourceView, part: int, row: int) -> str | None:
    blocks = [first for told, first in source.digests if told == part and first <= row]
    if not blocks:
        return None
    algorithm, _, digest = source.digests[part, max(blocks)]
    return digest_text(digest) if algorithm == "sha256" else f"{algorithm}:{digest.hex()}"


def _output_of(address: Address) -> int:
    found = address.item if address.batch is None else address.batch
    return -1 if found is None else found


def _step(lineage: PassLineage, index: int, positions: Int64Array, known: bool, uses: list[FieldUse]) -> Step:
    node = lineage.node(index)
    params = {key: value for key, value in node["params"].items() if key not in ("params", "draw")}
    params |= node["params"].get("params", {})
    code = {
        name: {key: entry[key] for key in ("name", "file", "line", "digest", "source", "packages", "unknown")}
        for name, entry in node.get("functions", {}).items()
    }
    return Step(
        op=node["label"],
        kind=node["kind"],
        params=params,
        code=code,
        random=_random(lineage, index, positions) if node["random"] else {},
        fitted={
            learned.field: learned.values
            for fit in sorted(fits_among(lineage, [index]))
            for learned in learned_at(lineage, fit)
        },
        fields=uses,
        foreign=drawn_in(lineage.record, lineage.view.number).get(index, []),
        known=known,
    )


def _random(lineage: PassLineage, index: int, positions: Int64Array) -> dict[str, Any]:
    """Say what an op drew for the samples at some output positions; values, or lists of them."""
    node = lineage.node(index)
    key = lineage.key(index)
    epoch = lineage.epoch(index)
    if node["kind"] == "shuffle":
        below = lineage.mappings(index)[0].backward(positions).indices
        return {
            "seed": node["params"]["seed"],
            "epoch": epoch,
            "from": _one(below.tolist()),
            "to": _one(positions.tolist()),
        }
    if node["kind"] == "map_batches":  # drawn once for the group
        positions = positions // node["params"]["size"] * node["params"]["size"]
    if node["kind"] == "flat_map":  # drawn once for the parent
        parents = each_once(lineage.mappings(index)[0].backward(positions).indices)
        ids = lineage.ids(lineage.inputs(index)[0], parents)
    else:
        ids = lineage.ids(index, positions)
    found: dict[str, Any] = {"key": f"{key:016x}", "epoch": epoch, "id": _one(ids.tolist())}
    for name, spec in node["params"].get("draw", {}).items():
        found[name] = _one(draw_from_spec(spec).sample(draw_key(key, name), epoch, ids))
    return found


def _one(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values
