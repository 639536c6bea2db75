"""Dataset versions of tables: what rows say, where they are cut into chunks, and how these are kept."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whence.datasets.writing import KeptChunk, KeptTable, TableWriter

__all__ = ["KeptChunk", "KeptTable", "TableWriter"]


def __getattr__(name: str) -> Any:
    if name in __all__:  # needs pyarrow
        return getattr(import_module("whence.datasets.writing"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
