"""The plan as a picture: sources on top, operations below one another, drops at the side.

Only geometry is made here; the template draws and escapes. Widths of text are estimated for a common
sans-serif, generously, because a page can't ask a browser that it doesn't know.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import Any

from whence.documents.wording import counted, shown, shown_value
from whence.query import NodeCount, StreamCount
from whence.runs import RunRecord

BOX_WIDTH = 216
BOX_HEIGHT = 48
GAP = 40
SIDE = 26
SIDE_WIDTH = 152
MARGIN = 4
COLUMN_GAP = 28

CHAIN_LIMIT = 40
INPUTS_LIMIT = 4
COLUMNS_LIMIT = 6

_LABEL_CHARS = 22
_DETAIL_CHARS = 34
_REASON_CHARS = 23
_REASON_LINES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A source, an operation, the delivery, or a place where something is left out (`kind` "more")."""

    kind: str
    label: str
    detail: str
    x: int
    y: int
    height: int = BOX_HEIGHT


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A line down from one box to the next, with what flows along it."""

    path: str
    text: str
    x: int
    y: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A line to the side with what was dropped and why."""

    count: str
    lines: tuple[str, ...]
    x: int
    y: int


@dataclass(slots=True, kw_only=True)
class Picture:
    """A drawn plan.

    Args:
        name: of the stream.
        told: the same in words, for those who don't see it.
    """

    name: str
    box_width: int = BOX_WIDTH
    width: int = 0
    height: int = 0
    told: str = ""
    boxes: list[Box] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    branches: list[Branch] = field(default_factory=list)


def draw_stream(record: RunRecord, stream: StreamCount) -> Picture:
    """Draw a stream with the counts of its passes."""
    return _Drawing(record, stream).draw()


