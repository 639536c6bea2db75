"""The witness: what is seen of the data, the code and the machine while a pipeline runs."""

from whence.capture.actor import actor
from whence.capture.clean import CleanWriter
from whence.capture.code import CodeIdentity, identify
from whence.capture.codefiles import CodeFile
from whence.capture.drawing import at_work, begin_work, end_work
from whence.capture.environment import ask_environment, environment, outline
from whence.capture.fields import NO_WATCH, FieldNotes, FieldWatch
from whence.capture.foreign import NumpyTwister, PythonRandom, Settable, loaded_generators
from whence.capture.gauges import Energy, Gauges
from whence.capture.group import RUN_VARIABLE, find_group
from whence.capture.libraries import libraries
from whence.capture.loading import load_function
from whence.capture.noticing import OWN, current_ear, expect, unheard
from whence.capture.noticing_files import FileNotes
from whence.capture.recorded import RecordedCode
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
from whence.capture.resuming import Past, resume_facts
from whence.capture.secrets import redact
from whence.capture.seedables import find_seedables
from whence.capture.settings import (
    Configured,
    Record,
    config,
    memory_budget_bytes,
    record_mode,
    sampling_period_s,
    seeds_foreign,
)
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
    "OWN",
    "RUN_VARIABLE",
    "Begun",
    "CleanWriter",
    "CodeFile",
    "CodeIdentity",
    "Configured",
    "EarlierPass",
    "Energy",
    "FieldNotes",
    "FieldWatch",
    "FileNotes",
    "Gauges",
    "NodeRecorder",
    "NullNode",
    "NullPass",
    "NullWitness",
    "NumpyTwister",
    "PassPlace",
    "PassRecorder",
    "Past",
    "PythonRandom",
    "Record",
    "RecordedCode",
    "RecordedPlan",
    "Recording",
    "RelayPass",
    "RunRecorder",
    "SetAside",
    "Settable",
    "SourceWitness",
    "Standing",
    "Start",
    "Told",
    "actor",
    "ask_environment",
    "at_work",
    "begin_work",
    "config",
    "current_ear",
    "current_recorder",
    "describe_function",
    "end_work",
    "enter_run",
    "environment",
    "expect",
    "find_group",
    "find_seedables",
    "identify",
    "leave_run",
    "libraries",
    "load_function",
    "loaded_generators",
    "memory_budget_bytes",
    "moved",
    "moved_in",
    "outline",
    "parts_heard",
    "record_mode",
    "redact",
    "refer",
    "resume_facts",
    "retell",
    "sampling_period_s",
    "seeds_foreign",
    "standing_of",
    "unheard",
]
