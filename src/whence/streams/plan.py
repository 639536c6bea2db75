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
from whence.ops import (
    Cache,
    Fit,
    FitOf,
    Function,
    Op,
    Shuffle,
    draw_numbers,
    find_frozen,
    hands_on,
    keeps_apart,
)
from whence.sources import Source
from whence.vocab import key64

SOURCE_BITS = 48
_DEFAULT_WINDOW = 8_192
_MAKES_OTHER_ITEMS = frozenset(
    {
        "flat_map",
        "unbatch",
        "window",
        "pack",
        "group_function",
        "group_columns",
        "group_samples",
        "fill_along",
    }
)

_LEARNS = frozenset({Fit.kind, FitOf.kind})


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node of a plan: an op on its inputs, or a source.

    Args:
        seed: of the random draws below it, where it begins another stream: the one that a fit reads.
    """

    op: Op | None = None
    source: Source | None = None
    inputs: tuple[Node, ...] = ()
    written: int = 0
    seed: int = 0

    @property
    def is_indexable(self) -> bool:
        """Whether any of its outputs can be made without making those before it."""
        if self.source is not None:
            return self.source.indexable
        if self._op.learns or self._op.keeps:
            return True
        return self._op.is_indexable() and all(each.is_indexable for each in self.inputs)

    @property
    def is_own_fit(self) -> bool:
        """Whether it learns of the very samples that what it learns is used for: a node read by two."""
        return self.op is not None and self.op.kind == Fit.kind

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
        if self._op.learns:
            return self._op.out_size([])
        sizes = [each.known_size() for each in self.inputs]
        return None if None in sizes else self._op.out_size([size for size in sizes if size is not None])

    @property
    def is_read_from_start(self) -> bool:
        """Whether anything it is made of can only be read from its start, and isn't kept by a cache."""
        if self.source is not None:
            return not self.source.indexable
        return not self._op.keeps and any(each.is_read_from_start for each in self.inputs)

    def walk(self) -> Iterator[Node]:
        """Visit all nodes, inputs before what stands on them."""
        if not self.is_own_fit:  # what it reads is visited below the node beside it
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


def op_of(step: Step) -> Op:
    """The op of a step that isn't a source."""
    if step.node.op is None:
        raise AssertionError("a source is not an op")
    return step.node.op


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
        self._add(_lower(numbered, {}), keys, {})
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

    def reads(self) -> list[Source]:
        """The sources, by number."""
        return [step.node.source for step in self.steps if step.node.source is not None]

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

    def readings(self) -> list[int]:
        """By how many steps each step is read; by two, where a fit learns of what it is used for."""
        found = [0] * len(self.steps)
        for step in self.steps:
            for below in step.inputs:
                found[below] += 1
        return found

    def below(self, index: int) -> list[int]:
        """The steps below a step, ascending."""
        found: set[int] = set()
        waiting = list(self.steps[index].inputs)
        while waiting:
            at = waiting.pop()
            if at not in found:
                found.add(at)
                waiting.extend(self.steps[at].inputs)
        return sorted(found)

    def caches_below(self, index: int) -> list[int]:
        """The caches nearest below a step."""
        found: list[int] = []
        for below in self.steps[index].inputs:
            op = self.steps[below].node.op
            found += [below] if op is not None and op.keeps else self.caches_below(below)
        return found

    def frozen(self) -> list[bool]:
        """For each step what `find_frozen` says of it."""
        return find_frozen(self._kinds(), self._inputs())

    def _kinds(self) -> list[str]:
        return [step.node.op.kind if step.node.op else "source" for step in self.steps]

    def _inputs(self) -> list[tuple[int, ...]]:
        return [step.inputs for step in self.steps]

    def _add(self, node: Node, keys: dict[int, int], added: dict[int, int]) -> int:
        if id(node) in added:
            return added[id(node)]
        inputs = tuple(self._add(each, keys, added) for each in node.inputs)
        number = sum(step.source_number >= 0 for step in self.steps) if node.source is not None else -1
        self.steps.append(Step(node=node, inputs=inputs, key=keys.get(node.written, 0), source_number=number))
        added[id(node)] = len(self.steps) - 1
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
        samples = [each for each in inputs[at] if kinds[each] not in _LEARNS]
        if len(samples) != 1 or kinds[at] in _MAKES_OTHER_ITEMS:
            return len(kinds) - 1
        at = samples[0]


def _number(node: Node, counter: list[int]) -> Node:
    inputs: list[Node] = []
    for each in node.inputs:
        if each.is_own_fit:
            counter[0] += 1
            inputs.append(replace(each, inputs=(inputs[0],), written=counter[0] - 1))
        else:
            inputs.append(_number(each, counter))
    counter[0] += 1
    return replace(node, inputs=tuple(inputs), written=counter[0] - 1)


def _keys(node: Node, seed: int) -> dict[int, int]:
    """Give every random op a key of (seed, kind, label, how many like it came before)."""
    keys: dict[int, int] = {}
    _add_keys(node, seed, {}, keys)
    return keys


def _add_keys(node: Node, seed: int, seen: dict[tuple[str, str], int], keys: dict[int, int]) -> None:
    op = node.op
    if isinstance(op, FitOf):  # as in a program of its own, so that it learns of what that stream gives
        seed, seen = node.seed, {}
    if isinstance(op, Cache):  # so that what is kept doesn't depend on what else is read
        seen = {}
    if not node.is_own_fit:
        for each in node.inputs:
            _add_keys(each, seed, seen, keys)
    if op is not None and op.is_random:
        like = (op.kind, op.label)
        seen[like] = seen.get(like, -1) + 1
        keys[node.written] = key64(getattr(op, "seed", seed), op.kind, op.label, seen[like])


def _lower(node: Node, done: dict[int, Node]) -> Node:
    """Move global shuffles below order-free ops; see the module's docstring."""
    found = done.get(id(node))
    if found is None:
        found = done[id(node)] = _lowered(node, done)
    return found


def _lowered(node: Node, done: dict[int, Node]) -> Node:
    node = replace(node, inputs=tuple(_lower(each, done) for each in node.inputs))
    if not isinstance(node.op, Shuffle) or node.op.window is not None:
        return node
    above: list[Node] = []
    at = node.inputs[0]
    while not at.is_indexable and at.op is not None and at.op.is_order_free:
        above.append(at)
        at = at.inputs[0]
    shuffle = node
    if at.is_read_from_start:
        shuffle = replace(node, op=replace(node.op, window=_DEFAULT_WINDOW))
    lowered = replace(shuffle, inputs=(at,))
    for each in reversed(above):
        lowered = replace(each, inputs=(lowered, *each.inputs[1:]))
    return lowered
