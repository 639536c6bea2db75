"""The door to pyarrow of this room."""

from __future__ import annotations

from whence.errors import MissingExtraError

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
except ModuleNotFoundError as error:
    if error.name is None or error.name.partition(".")[0] != "pyarrow":
        raise
    raise MissingExtraError("pyarrow", extra="parquet", need="dataset versions of tables") from error

__all__ = ["pa", "pc", "pq"]
