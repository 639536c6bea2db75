"""Journals, segments, objects, cursors: everything that touches the workspace's disk."""

from whence.store.archiving import Archived, back_up, check_archive_name, restore_archive
from whence.store.batches import ObjectBatch
from whence.store.catalog import Catalog, Page
from whence.store.conditions import (
    KEYED_FIELDS,
    NAMED_FIELDS,
    PLAIN_FIELDS,
    TIME_FIELDS,
    All,
    Comparison,
    Condition,
    Field,
    Not,
    Order,
    Scalar,
    Sign,
    Some,
)
from whence.store.files import explained, explained_reading, make_folder, write_whole
from whence.store.folder import Folder
from whence.store.frames import Damage, Frame, Scan, read_frame, scan_frames
from whence.store.journal import (
    GAP,
    Event,
    Journal,
    check_object,
    check_segments,
    read_journal,
    read_object,
)
from whence.store.ledger import LOCAL_NAMES, Committed, KeyRing, Ledger, LoggedAt, Shard, Ticket
from whence.store.liveness import Writer, find_writer, process_name
from whence.store.logbook import LOGBOOK, Logbook, Logged
from whence.store.metrics import FoundPoints, read_points
from whence.store.metrics_columns import Columns, Total, join_columns
from whence.store.objects import Kept, SteadyFile
from whence.store.outbox import depth_of_caller
from whence.store.pairs import PairSorter
from whence.store.parts import note_part, part_ids
from whence.store.registry import (
    Decision,
    Registry,
    claim_version,
    counter_path,
    decision_digest,
    decision_ids,
)
from whence.store.searching import Hit, Place
from whence.store.segments import BLOCK, DECISIONS, DIRECTORY, SealedSegment, decisions_name
from whence.store.selecting import Selection
from whence.store.settled import split_damages
from whence.store.shards import split_shards
from whence.store.snapshots import list_files
from whence.store.syncing import Synced, sync_folders
from whence.store.tables import CatalogRow, Mention, Named
from whence.store.tidying import GRACE_S, Leftover, Tidied, tidy_folder
from whence.store.writing import RunWriter
from whence.vocab import decode_content, encode_content

__all__ = [
    "BLOCK",
    "DECISIONS",
    "DIRECTORY",
    "GAP",
    "GRACE_S",
    "KEYED_FIELDS",
    "LOCAL_NAMES",
    "LOGBOOK",
    "NAMED_FIELDS",
    "PLAIN_FIELDS",
    "TIME_FIELDS",
    "All",
    "Archived",
    "Catalog",
    "CatalogRow",
    "Columns",
    "Committed",
    "Comparison",
    "Condition",
    "Damage",
    "Decision",
    "Event",
    "Field",
    "Folder",
    "FoundPoints",
    "Frame",
    "Hit",
    "Journal",
    "Kept",
    "KeyRing",
    "Ledger",
    "Leftover",
    "Logbook",
    "Logged",
    "LoggedAt",
    "Mention",
    "Named",
    "Not",
    "ObjectBatch",
    "Order",
    "Page",
    "PairSorter",
    "Place",
    "Registry",
    "RunWriter",
    "Scalar",
    "Scan",
    "SealedSegment",
    "Selection",
    "Shard",
    "Sign",
    "Some",
    "SteadyFile",
    "Synced",
    "Ticket",
    "Tidied",
    "Total",
    "Writer",
    "back_up",
    "check_archive_name",
    "check_object",
    "check_segments",
    "claim_version",
    "counter_path",
    "decision_digest",
    "decision_ids",
    "decisions_name",
    "decode_content",
    "depth_of_caller",
    "encode_content",
    "explained",
    "explained_reading",
    "find_writer",
    "join_columns",
    "list_files",
    "make_folder",
    "note_part",
    "part_ids",
    "process_name",
    "read_frame",
    "read_journal",
    "read_object",
    "read_points",
    "restore_archive",
    "scan_frames",
    "split_damages",
    "split_shards",
    "sync_folders",
    "tidy_folder",
    "write_whole",
]
