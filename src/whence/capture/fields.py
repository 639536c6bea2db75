"""Fields: which of them an op's functions read, make and leave out, as seen on the first samples.

A function is called with views of the first samples that come to an op (`capture.views`), and what it gives
back is compared with what it was given; after those, nothing is watched and nothing costs anything. What was
seen of some samples need not hold for all: the record says of how many it was seen.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import CodeType
from typing import Any

from whence.capture.views import Reads, View, plainly, raw

WATCHED = 16

# What asks for the exact type of a dict takes another way with a view, without failing.
_ASKS_FOR_TYPES = frozenset({"type", "tree", "tree_map", "tree_flatten", "pytree"})
_LARGEST_GROUP = 4_096
_SETS = ("read", "made", "kept", "dropped")
_FLAGS = ("whole", "copied", "unknown", "takes_values", "gives_values")


class FieldNotes:
    """What was seen of an op's functions.

    Args:
        count: of how many samples.
        read: the fields that were asked for.
        made: those that came out new, or changed.
        kept: those that came out as they went in.
        dropped: those that went in and didn't come out.
        sources: of what is made by a function of its own: the fields that it read.
        whole: whether all of a sample was gone through, whatever its fields are.
        copied: whether a copy of all was made of which nobody knows what was read.
        unknown: whether nothing can be said: the function doesn't work with views, or may work otherwise.
        takes_values: whether samples came that have no fields.
        gives_values: whether something came out that has no fields.
    """

    __slots__ = ("count", "sources", *_SETS, *_FLAGS)

    def __init__(self) -> None:
        self.count = 0
        self.read: set[str] = set()
        self.made: set[str] = set()
        self.kept: set[str] = set()
        self.dropped: set[str] = set()
        self.sources: dict[str, set[str]] = {}
        self.whole = self.copied = self.unknown = False
        self.takes_values = self.gives_values = False

    def add_reads(self, reads: Reads) -> None:
        """Add what was read."""
        self.read |= set(map(_named, reads.fields))
        self.whole |= reads.whole
        self.copied |= reads.copied

    def add_made(self, before: Mapping[Any, Any], after: Any, given: set[Any]) -> None:
        """Add what came out of a sample."""
        if not isinstance(after, dict):
            self.gives_values = True
            return
        for key, value in after.items():
            same = key in before and before[key] is value
            (self.kept if same else self.made).add(_named(key))
            if same and key in given:  # set to the same object, which may have been changed in place
                self.made.add(_named(key))
        self.dropped |= {_named(key) for key in before if key not in after}

    def to_plain(self) -> dict[str, Any]:
        """As the record keeps it; flags only where they hold."""
        found: dict[str, Any] = {"count": self.count}
        found |= {name: sorted(getattr(self, name)) for name in _SETS}
        if self.sources:
            found["sources"] = {name: sorted(read) for name, read in self.sources.items()}
        return found | {name: True for name in _FLAGS if getattr(self, name)}

    def add_plain(self, found: Mapping[str, Any]) -> None:
        """Add what was seen elsewhere."""
        self.count += found["count"]
        for name in _SETS:
            getattr(self, name).update(found[name])
        for name, read in found.get("sources", {}).items():
            self.sources.setdefault(name, set()).update(read)
        for name in _FLAGS:
            setattr(self, name, getattr(self, name) or found.get(name, False))


def _named(key: Any) -> str:
    return key if type(key) is str else repr(key)[:200]


class FieldWatch:
    """Watches what one function of an op does with the fields of its first samples.

    Args:
        left: how many more samples are watched.
    """

    __slots__ = ("_told", "left", "notes")

    def __init__(self, left: int = WATCHED) -> None:
        self.left = left
        self.notes = FieldNotes()
        self._told = (0, False)

    @classmethod
    def after(cls, found: Mapping[str, Any]) -> FieldWatch:
        """Go on with what was seen in a process that went before."""
        watch = cls()
        watch.notes.add_plain(found)
        watch._told = watch.notes.count, watch.notes.unknown
        if watch.notes.unknown:
            watch.left = 0
        elif not watch.notes.sources:  # several functions make fields, each of which is to be seen
            watch.left = max(0, WATCHED - watch.notes.count)
        return watch

    @property
    def has_news(self) -> bool:
        """Whether more was seen than told."""
        return (self.notes.count, self.notes.unknown) != self._told

    def take(self) -> dict[str, Any]:
        """Take what was seen."""
        self._told = self.notes.count, self.notes.unknown
        return self.notes.to_plain()

    def hear(self, found: Mapping[str, Any]) -> None:
        """Add what was seen in another process."""
        self.notes.add_plain(found)
        self.left = 0

    def begin(self, *functions: Callable[..., Any]) -> bool:
        """Tell whether samples are to be watched that go to these functions.

        Functions that ask for exact types aren't called with anything but dicts.
        """
        if self.left and any(map(_asks_for_types, functions)):
            self.left, self.notes.unknown = 0, True
        return self.left > 0

    def map(self, call: Callable[[Any], Any], sample: Any) -> Any:
        """Call a function that makes something of a sample."""
        return self._call(lambda samples: call(samples[0]), [sample], lambda made: [made])

    def expand(self, call: Callable[[Any], Any], sample: Any) -> Any:
        """Call a function that makes several samples of one."""
        return self._call(lambda samples: call(samples[0]), [sample], lambda made: [*made], of_one=True)

    def reading(self, call: Callable[[Any], Any], samples: list[Any]) -> Iterator[Any]:
        """Say something of each sample, one after the other: keys, lengths."""
        if not self.begin(call):
            return map(call, samples)
        count = min(self.left, len(samples))
        watched = map(functools.partial(self.read, call), samples[:count])
        return itertools.chain(watched, map(call, samples[count:]))

    def combining(self, call: Callable[..., Any], *sides: Sequence[Any]) -> Iterator[Any]:
        """Make one sample of each pair, or more, one after the other."""
        if not self.begin(call):
            return map(call, *sides)
        count = min(self.left, *map(len, sides))
        watched = map(functools.partial(self.combine, call), *(side[:count] for side in sides))
        return itertools.chain(watched, map(call, *(side[count:] for side in sides)))

    def combine(self, call: Callable[..., Any], *samples: Any) -> Any:
        """Call a function that makes one sample of several."""
        return self._call(lambda given: call(*given), [*samples], lambda made: [made], count=1, of_one=True)

    def fold(self, call: Callable[[Any, list[Any]], Any], key: Any, samples: list[Any]) -> Any:
        """Call a function that makes one sample of a group; a large one isn't watched."""
        if not self.begin(call) or len(samples) > _LARGEST_GROUP:
            return call(key, samples)
        return self._call(lambda given: call(key, given), samples, lambda made: [made], count=1, of_one=True)

    def made_of(self, name: str, read: Iterable[str], *, whole: bool, count: int) -> None:
        """Note that a field was made of others, of so many samples, by a function that made nothing else."""
        if name in self.notes.sources and self.notes.count >= WATCHED:
            self.left = 0  # each function has been seen
        if self.left:
            self.notes.sources.setdefault(name, set()).update(read)
            self.notes.read.update(read)
            self.notes.made.add(name)
            self.notes.whole |= whole
            self.notes.count = max(self.notes.count, count)

    def judge(self, call: Callable[[Any], Any], sample: Any) -> Any:
        """Call a function that says something of a sample, which goes on as it then is."""
        return self._call(lambda samples: call(samples[0]), [sample], lambda _: [sample])

    def read(self, call: Callable[[Any], Any], sample: Any) -> Any:
        """Call a function that only says something of a sample: a key, a length."""
        return self._call(lambda samples: call(samples[0]), [sample], lambda _: [])

    def map_group(self, call: Callable[[list[Any]], Any], samples: list[Any]) -> Any:
        """Call a function that makes as many samples of several."""

        def parts(made: Any) -> list[Any]:
            return [*made] if isinstance(made, list | tuple) and len(made) == len(samples) else []

        return self._call(call, samples, parts)

    def map_columns(self, call: Callable[[Any], Any], columns: dict[str, Any], count: int) -> Any:
        """Call a function that makes columns of the columns of so many samples."""
        filled = _filled(columns)
        if filled is None:
            return call(columns)
        return self._call(lambda given: call(given[0]), [filled], lambda made: [made], count=count)

    def judge_columns(self, call: Callable[[Any], Any], columns: dict[str, Any], count: int) -> Any:
        """Call a function that says something of each of so many samples by their columns."""
        filled = _filled(columns)
        if filled is None:
            return call(columns)
        return self._call(lambda given: call(given[0]), [filled], lambda _: [filled], count=count)

    def _call(
        self,
        call: Callable[[list[Any]], Any],
        samples: list[Any],
        outputs: Callable[[Any], Sequence[Any]],
        *,
        count: int | None = None,
        of_one: bool = False,
    ) -> Any:
        """Call a function with views of samples, and note what it did; of plain ones, where that fails."""
        reads = Reads()
        before = [dict(sample) if type(sample) is dict else {} for sample in samples]
        try:
            made = call([View(sample, reads) if type(sample) is dict else sample for sample in samples])
        except Exception:  # whatever it is, the function may have it by itself; what counts is the next call
            failed = True
        else:
            failed = False
        if failed:
            reads.end()
            made = call(samples)
            self.left, self.notes.unknown = 0, True  # a view made it fail: it isn't given another
            return made
        result = _without_views(made, reads, samples)
        self._note(reads, samples, before, outputs(result), of_one=of_one)
        taken = len(samples) if count is None else count
        self.notes.count += taken
        self.left = max(0, self.left - taken)
        return result

    def _note(
        self,
        reads: Reads,
        samples: list[Any],
        before: list[dict[Any, Any]],
        outputs: Sequence[Any],
        *,
        of_one: bool,
    ) -> None:
        notes = self.notes
        notes.takes_values |= any(type(sample) is not dict and sample is not None for sample in samples)
        notes.add_reads(reads)
        merged = {key: value for each in reversed(before) for key, value in each.items()} if of_one else {}
        for place, output in enumerate(outputs):
            notes.add_made(merged if of_one else before[place], output, reads.given)


