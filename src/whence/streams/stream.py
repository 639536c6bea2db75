"""The chain: a stream is an immutable value, a source and the operations on it; nothing runs yet.

Each method returns a new stream and is one line and one sentence; what an operation does is said
where it lives, in `ops`. Anybody's operation comes in by the same door, `pipe`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from whence.chance import Draw
from whence.errors import PlanError
from whence.ops import (
    Batch,
    Cache,
    Concat,
    Dedup,
    Filter,
    Fit,
    FitOf,
    FlatMap,
    Join,
    Map,
    MapBatches,
    Mix,
    Op,
    Pack,
    Repeat,
    Sample,
    Shuffle,
    Slice,
    Sort,
    Split,
    Unbatch,
    Window,
    Zip,
    as_key,
    as_seeding,
    check_callable,
    check_count,
    check_seed,
    name_of,
    shown_key,
)
from whence.streams.grouped import Grouped
from whence.streams.plan import Node, Program
from whence.streams.readable import Readable
from whence.streams.showing import to_html, to_tree
from whence.streams.tabular import Tabular
from whence.streams.workers import NONE, Workers

Function = Callable[..., Any]


class Stream(Tabular["Stream"], Readable):
    """A source and the operations chained on it.

    Iterating it makes the samples of epoch 0; `epoch(k)` those of another. Read inside a run, it is
    recorded there; outside of one, nothing is written.
    """

    __slots__ = ("_name", "_node", "_program", "_seed", "_workers")

    def __init__(self, node: Node, *, name: str = "", seed: int = 0, workers: Workers = NONE) -> None:
        self._node = node
        self._name = name
        self._seed = seed
        self._workers = workers
        self._program: Program | None = None

    # one sample at a time

    def map(
        self,
        fn: Function,
        *,
        name: str | None = None,
        on_error: Literal["raise", "quarantine"] = "raise",
        draw: Mapping[str, Draw] | None = None,
        seed_foreign: bool | None = None,
        **params: Any,
    ) -> Stream:
        """Apply a function to each sample; see `ops.Map`."""
        check_callable(fn, "map")
        op = Map(
            label=name or name_of(fn),
            fn=fn,
            params=params,
            draw=draw or {},
            on_error=on_error,
            seed_foreign=as_seeding(seed_foreign, "map"),
        )
        return self.pipe(op)

    def map_batches(
        self,
        fn: Function,
        size: int = 256,
        *,
        form: Literal["list", "columns"] = "list",
        name: str | None = None,
        seed_foreign: bool | None = None,
        **params: Any,
    ) -> Stream:
        """Apply a function to groups of samples; see `ops.MapBatches`."""
        check_callable(fn, "map_batches")
        op = MapBatches(
            label=name or name_of(fn),
            fn=fn,
            size=size,
            form=form,
            params=params,
            seed_foreign=as_seeding(seed_foreign, "map_batches"),
        )
        return self.pipe(op)

    def filter(
        self,
        fn: Function,
        *,
        reason: str | None = None,
        form: Literal["samples", "columns"] = "samples",
        name: str | None = None,
        seed_foreign: bool | None = None,
        **params: Any,
    ) -> Stream:
        """Keep the samples for which a predicate holds; see `ops.Filter`."""
        check_callable(fn, "filter")
        op = Filter(
            label=name or name_of(fn),
            fn=fn,
            params=params,
            why=reason or "",
            form=form,
            seed_foreign=as_seeding(seed_foreign, "filter", can_seed=form != "columns"),
        )
        return self.pipe(op)

    def flat_map(
        self, fn: Function, *, name: str | None = None, seed_foreign: bool | None = None, **params: Any
    ) -> Stream:
        """Make any number of samples out of each; see `ops.FlatMap`."""
        check_callable(fn, "flat_map")
        seeds = as_seeding(seed_foreign, "flat_map")
        return self.pipe(FlatMap(label=name or name_of(fn), fn=fn, params=params, seed_foreign=seeds))

    # groups

    def batch(
        self,
        n: int,
        *,
        drop_last: bool = False,
        collate: Literal["stack"] | Function = "stack",
        seed_foreign: bool | None = None,
    ) -> Stream:
        """Gather consecutive samples; see `ops.Batch`."""
        seeds = as_seeding(seed_foreign, "batch", can_seed=not (isinstance(collate, str) or collate is list))
        op = Batch(label=f"batch({n})", size=n, drop_last=drop_last, collate=collate, seed_foreign=seeds)
        return self.pipe(op)

    def unbatch(self) -> Stream:
        """Take batches apart; see `ops.Unbatch`."""
        return self.pipe(Unbatch(label="unbatch"))

    def window(
        self,
        n: int,
        step: int = 1,
        *,
        drop_last: bool = True,
        collate: Literal["stack"] | Function = "stack",
    ) -> Stream:
        """Gather the `n` samples from every `step`-th on; see `ops.Window`."""
        op = Window(label=f"window({n}, {step})", size=n, step=step, drop_last=drop_last, collate=collate)
        return self.pipe(op)

    def pack(
        self, budget: int, length: str | Function, *, collate: Literal["stack"] | Function = list
    ) -> Stream:
        """Gather samples while their lengths fit a budget; see `ops.Pack`."""
        return self.pipe(Pack(label=f"pack({budget})", budget=budget, length=length, collate=collate))

    def dedup(self, key: str | Function | None = None) -> Stream:
        """Keep the first of equal samples; see `ops.Dedup`."""
        if key is not None and not isinstance(key, str):
            check_callable(key, "dedup")
        shown = "" if key is None else key if isinstance(key, str) else name_of(key)
        return self.pipe(Dedup(label=f"dedup({shown})", key=key))

    def group_by(self, key: str | Sequence[str] | Function) -> Grouped[Stream]:
        """Bring samples of one key together; see `streams.Grouped` and `ops.GroupBy`."""
        return Grouped(as_key(key, "group_by(key)"), self.pipe)

    # positions

    def shuffle(self, seed: int, *, window: int | None = None) -> Stream:
        """Arrange samples at random, anew in every epoch; see `ops.Shuffle`."""
        shown = f"shuffle({seed})" if window is None else f"shuffle({seed}, window={window})"
        return self.pipe(Shuffle(label=shown, seed=seed, window=window))

    def sort(self, key: str | Sequence[str] | Function, *, reverse: bool = False) -> Stream:
        """Put samples in the order of a key; see `ops.Sort`."""
        return self.pipe(Sort.by(key, reverse=reverse))

    def take(self, n: int) -> Stream:
        """Keep the first `n` samples; see `ops.Slice`."""
        return self.pipe(Slice(label=f"take({n})", stop=check_count(n, "take(n)")))

    def skip(self, n: int) -> Stream:
        """Leave out the first `n` samples; see `ops.Slice`."""
        return self.pipe(Slice(label=f"skip({n})", start=check_count(n, "skip(n)")))

    def slice(self, start: int, stop: int | None = None, step: int = 1) -> Stream:
        """Keep every `step`-th sample from `start` up to `stop`; see `ops.Slice`."""
        return self.pipe(Slice(label=f"slice({start}, {stop}, {step})", start=start, stop=stop, step=step))

    def shard(self, index: int, count: int) -> Stream:
        """Keep every `count`-th sample beginning with number `index`; see `ops.Slice`."""
        check_count(count, "shard(index, count): count", least=1)
        if check_count(index, "shard(index, count): index") >= count:
            raise PlanError(
                f"shard({index}, {count}): shards are numbered from 0", remedy=f"Use 0 to {count - 1}."
            )
        return self.pipe(Slice(label=f"shard({index}, {count})", start=index, step=count))

    def sample(self, share: float, seed: int) -> Stream:
        """Keep each sample with a probability, the same in every epoch; see `ops.Sample`."""
        return self.pipe(Sample(label=f"sample({share})", share=share, seed=seed))

    def repeat(self, n: int) -> Stream:
        """Give all samples `n` times over; see `ops.Repeat`."""
        return self.pipe(Repeat(label=f"repeat({n})", times=n))

    def split(
        self,
        shares: Mapping[str, float],
        seed: int,
        by: str | Sequence[str] | Function | None = None,
    ) -> dict[str, Stream]:
        """Part samples into several streams, each sample into one; see `ops.Split`."""
        nth = sum(isinstance(node.op, Split) for node in self._node.walk())
        parts = Split.parts(shares, seed=seed, by=by, nth=nth)
        return {part: self.pipe(op).named(part) for part, op in parts.items()}

    def cache(self) -> Stream:
        """Keep all samples when they are first read through, for every later reading; see `ops.Cache`."""
        return self.pipe(Cache(label="cache"))

    # several streams

    def concat(self, *others: Stream) -> Stream:
        """Go on with the samples of other streams; see `ops.Concat`."""
        return self._combine(Concat(label="concat"), others)

    def zip(self, other: Stream, combine: Function | None = None) -> Stream:
        """Put the n-th samples of two streams together; see `ops.Zip`."""
        if combine is not None:
            check_callable(combine, "zip(combine=...)")
        return self._combine(
            Zip(label="zip" if combine is None else name_of(combine), combine=combine), (other,)
        )

    def join(
        self,
        other: Stream,
        on: str | Sequence[str] | Function,
        how: Literal["inner", "left", "right", "outer", "semi", "anti"] = "inner",
        combine: Function | None = None,
        *,
        right_on: str | Sequence[str] | Function | None = None,
    ) -> Stream:
        """Put samples of two streams together that have one key; see `ops.Join`."""
        key = as_key(on, "join(on=...)")
        right_key = None if right_on is None else as_key(right_on, "join(right_on=...)")
        op = Join(label=f"join({shown_key(key)})", on=key, right_on=right_key, how=how, combine=combine)
        return self._combine(op, (other,))

    def mix(
        self,
        *others: Stream,
        weights: Sequence[float],
        seed: int,
        stop: Literal["all", "first"] = "all",
    ) -> Stream:
        """Take samples from several streams in random turns, by weights; see `ops.Mix`."""
        op = Mix(label="mix", weights=weights, seed=seed, stop=stop)
        op.check_inputs(1 + len(others))
        return self._combine(op, others)

    # the stream itself

    def pipe(self, op: Op) -> Stream:
        """Chain any operation, ours or yours."""
        if not isinstance(op, Op):
            raise PlanError(
                f"pipe: wanted an operation, got {type(op).__name__}", remedy="Derive from whence.ops.Op."
            )
        return self._with(Node(op=op, inputs=(self._node,)))

    def named(self, name: str) -> Stream:
        """Choose what the record calls this stream."""
        if not isinstance(name, str) or not name or any(char in "/@#:." for char in name):
            raise PlanError(
                f"named({name!r:.40}): wanted a name without / @ # : .", remedy='Write named("train").'
            )
        return Stream(self._node, name=name, seed=self._seed, workers=self._workers)

    def seeded(self, seed: int) -> Stream:
        """Choose the seed of the random draws of its maps and filters; 0 by default."""
        found = check_seed(seed, "seeded")
        return Stream(self._node, name=self._name, seed=found, workers=self._workers)

    # reading

    def with_workers(self, n: int, *, start: Literal["fork", "spawn"] | None = None) -> Stream:
        """Choose how many processes it is read with; samples, order and record don't depend on it."""
        workers = Workers.of(n, start, "with_workers(n)")
        return Stream(self._node, name=self._name, seed=self._seed, workers=workers)

    # looking

    def explain(self) -> str:
        """Draw the plan as a tree, the source at the bottom."""
        return to_tree(self._node, self._name)

    def __repr__(self) -> str:
        return self.explain()

    def _repr_html_(self) -> str:
        return to_html(self._node, self._name)

    def __reduce__(self) -> Any:
        return (_restored, (self._node, self._name, self._seed, self._workers))

    def _with(self, node: Node) -> Stream:
        return Stream(node, name=self._name, seed=self._seed, workers=self._workers)

    def _compiled(self) -> Program:
        if self._program is None:
            self._program = Program(self._node, name=self._name, seed=self._seed)
        return self._program

    def _fitted(self, op: Op, statistics: Mapping[str, Any], fit: Stream | None, **settings: Any) -> Stream:
        if fit is not None and not isinstance(fit, Stream):
            raise PlanError(
                f"{op.label}: wanted a stream to fit on, got {type(fit).__name__}", remedy="Write fit=train."
            )
        label = f"fit of {op.label}"
        if fit is None or (fit._node is self._node and fit._seed == self._seed):
            learned = Node(op=Fit(label=label, statistics=statistics, **settings), inputs=(self._node,))
        else:
            other = FitOf(label=label, statistics=statistics, **settings)
            learned = Node(op=other, inputs=(fit._node,), seed=fit._seed)
        return self._with(Node(op=op, inputs=(self._node, learned)))

    def _combine(self, op: Op, others: tuple[Stream, ...]) -> Stream:
        for other in others:
            if not isinstance(other, Stream):
                raise PlanError(
                    f"{op.label}: wanted a stream, got {type(other).__name__}", remedy="Pass streams."
                )
        nodes = (self._node, *(other._node for other in others))
        return self._with(Node(op=op, inputs=nodes))


def _restored(node: Node, name: str, seed: int, workers: Workers = NONE) -> Stream:
    return Stream(node, name=name, seed=seed, workers=workers)


def compiled(stream: Stream) -> Program:
    """The program of a stream, for a replay."""
    return stream._compiled()
