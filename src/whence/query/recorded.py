"""The code that a run recorded, verified before any of it runs."""

from __future__ import annotations

from whence.capture import CodeFile, RecordedCode
from whence.errors import ReplayError
from whence.runs import RunRecord
from whence.vocab import digest_bytes

_REMEDY = "Replay with today's code: leave --code recorded, or in Python code='recorded'."


def recorded_code(record: RunRecord, stream: int) -> RecordedCode:
    """Find the files that were stored for a stream's functions, as they were when it was first read.

    Raises:
        ReplayError: one was destroyed or isn't what was recorded, or none was recorded.
    """
    for damage in record.journal.damages[:1]:
        raise ReplayError(
            f"the record of {record.name} is damaged ({damage.problem}): its code isn't run", remedy=_REMEDY
        )
    files: dict[str, CodeFile] = {}
    for event in record.journal.events:
        if event.kind == "stream" and event.public["stream"] == stream:
            break
        if event.kind != "code_file":
            continue
        if not event.body:
            raise ReplayError(f"code of {record.name} has been destroyed", remedy=_REMEDY)
        path, data = str(event.body["path"]), event.body["text"].encode("utf-8", "surrogatepass")
        if digest_bytes(data) != event.public["digest"]:
            raise ReplayError(
                f"{path} isn't the file that {record.name} recorded: its digest differs", remedy=_REMEDY
            )
        files[path] = CodeFile(path=path, module=event.body["module"], data=data)
    if not files:
        raise ReplayError(f"{record.name} recorded no code", remedy=_REMEDY)
    return RecordedCode(list(files.values()))
