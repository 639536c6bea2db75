"""A recorded stream's functions, made again: of today's code, or of the code that was recorded, verified.

Each is loaded once for all passes, and described before it runs: what it refers to may change as it does.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from whence.capture import CodeFile, RecordedCode, describe_function, load_function
from whence.errors import ReplayError
from whence.runs import RunRecord
from whence.vocab import digest_bytes

_REMEDY = "Replay with today's code: leave --code recorded, or in Python code='recorded'."


class Functions:
    """The user's functions of one stream.

    Args:
        record: the run.
        stream: the stream's number in it.
        with_recorded: whether they are made of the code that was recorded.

    Attributes:
        described: those that may have changed, by node and parameter, as the record describes functions.
    """

    def __init__(self, record: RunRecord, stream: int, *, with_recorded: bool) -> None:
        self._nodes = next(each for each in record.streams if each.number == stream).nodes
        self._code = recorded_code(record, stream) if with_recorded else None
        self._loaded: dict[tuple[int, str], Callable[..., Any]] = {}
        self.described: dict[tuple[int, str], dict[str, Any]] = {}

    def take(self, index: int, name: str, fn: Callable[..., Any]) -> None:
        """Take a function that was given for a parameter of a node."""
        if (index, name) not in self._loaded:
            self._loaded[index, name] = fn
            self.described[index, name] = describe_function(fn)

    def load(self, index: int, name: str) -> Callable[..., Any]:
        """Make the function again that a parameter of a node held.

        Raises:
            ReplayError: it can't be had, or isn't what was recorded.
        """
        if (index, name) not in self._loaded:
            node = self._nodes[index]
            entry = node["functions"][name]
            if self._code is None:
                self.take(index, name, load_function(entry["reference"]))
            else:  # it has the recorded digest, so there is nothing to compare later
                self._loaded[index, name] = self._code.load(entry, f"op {node['label']!r}")
        return self._loaded[index, name]

    def in_force(self) -> AbstractContextManager[None]:
        """While they run."""
        return nullcontext() if self._code is None else self._code.in_force()


def recorded_code(record: RunRecord, stream: int) -> RecordedCode:
    """Find the files that were stored for a stream's functions, as they were when it was first read.

    Raises:
        ReplayError: one was destroyed or isn't what was recorded, or none was recorded.
    """
    events_file = str(record.journal.path / "journal")  # bodies are held to what it says, each by itself
    for damage in record.journal.damages:
        if damage.path == events_file:
            problem = f"the journal of {record.name} is damaged ({damage.problem}): its code isn't run"
            raise ReplayError(problem, remedy=_REMEDY)
    files: dict[str, CodeFile] = {}
    for event in record.journal.events:
        if event.kind == "stream" and event.public["stream"] == stream:
            break
        if event.kind != "code_file":
            continue
        if not event.body:
            raise ReplayError(f"code of {record.name} has been destroyed, or altered", remedy=_REMEDY)
        path, data = str(event.body["path"]), event.body["text"].encode("utf-8", "surrogatepass")
        if digest_bytes(data) != event.public["digest"]:
            raise ReplayError(
                f"{path} isn't the file that {record.name} recorded: its digest differs", remedy=_REMEDY
            )
        files[path] = CodeFile(path=path, module=event.body["module"], data=data)
    if not files:
        raise ReplayError(f"{record.name} recorded no code", remedy=_REMEDY)
    return RecordedCode(list(files.values()))
