"""Whence: from a delivered sample back to the source rows it came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from whence.chance import draw_from_spec, draw_key
from whence.errors import NotFoundError
from whence.query.addresses import Address
from whence.query.following import SOURCE_BITS, Int64Array, PassLineage, find_pass
from whence.query.places import Places, go_down
from whence.runs import RunRecord, SourceView
from whence.vocab import digest_text

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
        known: False at a gap: it isn't known which inputs the op made this sample of.
    """

    op: str
    kind: str
    params: dict[str, Any]
    code: dict[str, Any]
    random: dict[str, Any]
    known: bool = True

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "op": self.op,
            "kind": self.kind,
            "params": self.params,
            "code": self.code,
            "random": self.random,
            "known": self.known,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Where a sample or a batch came from.

    Args:
        address: what was asked.
        origins: the source rows, by source and row.
        steps: the operations between, in the order of the pipeline as it was written.
        complete: False where a gap is known; the gap is in `steps`.
        in_flight: the run died when this sample had been handed out and nothing more was asked for.
    """

    address: str
    origins: list[Origin] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    complete: bool = True
    in_flight: bool = False

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "address": self.address,
            "origins": [origin.to_json() for origin in self.origins],
            "steps": [step.to_json() for step in self.steps],
            "complete": self.complete,
            "in_flight": self.in_flight,
        }


def trace_address(record: RunRecord, address: Address) -> Trace:
    """Trace the sample or batch at an address.

    Raises:
        NotFoundError: nothing was delivered there.

    Cost: the positions asked for, through each op; not the length of the run.
    """
    view = find_pass(record, epoch=address.epoch, stream=address.stream, repeat=address.repeat)
    lineage = PassLineage(record, view)
    reached = {
        index: [Places.whole(positions) for positions in found]
        for index, found in locate(lineage, address).items()
    }
    steps: dict[int, Step] = {}
    rows: dict[int, list[Int64Array]] = {}
    complete = True
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
        known = all(mapping.known for mapping in mappings)
        complete = complete and known
        steps[index] = _step(lineage, index, np.unique(places.positions), known)
        for number, mapping in enumerate(mappings):
            below = go_down(node, mapping, number, places)
            if len(below):
                reached.setdefault(lineage.inputs(index)[number], []).append(below)
    written = sorted(steps, key=lambda index: lineage.node(index)["written"])
    sources = {source.number: source for source in record.sources}
    origins = [
        origin_of(sources[number], int(row))
        for number in sorted(rows)
        for row in np.unique(np.concatenate(rows[number]))
    ]
    return Trace(
        address=str(address),
        origins=origins,
        steps=[steps[index] for index in written],
        complete=complete and bool(origins),
        in_flight=not view.is_ended and record.status != "running" and _first_output(address) >= view.taken,
    )


def locate(lineage: PassLineage, address: Address) -> dict[int, list[Int64Array]]:
    """Find the positions that an address stands for: at the top, or below it at the batch that holds an item.

    Raises:
        NotFoundError: nothing was delivered there.
    """
    view, stream = lineage.view, lineage.stream
    has_batches = lineage.node(stream.items_at)["kind"] == "batch"
    output = _first_output(address)
    if not 0 <= output < view.delivered:
        what = "batches" if has_batches else "samples"
        raise NotFoundError(
            f"{address}: pass {address.epoch} delivered {view.delivered} {what}",
            remedy=f"Ask for 0 to {view.delivered - 1}." if view.delivered else "Ask for another pass.",
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


def _first_output(address: Address) -> int:
    found = address.item if address.batch is None else address.batch
    return -1 if found is None else found


def _step(lineage: PassLineage, index: int, positions: Int64Array, known: bool) -> Step:
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
    if node["kind"] == "flat_map":  # drawn once for the parent
        parents = np.unique(lineage.mappings(index)[0].backward(positions).indices)
        ids = lineage.ids(lineage.inputs(index)[0], parents)
    else:
        ids = lineage.ids(index, positions)
    found: dict[str, Any] = {"key": f"{key:016x}", "epoch": epoch, "id": _one(ids.tolist())}
    for name, spec in node["params"].get("draw", {}).items():
        found[name] = _one(draw_from_spec(spec).sample(draw_key(key, name), epoch, ids))
    return found


def _one(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values
