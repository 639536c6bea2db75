"""What a tensor of PyTorch holds, as NumPy knows it; PyTorch is loaded only where somebody's tensor is."""

from __future__ import annotations

from typing import Any

from whence.errors import CanonicalError


def is_tensor(value: Any) -> bool:
    """Whether a value is a tensor of PyTorch."""
    return hasattr(value, "untyped_storage") and hasattr(value, "detach")


def tensor_content(tensor: Any) -> Any:
    """What a tensor holds: the array; of a dtype that NumPy lacks its name, the shape and the bytes.

    Raises:
        CanonicalError: it isn't dense, or is nowhere (a meta tensor).
    """
    try:
        dense = tensor.detach().cpu().resolve_conj().resolve_neg()
        try:
            return dense.numpy()
        except TypeError:  # bfloat16, float8
            one_byte = dense.new_empty(0).bool().dtype
            words = dense.contiguous().reshape(-1).view(one_byte).numpy().view("u1")
            return "tensor", str(tensor.dtype), list(tensor.shape), words
    except Exception as error:  # layouts and devices refuse each in their own way
        raise CanonicalError(f"a tensor can't be read ({type(error).__name__})") from error
