"""What hypothesis makes for the tests of whole pipelines."""

from __future__ import annotations

import itertools
import pathlib
import tempfile
from dataclasses import dataclass
from typing import Literal

from hypothesis import strategies as st

from tests.oracle.building import Builder, by_hand
from tests.oracle.operations import OPERATIONS
from tests.oracle.plans import Done, Given, Plan, ops_of
from tests.oracle.readings import Pipeline
from whence.errors import OpError, PlanError

IN_MEMORY = ("list", "tuple", "arrays", "table")
ON_DISK = ("text", "jsonl", "csv", "files", "parquet")
FROM_THE_START = ("pour", "once")
ALL_SOURCES = IN_MEMORY + ON_DISK + FROM_THE_START

_LARGEST = 100


class _Names:
    """Counts, so that sources and labelled operations have names of their own."""

    def __init__(self) -> None:
        self._count = itertools.count()

    def new(self, kind: str) -> str:
        return f"{kind}{next(self._count)}"


@st.composite
def pipelines(
    draw: st.DrawFn, sources: tuple[str, ...] = ALL_SOURCES, *, random: bool = True, most_ops: int = 7
) -> Pipeline:
    """Make a plan of any operations over sources of these kinds, and a way to read it."""
    plan = draw(plans(sources, random=random, most_ops=most_ops))
    once = "once:" in repr(plan)
    epochs = (draw(st.integers(0, 3)),) if once else draw(st.sampled_from([(0,), (0, 1), (1, 0), (2, 2)]))
    stops = tuple(draw(st.sampled_from([None, None, None, None, 0, 1, 2, 3, 5, 8, 11])) for _ in epochs)
    first = draw(st.sampled_from([1, 2, 3, 7, 64]))
    largest = max(first, draw(st.sampled_from([1, 4, 16, 1024])))
    in_turns = len(epochs) > 1 and draw(st.booleans())
    memory = draw(st.sampled_from([None, None, 1, 300, 1000, 3000]))
    record: Literal["full", "lineage"] = "full" if draw(st.integers(0, 7)) else "lineage"
    return Pipeline(plan, epochs, stops, in_turns, first, largest, memory, record)


@st.composite
def plans(draw: st.DrawFn, sources: tuple[str, ...], *, random: bool, most_ops: int) -> Plan:
    """Make a plan."""
    grower = _Grower(draw, sources, random)
    return grower.plan(draw(st.integers(1, most_ops)))


@dataclass(frozen=True, slots=True)
class _Part:
    """A plan that is being made: the form of its samples, and a bound of how many there are.

    Forms are "line", "row" (fields v, h), "full" (and f, x, y, c), "wide" (v, h and others, the same in all),
    "list FORM", "stack FORM", "pair" and "mixed".
    """

    plan: Plan
    form: str
    most: int

    @property
    def is_row(self) -> bool:
        return self.form in ("row", "full", "wide")

    @property
    def may_be_dicts(self) -> bool:
        return not self.form.startswith(("line", "list ", "pair"))

    @property
    def is_pure(self) -> bool:
        """Whether each sample has a value "x" of its own row only: what is between two can be told."""
        return self.form == "full" and ops_of(self.plan) <= _PURE


_PURE = {
    "fold", "grow", "fragile", "keeps", "chances", "copies", "shuffle", "sort", "split", "sample", "take",
    "skip", "slice", "shard", "repeat", "concat", "mix", "dedup_number", "dedup_field", "dedup_whole",
    "cast", "cache", "fill_constant", "fill_learned", "normalize", "winsorize", "keeps_columns",
}  # fmt: skip
"""What keeps to one source row a sample."""

_FOLDING = {
    "fold", "grow", "fragile", "jitter", "drawn", "frail", "copies", "litter", "ranked", "batch_together",
    "aggregate", "zip_pair",
}  # fmt: skip
"""What makes its rows anew, with all their marks in each."""

_RESHAPING = {"select", "drop", "rename", "with_columns", "one_hot"}

_FIELD_ARGS: dict[str, list[tuple[object, ...]]] = {
    "select": [("h", "x", "f", "v"), ("v", "y", "h", "f", "x"), ("c", "v", "h", "f", "x", "y")],
    "drop": [("y",), ("c",), ("c", "y")],
    "rename": [("y", "z"), ("c", "a")],
    "cast": [("v", "float"), ("y", "float"), ("v", "int")],
    "with_columns": [(1,), (0.5,), (True,)],
    "fill_constant": [("y", 0.25), ("y", 3), ("c", "z"), ("c", "a")],
    "fill_learned": [("mean",), ("median",)],
    "normalize": [("standard",), ("minmax",), ("robust",)],
    "winsorize": [(0.1, 0.9), (0.0, 0.5), (0.25, 1.0)],
    "keeps_columns": [(2,), (3,), (5,)],
}


