"""The witness of what is delivered: which digests are told of the outputs of a program."""

from __future__ import annotations

from whence.capture import PassRecorder
from whence.ops import Chunk
from whence.streams.plan import Program


class OutputWitness:
    """Tells a recorder of outputs before they are delivered.

    Args:
        program: whose outputs they are.
        recorder: listens.
    """

    __slots__ = ("_delivers_items", "_recorder", "_top")

    def __init__(self, program: Program, recorder: PassRecorder) -> None:
        op = program.steps[program.items_at].node.op
        counts_items_here = program.items_at == program.top and (op is None or op.kind != "batch")
        self._recorder = recorder
        self._delivers_items = program.delivers_items
        self._top = recorder.node(program.top) if counts_items_here else None

    def tell(self, chunk: Chunk) -> None:
        """Tell of the next outputs."""
        if not self._delivers_items:
            self._recorder.made(chunk.content)
        if self._top is not None:
            self._top.gathered(chunk.content, [len(chunk)])
