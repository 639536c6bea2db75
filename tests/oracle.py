"""The oracle: samples that carry their whole history, and plans written down so that they can be built twice.

Every source row is given a mark of its own, "@source:row", and the functions here hand marks on
wherever they make one sample of others. So a delivered sample says itself where it came from, and
`trace` and `impact` must say the same. The slow reading of a plan (`by_hand`) uses lists and nothing else.

Samples are rows {"v": int, "h": marks}, lines "v|mark", or lists, columns and pairs of such.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

import whence as wh
from whence.streams import Stream

Row = dict[str, Any]
Marks = frozenset[str]


# plans, as values


@dataclass(frozen=True, slots=True)
class Given:
    """A source: its name is unique in a plan, `values` are the numbers its rows begin with."""

    kind: str
    name: str
    values: tuple[int, ...]

    def __repr__(self) -> str:
        return f"{self.kind}:{self.name}{list(self.values)}"


@dataclass(frozen=True, slots=True)
class Done:
    """An operation on plans; `args` are what its method needs."""

    op: str
    inputs: tuple[Plan, ...]
    args: tuple[Any, ...] = ()
    label: str = ""

    def __repr__(self) -> str:
        below = ", ".join(map(repr, self.inputs))
        return f"{self.op}{self.args or ''}({below})"


Plan = Given | Done


def walk(plan: Plan) -> Iterator[Plan]:
    """Visit a plan, inputs first."""
    if isinstance(plan, Done):
        for below in plan.inputs:
            yield from walk(below)
    yield plan


def ops_of(plan: Plan) -> set[str]:
    """Name the operations in a plan."""
    return {each.op for each in walk(plan) if isinstance(each, Done)}


def sources_of(plan: Plan) -> dict[str, Given]:
    """Find a plan's sources by name."""
    return {each.name: each for each in walk(plan) if isinstance(each, Given)}


# what a sample says of itself


def marks_of(value: Any) -> Marks:
    """Gather the marks anywhere in a sample."""
    if isinstance(value, str):
        return frozenset([value.partition("|")[2] or value])
    if isinstance(value, dict):
        return marks_of(value["h"])
    if isinstance(value, list | tuple | np.ndarray):
        return frozenset().union(*map(marks_of, value))
    raise TypeError(f"no marks in a {type(value).__name__}")


def rows_of(value: Any) -> set[tuple[str, int]]:
    """Say from which source rows a sample came, as it carries them."""
    found = (mark[1:].rpartition(":") for mark in marks_of(value) if mark.startswith("@"))
    return {(name, int(row)) for name, _, row in found}


def draws_of(value: Any) -> set[str]:
    """Say which values were drawn for a sample by `draw=`, as it carries them."""
    return {mark for mark in marks_of(value) if mark.startswith("#")}


def number_of(value: Any) -> int:
    """One number of a sample of any form; it ignores history."""
    if isinstance(value, str):
        return int(value.partition("|")[0])
    if isinstance(value, dict):
        return number_of(value["v"])
    if isinstance(value, list | tuple | np.ndarray):
        return reduce(lambda folded, each: folded * 3 + number_of(each), value, 0) % 1009
    return int(value)


