"""What went in and out of each node in each pass, as far as the record goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from whence.errors import WhenceError
from whence.lineage import Identity, Mapping
from whence.query.following import PassLineage
from whence.runs import PassView, RunRecord, StreamView

_ONE_TO_ONE = {"map", "map_batches", "shuffle", "zip"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCount:
    """One node in one pass, or in several together.

    Args:
        ns: time in the node's own loop; 0 where it has none, or where the pass didn't end.
        ins: samples taken from each input; None where the record doesn't say.
        out: samples given.
        dropped: samples that went no further here.
    """

    ns: int
    ins: tuple[int | None, ...]
    out: int
    dropped: int

    def plus(self, other: NodeCount) -> NodeCount:
        """Add what another pass counted at the same node."""
        ins = tuple(
            None if one is None or two is None else one + two
            for one, two in zip(self.ins, other.ins, strict=True)
        )
        return NodeCount(
            ns=self.ns + other.ns, ins=ins, out=self.out + other.out, dropped=self.dropped + other.dropped
        )

    @property
    def flow(self) -> tuple[Any, ...]:
        """The counts without the time."""
        return self.ins, self.out, self.dropped


@dataclass(frozen=True, slots=True, kw_only=True)
class PassCount:
    """A pass: its nodes' counts, or why there are none."""

    view: PassView
    lineage: PassLineage | None
    nodes: tuple[NodeCount, ...] = ()
    problem: str = ""

    @property
    def ns(self) -> int:
        """The time in all loops."""
        return sum(node.ns for node in self.nodes)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamCount:
    """A stream and its passes.

    Args:
        view: the stream.
        passes: its passes, by number.
        nodes: its nodes' counts over all passes.
        flow: the counts to show: those of one pass where all passes are alike, else those of all.
        is_alike: whether each pass that could be counted had the same counts.
    """

    view: StreamView
    passes: list[PassCount]
    nodes: list[NodeCount]
    flow: list[NodeCount]
    is_alike: bool

    @property
    def counted_passes(self) -> list[PassCount]:
        """The passes that could be counted."""
        return [each for each in self.passes if each.nodes]


def count_streams(record: RunRecord) -> list[StreamCount]:
    """Count every pass of a run."""
    found = []
    for stream in record.streams:
        passes = [count_pass(record, view) for view in record.latest_passes if view.stream == stream.number]
        counted = [each.nodes for each in passes if each.nodes]
        empty = NodeCount(ns=0, ins=(), out=0, dropped=0)
        totals = list(counted[0]) if counted else [empty] * len(stream.nodes)
        for nodes in counted[1:]:
            totals = [total.plus(node) for total, node in zip(totals, nodes, strict=True)]
        flows = {tuple(node.flow for node in nodes) for nodes in counted}
        is_alike = len(flows) <= 1
        flow = list(counted[0]) if counted and is_alike else totals
        found.append(StreamCount(view=stream, passes=passes, nodes=totals, flow=flow, is_alike=is_alike))
    return found


def count_pass(record: RunRecord, view: PassView) -> PassCount:
    """Count what went through each node in a pass."""
    lineage = None
    try:
        lineage = PassLineage(record, view)
        nodes = lineage.stream.nodes
        counts: list[NodeCount | None] = [None] * len(nodes)
        wanted: dict[int, int | None] = {lineage.stream.top: view.delivered}
        for index in range(len(nodes) - 1, -1, -1):  # what reads a node has a larger number
            count = _count_node(lineage, index, wanted.get(index))
            counts[index] = count
            wanted.update(zip(lineage.inputs(index), count.ins, strict=True))
    except WhenceError as error:
        return PassCount(view=view, lineage=lineage, problem=error.message)
    return PassCount(view=view, lineage=lineage, nodes=tuple(count for count in counts if count))


def _count_node(lineage: PassLineage, index: int, wanted: int | None) -> NodeCount:
    view, node = lineage.view, lineage.node(index)
    ns, took, gave = view.nodes[index] if view.nodes else (0, 0, 0)
    inputs = lineage.inputs(index)
    if node["kind"] == "source":
        # only a pass that was read to its end is known to have wanted every row
        out = lineage.size(index) if view.is_complete or wanted is None else wanted
        return NodeCount(ns=ns, ins=(), out=out, dropped=0)
    ins: tuple[int | None, ...]
    if view.is_complete:
        ins, out = tuple(lineage.size(each) for each in inputs), lineage.size(index)
    elif node["mapping"] in ("selection", "expansion"):
        (mapping,) = lineage.mappings(index)
        ins, out = (mapping.in_size,), mapping.out_size
    elif took or gave:
        # a fit gives all that it has learned, to whoever takes anything
        fits = [lineage.node(each).get("mapping") == "fit" for each in inputs]
        ins = tuple(lineage.size(each) if fit else took for each, fit in zip(inputs, fits, strict=True))
        out = gave
    else:
        out = wanted or 0
        ins = tuple(_taken(node, mapping, out) for mapping in lineage.mappings(index))
    return NodeCount(ns=ns, ins=ins, out=out, dropped=_dropped(lineage, index, ins, out))


def _taken(node: dict[str, Any], mapping: Mapping, out: int) -> int | None:
    """How many samples a node took from an input to give its first `out` outputs; None where unknown."""
    kind, params = node["kind"], node["params"]
    if kind in _ONE_TO_ONE or isinstance(mapping, Identity):
        return out
    if kind == "batch":
        return min(mapping.in_size, out * int(params["size"]))
    if kind == "window":
        return min(mapping.in_size, (out - 1) * int(params["step"]) + int(params["size"])) if out else 0
    if kind == "slice":
        return min(mapping.in_size, int(params["start"]) + (out - 1) * int(params["step"]) + 1) if out else 0
    if kind == "repeat":
        return min(mapping.in_size, out)
    if kind == "concat" and mapping.in_size:
        first = int(mapping.forward([0]).indices[0])
        return max(0, min(mapping.in_size, out - first))
    return None


def _dropped(lineage: PassLineage, index: int, ins: tuple[int | None, ...], out: int) -> int:
    node, taken = lineage.node(index), ins[0]
    if taken is None:
        return 0
    if node["mapping"] == "selection":
        return taken - out
    if node["mapping"] == "expansion":
        return len(lineage.dropped(index))
    if not lineage.view.is_complete:
        return 0  # what isn't through yet isn't dropped
    if node["kind"] == "window":
        return taken - _covered(node, lineage.mappings(index)[0], out)
    if node["kind"] == "mix":
        return sum(each or 0 for each in ins) - out
    if node["kind"] == "slice" or (node["kind"] == "repeat" and not out):
        return taken - out
    if node["kind"] == "batch" and node["params"]["drop_last"]:
        return taken - out * int(node["params"]["size"])
    return 0


def _covered(node: dict[str, Any], mapping: Mapping, out: int) -> int:
    """How many samples are in one of the first `out` windows."""
    if not out:
        return 0
    apart = min(int(node["params"]["step"]), int(node["params"]["size"]))
    return (out - 1) * apart + len(mapping.backward([out - 1]).indices)
