"""Questions on the record: whence (trace), whither (impact), again (replay), does it hold (verify)."""

from whence.query.addresses import Address, parse_address, parse_range
from whence.query.causes import Cause, Delivered, Fate, find_cause, outputs_of, rows_behind, sources_read
from whence.query.changes import (
    Change,
    CodeChange,
    DropChange,
    FileOfCodeChange,
    OpChange,
    RunDiff,
    SourceChange,
)
from whence.query.counting import NodeCount, PassCount, StreamCount, count_pass, count_streams
from whence.query.demands import FileOrBytes, content_of, make_demand
from whence.query.diff import diff_runs, drops_of
from whence.query.differences import Difference, drawn_in
from whence.query.fields import FieldOrigin, FieldStep, FieldTrace, FieldUse, field_uses, trace_field
from whence.query.fits import Fit, Influence, only_for_fits
from whence.query.flow import ExposurePoint, delivered_items, name_origin
from whence.query.following import PassLineage, delivered_addresses, find_pass
from whence.query.impact import Drop, Impact, find_impact, find_impact_across
from whence.query.ledgers import verify_folder
from whence.query.linking import Maker, makers_of
from whence.query.outlines import Outline, outline_of
from whence.query.reach import write_reach
from whence.query.receipts import verify_receipt
from whence.query.replay import Code, Replay, Replayer, Stage
from whence.query.seen import PassSeen, Seen, SourceSeen, seen_before
from whence.query.texts import mentions_of
from whence.query.trace import Origin, Step, Trace, origin_of, trace_address
from whence.query.verdicts import Finding, LogVerdict, Redaction, Verdict
from whence.query.verify import verify_runs
from whence.query.where import all_columns, field_value, parse_columns, parse_sort, parse_where

__all__ = [
    "Address",
    "Cause",
    "Change",
    "Code",
    "CodeChange",
    "Delivered",
    "Difference",
    "Drop",
    "DropChange",
    "ExposurePoint",
    "Fate",
    "FieldOrigin",
    "FieldStep",
    "FieldTrace",
    "FieldUse",
    "FileOfCodeChange",
    "FileOrBytes",
    "Finding",
    "Fit",
    "Impact",
    "Influence",
    "LogVerdict",
    "Maker",
    "NodeCount",
    "OpChange",
    "Origin",
    "Outline",
    "PassCount",
    "PassLineage",
    "PassSeen",
    "Redaction",
    "Replay",
    "Replayer",
    "RunDiff",
    "Seen",
    "SourceChange",
    "SourceSeen",
    "Stage",
    "Step",
    "StreamCount",
    "Trace",
    "Verdict",
    "all_columns",
    "content_of",
    "count_pass",
    "count_streams",
    "delivered_addresses",
    "delivered_items",
    "diff_runs",
    "drawn_in",
    "drops_of",
    "field_uses",
    "field_value",
    "find_cause",
    "find_impact",
    "find_impact_across",
    "find_pass",
    "make_demand",
    "makers_of",
    "mentions_of",
    "name_origin",
    "only_for_fits",
    "origin_of",
    "outline_of",
    "outputs_of",
    "parse_address",
    "parse_columns",
    "parse_range",
    "parse_sort",
    "parse_where",
    "rows_behind",
    "seen_before",
    "sources_read",
    "trace_address",
    "trace_field",
    "verify_folder",
    "verify_receipt",
    "verify_runs",
    "write_reach",
]
