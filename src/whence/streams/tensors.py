"""Streams for PyTorch: a dataset whose work is done by workers of the stream, recorded like any reading.

A `DataLoader` needs none of its own (`num_workers=0`): the stream's workers prepare samples, and the process
that trains records what it receives. With `num_workers=n` each of torch's processes gives every n-th sample,
so that each comes once and in order; but these processes can't write the record, which notes the gap.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from whence.errors import MissingExtraError
from whence.ops import check_count
from whence.streams.reading import Epoch

try:
    import torch
    from torch.utils.data import IterableDataset, get_worker_info
except ModuleNotFoundError as error:
    if error.name is None or error.name.split(".")[0] != "torch":
        raise
    raise MissingExtraError("torch", extra="torch", need="to_torch()") from error


class Readable(Protocol):
    """What a dataset needs of a stream."""

    def epoch(self, k: int, *, workers: int | None = None) -> Epoch:
        """Read a pass."""

    def shard(self, index: int, count: int) -> Readable:
        """Keep every `count`-th sample."""


class StreamDataset(IterableDataset):  # type: ignore[misc]  # torch isn't there where types are checked
    """The samples of one epoch of a stream, arrays as tensors.

    Args:
        stream: what is read.
        workers: how many processes it is read with, where torch has none of its own.
        epoch: which epoch an iteration gives, until `set_epoch` says another.
    """

    def __init__(self, stream: Readable, *, workers: int, epoch: int) -> None:
        super().__init__()
        self._stream = stream
        self._workers = workers
        self.set_epoch(epoch)

    def set_epoch(self, epoch: int) -> None:
        """Choose which epoch the next iteration gives."""
        self._epoch = check_count(epoch, "set_epoch(epoch)")

    def __iter__(self) -> Iterator[Any]:
        info = get_worker_info()
        if info is None:
            return map(as_tensors, self._stream.epoch(self._epoch, workers=self._workers))
        part = self._stream.shard(info.id, info.num_workers)  # torch takes from its processes in turns
        return map(as_tensors, part.epoch(self._epoch, workers=0))

    def __len__(self) -> int:
        return len(self._stream.epoch(self._epoch))


def as_tensors(value: Any) -> Any:
    """Make tensors of the arrays in a sample; everything else stays what it is."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biufc":
            return value
        native = np.ascontiguousarray(value, value.dtype.newbyteorder("="))
        return torch.from_numpy(native if native.flags.writeable else native.copy())
    if type(value) is dict:
        return {key: as_tensors(each) for key, each in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(as_tensors, value))
    return value
