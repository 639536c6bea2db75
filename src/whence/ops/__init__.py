"""What is done to samples: one idea a file, and no op knows the chain."""

from whence.ops.asking import Asking, Decide
from whence.ops.batch import Batch
from whence.ops.chunk import Chunk
from whence.ops.combine import Concat, Zip
from whence.ops.dedup import Dedup
from whence.ops.filter import Filter
from whence.ops.flat_map import FlatMap, Unbatch
from whence.ops.group import GroupBy, GroupColumns, GroupFunction, GroupSamples
from whence.ops.identities import draw_ids, draw_numbers, hands_on, keeps_apart
from whence.ops.keys import Key, as_key
from whence.ops.map import Map
from whence.ops.map_batches import MapBatches
from whence.ops.mix import Mix
from whence.ops.op import (
    Context,
    Fetch,
    Function,
    Input,
    Op,
    Recorded,
    check_callable,
    check_count,
    check_seed,
    name_of,
)
from whence.ops.pack import Pack
from whence.ops.positions import Repeat, Sample, Shuffle, Slice
from whence.ops.restore import outline_op, restore_op
from whence.ops.sort import Sort
from whence.ops.split import Split, ids_apart
from whence.ops.window import Window

__all__ = [
    "Asking",
    "Batch",
    "Chunk",
    "Concat",
    "Context",
    "Decide",
    "Dedup",
    "Fetch",
    "Filter",
    "FlatMap",
    "Function",
    "GroupBy",
    "GroupColumns",
    "GroupFunction",
    "GroupSamples",
    "Input",
    "Key",
    "Map",
    "MapBatches",
    "Mix",
    "Op",
    "Pack",
    "Recorded",
    "Repeat",
    "Sample",
    "Shuffle",
    "Slice",
    "Sort",
    "Split",
    "Unbatch",
    "Window",
    "Zip",
    "as_key",
    "check_callable",
    "check_count",
    "check_seed",
    "draw_ids",
    "draw_numbers",
    "hands_on",
    "ids_apart",
    "keeps_apart",
    "name_of",
    "outline_op",
    "restore_op",
]
