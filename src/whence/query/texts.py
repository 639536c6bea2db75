"""The texts of a run by which it is searched for, each with the field that it stands in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from whence.runs import RunRecord
from whence.store import Event, Mention

_GIT = ("commit", "branch", "remote")


def mentions_of(record: RunRecord) -> Iterator[Mention]:
    """Give what a run can be found by; what was destroyed isn't there any more."""
    yield Mention("id", record.id)
    yield Mention("name", record.name)
    yield Mention("title", record.title)
    for group, values in (("params", record.params), ("tags", record.tags)):
        yield from (Mention(group, f"{key} = {_words(value)}") for key, value in values.items())
    yield Mention("metrics", "\n".join(sorted(record.metrics)))
    for event in record.journal.events:
        if event.body:
            yield from _TOLD.get(event.kind, _of_anything)(event)


def _of_stream(event: Event) -> Iterator[Mention]:
    body = event.body or {}
    nodes = [f"{node.get('label', '')} {_words(node.get('params'))}" for node in body.get("nodes", [])]
    yield Mention("operations", "\n".join([str(body.get("name", "")), *nodes]))


def _of_source(event: Event) -> Iterator[Mention]:
    body = event.body or {}
    yield Mention("sources", f"{body.get('name', '')}\n{body.get('root', '')}")


def _of_environment(event: Event) -> Iterator[Mention]:
    environment = (event.body or {}).get("environment", {})
    git = environment.get("git") or {}
    yield Mention("commit", "\n".join(str(git[each]) for each in _GIT if git.get(each)))
    yield Mention("command", " ".join(map(str, environment.get("argv") or [])))


def _of_code(event: Event) -> Iterator[Mention]:
    body = event.body or {}
    yield Mention("code", f"{body.get('path', '')}\n{body.get('text', '')}")


def _of_note(event: Event) -> Iterator[Mention]:
    yield Mention("notes", str((event.body or {}).get("text", "")))


def _of_end(event: Event) -> Iterator[Mention]:
    traceback = (event.body or {}).get("traceback")
    if traceback:
        yield Mention("traceback", str(traceback))


def _of_kept(event: Event) -> Iterator[Mention]:
    body = dict(event.body or {})
    yield Mention(f"{event.kind}s", f"{body.pop('name', '')}\n{_words(body)}")


def _of_anything(event: Event) -> Iterator[Mention]:
    """Of what has no field of its own all texts, under the name of the event."""
    yield Mention(event.kind, _words(event.body))


def _of_nothing(_: Event) -> Iterator[Mention]:
    return iter(())


_TOLD: dict[str, Callable[[Event], Iterator[Mention]]] = {
    "run_start": _of_nothing,
    "params": _of_nothing,
    "tags": _of_nothing,
    "stream": _of_stream,
    "source": _of_source,
    "environment": _of_environment,
    "code_file": _of_code,
    "note": _of_note,
    "run_end": _of_end,
    "model": _of_kept,
    "artifact": _of_kept,
    "libraries": _of_nothing,
    "metric_key": _of_nothing,
    "snapshot": _of_nothing,
    "source_parts": _of_nothing,
}


def _words(value: Any) -> str:
    """Spell the texts and numbers of a value, one after another; bytes say nothing."""
    if isinstance(value, Mapping):
        return "\n".join(
            f"{key} {_words(each)}" for key, each in value.items() if not isinstance(each, bytes)
        )
    if isinstance(value, list | tuple):
        return " ".join(_words(each) for each in value if not isinstance(each, bytes))
    return str(value)
