"""Tensors on their way between processes: as the arrays that they are; PyTorch's own pickles copy thrice."""

from __future__ import annotations

import copyreg
import sys
from collections.abc import Callable
from typing import Any

Reduce = Callable[[Any], Any]


def reducers() -> dict[Any, Reduce]:
    """What pickles which type; a table for a pickler."""
    torch = sys.modules.get("torch")
    tensor = getattr(torch, "Tensor", None)  # absent while torch is being imported by another thread
    return copyreg.dispatch_table if tensor is None else copyreg.dispatch_table | {tensor: _reduced}


def _reduced(tensor: Any) -> Any:
    try:
        if tensor.requires_grad or tensor.is_conj() or tensor.is_neg():
            return tensor.__reduce_ex__(5)
        return _tensor_of, (tensor.numpy(),)
    except (TypeError, RuntimeError):  # not dense, not here, or of a dtype that NumPy lacks
        return tensor.__reduce_ex__(5)


def _tensor_of(array: Any) -> Any:
    import torch  # noqa: PLC0415 - whoever sends tensors has it

    return torch.from_numpy(array)
