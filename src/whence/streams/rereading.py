"""Rereading: the steps below a fit are read for it, and then once more for what uses it."""

from __future__ import annotations

from collections.abc import Sequence

from whence.capture import NodeRecorder, NullNode
from whence.streams.plan import Program


class TimeRecorder(NullNode):
    """Listens to a step that is read for a fit and then once more: its time counts twice, and its draws."""

    __slots__ = ("_recorder",)

    def __init__(self, recorder: NodeRecorder) -> None:
        self._recorder = recorder

    def drew(self, generators: Sequence[str]) -> None:
        """Hand it on."""
        self._recorder.drew(generators)

    def spent(self, ns: int, in_count: int, out_count: int) -> None:
        """Hand on the time."""
        self._recorder.spent(ns, 0, 0)


def read_again(program: Program, shared: set[int]) -> set[int]:
    """Find the steps that are made anew after a fit has read them: their mappings are closed."""
    found: set[int] = set()
    waiting = [index for index in shared if program.steps[index].node.is_indexable]
    while waiting:
        index = waiting.pop()
        op = program.steps[index].node.op
        if index not in found and (op is None or not (op.learns or op.keeps)):
            found.add(index)
            waiting.extend(program.steps[index].inputs)
    return found