def alike(first: Any, second: Any) -> bool:
    """Compare samples of any form, arrays too, by type and content."""
    if type(first) is not type(second):
        return False
    if isinstance(first, np.ndarray):
        return bool(first.dtype == second.dtype) and alike(list(first), list(second))
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(alike(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(alike, first, second))
    return bool(first == second)


# the functions of the plans; each hands the marks on


def fold(value: Any, *more: str) -> Row:
    """Make one row of a sample of any form."""
    return {"v": number_of(value), "h": (*sorted(marks_of(value)), *more)}


def read(file: Any) -> Row:
    """Read a file that holds one line."""
    return fold(file.read().decode())


def grow(value: Any, by: int) -> Row:
    """A map."""
    return fold(value) | {"v": number_of(value) + by}


def grow_inside(values: Any, by: int) -> list[Row]:
    """A map of batches; its items came from the whole batch, since it might have mixed them."""
    return [{"v": number_of(value) + by, "h": tuple(sorted(marks_of(values)))} for value in values]


def jitter(value: Any, *, rng: Any) -> Row:
    """A random map."""
    return fold(value, f"~{rng.integers(0, 1 << 30)}", f"~{rng.random()}")


def drawn(value: Any, dx: int, flip: bool, label: str) -> Row:
    """A random map whose values are declared."""
    return fold(value, f"#{label}.dx={dx}", f"#{label}.flip={flip}")


def fragile(value: Any, modulus: int) -> Row:
    """A map that fails on some samples."""
    if number_of(value) % modulus == 1:
        raise ValueError("a number that isn't liked")
    return fold(value)


def frail(value: Any, *, rng: Any) -> Row:
    """A random map that fails on some samples at random."""
    if rng.random() < 0.3:
        raise ValueError("bad luck")
    return fold(value, f"~{rng.random()}")


def keeps(value: Any, modulus: int) -> bool:
    """A predicate."""
    return number_of(value) % modulus != 0


def chances(value: Any, *, rng: Any) -> bool:
    """A random predicate."""
    return bool(rng.random() < 0.6)


def copies(value: Any, most: int) -> list[Row]:
    """A function that makes 0 to `most` samples of one."""
    return [grow(value, 10 * number) for number in range(number_of(value) % (most + 1))]


def litter(value: Any, *, rng: Any) -> Iterator[Row]:
    """A random one, that yields."""
    for _ in range(rng.integers(0, 3)):
        yield fold(value, f"~{rng.random()}")


def ranked(values: Sequence[Any]) -> list[Row]:
    """A function of a group, whose results depend on the group."""
    total = sum(map(number_of, values))
    return [grow(value, total % 7) for value in values]


def ranked_columns(columns: Mapping[str, Any]) -> dict[str, Any]:
    """The same of columns."""
    return {"v": columns["v"] + int(columns["v"].sum()) % 7, "h": columns["h"]}


def together(values: Sequence[Any]) -> Row:
    """A collate function that makes a row."""
    return fold(list(values))


def pair(first: Any, second: Any) -> Row:
    """A combining function."""
    return fold((first, second))


def v_of(row: Row) -> int:
    """A key."""
    return number_of(row) % 5


class Pour:
    """Rows that can only be read from their start, though again and again."""

    def __init__(self, rows: Sequence[Any]) -> None:
        self._rows = rows

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)


# a plan as a stream


def first_rows(given: Given) -> list[Any]:
    """The rows of a source as they come out of it."""
    marks = [f"@{given.name}:{row}" for row in range(len(given.values))]
    pairs = list(zip(given.values, marks, strict=True))
    if given.kind == "text":
        return [f"{value}|{mark}" for value, mark in pairs]
    if given.kind in ("arrays", "csv"):
        return [{"v": value, "h": mark} for value, mark in pairs]
    if given.kind == "jsonl":
        return [{"v": value, "h": [mark]} for value, mark in pairs]
    return [{"v": value, "h": (mark,)} for value, mark in pairs]