class _Drawing:
    """Lays out one plan, column by column."""

    def __init__(self, record: RunRecord, stream: StreamCount) -> None:
        self._record = record
        self._stream = stream
        self._nodes = stream.view.nodes
        self._counts: list[NodeCount] = stream.flow
        self._picture = Picture(name=stream.view.name)
        self._columns = 0

    def draw(self) -> Picture:
        """Draw it."""
        picture = self._picture
        height = self._height(self._stream.view.top)
        self._column(self._stream.view.top, MARGIN, height, at_top=True)
        picture.width = max(
            [box.x + BOX_WIDTH for box in picture.boxes]
            + [branch.x + SIDE_WIDTH for branch in picture.branches]
        )
        picture.width += MARGIN
        picture.height = height + GAP + BOX_HEIGHT + 2 * MARGIN
        picture.told = self._told()
        return picture

    def _chain(self, top: int) -> tuple[list[int], list[int]]:
        """The nodes from one downwards while each has one input, the top first; and the inputs below."""
        chain = [top]
        while len(self._nodes[chain[-1]]["inputs"]) == 1:
            chain.append(self._nodes[chain[-1]]["inputs"][0])
        return chain, list(self._nodes[chain[-1]]["inputs"])

    def _shown_chain(self, chain: list[int]) -> list[int | None]:
        """The same without the middle of a very long one, None in its place."""
        if len(chain) <= CHAIN_LIMIT:
            return list(chain)
        half = CHAIN_LIMIT // 2
        return [*chain[:half], None, *chain[-half:]]

    def _height(self, top: int) -> int:
        """How far below its column's beginning the bottom of a chain lies."""
        chain, inputs = self._chain(top)
        own = len(self._shown_chain(chain)) * (BOX_HEIGHT + GAP) - GAP
        below = max((self._height(each) for each in inputs[:INPUTS_LIMIT]), default=0)
        return own + (below + GAP + GAP // 2 if inputs else 0)

    def _column(self, top: int, x: int, bottom: int, *, at_top: bool = False) -> int:
        """Draw a chain that ends at `bottom`; returns where the next column can begin."""
        chain, inputs = self._chain(top)
        shown_chain = self._shown_chain(chain)
        y = bottom - BOX_HEIGHT + MARGIN
        if at_top:
            self._deliver(x, y + BOX_HEIGHT + GAP)
        has_branches = False
        for place, index in enumerate(shown_chain):
            if index is None:
                left_out = counted(len(chain) - CHAIN_LIMIT, "more operation")
                self._box("more", left_out, "left out of the picture, not of the table", x, y)
            else:
                self._node(index, x, y)
                has_branches = has_branches or bool(self._counts[index].dropped)
            if place:
                self._down(x, y, self._flowing(index) if index is not None else "")
            y -= BOX_HEIGHT + GAP
        used = x + BOX_WIDTH + (SIDE + SIDE_WIDTH if has_branches else 0)
        if inputs:
            join_y = y + BOX_HEIGHT + GAP
            used = max(used, self._inputs(inputs, x, join_y))
        return used + COLUMN_GAP

    def _inputs(self, inputs: list[int], x: int, join_y: int) -> int:
        """Draw the inputs of a join whose box begins at (x, join_y), side by side."""
        bottom = join_y - GAP - GAP // 2 - MARGIN
        next_x = x
        drawn = 0
        for each in inputs[:INPUTS_LIMIT]:
            if self._columns >= COLUMNS_LIMIT:
                break
            self._columns += 1
            drawn += 1
            column_x, next_x = next_x, self._column(each, next_x, bottom)
            self._join(column_x, x, bottom + MARGIN, join_y, self._flowing(each))
        if drawn < len(inputs):
            y = bottom - BOX_HEIGHT + MARGIN
            self._box(
                "more", counted(len(inputs) - drawn, "more input"), "left out of the picture", next_x, y
            )
            self._join(next_x, x, bottom + MARGIN, join_y, "")
            next_x += BOX_WIDTH + COLUMN_GAP
        return next_x - COLUMN_GAP

    def _join(self, from_x: int, to_x: int, from_y: int, to_y: int, text: str) -> None:
        """Draw a line from the middle of one box's bottom to that of another's top, round the corner."""
        start, end = from_x + BOX_WIDTH // 2, to_x + BOX_WIDTH // 2
        turn = to_y - GAP // 2
        path = (
            f"M{start} {from_y}V{turn}H{end}V{to_y - 7}" if start != end else f"M{start} {from_y}V{to_y - 7}"
        )
        self._picture.edges.append(Edge(path=path, text=text, x=start + 9, y=from_y + GAP // 2 + 3))

    def _down(self, x: int, y: int, text: str) -> None:
        middle = x + BOX_WIDTH // 2
        path = f"M{middle} {y + BOX_HEIGHT}V{y + BOX_HEIGHT + GAP - 7}"
        self._picture.edges.append(Edge(path=path, text=text, x=middle + 9, y=y + BOX_HEIGHT + GAP // 2 + 3))

    def _deliver(self, x: int, y: int) -> None:
        top = self._stream.view.top
        self._down(x, y - BOX_HEIGHT - GAP, self._flowing(top))
        passes = self._stream.passes
        delivered = sum(each.view.count for each in passes)
        noun = self._noun(top)
        told = f"{counted(delivered, noun, _plural(noun))} in {counted(len(passes), 'pass', 'passes')}"
        self._box("delivery", "received by the program", told, x, y)

    def _node(self, index: int, x: int, y: int) -> None:
        node, count = self._nodes[index], self._counts[index]
        if node["kind"] == "source":
            self._box("source", node["label"], self._source_detail(node), x, y)
            return
        self._box("random" if node["random"] else "op", node["label"], describe_op(node), x, y)
        if count.dropped:
            reason = textwrap.wrap(shown(node["reason"], 200), _REASON_CHARS) or [""]
            if len(reason) > _REASON_LINES:
                reason = [*reason[: _REASON_LINES - 1], f"{reason[_REASON_LINES - 1][: _REASON_CHARS - 1]}…"]
            self._picture.branches.append(
                Branch(
                    count=f"{count.dropped:,} {_verb(node)}",
                    lines=tuple(reason),
                    x=x + BOX_WIDTH + SIDE,
                    y=y + BOX_HEIGHT // 2,
                )
            )

    def _source_detail(self, node: dict[str, Any]) -> str:
        known = {source.number: source for source in self._record.sources}
        source = known.get(node["source"])
        if source is None:
            return "unknown source"
        if source.kind == "files":
            return f"{counted(len(source.paths), 'file')} in {source.root or '.'}"
        return f"{source.kind} {source.paths[0] if len(source.paths) == 1 else source.root}".strip()

    def _box(self, kind: str, label: str, detail: str, x: int, y: int) -> None:
        self._picture.boxes.append(
            Box(
                kind=kind,
                label=shown(label, _LABEL_CHARS + 2 if kind == "delivery" else _LABEL_CHARS),
                detail=shown(detail, _DETAIL_CHARS),
                x=x,
                y=y,
            )
        )

    def _flowing(self, index: int) -> str:
        if not self._stream.counted_passes:
            return ""
        noun = self._noun(index)
        return counted(self._counts[index].out, noun, _plural(noun))

    def _noun(self, index: int) -> str:
        """What flows out of a node: files, rows, samples or batches."""
        node = self._nodes[index]
        while node["kind"] not in ("batch", "unbatch", "flat_map", "zip", "source"):
            if node["kind"] in ("map", "map_batches") and not self._is_batched(node):
                return "sample"
            node = self._nodes[node["inputs"][0]]
        if node["kind"] == "source":
            source = {each.number: each for each in self._record.sources}.get(node["source"])
            return "file" if source is not None and source.kind == "files" else "row"
        return "batch" if node["kind"] == "batch" else "sample"

    def _is_batched(self, node: dict[str, Any]) -> bool:
        while node["inputs"]:
            node = self._nodes[node["inputs"][0]]
            if node["kind"] in ("batch", "unbatch", "flat_map"):
                return bool(node["kind"] == "batch")
        return False

    def _told(self) -> str:
        """Say the picture in words."""
        parts: list[str] = []
        for index, (node, count) in enumerate(zip(self._nodes, self._counts, strict=True)):
            if len(parts) >= CHAIN_LIMIT:
                parts.append(counted(len(self._nodes) - index, "more node"))
                break
            dropped = (
                f", {count.dropped:,} {_verb(node)}: {shown(node['reason'], 80)}" if count.dropped else ""
            )
            parts.append(
                f"{shown(node['label'], 60)} gives {self._flowing(index) or 'an unknown number'}{dropped}"
            )
        return "; ".join(parts) + "."


def describe_op(node: dict[str, Any]) -> str:
    """Say in a few words what an operation is, beyond its label."""
    kind, params = node["kind"], node["params"]
    given = ", ".join(f"{key}={shown_value(value, 24)}" for key, value in params.get("params", {}).items())
    drawn = f"draws {', '.join(params['draw'])}" if params.get("draw") else ""
    if kind == "shuffle":
        window = params.get("window")
        drawn = "a new order each epoch" if window is None else f"within {window:,} samples, new each epoch"
    elif node["random"] and not drawn:
        drawn = "draws at random"
    name = "" if node["label"].startswith(kind) else kind
    return " · ".join(part for part in (name, drawn, given) if part)


def _verb(node: dict[str, Any]) -> str:
    return {"map": "set aside", "slice": "not taken", "sample": "not taken", "dedup": "repeated"}.get(
        node["kind"], "dropped"
    )


def _plural(noun: str) -> str:
    return "batches" if noun == "batch" else f"{noun}s"