def _filled(columns: Any) -> Any:
    """Make all fields of columns that are made when they are asked for; None where one can't be made."""
    if not isinstance(columns, dict):
        return columns
    try:
        return dict(columns)
    except Exception:  # the function may not ask for that one
        return None


def _without_views(made: Any, reads: Reads, samples: list[Any]) -> Any:
    """Put the samples in the place of their views, with what was changed in these."""
    views = iter(reads.views)  # those of the samples came first, in their order
    shown = {id(view): sample for sample in samples if type(sample) is dict for view in [next(views)]}
    for number in range(len(shown)):
        _write_back(reads.views[number], shown[id(reads.views[number])])
    del views  # it may hold one of them
    return plainly(made, shown) if reads.end() else made


def _write_back(view: View, sample: dict[Any, Any]) -> None:
    now = raw(view)
    same = len(now) == len(sample) and all(
        key in sample and sample[key] is value for key, value in now.items()
    )
    if not same or list(now) != list(sample):
        sample.clear()
        sample.update(now)


def _asks_for_types(fn: Callable[..., Any]) -> bool:
    while isinstance(fn, functools.partial):
        fn = fn.func
    method = getattr(type(fn), "__call__", None)  # noqa: B004 - its code is wanted
    code = getattr(fn, "__code__", None) or getattr(method, "__code__", None)
    return isinstance(code, CodeType) and _names_types(code)


