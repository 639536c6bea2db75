"""Journals, segments, objects, cursors: everything that touches the workspace's disk."""

from whence.store.catalog import Catalog, CatalogRow
from whence.store.content import decode_content, encode_content
from whence.store.files import explained, explained_reading, write_whole
from whence.store.folder import Folder
from whence.store.frames import Damage, Frame, Scan, read_frame, scan_frames
from whence.store.journal import (
    Event,
    Journal,
    check_object,
    check_segments,
    read_journal,
    read_object,
)
from whence.store.objects import Kept, SteadyFile
from whence.store.pairs import PairSorter
from whence.store.registry import Decision, Registry, claim_version, counter_path
from whence.store.segments import BLOCK, DECISIONS, DIRECTORY, SealedSegment, decisions_name
from whence.store.writing import RunWriter

__all__ = [
    "BLOCK",
    "DECISIONS",
    "DIRECTORY",
    "Catalog",
    "CatalogRow",
    "Damage",
    "Decision",
    "Event",
    "Folder",
    "Frame",
    "Journal",
    "Kept",
    "PairSorter",
    "Registry",
    "RunWriter",
    "Scan",
    "SealedSegment",
    "SteadyFile",
    "check_object",
    "check_segments",
    "claim_version",
    "counter_path",
    "decisions_name",
    "decode_content",
    "encode_content",
    "explained",
    "explained_reading",
    "read_frame",
    "read_journal",
    "read_object",
    "scan_frames",
    "write_whole",
]
