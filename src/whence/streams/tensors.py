"""Samples for PyTorch: arrays as tensors, and what a `DataLoader` makes of them, as functions of a stream.

PyTorch is imported here; whoever needs it takes it from here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from whence.errors import MissingExtraError

try:
    import torch
except ModuleNotFoundError as error:
    if error.name is None or error.name.split(".")[0] != "torch":
        raise
    raise MissingExtraError("torch", extra="torch", need="to_torch()") from error

__all__ = ["as_tensors", "collated", "converted", "torch"]


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


def collated(collate: Callable[[list[Any]], Any], samples: list[Any]) -> Any:
    """Make a batch of samples with a collate function of PyTorch's kind, which is given tensors."""
    return collate([as_tensors(sample) for sample in samples])


def converted(convert: Callable[[Any], Any], sample: Any) -> Any:
    """Give a sample to a function of PyTorch's kind, as tensors."""
    return convert(as_tensors(sample))
