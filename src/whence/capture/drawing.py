"""Who has drawn: foreign generators are looked at whenever another node of a plan begins or ends to work.

What moved meanwhile was moved by the node that was at work, or by another thread of the process; what is
done between chunks, by who reads the stream, is nobody's here. A draw that only uses up the half of a pair of
normal numbers that NumPy has put aside moves nothing, and is seen with the next one.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from whence.capture.foreign import loaded_generators
from whence.capture.recorder import NodeRecorder

T = TypeVar("T")


class _Work(threading.local):
    """Which nodes are at work in a thread, each for the one before it, and what was seen last."""

    def __init__(self) -> None:
        self.nodes: list[NodeRecorder] = []
        self.seen: dict[str, object] = {}


_work = _Work()


def begin_work(node: NodeRecorder) -> None:
    """A node begins to work; the one that asked it waits."""
    _look()
    _work.nodes.append(node)


def end_work() -> None:
    """It has done what it was asked for."""
    _look()
    _work.nodes.pop()


def at_work(made: Iterator[T], node: NodeRecorder) -> Iterator[T]:
    """Hand on what a node makes; it is at work whenever the next one is asked for."""
    while True:
        begin_work(node)
        try:
            found = next(made)
        except StopIteration:
            return
        finally:
            end_work()
        yield found


def warn_of_draws(node: Mapping[str, Any], generators: Sequence[str]) -> None:
    """Warn that a node, as the record describes it, draws what no replay can draw again."""
    drawn = f"{node['label']!r} draws from {' and '.join(generators)}"
    if node["kind"] == "source":
        warnings.warn(f"source {drawn}: what it gives can't be replayed.", stacklevel=2)
    else:
        warnings.warn(
            f"op {drawn}, not from its sample's own generator: what it makes can't be replayed. "
            "Let its function take rng, or say seed_foreign=True.",
            stacklevel=2,
        )


def _look() -> None:
    before, nodes = _work.seen, _work.nodes
    now: dict[str, object] = {}
    moved = []
    for generator in loaded_generators():
        name = generator.name
        look = now[name] = generator.look()
        if nodes and (before[name] != look if name in before else not generator.is_fresh()):
            moved.append(name)
    _work.seen = now
    if moved:
        nodes[-1].drew(moved)