def _names_types(code: CodeType) -> bool:
    inner = (each for each in code.co_consts if isinstance(each, CodeType))
    return not _ASKS_FOR_TYPES.isdisjoint(code.co_names) or any(map(_names_types, inner))


class FieldWatches:
    """The watches of one op, one for each of its functions.

    Args:
        by_part: those that go on with what was seen before, by the parameter that holds the function.
    """

    __slots__ = ("_by_part", "is_settled")

    is_settled: bool
    """Whether all was told and nothing is watched any more."""

    def __init__(self, by_part: Mapping[str, FieldWatch] | None = None) -> None:
        self._by_part = dict(by_part or {})
        self.is_settled = True

    def of(self, part: str) -> FieldWatch:
        """The one of a function, by the parameter that holds it."""
        self.is_settled = False
        return self._by_part.setdefault(part, FieldWatch())

    def take(self, *, all_news: bool) -> Iterator[tuple[str, dict[str, Any]]]:
        """Take what was seen, with the function's parameter: all that is new, or only what is complete."""
        for part, watch in self._by_part.items():
            if watch.has_news and (all_news or watch.left == 0):
                yield part, watch.take()
        self.is_settled = all(watch.left == 0 for watch in self._by_part.values())


NO_WATCH = FieldWatch(0)
"""Watches nothing."""
