"""Messages between two processes: small ones through a pipe, large ones and arrays through shared memory.

A message is a head, which says what it is, and a body, pickled with protocol 5. Arrays of more than a few
kilobytes are laid beside the pickle as they are, and whatever is larger than a pipe takes at once goes into
a segment of shared memory; so sending never waits for the other side to read, and neither side can block
the other. The receiver copies what it keeps, and says with its next message that the segment is free again.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

from whence.errors import MissingExtraError, UnshippableError
from whence.processes.memory import Segment, roomy
from whence.processes.tensors import reducers

_INLINE_BYTES = 4_096
_APART_BYTES = 4_096
_ALIGNED = 64

LayApart = Callable[[pickle.PickleBuffer], bool]


class Channel:
    """One end of the line between two processes.

    Args:
        connection: a pipe for both directions.
        by_value: whether the other process lacks what was defined in this one, so that functions and
            classes have to be sent with the values that need them.
    """

    def __init__(self, connection: Connection, *, by_value: bool) -> None:
        self._connection = connection
        self._by_value = by_value
        self._ours: dict[int, Segment] = {}
        self._free: set[int] = set()
        self._theirs: dict[int, Segment] = {}
        self._read: list[int] = []
        self._count = 0

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._connection.fileno()

    def poll(self) -> bool:
        """Whether a message waits, or the other side is gone."""
        return self._connection.poll(0)

    def send(self, head: tuple[Any, ...], body: Any = None) -> None:
        """Send a message.

        Args:
            head: plain and small.
            body: anything.

        Raises:
            UnshippableError: the body can't be pickled; nothing was sent.
            OSError: the other side is gone.
        """
        data, apart = self._pickled(body)
        lengths = [data.nbytes, *(buffer.nbytes for buffer in apart)]
        total = sum(map(_aligned, lengths))
        read, self._read = self._read, []
        if not apart and total <= _INLINE_BYTES:
            self._connection.send_bytes(pickle.dumps((head, read, None, bytes(data))))
            return
        frozen = [buffer.readonly for buffer in apart]
        number, dropped = self._free_segment(total)
        size = 0 if number in self._ours else roomy(total)
        place = (number, size, dropped, lengths, frozen)
        self._connection.send_bytes(pickle.dumps((head, read, place, b"")))
        if size:
            self._ours[number] = Segment.made(number, size, self._connection)
        _lay(self._ours[number], [data, *apart])
        self._connection.send_bytes(b"")  # what the segment holds is there now

    def receive(self) -> tuple[tuple[Any, ...], Any]:
        """Receive the next message, waiting for it.

        Returns:
            Its head and its body; an `UnshippableError` in place of a body that can't be made again.

        Raises:
            EOFError: the other side is gone.
        """
        head, read, place, inline = pickle.loads(self._connection.recv_bytes())
        self._free.update(read)
        if place is None:
            return head, _unpickled(inline, [])
        number, size, dropped, lengths, frozen = place
        for each in dropped:
            self._theirs.pop(each).close()
        if size:
            self._theirs[number] = Segment.taken(number, size, self._connection)
        self._connection.recv_bytes()
        body = _lifted(self._theirs[number], lengths, frozen)
        self._read.append(number)
        return head, body

    def close(self) -> None:
        """Close this end; what the other side was still to receive may be lost."""
        self._connection.close()
        for segment in (*self._ours.values(), *self._theirs.values()):
            segment.close()
        self._ours, self._theirs = {}, {}

    def _free_segment(self, total: int) -> tuple[int, list[int]]:
        """Find a segment that is free and large enough, or number a new one and let a small one go."""
        fitting = [number for number in self._free if self._ours[number].size >= total]
        if fitting:
            number = min(fitting, key=lambda each: self._ours[each].size)
            self._free.discard(number)
            return number, []
        dropped = list(self._free)[:1]
        for each in dropped:
            self._free.discard(each)
            self._ours.pop(each).close()
        self._count += 1
        return self._count, dropped

    def _pickled(self, body: Any) -> tuple[memoryview, list[memoryview]]:
        apart: list[memoryview] = []

        def lay_apart(buffer: pickle.PickleBuffer) -> bool:
            raw = buffer.raw()
            if raw.nbytes < _APART_BYTES:
                return True  # within the pickle: many small pieces cost more than one copy
            apart.append(raw)
            return False

        if not self._by_value:
            try:
                return memoryview(_dumped(body, lay_apart)), apart
            except Exception:  # a function or class that only has to be sent by value, perhaps
                apart.clear()
        return memoryview(dumped_by_value(body, lay_apart)), apart


def _dumped(body: Any, lay_apart: LayApart) -> bytes:
    stream = io.BytesIO()
    pickler = pickle.Pickler(stream, protocol=5, buffer_callback=lay_apart)
    pickler.dispatch_table = reducers()
    pickler.dump(body)
    return stream.getvalue()


def dumped_by_value(body: Any, lay_apart: LayApart | None = None) -> bytes:
    """Pickle a value with the functions and classes that only this process has.

    Raises:
        UnshippableError: it refuses.
        MissingExtraError: cloudpickle isn't installed.
    """
    try:
        import cloudpickle  # noqa: PLC0415 - an extra, needed where a process doesn't begin as a copy
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "cloudpickle", extra="workers", need="sending functions to another process"
        ) from error
    stream = io.BytesIO()
    try:
        pickler = cloudpickle.Pickler(stream, protocol=5, buffer_callback=lay_apart)
        pickler.dispatch_table = {**reducers(), **pickler.dispatch_table}
        pickler.dump(body)
    except Exception as error:  # any type may refuse in its own way
        raise UnshippableError(f"{type(error).__name__}: {error}") from error
    return stream.getvalue()


def _aligned(length: int) -> int:
    return -(-length // _ALIGNED) * _ALIGNED


def _lay(segment: Segment, pieces: Sequence[memoryview]) -> None:
    start = 0
    for piece in pieces:
        segment.view[start : start + piece.nbytes] = piece
        start += _aligned(piece.nbytes)


def _lifted(segment: Segment, lengths: Sequence[int], frozen: Sequence[bool]) -> Any:
    buffers: list[Any] = []
    start = _aligned(lengths[0])
    for length, is_frozen in zip(lengths[1:], frozen, strict=True):
        piece = segment.view[start : start + length]
        buffers.append(bytes(piece) if is_frozen else bytearray(piece))
        start += _aligned(length)
    with segment.view[: lengths[0]] as data:
        return _unpickled(data, buffers)


def _unpickled(data: bytes | memoryview, buffers: list[Any]) -> Any:
    try:
        return pickle.loads(data, buffers=buffers)
    except Exception as error:  # any type may refuse in its own way
        return UnshippableError(f"{type(error).__name__}: {error}")
