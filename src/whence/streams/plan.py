"""The plan: the tree of operations that a stream stands for, and the program that runs it.

A stream's tree is as the user wrote it. Compiling it moves each global shuffle below the operations
that treat every sample by itself (map, filter, sample), down to the nearest input that can be read
at any position: the order of the survivors of a uniformly shuffled input is itself uniformly
shuffled, and so nothing has to be put aside. Positions, and with them all lineage, are those of the
program; `written` remembers the place in the user's own order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from whence.errors import PlanError
from whence.ops import Function, Op, Shuffle, draw_numbers, hands_on, keeps_apart
from whence.sources import Source
from whence.vocab import key64

SOURCE_BITS = 48
_DEFAULT_WINDOW = 8_192
_MAKES_OTHER_ITEMS = frozenset(
    {"flat_map", "unbatch", "window", "pack", "group_function", "group_columns", "group_samples", "fill_along"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node of a plan: an op on its inputs, or a source."""

    op: Op | None = None
    source: Source | None = None
    inputs: tuple[Node, ...] = ()
    written: int = 0

    @property
    def is_indexable(self) -> bool:
        """Whether any of its outputs can be made without making those before it."""
        if self.source is not None:
            return self.source.indexable
        return self._op.is_indexable() and all(each.is_indexable for each in self.inputs)

    @property
    def _op(self) -> Op:
        if self.op is None:
            raise AssertionError("a node is an op or a source")
        return self.op

    def known_size(self) -> int | None:
        """How many outputs it has, where that is known without reading; None otherwise."""
        if self.source is not None:
            return self.source.size()
        if not self.is_indexable:
            return None
        sizes = [each.known_size() for each in self.inputs]
        return None if None in sizes else self._op.out_size([size for size in sizes if size is not None])

    def walk(self) -> Iterator[Node]:
        """Visit all nodes, inputs before what stands on them."""
        for each in self.inputs:
            yield from each.walk()
        yield self


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One node of a program, its inputs by number.

    Args:
        node: the op or source.
        inputs: the numbers of the steps it reads.
        key: the key of its random draws; 0 where it draws nothing.
        source_number: counts the sources, -1 at an op.
    """

    node: Node
    inputs: tuple[int, ...]
    key: int
    source_number: int

    @property
    def label(self) -> str:
        """What the record calls it."""
        return (
            self.node.op.label
            if self.node.op is not None
            else str(self.node.source and self.node.source.name)
        )


class Program:
    """A compiled plan: steps in the order in which they can be computed, the last one delivered.

    Args:
        node: the top of the user's tree.
        name: what the record calls the stream.
        seed: of the random draws of its maps and filters.
    """

    def __init__(self, node: Node, *, name: str, seed: int) -> None:
        self.name = name
        self.seed = seed
        self.steps: list[Step] = []
        numbered = _number(node, [0])
        keys = _keys(numbered, seed)
        self._add(_lower(numbered), keys)
        if len(self.sources) >= 1 << (63 - SOURCE_BITS):
            raise PlanError(
                "a stream of too many sources", remedy="Give from_files or from_csv a list of paths."
            )

    @classmethod
    def of_steps(cls, steps: list[Step], *, name: str) -> Program:
        """Take steps as a record has them, keys and all."""
        program = cls.__new__(cls)
        program.name = name
        program.seed = 0
        program.steps = steps
        return program

    @property
    def sources(self) -> list[Step]:
        """The steps that read sources, by number."""
        return [step for step in self.steps if step.source_number >= 0]

    @property
    def top(self) -> int:
        """The step whose outputs are delivered."""
        return len(self.steps) - 1

    @property
    def items_at(self) -> int:
        """The last batch step, at whose input items are counted; the top where there is none."""
        return find_items_at(self._kinds(), self._inputs())

    def draw_numbers(self) -> list[int]:
        """For each step what `ops.draw_numbers` says of it."""
        return draw_numbers(self._kinds(), self._inputs(), [step.source_number for step in self.steps])

    @property
    def delivers_items(self) -> bool:
        """Whether what is delivered is made of the items counted and of nothing else, as they are."""
        at, end = self.top, self.items_at
        while at != end:
            op = self.steps[at].node.op
            if op is None or not hands_on(op.kind):
                return False
            at = self.steps[at].inputs[0]
        op = self.steps[at].node.op
        return op is None or op.kind != "batch" or keeps_apart(op.kind, op.parameters())

    def _kinds(self) -> list[str]:
        return [step.node.op.kind if step.node.op else "source" for step in self.steps]

    def _inputs(self) -> list[tuple[int, ...]]:
        return [step.inputs for step in self.steps]

    def _add(self, node: Node, keys: dict[int, int]) -> int:
        inputs = tuple(self._add(each, keys) for each in node.inputs)
        number = sum(step.source_number >= 0 for step in self.steps) if node.source is not None else -1
        self.steps.append(Step(node=node, inputs=inputs, key=keys.get(node.written, 0), source_number=number))
        return len(self.steps) - 1

    # what the recorder asks

    def describe_nodes(self) -> list[dict[str, Any]]:
        """Describe each step, JSON-able."""
        described = []
        for step in self.steps:
            entry: dict[str, Any] = {
                "label": step.label,
                "inputs": list(step.inputs),
                "written": step.node.written,
            }
            if step.node.op is not None:
                entry |= {
                    "kind": step.node.op.kind,
                    "params": step.node.op.parameters(),
                    "key": step.key.to_bytes(8, "little"),
                }
                entry["reason"] = step.node.op.reason()
                entry["random"] = step.node.op.is_random
                entry["mapping"] = step.node.op.mapping_kind
            else:
                entry["kind"] = "source"
                entry["source_number"] = step.source_number
            described.append(entry)
        return described

    def functions_of(self, index: int) -> dict[str, Function]:
        """The user's functions in a step."""
        op = self.steps[index].node.op
        return op.functions() if op is not None else {}

    def source_at(self, index: int) -> Source | None:
        """The source at a step."""
        return self.steps[index].node.source


