"""Groups: samples of one key together, made into one sample each, in the order in which each key first came.

A relation is recorded: which samples each group was made of, ascending.
"""

from __future__ import annotations

import functools
import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from whence.capture import memory_budget_bytes
from whence.errors import OpError, PlanError, WhenceError
from whence.lineage import Mapping as Relation
from whence.ops.aggregations import AGGREGATIONS, CannotAggregateError, aggregated
from whence.ops.arranging import Gathered, arranged
from whence.ops.chunk import Chunk, Int64Array
from whence.ops.keyed import Keyed
from whence.ops.keys import Key, KeyReader, Keys, as_key, fields_of, key_parameter
from whence.ops.op import (
    Context,
    Fetch,
    Function,
    Input,
    MappingKind,
    Op,
    Recorded,
    check_callable,
    failed,
    related_of,
)
from whence.ops.spill import Block
from whence.vocab import Column, Columns

_FUNCTION_KEY = "key"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupBy(Op):
    """Bring the samples of each key together, n -> 1.

    Samples come in their order, groups in the order in which the first sample of each came. What doesn't
    fit in the memory allowed (`config(memory=...)`) is arranged in a temporary file; the samples of one
    group must fit.

    Args:
        key: a field, several fields, or a function of a sample; see `ops.keys` for what can be one.
    """

    mapping_kind: ClassVar[MappingKind] = "relation"

    key: Key

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", as_key(self.key, "group_by(key)"))

    def parameters(self) -> dict[str, Any]:
        """Its parameters, plain."""
        return {} if fields_of(self.key) is None else {"key": key_parameter(self.key)}

    def functions(self) -> dict[str, Function]:
        """The user's key function, if there is one."""
        return {"key": self.key} if callable(self.key) else {}

    def mappings(
        self, sizes: Sequence[int], recorded: Recorded | None, key: int, epoch: int
    ) -> list[Relation]:
        """The samples of each group, as recorded."""
        return related_of(recorded, sizes)

    @abstractmethod
    def make(self, groups: Gathered, keys: Sequence[Any] | None, context: Context) -> Columns | list[Any]:
        """Make one sample of each group.

        Args:
            groups: the groups.
            keys: the key of each, where a function makes it; None where fields are the key.
            context: of the pass.
        """

    def needed(self, chunk: Chunk, first: int, context: Context) -> Chunk:
        """Reduce samples to what is needed of them.

        Args:
            chunk: the samples.
            first: the position of the first of them, -1 where positions aren't known.
            context: of the pass.
        """
        return chunk

    def scan(self, inputs: Sequence[Input], context: Context) -> Iterator[Chunk]:
        """Arrange all samples, then make the groups."""
        keyed = Keyed(label=self.label, name_origin=context.name_origin, budget_bytes=memory_budget_bytes())
        for groups in arranged(keyed, self._blocks(inputs[0], keyed, context)):
            began = time.perf_counter_ns()
            made = self._made(groups, groups.beside[0].tolist() if groups.beside else None, context)
            context.recorder.related(0, np.diff(groups.bounds), groups.positions)
            context.recorder.spent(time.perf_counter_ns() - began, 0, len(made))
            yield made

    def pick(
        self, positions: Int64Array, mappings: Sequence[Relation], fetch: Fetch, context: Context
    ) -> Chunk:
        """Make the samples of the groups asked for, and the groups of them."""
        rows = mappings[0].backward(positions)
        chunk, firsts = fetch(0, rows.indices), rows.indptr[:-1]
        keys = None
        if fields_of(self.key) is None:
            keys = KeyReader(self, self.key, context, first=-1).read(chunk.taken(firsts)).values
        groups = Gathered(
            content=self.needed(chunk, -1, context).content,
            members=None,
            positions=rows.indices,
            bounds=rows.indptr,
            ids=chunk.ids[firsts],
            origins=chunk.origins[firsts],
        )
        return self._made(groups, keys, context)

    def _blocks(self, given: Input, keyed: Keyed, context: Context) -> Iterator[Block]:
        reader = KeyReader(self, self.key, context, first=context.first, coded=True)
        position = context.first
        for chunk in given.scan():
            began = time.perf_counter_ns()
            keys = self._keys(reader, chunk, position, context)
            needed = self.needed(chunk, position, context)
            beside = [] if keys.values is None else [np.fromiter(keys.values, object, len(chunk))]
            position += len(chunk)
            context.recorder.spent(time.perf_counter_ns() - began, len(chunk), 0)
            yield keyed.block(needed, None, keys, *beside)

    def _keys(self, reader: KeyReader, chunk: Chunk, first: int, context: Context) -> Keys:
        try:
            return reader.read(chunk)
        except OpError as error:  # the first sample that anything is wrong with is the one to name
            self.needed(chunk.taken(slice(0, error.position - first)), first, context)
            raise

    def _made(self, groups: Gathered, keys: Sequence[Any] | None, context: Context) -> Chunk:
        made = self.make(groups, keys, context)
        if isinstance(made, Columns):
            return Chunk.of_columns(made, groups.ids, groups.origins)
        return Chunk(made, groups.ids, groups.origins)

    def _failed(self, groups: Gathered, group: int, problem: str, context: Context) -> OpError:
        """Say that a group can't be made into a sample; its key may be anything and is not shown."""
        start, end = int(groups.bounds[group]), int(groups.bounds[group + 1])
        position = int(groups.positions[start])
        origin = context.name_origin(int(groups.origins[group]))
        return OpError(
            f"op {self.label!r} failed on the group of {end - start} that begins with sample {position} "
            f"({origin}): {problem}",
            remedy="Correct the function, or the samples of this group before.",
            op=self.label,
            position=position,
            origin=origin,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSamples(GroupBy):
    """Make a list of the samples of each key: `group_by(key).samples()`."""

    kind: ClassVar[str] = "group_samples"

    def make(self, groups: Gathered, keys: Sequence[Any] | None, context: Context) -> list[Any]:
        """The samples themselves."""
        return groups.lists()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFunction(GroupBy):
    """Make one sample of those of each key by a function: `group_by(key).aggregate(fn)`.

    Args:
        fn: `fn(key, samples)`; the key is a field's value, a tuple of several fields' values, or what the
            function made, of the group's first sample; the samples are a list.
    """

    kind: ClassVar[str] = "group_function"

    fn: Function

    def __post_init__(self) -> None:
        GroupBy.__post_init__(self)
        check_callable(self.fn, "group_by(key).aggregate(fn)")

    def functions(self) -> dict[str, Function]:
        """The user's functions."""
        return {**GroupBy.functions(self), "fn": self.fn}

    def make(self, groups: Gathered, keys: Sequence[Any] | None, context: Context) -> list[Any]:
        """What the function gives."""
        lists = groups.lists()
        if keys is None:
            keys = [self._key_of(samples[0]) for samples in lists]
        made: list[Any] = []
        try:
            watch = context.recorder.watch("fn")
            fold = functools.partial(watch.fold, self.fn) if watch.begin(self.fn) else self.fn
            made.extend(map(fold, keys, lists))
        except WhenceError:
            raise
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
            raise self._failed(groups, len(made), problem, context) from error
        if len(made) < len(lists):  # a StopIteration inside the function ends the loop without a word
            raise self._failed(groups, len(made), "StopIteration: raised by the function", context)
        return made

    def _key_of(self, sample: Any) -> Any:
        if isinstance(self.key, str):
            return sample[self.key]
        return tuple(sample[name] for name in fields_of(self.key) or ())


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupColumns(GroupBy):
    """Make a dict of the samples of each key: the key, and values of fields by name of an aggregation.

    `group_by("city").aggregate(mean_age=("age", "mean"), n="size")`. Fields that are the key keep their
    names; a key that a function made is called `key`.

    - size: how many samples; count: how many with a value; nunique: how many different values.
    - first, last, min, max: a value as it is. any, all: whether values hold.
    - sum: a whole number of whole numbers (exact) and bools, else a float. mean, median, and std and var
      (of a sample: n - 1): a float.

    A value that is missing (None, or NaN) is left out. Where none is left (of std and var: at most one), the
    result is None; a size, a count and a nunique are 0.

    Args:
        columns: what each new field is: the field it is made of and the aggregation, or "size".
    """

    kind: ClassVar[str] = "group_columns"

    columns: Mapping[str, tuple[str, str] | str]

    def __post_init__(self) -> None:
        GroupBy.__post_init__(self)
        if not isinstance(self.columns, Mapping):  # out of a record: a list, which keeps the order
            made = {name: tuple(made) if len(made) == 2 else made[0] for name, *made in self.columns}
            object.__setattr__(self, "columns", made)
        if not self.columns:
            raise PlanError("group_by(key).aggregate(): nothing to make of a group", remedy=_EXAMPLE)
        for name, made in self.columns.items():
            self._check(name, made)

    def parameters(self) -> dict[str, Any]:
        """Its parameters, plain."""
        made = [[name, *([made] if isinstance(made, str) else made)] for name, made in self.columns.items()]
        return {**GroupBy.parameters(self), "columns": made}

    def needed(self, chunk: Chunk, first: int, context: Context) -> Chunk:
        """The fields that are the key or something is made of."""
        made_of = [made[0] for made in self.columns.values() if not isinstance(made, str)]
        names = list(dict.fromkeys([*(fields_of(self.key) or ()), *made_of]))
        columns = chunk.columns
        if columns is not None and all(name in columns.by_name for name in names):
            found = {name: columns.by_name[name] for name in names}
        else:
            rows: list[tuple[Any, ...]] = []
            try:
                rows.extend(tuple(value[name] for name in names) for value in chunk.values)
            except Exception as error:
                origin = context.name_origin(int(chunk.origins[len(rows)]))
                place = first + len(rows) if first >= 0 else -1
                raise failed(self, place, origin, error) from error
            found = {name: Column.of([row[place] for row in rows]) for place, name in enumerate(names)}
        return Chunk.of_columns(Columns(found, count=len(chunk)), chunk.ids, chunk.origins)

    def make(self, groups: Gathered, keys: Sequence[Any] | None, context: Context) -> Columns:
        """One row a group."""
        found = {name: groups.firsts(name) for name in fields_of(self.key) or ()}
        if keys is not None:
            found[_FUNCTION_KEY] = Column.of(keys)
        gathered: dict[str, Column] = {}
        for name, made in self.columns.items():
            if isinstance(made, str):
                found[name] = Column(np.diff(groups.bounds))
                continue
            field, how = made
            if field not in gathered:
                gathered[field] = groups.column(field)
            try:
                found[name] = aggregated(how, gathered[field], groups.bounds)
            except CannotAggregateError as error:
                problem = f"the {how} of field {field!r}: {error.problem}"
                raise self._failed(groups, error.group, problem, context) from error
        return Columns(found, count=len(groups))

    def _check(self, name: str, made: Any) -> None:
        where = f"group_by(key).aggregate({name}=...)"
        if made == "size":
            made = ("", "size")
        is_pair = isinstance(made, tuple | list) and len(made) == 2
        if not is_pair or not all(isinstance(part, str) for part in made):
            raise PlanError(f"{where}: wanted a field and an aggregation, got {made!r:.60}", remedy=_EXAMPLE)
        if made[1] not in AGGREGATIONS:
            raise PlanError(
                f"{where}: there is no aggregation {made[1]!r:.40}",
                remedy=f"Use one of {', '.join(AGGREGATIONS)}, or aggregate(fn) with a function of your own.",
            )
        if name in (fields_of(self.key) or (_FUNCTION_KEY,)):
            raise PlanError(f"{where}: the key is called so already", remedy="Choose another name.")


_EXAMPLE = 'Write aggregate(mean_age=("age", "mean"), n="size"), for example.'