class _Grower:
    def __init__(self, draw: st.DrawFn, sources: tuple[str, ...], random: bool) -> None:
        self._draw = draw
        self._sources = sources
        self._random = random
        self._names = _Names()

    def plan(self, ops: int) -> Plan:
        part = self._source()
        for _ in range(ops):
            part = self._with_op(part)
        return part.plan

    def _source(self) -> _Part:
        kind = self._draw(st.sampled_from(self._sources))
        least = self._draw(st.sampled_from([0, 1, 4, 6, 8, 8, 12, 16]))
        # a source of no files is refused, so it isn't one of the empty ones
        least = max(least, 1) if kind == "files" else least
        values = tuple(self._draw(st.lists(st.integers(0, 9), min_size=least, max_size=least + 6)))
        form = "line" if kind == "text" else "full"
        return _Part(Given(kind, self._names.new(kind), values), form, len(values))

    def _with_op(self, part: _Part) -> _Part:
        group = self._draw(st.sampled_from(self._groups(part)))
        return group(part)  # type: ignore[no-any-return,operator]  # one of the methods below

    def _groups(self, part: _Part) -> list[object]:
        groups: list[object] = [self._map]
        groups += [self._batch, self._batch, self._batch]
        groups += [self._map_batches, self._select, self._shuffle]
        groups += [self._dedup, self._position, self._position, self._concat, self._zip]
        groups += [self._gather, self._sort, self._group, self._join, self._join]
        groups += [self._mix, self._split] * self._random
        groups += [self._cache]
        groups += [self._fields] * 5 * (part.form == "full")
        if part.most * 3 <= _LARGEST:
            groups += [self._expand, self._repeat]
        if part.form.startswith(("list ", "stack ")) and part.most * 6 <= _LARGEST * 4:
            groups += [self._unbatch] * 6 + [self._map] * 2
        return groups

    def _done(
        self, op: str, part: _Part, *args: object, form: str | None = None, most: int | None = None
    ) -> _Part:
        done = Done(op, (part.plan,), args, self._names.new(op))
        return _Part(done, part.form if form is None else form, part.most if most is None else most)

    def _map(self, part: _Part) -> _Part:
        ops = ["fold", "grow", "fragile", "fragile"] + ["jitter", "drawn", "frail"] * 2 * self._random
        ops += ["grow_inside"] * 9 * part.form.startswith("list ")
        op = self._draw(st.sampled_from(ops))
        if op in ("grow", "grow_inside"):
            form = "full" if op == "grow" else "list row"
            return self._done(op, part, self._draw(st.integers(1, 3)), form=form)
        args = (self._draw(st.integers(2, 4)),) if op == "fragile" else ()
        return self._done(op, part, *args, form="full")

    def _map_batches(self, part: _Part) -> _Part:
        op = self._draw(st.sampled_from(["ranked"] + ["ranked_columns"] * part.is_row))
        form = "full" if op == "ranked" else part.form
        return self._done(op, part, self._draw(st.integers(1, 9)), form=form)

    def _select(self, part: _Part) -> _Part:
        op = self._draw(st.sampled_from(["keeps", "keeps", "chances", "sample"][: 4 if self._random else 2]))
        if op == "keeps":
            return self._done(op, part, self._draw(st.sampled_from([1, 2, 3, 3, 4, 5, 7])))
        if op == "sample":
            return self._done(
                op,
                part,
                self._draw(st.sampled_from([0.0, 0.5, 0.7, 0.9, 1.0])),
                self._draw(st.integers(0, 9)),
            )
        return self._done(op, part)

    def _expand(self, part: _Part) -> _Part:
        op = self._draw(st.sampled_from(["copies", "litter"] if self._random else ["copies"]))
        args = (self._draw(st.integers(0, 3)),) if op == "copies" else ()
        return self._done(op, part, *args, form="full", most=part.most * 3)

    def _repeat(self, part: _Part) -> _Part:
        times = self._draw(st.sampled_from([0, 1, 2, 2, 2, 3, 3]))
        return self._done("repeat", part, times, most=part.most * times)

    def _batch(self, part: _Part) -> _Part:
        ops = ["batch_list", "batch_list", "batch_together"] + ["batch_stack"] * 2 * part.is_row
        op = self._draw(st.sampled_from(ops))
        forms = {
            "batch_list": f"list {part.form}", "batch_stack": f"stack {part.form}", "batch_together": "full"
        }  # fmt: skip
        return self._done(op, part, self._draw(st.integers(1, 6)), self._draw(st.booleans()), form=forms[op])

    def _unbatch(self, part: _Part) -> _Part:
        return self._done("unbatch", part, form=part.form.partition(" ")[2], most=part.most * 6)

    def _shuffle(self, part: _Part) -> _Part:
        if not self._random:
            return self._position(part)
        window = self._draw(st.none() | st.integers(1, 9))
        return self._done("shuffle", part, self._draw(st.integers(0, 9)), window)

    def _dedup(self, part: _Part) -> _Part:
        ops = ["dedup_number"] + ["dedup_field"] * part.is_row
        ops += ["dedup_whole"] * (part.is_row or part.form == "line")
        op = self._draw(st.sampled_from(ops))
        fields = ("v", "y", "c") if part.form == "full" else ("v",)
        args = (self._draw(st.sampled_from(fields)),) if op == "dedup_field" else ()
        return self._done(op, part, *args)

    def _position(self, part: _Part) -> _Part:
        op = self._draw(st.sampled_from(["take", "skip", "slice", "shard"]))
        few, many = st.sampled_from([0, 1, 1, 2, 3, 7]), st.sampled_from([0, 1, 4, 7, 10, 15, 20])
        if op in ("take", "skip"):
            return self._done(op, part, self._draw(many if op == "take" else few))
        if op == "slice":
            return self._done(
                op, part, self._draw(few), self._draw(st.none() | many), self._draw(st.integers(1, 3))
            )
        count = self._draw(st.integers(1, 3))
        return self._done(op, part, self._draw(st.integers(0, count - 1)), count)

    def _gather(self, part: _Part) -> _Part:
        op = self._draw(st.sampled_from(["window_list", "pack"] + ["window_stack"] * part.is_row))
        form = f"stack {part.form}" if op == "window_stack" else f"list {part.form}"
        if op == "pack":
            return self._done(op, part, self._draw(st.integers(3, 12)), form=form)
        size, step = self._draw(st.integers(1, 4)), self._draw(st.integers(1, 4))
        return self._done(op, part, size, step, self._draw(st.booleans()), form=form)

    def _sort(self, part: _Part) -> _Part:
        key = self._draw(st.sampled_from(["small"] + ["v"] * part.is_row))
        return self._done("sort", part, key, self._draw(st.booleans()))

    def _cache(self, part: _Part) -> _Part:
        return self._done("cache", part)

    def _group(self, part: _Part) -> _Part:
        ops = ["aggregate", "group_samples"]
        if part.form == "full" and "once:" not in repr(part.plan) and not _is_random(part.plan):
            ops += ["aggregate_columns"] * 3  # which reads its input twice, and both must be the same
        op = self._draw(st.sampled_from(ops))
        key = self._draw(st.sampled_from(["small"] + ["v"] * part.is_row))
        forms = {"aggregate": "full", "group_samples": f"list {part.form}", "aggregate_columns": "wide"}
        return self._done(op, part, key, form=forms[op])

    def _fields(self, part: _Part) -> _Part:
        """An operation on fields; h, f and x stay, since they carry the history."""
        ops = ["select", "drop", "rename", "cast", "with_columns", "fill_constant", "fill_constant"]
        ops += ["fill_learned", "normalize", "winsorize", "one_hot"] * 2 + ["keeps_columns"]
        ops += ["fill_forward"] * 3 * _says_all(part.plan)
        ops += ["interpolate"] * 4 * part.is_pure
        op = self._draw(st.sampled_from(ops))
        args = self._draw(st.sampled_from(_FIELD_ARGS.get(op, [()])))
        form = "wide" if op in _RESHAPING else "full"
        if not OPERATIONS[op].learns:
            return self._done(op, part, *args, form=form)
        stamp = self._names.new("stamp") if self._draw(st.booleans()) else ""
        fit = (self._fitted_on(part).plan,) * (not self._draw(st.integers(0, 3)))
        return _Part(Done(op, (part.plan, *fit), (*args, stamp), self._names.new(op)), form, part.most)

    def _fitted_on(self, part: _Part) -> _Part:
        """Another plan, of which something can be learned."""
        other = self._other(part)
        return other if other.form == "full" else self._done("fold", other, form="full")

    def _split(self, part: _Part) -> _Part:
        by = self._draw(st.sampled_from([None, "small"] + ["v"] * part.is_row))
        which = self._draw(st.sampled_from(["train", "train", "test", "rest"]))
        return self._done("split", part, which, self._draw(st.integers(0, 9)), by)

    def _mix(self, part: _Part) -> _Part:
        others = [self._other(part) for _ in range(self._draw(st.integers(1, 2)))]
        shares = [(0.5, 0.5), (0.9, 0.1)] if len(others) == 1 else [(0.2, 0.5, 0.3)]
        weights = self._draw(st.sampled_from(shares))
        stop = self._draw(st.sampled_from(["all", "all", "first"]))
        return self._together(part, others, "mix", weights, self._draw(st.integers(0, 9)), stop)

    def _join(self, part: _Part) -> _Part:
        other = self._other(part)
        both = part.is_row and other.is_row
        key = self._draw(st.sampled_from(["small"] + ["v"] * both))
        inputs = (part.plan, other.plan)
        how = self._draw(st.sampled_from(["inner", "left", "right", "outer", "semi", "anti"]))
        many = part.most * other.most > 4 * _LARGEST
        if how == "semi" and not any(_is_random(plan) or "once:" in repr(plan) for plan in inputs):
            done = Done("semi_join", inputs, (key,), self._names.new("semi_join"))
            return _Part(done, "full", part.most)  # it reads both twice, and both must be the same
        if how in ("semi", "anti") or many:
            return _Part(
                Done("join", inputs, ("anti", key, ""), self._names.new("join")), part.form, part.most
            )
        are_alike = both or not any(each.may_be_dicts for each in (part, other))
        combine = self._draw(st.sampled_from(["pair"] + [""] * are_alike))
        done = Done("join", inputs, (how, key, combine), self._names.new("join"))
        most = part.most * other.most + part.most + other.most
        return _Part(done, "full" if combine else "mixed", most)

    def _concat(self, part: _Part) -> _Part:
        others = [self._other(part) for _ in range(self._draw(st.integers(1, 2)))]
        return self._together(part, others, "concat")

    def _together(self, part: _Part, others: list[_Part], op: str, *args: object) -> _Part:
        forms = {part.form, *(other.form for other in others)}
        form = part.form if len(forms) == 1 and part.form != "wide" else "mixed"
        plans = (part.plan, *(other.plan for other in others))
        done = Done(op, plans, args, self._names.new(op))
        return _Part(done, form, part.most + sum(other.most for other in others))

    def _zip(self, part: _Part) -> _Part:
        """Zip with what is as long, if need be because both are cut to one length."""
        other = self._other(part)
        op = self._draw(st.sampled_from(["zip", "zip_pair"]))
        left, right = _made_equal(part.plan, other.plan)
        form = "full" if op == "zip_pair" else "pair"
        return _Part(Done(op, (left, right), (), self._names.new(op)), form, min(part.most, other.most))

    def _other(self, part: _Part) -> _Part:
        """Another plan: the same once more, the same with one more map, or a new one."""
        way = self._draw(st.sampled_from(["new", "new", "same", "mapped"]))
        if way == "new" or "once:" in repr(part.plan):
            other = self._source()
            for _ in range(self._draw(st.integers(0, 2))):
                other = self._with_op(other)
            return other
        return part if way == "same" else self._done("fold", part, form="full")


def _is_random(plan: Plan) -> bool:
    return any(OPERATIONS[op].hand is None for op in ops_of(plan))


def _says_all(plan: Plan) -> bool:
    """Whether the field "f" has all marks of its row: what was filled along since it was made isn't in it."""
    if isinstance(plan, Given) or plan.op in _FOLDING:
        return True
    return plan.op not in ("fill_forward", "interpolate") and all(map(_says_all, plan.inputs))


def _made_equal(left: Plan, right: Plan) -> tuple[Plan, Plan]:
    """Cut two plans to one length, as they have it in epoch 0; in another epoch it may still differ."""
    counts = [_count_of(plan) for plan in (left, right)]
    shorter = min(counts)
    left, right = (
        plan if count == shorter else Done("take", (plan,), (shorter,))
        for plan, count in zip((left, right), counts, strict=True)
    )
    return left, right


def _count_of(plan: Plan) -> int:
    if not _is_random(plan):
        return len(by_hand(plan))
    with tempfile.TemporaryDirectory() as folder:
        try:
            return Builder(pathlib.Path(folder)).build(plan).count()
        except (OpError, PlanError):  # it holds a zip of unequal inputs: it stays one
            return 0
