"""What is done to samples: one idea a file, and no op knows the chain."""

from whence.ops.asking import Asking, Decide
from whence.ops.batch import Batch
from whence.ops.cache import Cache, Filled
from whence.ops.cast import Cast
from whence.ops.chunk import Chunk, in_groups
from whence.ops.combine import Concat, Zip
from whence.ops.dedup import Dedup
from whence.ops.fields import Drop, Rename, Select
from whence.ops.filling import FillMissing, check_constant
from whence.ops.filling_along import FillAlong
from whence.ops.filter import Filter
from whence.ops.fitting import Fit, FitOf
from whence.ops.flat_map import FlatMap, Unbatch
from whence.ops.group import GroupBy, GroupColumns, GroupFunction, GroupSamples
from whence.ops.identities import chooses, draw_ids, draw_numbers, find_frozen, hands_on, keeps_apart
from whence.ops.join import Join
from whence.ops.kept import Kept
from whence.ops.keys import Key, as_key, shown_key
from whence.ops.map import Map
from whence.ops.map_batches import MapBatches
from whence.ops.mix import Mix
from whence.ops.one_hot import OneHot
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
from whence.ops.scaling import Normalize, Winsorize
from whence.ops.seeding import as_seeding
from whence.ops.sort import Sort
from whence.ops.split import Split, ids_apart
from whence.ops.watched import Watched
from whence.ops.window import Window
from whence.ops.with_columns import ColumnsView, WithColumns
from whence.ops.with_ids import WithIds

__all__ = [
    "Asking",
    "Batch",
    "Cache",
    "Cast",
    "Chunk",
    "ColumnsView",
    "Concat",
    "Context",
    "Decide",
    "Dedup",
    "Drop",
    "Fetch",
    "FillAlong",
    "FillMissing",
    "Filled",
    "Filter",
    "Fit",
    "FitOf",
    "FlatMap",
    "Function",
    "GroupBy",
    "GroupColumns",
    "GroupFunction",
    "GroupSamples",
    "Input",
    "Join",
    "Kept",
    "Key",
    "Map",
    "MapBatches",
    "Mix",
    "Normalize",
    "OneHot",
    "Op",
    "Pack",
    "Recorded",
    "Rename",
    "Repeat",
    "Sample",
    "Select",
    "Shuffle",
    "Slice",
    "Sort",
    "Split",
    "Unbatch",
    "Watched",
    "Window",
    "Winsorize",
    "WithColumns",
    "WithIds",
    "Zip",
    "as_key",
    "as_seeding",
    "check_callable",
    "check_constant",
    "check_count",
    "check_seed",
    "chooses",
    "draw_ids",
    "draw_numbers",
    "find_frozen",
    "hands_on",
    "ids_apart",
    "in_groups",
    "keeps_apart",
    "name_of",
    "outline_op",
    "restore_op",
    "shown_key",
]
