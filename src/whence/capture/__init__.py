"""The witness: what is seen of the data, the code and the machine while a pipeline runs."""

from whence.capture.code import CodeIdentity, identify
from whence.capture.environment import environment
from whence.capture.fields import NO_WATCH, FieldNotes, FieldWatch
from whence.capture.loading import load_function
from whence.capture.recorder import (
    NodeRecorder,
    NullNode,
    NullPass,
    PassRecorder,
    RecordedPlan,
    RunRecorder,
    SetAside,
    current_recorder,
    enter_run,
    leave_run,
)
from whence.capture.recording import Recording, describe_function
from whence.capture.references import refer
from whence.capture.relaying import MARK, RelayPass, Told, moved, moved_in, parts_heard, retell
from whence.capture.secrets import redact
from whence.capture.settings import Configured, Record, config, memory_budget_bytes, record_mode
from whence.capture.standing import (
    AT_THE_START,
    Begun,
    EarlierPass,
    PassPlace,
    Standing,
    Start,
    standing_of,
)
from whence.capture.witness import NullWitness, SourceWitness

__all__ = [
    "AT_THE_START",
    "MARK",
    "NO_WATCH",
    "Begun",
    "CodeIdentity",
    "Configured",
    "EarlierPass",
    "FieldNotes",
    "FieldWatch",
    "NodeRecorder",
    "NullNode",
    "NullPass",
    "NullWitness",
    "PassPlace",
    "PassRecorder",
    "Record",
    "RecordedPlan",
    "Recording",
    "RelayPass",
    "RunRecorder",
    "SetAside",
    "SourceWitness",
    "Standing",
    "Start",
    "Told",
    "config",
    "current_recorder",
    "describe_function",
    "enter_run",
    "environment",
    "identify",
    "leave_run",
    "load_function",
    "memory_budget_bytes",
    "moved",
    "moved_in",
    "parts_heard",
    "record_mode",
    "redact",
    "refer",
    "retell",
    "standing_of",
]
