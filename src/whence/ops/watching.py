"""Watching: the first samples go to the user's function as views that note which fields it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from whence.capture import FieldWatch, NodeRecorder
from whence.ops.chunk import Chunk
from whence.ops.op import Function

Loop = Callable[[Iterator[Any], Chunk], Iterable[Any]]
"""Calls a function for each of the samples of a chunk, in one loop; it is given an iterator of them."""

_STOPPED = object()


def watched_loop(
    loop: Loop, fn: Function, recorder: NodeRecorder, call: Callable[..., Any] = FieldWatch.map
) -> Loop:
    """Watch the first samples that go through a loop.

    Args:
        loop: calls the function.
        fn: the user's function in it.
        recorder: listens to the op.
        call: how the function's result stands to the sample: `FieldWatch.map` or `FieldWatch.judge`.

    Returns:
        The loop itself where nothing is to be watched: with nobody listening, or after the first samples.
    """
    watch = recorder.watch()
    if not watch.begin(fn):
        return loop

    def watched(values: Iterator[Any], chunk: Chunk) -> Iterable[Any]:
        return first_ones(values, chunk) if watch.left else loop(values, chunk)

    def first_ones(values: Iterator[Any], chunk: Chunk) -> Iterator[Any]:
        done = 0
        while watch.left and done < len(chunk):
            one = chunk.taken(slice(done, done + 1))
            found = call(watch, lambda sample, one=one: _only(loop(iter([sample]), one)), next(values))
            if found is _STOPPED:
                return
            yield found
            done += 1
        yield from loop(values, chunk.taken(slice(done, None)))

    return watched


def _only(made: Iterable[Any]) -> Any:
    return next(iter(made), _STOPPED)  # a StopIteration inside the function ends a loop without a word
