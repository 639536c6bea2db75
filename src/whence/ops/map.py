"""Map: one sample in, one sample out."""

from __future__ import annotations

import functools
import inspect
import operator
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from whence.capture import SetAside
from whence.chance import Bits, Draw, draw_key
from whence.errors import OpError, PlanError, WhenceError
from whence.lineage import Identity, Selection, SelectionIndex
from whence.lineage import Mapping as Relation
from whence.ops.chunk import Chunk, Int64Array
from whence.ops.op import Context, Fetch, Function, Input, MappingKind, Op, Recorded, failed, plain_params
from whence.ops.seeding import calls_of, foreign_parameters
from whence.ops.watching import Loop, watched_loop

OnError = Literal["raise", "quarantine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Map(Op):
    """Apply a function to each sample, 1 -> 1.

    Args:
        fn: `fn(sample, **params)`; if it takes `rng`, it gets this sample's own random generator.
        params: passed to `fn` by keyword and recorded.
        draw: named values drawn for each sample and passed by keyword, vectorised for a chunk.
        on_error: "raise" stops the pass at the first failure; "quarantine" sets the sample aside
            with its reason (1 -> 0 or 1).
        seed_foreign: seed the generators of `random`, `numpy.random` and PyTorch, and of objects that take a
            seed, for each sample; see `ops.seeding`.
    """

    kind: ClassVar[str] = "map"
    is_order_free: ClassVar[bool] = True
    unit: ClassVar[int] = 1

    fn: Function
    params: Mapping[str, Any] = field(default_factory=dict)
    draw: Mapping[str, Draw] = field(default_factory=dict)
    on_error: OnError = "raise"
    seed_foreign: bool = False

    def __post_init__(self) -> None:
        if self.on_error not in ("raise", "quarantine"):
            raise PlanError(
                f"map({self.label}): on_error={self.on_error!r}, wanted 'raise' or 'quarantine'",
                remedy="Use on_error='quarantine' to set failing samples aside.",
            )
        both = sorted(self.draw.keys() & self.params.keys())
        if both:
            raise PlanError(
                f"map({self.label}): {', '.join(both)} can't be both drawn and given",
                remedy="Rename the one or the other.",
            )
        for name, draw in self.draw.items():
            if not isinstance(draw, Draw) or not name.isidentifier():
                raise PlanError(
                    f"map({self.label}): draw[{name!r}] is a {type(draw).__name__}, wanted one of wh.draw",
                    remedy="Write draw={'dx': wh.draw.integers(-2, 3)}.",
                )

    @property
    def is_random(self) -> bool:  # type: ignore[override]  # an answer of the instance, not of the class
        """Whether it draws."""
        return self.seed_foreign or bool(self.draw) or takes_rng(self.fn, self.params)

    @property
    def mapping_kind(self) -> MappingKind:  # type: ignore[override]  # an answer of the instance
        """Closed, unless failing samples are set aside."""
        return "selection" if self.on_error == "quarantine" else "closed"

    def parameters(self) -> dict[str, Any]:
        """Its parameters, plain."""
        found: dict[str, Any] = {"params": plain_params(self.params)}
        if self.draw:
            found["draw"] = {name: draw.spec() for name, draw in self.draw.items()}
        if self.on_error != "raise":
            found["on_error"] = self.on_error
        return found | foreign_parameters(seed_foreign=self.seed_foreign)

    def functions(self) -> dict[str, Function]:
        """The user's function."""
        return {"fn": self.fn}

    def mappings(
        self, sizes: Sequence[int], recorded: Recorded | None, key: int, epoch: int
    ) -> list[Relation]:
        """Identity, or the samples that didn't fail."""
        if isinstance(recorded, SelectionIndex):
            return [Selection(recorded)]
        return [Identity(sizes[0])]

    def reason(self) -> str:
        """Why samples are set aside here."""
        return f"{self.label} failed (quarantined)"

    def scan(self, inputs: Sequence[Input], context: Context) -> Iterator[Chunk]:
        """Map chunk by chunk."""
        apply = self._loop(context)
        recorder = context.recorder
        position = context.first
        for chunk in inputs[0].scan():
            began = time.perf_counter_ns()
            size = len(chunk.values)
            if self.on_error == "raise":
                chunk.values = self._applied(apply, chunk, context, position)
                recorder.spent(time.perf_counter_ns() - began, size, size)
                position += size
                yield chunk
                continue
            kept = self._apply_to_each(apply, chunk, context, position)
            recorder.spent(time.perf_counter_ns() - began, size, len(kept.values))
            position += size
            if kept.values:
                yield kept

    def pick(
        self, positions: Int64Array, mappings: Sequence[Relation], fetch: Fetch, context: Context
    ) -> Chunk:
        """Map the samples at the positions asked for."""
        chunk = fetch(0, mappings[0].backward(positions).indices)
        began = time.perf_counter_ns()
        chunk.values = self._applied(self._loop(context), chunk, context, -1)
        context.recorder.spent(time.perf_counter_ns() - began, len(chunk), len(chunk))
        return chunk

    def _applied(self, apply: Loop, chunk: Chunk, context: Context, position: int) -> list[Any]:
        size = len(chunk.values)
        left = iter(chunk.values)
        try:
            made = list(apply(left, chunk))
        except Exception as error:
            if isinstance(error, WhenceError) and not isinstance(error, OpError):
                raise
            index = size - operator.length_hint(left) - 1
            place = position + index if position >= 0 else -1
            raise failed(self, place, context.name_origin(int(chunk.origins[index])), error) from error
        if len(made) != size:  # a StopIteration inside the function ends the loop without a word
            index = len(made)
            place = position + index if position >= 0 else -1
            origin = context.name_origin(int(chunk.origins[index]))
            raise failed(self, place, origin, StopIteration("raised by the function"))
        return made

    def _apply_to_each(self, apply: Loop, chunk: Chunk, context: Context, position: int) -> Chunk:
        size = len(chunk.values)
        kept = np.ones(size, np.bool_)
        aside: list[SetAside] = []
        made: list[Any] = []
        left = iter(chunk.values)
        running = iter(apply(left, chunk))
        while len(made) + len(aside) < size:
            try:
                made.extend(running)
                if len(made) + len(aside) < size:
                    raise StopIteration("raised by the function")
            except Exception as error:
                index = len(made) + len(aside)
                kept[index] = False
                origin = context.name_origin(int(chunk.origins[index]))
                place = position + index
                aside.append(
                    SetAside(position=place, origin=origin, kind=type(error).__name__, message=str(error))
                )
                rest = Chunk(chunk.values[index + 1 :], chunk.ids[index + 1 :], chunk.origins[index + 1 :])
                running = iter(apply(iter(rest.values), rest))
        if not aside:
            context.recorder.selected(None, size)
            return Chunk(made, chunk.ids, chunk.origins)
        context.recorder.selected(kept, size)
        context.recorder.set_aside(aside)
        return Chunk(made, chunk.ids[kept], chunk.origins[kept])

    def _loop(self, context: Context) -> Loop:
        calls = calls_of(context, self.fn, self.params, seed_foreign=self.seed_foreign)
        return watched_loop(calls.loop(self._plain_loop(context)), self.fn, context.recorder)

    def _plain_loop(self, context: Context) -> Loop:
        """Find the quickest loop for this function's signature."""
        if self.draw:
            return self._drawing_loop(context)
        params = dict(self.params)
        fn = self.fn
        if takes_rng(fn, params):
            key, epoch = context.key, context.epoch

            def with_rng(values: Iterator[Any], chunk: Chunk) -> Iterable[Any]:
                generators = Bits(key, epoch, chunk.ids).rngs()
                if params:
                    return (
                        fn(value, rng=rng, **params) for value, rng in zip(values, generators, strict=False)
                    )
                return (fn(value, rng=rng) for value, rng in zip(values, generators, strict=False))

            return with_rng
        call = functools.partial(fn, **params) if params else fn
        return lambda values, chunk: map(call, values)

    def _drawing_loop(self, context: Context) -> Loop:
        params = dict(self.params)
        fn = self.fn
        names = list(self.draw)
        keys = {name: draw_key(context.key, name) for name in names}
        positional = _positional_order(fn, names)
        epoch = context.epoch

        def drawn(name: str, chunk: Chunk) -> list[Any]:
            return self.draw[name].sample(keys[name], epoch, chunk.ids)

        if positional is not None and not takes_rng(fn, params):
            call = functools.partial(fn, **params) if params else fn
            return lambda values, chunk: map(call, values, *(drawn(name, chunk) for name in positional))

        with_rng = takes_rng(fn, params)

        def by_keyword(values: Iterator[Any], chunk: Chunk) -> Iterable[Any]:
            rows = zip(*(drawn(name, chunk) for name in names), strict=True)
            if with_rng:
                generators = Bits(context.key, epoch, chunk.ids).rngs()
                return (
                    fn(value, rng=rng, **dict(zip(names, row, strict=True)), **params)
                    for value, row, rng in zip(values, rows, generators, strict=False)
                )
            return (
                fn(value, **dict(zip(names, row, strict=True)), **params)
                for value, row in zip(values, rows, strict=False)
            )

        return by_keyword

    def draws_of(self, chunk_ids: Any, key: int, epoch: int) -> list[dict[str, Any]]:
        """Draw again the named values of some samples, for a trace."""
        names = list(self.draw)
        if not names:
            return [{} for _ in chunk_ids]
        columns = [self.draw[name].sample(draw_key(key, name), epoch, chunk_ids) for name in names]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def takes_rng(fn: Function, params: Mapping[str, Any]) -> bool:
    """Tell whether a function asks for its sample's generator by a parameter named `rng`."""
    if "rng" in params:
        return False
    try:
        return "rng" in inspect.signature(fn).parameters
    except (TypeError, ValueError):  # some builtins have no signature
        return False


def _positional_order(fn: Function, names: list[str]) -> list[str] | None:
    """Find the order in which the drawn values can be passed by position; None where they can't."""
    try:
        parameters = list(inspect.signature(fn).parameters.values())[1:]
    except (TypeError, ValueError):
        return None
    first = parameters[: len(names)]
    by_position = all(p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD for p in first)
    return [p.name for p in first] if by_position and {p.name for p in first} == set(names) else None
