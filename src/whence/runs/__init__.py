"""Runs: written while they go on, read back from their journals."""

from whence.runs.decisions import Decisions
from whence.runs.files import FileSeen, Unfollowed
from whence.runs.fits import read_fits
from whence.runs.given import as_json, as_number, as_png, content_of
from whence.runs.live import LiveRun, peak_memory_bytes
from whence.runs.naming import friendly_name, is_run_id, make_run_id
from whence.runs.record import RunRecord, finite_or_none
from whence.runs.sources import SourceView
from whence.runs.views import Fate, History, PassView, StreamView

__all__ = [
    "Decisions",
    "Fate",
    "FileSeen",
    "History",
    "LiveRun",
    "PassView",
    "RunRecord",
    "SourceView",
    "StreamView",
    "Unfollowed",
    "as_json",
    "as_number",
    "as_png",
    "content_of",
    "finite_or_none",
    "friendly_name",
    "is_run_id",
    "make_run_id",
    "peak_memory_bytes",
    "read_fits",
]
