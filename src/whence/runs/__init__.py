"""Runs: written while they go on, read back from their journals."""

from whence.runs.decisions import Decisions
from whence.runs.files import FileSeen, Unfollowed
from whence.runs.fits import read_fits
from whence.runs.formats import remedy_of
from whence.runs.gaps import late_in, lost_in, lost_objects
from whence.runs.given import as_json, as_number, as_png, plain_pairs
from whence.runs.live import LiveRun, peak_memory_bytes
from whence.runs.metrics import SYSTEM, History
from whence.runs.models import (
    KeptFile,
    Parent,
    as_parents,
    check_name,
    content_digests,
    digest_path,
    files_of,
)
from whence.runs.naming import friendly_name, is_run_id, make_run_id
from whence.runs.record import RunRecord
from whence.runs.sealing import (
    Sealed,
    catch_up,
    forget_logged,
    is_logged,
    log_synced,
    log_waiting,
    seal_all,
    unlogged,
)
from whence.runs.snapshots import check_snapshots, compare_files
from whence.runs.sources import SourceView
from whence.runs.totals import finite_or_none
from whence.runs.views import Fate, PassView, StreamView

__all__ = [
    "SYSTEM",
    "Decisions",
    "Fate",
    "FileSeen",
    "History",
    "KeptFile",
    "LiveRun",
    "Parent",
    "PassView",
    "RunRecord",
    "Sealed",
    "SourceView",
    "StreamView",
    "Unfollowed",
    "as_json",
    "as_number",
    "as_parents",
    "as_png",
    "catch_up",
    "check_name",
    "check_snapshots",
    "compare_files",
    "content_digests",
    "digest_path",
    "files_of",
    "finite_or_none",
    "forget_logged",
    "friendly_name",
    "is_logged",
    "is_run_id",
    "late_in",
    "log_synced",
    "log_waiting",
    "lost_in",
    "lost_objects",
    "make_run_id",
    "peak_memory_bytes",
    "plain_pairs",
    "read_fits",
    "remedy_of",
    "seal_all",
    "unlogged",
]
