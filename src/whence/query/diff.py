"""What differs between two runs: parameters, operations, their code, what was read, and what it ran on.

Operations are matched in the order in which they were written: those of one kind and label first, and what is
left between them in pairs of one kind, so that a function that was renamed and changed is one change.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from whence.query.changes import (
    Change,
    CodeChange,
    DropChange,
    FileOfCodeChange,
    How,
    OpChange,
    RunDiff,
    SourceChange,
)
from whence.query.counting import count_streams
from whence.runs import RunRecord, SourceView, StreamView, finite_or_none

_ABSENT: Any = object()
_PARTS_SHOWN = 1_000


def diff_runs(before: RunRecord, after: RunRecord) -> RunDiff:
    """Compare two runs.

    Cost: reads both journals, and the directory of each pass for what was dropped; no lineage.
    """
    metrics = [
        {key: finite_or_none(value) for key, value in each.metrics.items()} for each in (before, after)
    ]
    return RunDiff(
        before=before.name,
        after=after.name,
        params=list(_changes(before.params, after.params)),
        ops=list(_op_changes(before.streams, after.streams)),
        sources=list(_source_changes(before.sources, after.sources)),
        code=list(_file_changes(before, after)),
        files=list(_changes(_inputs_of(before), _inputs_of(after))),
        environment=list(_environment_changes(before.environment, after.environment)),
        drops=list(_drop_changes(before, after)),
        metrics=list(_changes(metrics[0], metrics[1])),
        unknown=[f"{each.name}: {gap}" for each in (before, after) for gap in each.gaps],
        is_code_known=bool(before.streams or after.streams),
    )


def _drop_changes(before: RunRecord, after: RunRecord) -> Iterator[DropChange]:
    old, new = drops_of(before), drops_of(after)
    for place in dict.fromkeys([*old, *new]):
        if old.get(place) != new.get(place):
            stream, op, reason = place
            yield DropChange(stream=stream, op=op, reason=reason, before=old.get(place), after=new.get(place))


def drops_of(record: RunRecord) -> dict[tuple[str, str, str], int | None]:
    """Count what each operation of a run dropped, over all passes, by stream, label and reason.

    None where not every pass could be counted.
    """
    found: dict[tuple[str, str, str], int | None] = {}
    for stream in count_streams(record):
        is_known = len(stream.counted_passes) == len(stream.passes)
        for index, node in enumerate(stream.view.nodes):
            count = stream.nodes[index].dropped
            if node["kind"] == "source" or not (count or node.get("reason")):
                continue
            place = (stream.view.name, node["label"], node.get("reason") or "")
            earlier = found.get(place, 0)
            found[place] = earlier + count if is_known and earlier is not None else None
    return found


def _changes(before: Any, after: Any, name: str = "") -> Iterator[Change]:
    """Compare values; dicts by their keys, at any depth."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}, key=str):
            inner = f"{name}.{key}" if name else str(key)
            yield from _changes(before.get(key, _ABSENT), after.get(key, _ABSENT), inner)
    elif before is _ABSENT:
        yield Change(name=name, how="added", before=None, after=after)
    elif after is _ABSENT:
        yield Change(name=name, how="removed", before=before, after=None)
    elif type(before) is not type(after) or before != after:
        yield Change(name=name, how="changed", before=before, after=after)


def _op_changes(before: Sequence[StreamView], after: Sequence[StreamView]) -> Iterator[OpChange]:
    """Compare streams of one name; of several with one name, in their order."""
    here, there = _by_name(before), _by_name(after)
    for key in dict.fromkeys([*here, *there]):
        nodes, others = (_written(found.get(key)) for found in (here, there))
        for old, new in _matched(nodes, others):
            change = _op_change(key[0], old, new)
            if change is not None:
                yield change


def diff_streams(before: StreamView, after: StreamView) -> list[OpChange]:
    """Compare the operations of two streams, whatever these are called."""
    pairs = _matched(_written(before), _written(after))
    found = (_op_change(after.name, old, new) for old, new in pairs)
    return [change for change in found if change is not None]


def _by_name(streams: Sequence[StreamView]) -> dict[tuple[str, int], StreamView]:
    found: dict[tuple[str, int], StreamView] = {}
    for stream in streams:
        number = sum(name == stream.name for name, _ in found)
        found[stream.name, number] = stream
    return found


def _written(stream: StreamView | None) -> list[dict[str, Any]]:
    """The operations of a stream in the order in which they were written."""
    nodes = [] if stream is None else [node for node in stream.nodes if node["kind"] != "source"]
    return sorted(nodes, key=lambda node: int(node["written"]))


_Pair = tuple[dict[str, Any] | None, dict[str, Any] | None]


