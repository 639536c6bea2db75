"""Mappings: which positions of an operation's output came from which positions of its input.

Pure arithmetic on positions: no file, no clock, no chance (a permutation comes in as an argument). A trace
is a fold of `backward` over the mappings of a plan (`follow`), an impact a fold of `forward` (`reach`).
Nothing scans: what a question costs depends on what is asked.
"""

from __future__ import annotations

from whence.lineage.choices import Chosen, InterleavingLike
from whence.lineage.chunks import CountsIndex, SelectionIndex
from whence.lineage.closed import Affine, Identity, Part, Permuted, Tile, Unknown
from whence.lineage.counts import decode_counts, encode_counts
from whence.lineage.fits import Everywhere, Fitted
from whence.lineage.grouped import Blocks, Windows
from whence.lineage.mapping import Mapping, PermutationLike, Positions, follow, reach
from whence.lineage.masks import decode_mask, encode_mask
from whence.lineage.origins import BoolArray, IntArray, Origins, compose
from whence.lineage.relations import RelationIndex, decode_relation, encode_relation
from whence.lineage.stored import Expansion, Gather, Inverse, Related, Selection

__all__ = [
    "Affine",
    "Blocks",
    "BoolArray",
    "Chosen",
    "CountsIndex",
    "Everywhere",
    "Expansion",
    "Fitted",
    "Gather",
    "Identity",
    "IntArray",
    "InterleavingLike",
    "Inverse",
    "Mapping",
    "Origins",
    "Part",
    "PermutationLike",
    "Permuted",
    "Positions",
    "Related",
    "RelationIndex",
    "Selection",
    "SelectionIndex",
    "Tile",
    "Unknown",
    "Windows",
    "compose",
    "decode_counts",
    "decode_mask",
    "decode_relation",
    "encode_counts",
    "encode_mask",
    "encode_relation",
    "follow",
    "reach",
]
