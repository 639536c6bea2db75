"""Loaders: what a `DataLoader` of PyTorch hands out over a stream, read here by the stream's engine.

PyTorch's own processes can't write the record, and no hook tells when the training loop takes a batch. So a
loader over a dataset of a stream gets an iterator of ours, which is one of PyTorch's own in all that isn't
reading: it pins memory, draws its base seed and warns as they do. Its batches are made by an op of the
stream, with as many processes of the engine as the loader says, in the same order whatever their number.
"""

from __future__ import annotations

import functools
import random
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np

from whence.errors import PlanError
from whence.streams.tensors import torch
from whence.streams.workers import Workers

_READ_AHEAD = 2


class Passes(Protocol):
    """What a loader needs of a dataset."""

    def batches(
        self, size: int, *, drop_last: bool, collate: Callable[..., Any], workers: Workers | None
    ) -> Iterator[Any]:
        """Give the batches of the next epoch."""

    def samples(self, convert: Callable[..., Any], *, workers: Workers | None) -> Iterator[Any]:
        """Give the samples of the next epoch."""


class LoaderIterator(torch.utils.data.dataloader._BaseDataLoaderIter):  # type: ignore[misc]  # torch is untyped here
    """Reads a stream for a loader.

    Args:
        loader: whose dataset is one of a stream.

    Raises:
        PlanError: the loader asks for something that can't be had here.
    """

    def __init__(self, loader: Any) -> None:
        start = _checked_start(loader)
        super().__init__(loader)
        workers = None
        if loader.num_workers:
            prepare = functools.partial(_begin_worker, self._base_seed, loader.worker_init_fn)
            workers = Workers(loader.num_workers, start, prepare)
        dataset: Passes = loader.dataset
        if loader.batch_size is None:
            self._outputs = dataset.samples(loader.collate_fn, workers=workers)
        else:
            self._outputs = dataset.batches(
                loader.batch_size, drop_last=loader.drop_last, collate=loader.collate_fn, workers=workers
            )

    def _next_data(self) -> Any:
        data = next(self._outputs)
        if not self._pin_memory:
            return data
        return torch.utils.data._utils.pin_memory.pin_memory(data, self._pin_memory_device)


def read_loaders_of(kind: type) -> None:
    """Let loaders over datasets of a kind read by way of `LoaderIterator`, and leave all others alone."""
    loader = torch.utils.data.DataLoader
    as_torch_does = loader.__iter__

    @functools.wraps(as_torch_does)
    def __iter__(self: Any) -> Any:  # noqa: N807 - it takes the place of the method
        return LoaderIterator(self) if isinstance(self.dataset, kind) else as_torch_does(self)

    loader.__iter__ = __iter__


def _checked_start(loader: Any) -> str | None:
    """How workers begin; what of a loader's wishes means something else here is refused or said."""
    if loader.timeout:
        raise PlanError(
            "DataLoader(timeout=...): a stream's workers have none, and one that dies is noticed at once",
            remedy="Leave timeout out.",
        )
    if loader.persistent_workers:
        _say("persistent_workers: a stream's workers are begun anew for each epoch")
    if loader.num_workers and loader.prefetch_factor != _READ_AHEAD:
        _say("prefetch_factor: how far a stream's workers read ahead is bounded in bytes, not in batches")
    if loader.multiprocessing_context is None:
        return None
    start = str(loader.multiprocessing_context.get_start_method())
    if start not in ("fork", "spawn"):
        raise PlanError(
            f"DataLoader(multiprocessing_context={start!r}): a stream's workers begin by 'fork' or 'spawn'",
            remedy="Use one of them, or leave it out.",
        )
    return start


def _say(what: str) -> None:
    warnings.warn(f"DataLoader over a stream, {what}.", stacklevel=5)


def _begin_worker(base_seed: int, init: Callable[[int], Any] | None, number: int) -> None:
    """Do what PyTorch does first in a worker: seed the global generators, then ask the user's function."""
    random.seed(base_seed + number)
    torch.manual_seed(base_seed + number)
    entropy = (number, base_seed & 0xFFFFFFFF, base_seed >> 32, 0)
    np.random.seed(np.random.SeedSequence(entropy).generate_state(4))
    if init is not None:
        init(number)