def find_items_at(kinds: list[str], inputs: list[tuple[int, ...]]) -> int:
    """Find the batch step nearest to the top, going down while there is only one input.

    Returns:
        Its number; the top's where there is none, or where the batches are taken apart or gathered again.
    """
    at = len(kinds) - 1
    while True:
        if kinds[at] == "batch":
            return at
        if len(inputs[at]) != 1 or kinds[at] in _MAKES_OTHER_ITEMS:
            return len(kinds) - 1
        at = inputs[at][0]


def _number(node: Node, counter: list[int]) -> Node:
    inputs = tuple(_number(each, counter) for each in node.inputs)
    counter[0] += 1
    return replace(node, inputs=inputs, written=counter[0] - 1)


def _keys(node: Node, seed: int) -> dict[int, int]:
    """Give every random op a key of (seed, kind, label, how many like it came before)."""
    keys: dict[int, int] = {}
    seen: dict[tuple[str, str], int] = {}
    for each in node.walk():
        op = each.op
        if op is None or not op.is_random:
            continue
        like = (op.kind, op.label)
        seen[like] = seen.get(like, -1) + 1
        keys[each.written] = key64(getattr(op, "seed", seed), op.kind, op.label, seen[like])
    return keys


def _lower(node: Node) -> Node:
    """Move global shuffles below order-free ops; see the module's docstring."""
    node = replace(node, inputs=tuple(_lower(each) for each in node.inputs))
    if not isinstance(node.op, Shuffle) or node.op.window is not None:
        return node
    above: list[Node] = []
    at = node.inputs[0]
    while not at.is_indexable and at.op is not None and at.op.is_order_free:
        above.append(at)
        at = at.inputs[0]
    shuffle = node
    if not all(each.source is None or each.source.indexable for each in at.walk()):
        shuffle = replace(node, op=replace(node.op, window=_DEFAULT_WINDOW))
    lowered = replace(shuffle, inputs=(at,))
    for each in reversed(above):
        lowered = replace(each, inputs=(lowered,))
    return lowered