class Builder:
    """Builds streams of plans.

    Args:
        folder: where sources that are files are written.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._made: dict[Plan, Stream] = {}

    def build(self, plan: Plan) -> Stream:
        """Build a plan's stream; equal plans are one stream."""
        if plan not in self._made:
            self._made[plan] = self._source(plan) if isinstance(plan, Given) else self._chained(plan)
        return self._made[plan]

    def _source(self, given: Given) -> Stream:
        rows = first_rows(given)
        name = given.name
        makers: dict[str, Callable[[], Stream]] = {
            "list": lambda: wh.from_items(rows, name=name),
            "tuple": lambda: wh.from_items(tuple(rows), name=name),
            "pour": lambda: wh.from_items(Pour(rows), name=name),
            "once": lambda: wh.from_items(iter(rows), name=name),
            "arrays": lambda: wh.from_arrays(
                name=name,
                v=np.array([row["v"] for row in rows], np.int64),
                h=np.array([row["h"] for row in rows], "U"),
            ),
            "text": lambda: wh.from_text(self._written(given, rows), name=name),
            "jsonl": lambda: wh.from_jsonl(self._written(given, map(json.dumps, rows)), name=name),
            "csv": lambda: wh.from_csv(
                self._written(given, (f"{row['v']},{row['h']}" for row in rows), head=["v,h"]), name=name
            ),
            "files": lambda: wh.from_files(self._files(given), name=name).map(read),
        }
        return makers[given.kind]()

    def _written(self, given: Given, lines: Any, head: Sequence[str] = ()) -> list[str]:
        """Write lines to two files, so that rows have parts."""
        found = list(lines)
        paths = []
        for number, part in enumerate((found[: len(found) // 3], found[len(found) // 3 :])):
            path = self._folder / f"{given.name}-{number}.{given.kind}"
            path.write_text("".join(f"{line}\n" for line in (*head, *part)))
            paths.append(str(path))
        return paths

    def _files(self, given: Given) -> list[str]:
        paths = []
        for row, value in enumerate(given.values):
            path = self._folder / f"{given.name}-{row:03}.txt"
            path.write_text(f"{value}|@{given.name}:{row}")
            paths.append(str(path))
        return paths

    def _chained(self, done: Done) -> Stream:
        first, *others = map(self.build, done.inputs)
        return CHAINED[done.op](first, others, done.args, done.label)


_Chain = Callable[[Stream, list[Stream], tuple[Any, ...], str], Stream]

CHAINED: dict[str, _Chain] = {
    "fold": lambda s, _o, _a, label: s.map(fold, name=label),
    "grow": lambda s, _o, a, label: s.map(grow, name=label, by=a[0]),
    "grow_inside": lambda s, _o, a, label: s.map(grow_inside, name=label, by=a[0]),
    "jitter": lambda s, _o, _a, label: s.map(jitter, name=label),
    "drawn": lambda s, _o, _a, label: s.map(
        drawn, name=label, label=label, draw={"dx": wh.draw.integers(-9, 10), "flip": wh.draw.coin()}
    ),
    "fragile": lambda s, _o, a, label: s.map(fragile, name=label, on_error="quarantine", modulus=a[0]),
    "frail": lambda s, _o, _a, label: s.map(frail, name=label, on_error="quarantine"),
    "keeps": lambda s, _o, a, label: s.filter(keeps, name=label, reason="divisible", modulus=a[0]),
    "chances": lambda s, _o, _a, label: s.filter(chances, name=label),
    "copies": lambda s, _o, a, label: s.flat_map(copies, name=label, most=a[0]),
    "litter": lambda s, _o, _a, label: s.flat_map(litter, name=label),
    "ranked": lambda s, _o, a, label: s.map_batches(ranked, size=a[0], name=label),
    "ranked_columns": lambda s, _o, a, label: s.map_batches(
        ranked_columns, size=a[0], form="columns", name=label
    ),
    "batch_list": lambda s, _o, a, _l: s.batch(a[0], drop_last=a[1], collate=list),
    "batch_stack": lambda s, _o, a, _l: s.batch(a[0], drop_last=a[1]),
    "batch_together": lambda s, _o, a, _l: s.batch(a[0], drop_last=a[1], collate=together),
    "unbatch": lambda s, _o, _a, _l: s.unbatch(),
    "shuffle": lambda s, _o, a, _l: s.shuffle(a[0], window=a[1]),
    "dedup_number": lambda s, _o, _a, _l: s.dedup(number_of),
    "dedup_field": lambda s, _o, _a, _l: s.dedup("v"),
    "dedup_whole": lambda s, _o, _a, _l: s.dedup(),
    "take": lambda s, _o, a, _l: s.take(a[0]),
    "skip": lambda s, _o, a, _l: s.skip(a[0]),
    "slice": lambda s, _o, a, _l: s.slice(*a),
    "shard": lambda s, _o, a, _l: s.shard(*a),
    "sample": lambda s, _o, a, _l: s.sample(*a),
    "repeat": lambda s, _o, a, _l: s.repeat(a[0]),
    "concat": lambda s, o, _a, _l: s.concat(*o),
    "zip": lambda s, o, _a, _l: s.zip(o[0]),
    "zip_pair": lambda s, o, _a, _l: s.zip(o[0], combine=pair),
}

RANDOM = {"jitter", "drawn", "frail", "chances", "litter", "shuffle", "sample"}
"""What only chance decides: not read by hand."""

CAN_DROP = {
    "fragile", "frail", "keeps", "chances", "copies", "litter", "dedup_number", "dedup_field", "dedup_whole",
    "take", "skip", "slice", "shard", "sample", "repeat", "unbatch",
}  # fmt: skip
"""What may leave a sample out; a batch does only with drop_last."""

CAN_STOP = {"take", "slice", "zip", "zip_pair"}
"""What may leave source rows unread though the pass is complete."""


# a plan by hand: lists, and nothing else


def by_hand(plan: Plan) -> list[Any]:
    """Say what a plan gives if nothing in it is random, in the slowest and plainest way."""
    if isinstance(plan, Given):
        rows = first_rows(plan)
        return [fold(row) for row in rows] if plan.kind == "files" else rows
    first, *others = map(by_hand, plan.inputs)
    return BY_HAND[plan.op](first, others, plan.args)


def _batched(values: list[Any], size: int, drop_last: bool) -> list[list[Any]]:
    groups = [values[start : start + size] for start in range(0, len(values), size)]
    return [group for group in groups if len(group) == size or not drop_last]


def _columns(group: list[Row]) -> dict[str, Any]:
    marks = np.empty(len(group), object)
    for number, row in enumerate(group):
        marks[number] = row["h"]
    return {"v": np.array([row["v"] for row in group]), "h": marks}


def _taken_apart(batch: Any) -> list[Any]:
    if isinstance(batch, dict):
        return [{"v": v, "h": h} for v, h in zip(batch["v"], batch["h"], strict=True)]
    return list(batch)


def _first_of_each(values: list[Any], key: Callable[[Any], Any]) -> list[Any]:
    kept: list[Any] = []
    keys: list[Any] = []
    for value in values:
        if key(value) not in keys:
            keys.append(key(value))
            kept.append(value)
    return kept


def _whole(value: Any) -> Any:
    """A sample as something whose equality is that of type and content."""
    if isinstance(value, dict):
        return [(key, _whole(value[key])) for key in sorted(value)]
    if isinstance(value, list | tuple):
        return [type(value).__name__, *map(_whole, value)]
    return (type(value).__name__, value)


_Hand = Callable[[list[Any], list[list[Any]], tuple[Any, ...]], list[Any]]

BY_HAND: dict[str, _Hand] = {
    "fold": lambda s, _o, _a: [fold(value) for value in s],
    "grow": lambda s, _o, a: [grow(value, a[0]) for value in s],
    "grow_inside": lambda s, _o, a: [grow_inside(value, a[0]) for value in s],
    "fragile": lambda s, _o, a: [fold(value) for value in s if number_of(value) % a[0] != 1],
    "keeps": lambda s, _o, a: [value for value in s if keeps(value, a[0])],
    "copies": lambda s, _o, a: [copy for value in s for copy in copies(value, a[0])],
    "ranked": lambda s, _o, a: [row for group in _batched(s, a[0], False) for row in ranked(group)],
    "ranked_columns": lambda s, _o, a: [
        row for group in _batched(s, a[0], False) for row in _taken_apart(ranked_columns(_columns(group)))
    ],
    "batch_list": lambda s, _o, a: _batched(s, *a),
    "batch_stack": lambda s, _o, a: [_columns(group) for group in _batched(s, *a)],
    "batch_together": lambda s, _o, a: [together(group) for group in _batched(s, *a)],
    "unbatch": lambda s, _o, _a: [item for value in s for item in _taken_apart(value)],
    "dedup_number": lambda s, _o, _a: _first_of_each(s, number_of),
    "dedup_field": lambda s, _o, _a: _first_of_each(s, lambda row: (type(row["v"]).__name__, row["v"])),
    "dedup_whole": lambda s, _o, _a: _first_of_each(s, _whole),
    "take": lambda s, _o, a: s[: a[0]],
    "skip": lambda s, _o, a: s[a[0] :],
    "slice": lambda s, _o, a: s[slice(*a)],
    "shard": lambda s, _o, a: s[a[0] :: a[1]],
    "repeat": lambda s, _o, a: s * a[0],
    "concat": lambda s, o, _a: [*s, *(value for other in o for value in other)],
    "zip": lambda s, o, _a: list(zip(s, o[0], strict=False)),
    "zip_pair": lambda s, o, _a: [pair(*both) for both in zip(s, o[0], strict=False)],
}
