"""Mappings: which positions of an operation's output came from which positions of its input.

Pure arithmetic on positions: no file, no clock, no chance (a permutation comes in as an argument). A trace
is a fold of `backward` over the mappings of a plan (`follow`), an impact a fold of `forward` (`reach`).
Nothing scans: what a question costs depends on what is asked.
"""

from __future__ import annotations

from whence.lineage.choices import Chosen, InterleavingLike
from whence.lineage.chunks import CountsIndex, SelectionIndex, WitnessIndex
from whence.lineage.closed import Affine, Identity, Part, Permuted, Tile, Unknown
from whence.lineage.counts import decode_counts, encode_counts, spell_counts
from whence.lineage.directory import (
    BLOCK_HEAD_BYTES,
    EXPANSION,
    GIVEN,
    GIVEN_COUNTS,
    ROWS,
    SELECTION,
    TAKEN,
    TAKEN_COUNTS,
    WITNESSES,
    BlockHead,
    BlockList,
    Directory,
    Key,
    Place,
    read_directory,
)
from whence.lineage.fits import Everywhere, Fitted
from whence.lineage.grouped import Blocks, Windows
from whence.lineage.lines import Line, Numbers, as_array, joined_numbers, numbers_between
from whence.lineage.mapping import Mapping, PermutationLike, Positions, follow, reach
from whence.lineage.masks import ALL_KEPT, decode_mask, encode_mask, spell_mask
from whence.lineage.origins import BoolArray, IntArray, Origins, compose, each_once
from whence.lineage.relations import RelationIndex, decode_relation, encode_relation
from whence.lineage.sealed import SealedCounts, SealedRelation, SealedSelection, SealedValues, SealedWitnesses
from whence.lineage.sets import PositionSet
from whence.lineage.steps import encode_counts_block, encode_mask_block
from whence.lineage.stored import Expansion, Gather, Inverse, Related, Selection
from whence.lineage.values import encode_values_block, encode_witnesses_block

__all__ = [
    "ALL_KEPT",
    "BLOCK_HEAD_BYTES",
    "EXPANSION",
    "GIVEN",
    "GIVEN_COUNTS",
    "ROWS",
    "SELECTION",
    "TAKEN",
    "TAKEN_COUNTS",
    "WITNESSES",
    "Affine",
    "BlockHead",
    "BlockList",
    "Blocks",
    "BoolArray",
    "Chosen",
    "CountsIndex",
    "Directory",
    "Everywhere",
    "Expansion",
    "Fitted",
    "Gather",
    "Identity",
    "IntArray",
    "InterleavingLike",
    "Inverse",
    "Key",
    "Line",
    "Mapping",
    "Numbers",
    "Origins",
    "Part",
    "PermutationLike",
    "Permuted",
    "Place",
    "PositionSet",
    "Positions",
    "Related",
    "RelationIndex",
    "SealedCounts",
    "SealedRelation",
    "SealedSelection",
    "SealedValues",
    "SealedWitnesses",
    "Selection",
    "SelectionIndex",
    "Tile",
    "Unknown",
    "Windows",
    "WitnessIndex",
    "as_array",
    "compose",
    "decode_counts",
    "decode_mask",
    "decode_relation",
    "each_once",
    "encode_counts",
    "encode_counts_block",
    "encode_mask",
    "encode_mask_block",
    "encode_relation",
    "encode_values_block",
    "encode_witnesses_block",
    "follow",
    "joined_numbers",
    "numbers_between",
    "reach",
    "read_directory",
    "spell_counts",
    "spell_mask",
]
