"""The chain, the plan it compiles to, and the engine that runs it."""

from whence.streams.beginnings import (
    from_arrays,
    from_csv,
    from_files,
    from_items,
    from_jsonl,
    from_parquet,
    from_source,
    from_table,
    from_text,
)
from whence.streams.cutting import MappingsOf
from whence.streams.evaluation import Evaluation
from whence.streams.grouped import Grouped
from whence.streams.plan import SOURCE_BITS, Node, Program, Step
from whence.streams.readable import Readable, tables_of
from whence.streams.reading import Epoch, HeldIterator, StreamIterator
from whence.streams.stream import Stream, compiled
from whence.streams.tabular import Tabular
from whence.streams.watched import watch

__all__ = [
    "SOURCE_BITS",
    "Epoch",
    "Evaluation",
    "Grouped",
    "HeldIterator",
    "MappingsOf",
    "Node",
    "Program",
    "Readable",
    "Step",
    "Stream",
    "StreamIterator",
    "Tabular",
    "compiled",
    "from_arrays",
    "from_csv",
    "from_files",
    "from_items",
    "from_jsonl",
    "from_parquet",
    "from_source",
    "from_table",
    "from_text",
    "tables_of",
    "watch",
]
