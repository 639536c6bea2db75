"""Dataset versions of tables: what rows say, where they are cut into chunks, and how these are kept."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whence.datasets.comparing import ColumnChange, Rows
    from whence.datasets.differing import Comparison, RowChange
    from whence.datasets.leaking import Shared, find_shared
    from whence.datasets.profile import shown
    from whence.datasets.writing import KeptChunk, KeptTable, TableWriter

__all__ = [
    "ColumnChange",
    "Comparison",
    "KeptChunk",
    "KeptTable",
    "RowChange",
    "Rows",
    "Shared",
    "TableWriter",
    "find_shared",
    "shown",
]
_MODULES = {
    "ColumnChange": "comparing",
    "Comparison": "differing",
    "KeptChunk": "writing",
    "KeptTable": "writing",
    "RowChange": "differing",
    "Rows": "comparing",
    "Shared": "leaking",
    "TableWriter": "writing",
    "find_shared": "leaking",
    "shown": "profile",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:  # all of them need pyarrow
        return getattr(import_module(f"whence.datasets.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