def _matched(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> Iterator[_Pair]:
    """Pair operations up."""
    names = [[(node["kind"], node["label"]) for node in nodes] for nodes in (before, after)]
    matcher = difflib.SequenceMatcher(a=names[0], b=names[1], autojunk=False)
    for _, first, end, other, other_end in matcher.get_opcodes():
        kinds = [[node["kind"] for node in nodes] for nodes in (before[first:end], after[other:other_end])]
        inner = difflib.SequenceMatcher(a=kinds[0], b=kinds[1], autojunk=False)
        for tag, start, stop, there, there_stop in inner.get_opcodes():
            old, new = before[first + start : first + stop], after[other + there : other + there_stop]
            if tag == "equal":
                yield from zip(old, new, strict=True)
            else:
                yield from ((node, None) for node in old)
                yield from ((None, node) for node in new)


def _op_change(stream: str, before: dict[str, Any] | None, after: dict[str, Any] | None) -> OpChange | None:
    node = after or before
    if node is None:
        raise AssertionError("one of the two is there")
    if before is None or after is None:
        how: How = "added" if before is None else "removed"
        return OpChange(stream=stream, op=node["label"], kind=node["kind"], how=how)
    params = list(_changes(_params(before), _params(after)))
    if not params and before["random"] and before["key"] != after["key"]:
        params = list(_changes({"key": before["key"].hex()}, {"key": after["key"].hex()}))
    code = list(_code_changes(before.get("functions", {}), after.get("functions", {})))
    if not (params or code):
        return None
    label = before["label"] if before["label"] != after["label"] else None
    return OpChange(
        stream=stream,
        op=node["label"],
        kind=node["kind"],
        how="changed",
        before=label,
        params=params,
        code=code,
    )


def _params(node: Mapping[str, Any]) -> dict[str, Any]:
    """An operation's parameters, and those that were given to its function, together."""
    params = dict(node.get("params") or {})
    given: dict[str, Any] = params.pop("params", {})
    return params | given


def _code_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[CodeChange]:
    for function in dict.fromkeys([*before, *after]):
        old, new = before.get(function, {}), after.get(function, {})
        if old.get("digest") == new.get("digest"):
            continue
        yield CodeChange(
            function=function,
            name=(new or old)["name"],
            diff=_text_diff(old.get("source", {}), new.get("source", {})),
            constants=list(_flat_changes(old.get("constants", {}), new.get("constants", {}))),
            packages=list(_flat_changes(old.get("packages", {}), new.get("packages", {}))),
            unknown=list(dict.fromkeys([*old.get("unknown", []), *new.get("unknown", [])])),
        )


def _flat_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for key in sorted({*before, *after}):
        yield from _changes(before.get(key, _ABSENT), after.get(key, _ABSENT), key)


def _text_diff(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Compare source texts; one whose name alone changed is compared with what stands in its place."""
    gone, new = (
        [name for name in here if name not in there] for here, there in ((before, after), (after, before))
    )
    renamed = dict(zip(gone, new, strict=False))
    lines: list[str] = []
    for name in dict.fromkeys([*before, *after]):
        if name in renamed.values():
            continue
        other = renamed.get(name, name)
        old, text = before.get(name, ""), after.get(other, "")
        lines += difflib.unified_diff(old.splitlines(), text.splitlines(), name, other, lineterm="")
    return "\n".join(lines)


def _source_changes(before: Sequence[SourceView], after: Sequence[SourceView]) -> Iterator[SourceChange]:
    here, there = ({source.name: source for source in sources} for sources in (before, after))
    for name in dict.fromkeys([*here, *there]):
        old, new = here.get(name), there.get(name)
        if old is None or new is None:
            yield SourceChange(source=name, how="added" if old is None else "removed")
        elif old.snapshot != new.snapshot or old.is_redacted != new.is_redacted:
            parts = list(_changes(_digests_of(old), _digests_of(new)))
            if parts or not (old.digests and new.digests):
                yield SourceChange(source=name, how="changed", parts=parts[:_PARTS_SHOWN], count=len(parts))


def _inputs_of(record: RunRecord) -> dict[str, str]:
    """The files that were read beside the streams, by their paths; not those of the code itself."""
    code = {path for path, _ in _code_of(record).values()}
    return {
        file.path: file.digest or f"unknown: {file.note}" for file in record.inputs if file.path not in code
    }


def _code_of(record: RunRecord) -> dict[str, tuple[str, str]]:
    """Path and text of each file of the program's own code, by the module it is; the script's is empty."""
    bodies = [event.body for event in record.journal.find("code_file") if event.body]
    return {body["module"]: (body["path"], body["text"]) for body in bodies}


def _file_changes(before: RunRecord, after: RunRecord) -> Iterator[FileOfCodeChange]:
    here, there = _code_of(before), _code_of(after)
    for module in dict.fromkeys([*here, *there]):
        (old_path, old), (path, text) = here.get(module, ("", "")), there.get(module, ("", ""))
        if old != text:
            lines = difflib.unified_diff(
                old.splitlines(), text.splitlines(), old_path or "none", path or "none", lineterm=""
            )
            how: How = "added" if module not in here else "removed" if module not in there else "changed"
            yield FileOfCodeChange(path=path or old_path, how=how, diff="\n".join(lines))


def _digests_of(source: SourceView) -> dict[str, str]:
    """What was read of each part, by its path; of rows, by the first of each block."""
    found = {}
    for (part, row), (algorithm, _, digest) in sorted(source.digests.items()):
        path = source.paths[part] if part < len(source.paths) else str(part)
        found[f"{path}, from row {row}" if row else path] = f"{algorithm}:{digest.hex()}"
    return found


def _environment_changes(before: dict[str, Any], after: dict[str, Any]) -> Iterator[Change]:
    for group in ("packages", "python", "platform", "cpu", "gpus", "variables", "git"):
        yield from _changes(_told(before, group), _told(after, group), group)


def _told(environment: dict[str, Any], group: str) -> Any:
    """What of a group says how a run was made, and not where."""
    value = environment.get(group)
    if group == "git":
        value = {key: value[key] for key in ("commit", "dirty", "diff") if key in value} if value else {}
    elif group == "python" and value:
        value = {key: each for key, each in value.items() if key != "executable"}
    return {} if value is None else value
