"""Journals, segments, objects, cursors: everything that touches the workspace's disk."""

from whence.store.catalog import Catalog, CatalogRow
from whence.store.files import explained, write_whole
from whence.store.folder import Folder
from whence.store.frames import Damage, Frame, Scan, read_frame, scan_frames
from whence.store.journal import (
    Event,
    Journal,
    RunWriter,
    check_object,
    check_segments,
    read_journal,
    read_object,
)

__all__ = [
    "Catalog",
    "CatalogRow",
    "Damage",
    "Event",
    "Folder",
    "Frame",
    "Journal",
    "RunWriter",
    "Scan",
    "check_object",
    "check_segments",
    "explained",
    "read_frame",
    "read_journal",
    "read_object",
    "scan_frames",
    "write_whole",
]
