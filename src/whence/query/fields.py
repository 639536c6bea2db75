"""Fields: what each operation did with them, and from which fields of the sources a delivered one came.

What an operation does with fields follows from its parameters, or was seen on the first samples that its
functions were given (`capture.fields`). A field that a function made is said to come from all that the
function read. Where more may have been read than was seen, an answer says that it isn't complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from whence.errors import NotFoundError
from whence.ops import hands_on, keeps_apart
from whence.runs import RunRecord, StreamView

_ALIKE = frozenset({"unbatch", "group_samples", "fit", "fit_of"})
"""Operations whose outputs have the fields of their inputs, besides those that hand samples on."""

_DECLARING = frozenset(
    {"select", "drop", "rename", "cast", "fill_missing", "fill_along", "normalize", "winsorize", "one_hot"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldUse:
    """What an operation, or one function of it, did with the fields of samples.

    Args:
        function: the parameter that holds the function; empty where it follows from the parameters.
        seen: on how many samples it was seen; None where it follows from the parameters.
        read: the fields that were read.
        made: those that came out new or changed.
        dropped: those that didn't come out.
        kept: those that came out as they went in; None for all others.
        sources: by field that was made, from which ones, where that is known more closely than `read`.
        whole: whether all of a sample was gone through, whatever its fields are.
        copied: whether more may have been read, from a copy of all.
        known: False where nothing could be seen.
    """

    function: str = ""
    seen: int | None = None
    read: tuple[str, ...] = ()
    made: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    kept: tuple[str, ...] | None = ()
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    whole: bool = False
    copied: bool = False
    known: bool = True

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "function": self.function,
            "seen": self.seen,
            "read": list(self.read),
            "made": list(self.made),
            "dropped": list(self.dropped),
            "whole": self.whole,
            "copied": self.copied,
            "known": self.known,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldOrigin:
    """A field of a source that a delivered field came from; None: all of the source's samples.

    Args:
        source: the source's name.
        field: the field.
    """

    source: str
    field: str | None

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {"source": self.source, "field": self.field}


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldStep:
    """An operation on a field's way.

    Args:
        op: what the record calls it.
        kind: map, filter, ...
        uses: what it did with fields.
    """

    op: str
    kind: str
    uses: tuple[FieldUse, ...]

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {"op": self.op, "kind": self.kind, "uses": [use.to_json() for use in self.uses]}


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldTrace:
    """From which fields of its sources a field of a stream came.

    Args:
        stream: the stream's name.
        field: the field; None: the whole of each sample.
        origins: the fields it came from.
        steps: the operations between, in the order of the pipeline as it was written.
        gaps: where more may have had a part than is named, in words.
    """

    stream: str
    field: str | None
    origins: tuple[FieldOrigin, ...]
    steps: tuple[FieldStep, ...]
    gaps: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether nothing is missing, as far as was seen."""
        return not self.gaps

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "stream": self.stream,
            "field": self.field,
            "origins": [origin.to_json() for origin in self.origins],
            "steps": [step.to_json() for step in self.steps],
            "gaps": list(self.gaps),
            "complete": self.complete,
        }


def field_uses(record: RunRecord, stream: StreamView) -> dict[int, list[FieldUse]]:
    """Say what each node of a stream did with fields, by its number; nothing of those that never did."""
    if not record.is_ended:
        return _field_uses(record, stream)
    known: dict[int, list[FieldUse]] = record.remember(
        ("field uses", stream.number), lambda: _field_uses(record, stream)
    )
    return known


def _field_uses(record: RunRecord, stream: StreamView) -> dict[int, list[FieldUse]]:
    found: dict[int, list[FieldUse]] = {}
    for index, node in enumerate(stream.nodes):
        uses = _declared(node)
        if uses is not None:
            found[index] = [uses]
    seen: dict[tuple[int, str], FieldUse] = {}
    for number, index, body in record.fields_seen:
        if number == stream.number:
            seen[index, body["part"]] = _seen(body)
    for (index, _), use in seen.items():
        found.setdefault(index, []).append(use)
    return found


def trace_field(record: RunRecord, name: str | None, *, stream: str | None = None) -> FieldTrace:
    """Find from which fields of the sources a field of a stream's samples came.

    Args:
        record: the run.
        name: the field; None for the whole of a sample.
        stream: the stream's name, where the run read several.

    Raises:
        NotFoundError: the run has no such stream.
    """
    view = _stream_of(record, stream)
    following = _Following(view, field_uses(record, view))
    following.want(view.top, name)
    sources = {source.number: source.name for source in record.sources}
    origins = {FieldOrigin(source=sources[number], field=each) for number, each in following.origins}
    whole = {origin.source for origin in origins if origin.field is None}
    kept = [origin for origin in origins if origin.field is None or origin.source not in whole]
    written = sorted(following.passed, key=lambda index: view.nodes[index]["written"])
    return FieldTrace(
        stream=view.name,
        field=name,
        origins=tuple(sorted(kept, key=lambda origin: (origin.source, origin.field or ""))),
        steps=tuple(
            FieldStep(
                op=view.nodes[index]["label"],
                kind=view.nodes[index]["kind"],
                uses=tuple(following.uses.get(index, ())),
            )
            for index in written
        ),
        gaps=tuple(dict.fromkeys(following.gaps)),
    )


def _stream_of(record: RunRecord, name: str | None) -> StreamView:
    views = [view for view in record.streams if name in (None, view.name)]
    if len(views) == 1:
        return views[0]
    names = ", ".join(view.name for view in record.streams)
    if not views:
        raise NotFoundError(f"run {record.name} has no stream {name!r}", remedy=f"It has: {names or 'none'}.")
    raise NotFoundError(f"run {record.name} read several streams: {names}", remedy="Name one by stream=...")


class _Following:
    """Follows fields down a stream, from node to node.

    Args:
        stream: the stream.
        uses: what each node did with fields.
    """

    def __init__(self, stream: StreamView, uses: dict[int, list[FieldUse]]) -> None:
        self.uses = uses
        self.origins: set[tuple[int, str | None]] = set()
        self.passed: set[int] = set()
        self.gaps: list[str] = []
        self._nodes = stream.nodes
        self._asked: set[tuple[int, str | None]] = set()

    def want(self, index: int, name: str | None) -> None:
        """Follow a field of a node's outputs; None: all of them."""
        waiting = [(index, name)]
        while waiting:
            place = waiting.pop()
            if place not in self._asked:
                self._asked.add(place)
                waiting += self._below(*place)

    def _below(self, index: int, name: str | None) -> Iterable[tuple[int, str | None]]:
        node = self._nodes[index]
        if node["kind"] == "source":
            self.origins.add((node["source"], name))
            return []
        self.passed.add(index)
        inputs = node["inputs"]
        if node["kind"] == "join":
            return self._joined(index, node, name)
        if node["kind"] == "zip" and "combine" not in node.get("functions", {}):
            return [(each, None) for each in inputs]  # pairs have no fields of their own
        wanted = self._wanted(index, node, name)
        return [(each, want) for each in inputs for want in wanted if self._gives(each, want)]

    def _gives(self, index: int, name: str | None) -> bool:
        """Whether a node can have had a part in a field: a fit only in those that it learned of."""
        node = self._nodes[index]
        return name is None or node["kind"] not in ("fit", "fit_of") or name in node["params"]["statistics"]

    def _wanted(self, index: int, node: Mapping[str, Any], name: str | None) -> set[str | None]:
        """The fields of a node's inputs that one of its outputs came from."""
        uses = self.uses.get(index, [])
        kind = node["kind"]
        if hands_on(kind) or kind in _ALIKE or keeps_apart(kind, node["params"]):
            changed = [use for use in uses if name in use.made]  # by a function that only should decide
            return {name}.union(*(use.read for use in changed))
        if kind == "one_hot" and name is not None:  # a category's field is called by the field it is of
            return {each for each in _worked_on(node["params"]) if name.startswith(f"{each}_")} or {name}
        making = [use for use in uses if not use.function or use.function in ("fn", "combine", "columns")]
        # several functions of one op each make fields of their own, and leave those of the others
        making = [use for use in making if name in use.made] or making
        if not making:
            self._gap(node, "what it did with fields wasn't seen")
            return {None}
        wanted: set[str | None] = set().union(*(self._made_of(node, use, name) for use in making))
        if kind.startswith("group_"):
            wanted |= _key_fields(node, uses)
        return wanted

    def _made_of(self, node: Mapping[str, Any], use: FieldUse, name: str | None) -> set[str | None]:
        if not use.known:
            self._gap(node, "it can't be seen what its function reads")
            return {None}
        found: set[str | None] = set()
        made = name in use.made or name is None
        if made:
            found |= set(use.sources.get(name, use.read) if name is not None else use.read)
            found |= {None} if use.whole else set()
            if use.copied:
                self._gap(node, "its function made a copy of all fields, from which it may have read any")
        if name is None:
            found |= {None} if use.kept is None else set(use.kept)
        elif use.kept is None:
            found |= set() if made or name in use.dropped else {name}
        elif name in use.kept:
            found.add(name)
        elif not made:
            self._gap(node, f"it was never seen to give a field {name!r}")
            return {None}
        return found

    def _joined(
        self, index: int, node: Mapping[str, Any], name: str | None
    ) -> Iterable[tuple[int, str | None]]:
        left, right = node["inputs"]
        if "combine" in node.get("functions", {}):
            return [(each, want) for each in (left, right) for want in self._wanted(index, node, name)]
        if name is None or node["params"]["how"] in ("semi", "anti"):
            return [(left, name), *([] if name is not None else [(right, None)])]
        found = [(left, name), (right, name)]  # it may be of either side
        if name.endswith("_right"):
            found.append((right, name.removesuffix("_right")))
        return found

    def _gap(self, node: Mapping[str, Any], problem: str) -> None:
        self.gaps.append(f"op {node['label']!r}: {problem}")


def _seen(body: Mapping[str, Any]) -> FieldUse:
    return FieldUse(
        function=body["part"],
        seen=body["count"],
        read=tuple(body["read"]),
        made=tuple(body["made"]),
        dropped=tuple(body["dropped"]),
        # the functions of with_columns make fields and leave all others
        kept=None if body["part"] == "columns" else tuple(body["kept"]),
        sources={name: tuple(read) for name, read in body.get("sources", {}).items()},
        whole=bool(body.get("whole") or body.get("takes_values")),
        copied=bool(body.get("copied")),
        known=not body.get("unknown"),
    )


def _declared(node: Mapping[str, Any]) -> FieldUse | None:
    """What follows from a node's parameters; None where nothing does."""
    kind, params = node["kind"], node.get("params", {})
    made: dict[str, tuple[str, ...]] = {}
    if kind == "select":
        return FieldUse(kept=tuple(params["names"]))
    if kind == "with_ids":
        return _of_fields({params["field"]: ()})
    if kind == "drop":
        return FieldUse(dropped=tuple(params["names"]), kept=None)
    if kind == "rename":
        made = {new: (old,) for old, new in params["names"].items()}
        return _of_fields(made, dropped=tuple(params["names"]))
    if kind == "with_columns":
        for name, value in params.get("params", {}).items():
            made[name] = (value,) if isinstance(value, str) else ()
        return _of_fields(made) if made else None
    if kind == "group_columns":
        made = {name: (name,) for name in _names(params.get("key"))}
        made |= {name: tuple(rest[:-1]) for name, *rest in params["columns"]}
        return FieldUse(**_made(made), kept=())
    if kind in _DECLARING:
        return _of_fields({name: (name,) for name in _worked_on(params)})
    for function in ("key", "on", "by", "length"):
        if params.get(function) is not None:
            read = [*_names(params[function]), *_names(params.get(f"right_{function}"))]
            return FieldUse(function=function, read=tuple(dict.fromkeys(read)), kept=None)
    return None


def _worked_on(params: Mapping[str, Any]) -> list[str]:
    """The fields that an op works on, wherever its parameters name them."""
    found: list[str] = list(params.get("names", ()))
    for name in ("types", "how", "params", "learned"):
        if isinstance(params.get(name), Mapping):
            found += params[name]
    return list(dict.fromkeys(found))


def _of_fields(made: Mapping[str, tuple[str, ...]], *, dropped: tuple[str, ...] = ()) -> FieldUse:
    return FieldUse(**_made(made), dropped=tuple(set(dropped) - made.keys()), kept=None)


def _made(made: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    read = dict.fromkeys(each for sources in made.values() for each in sources)
    return {"made": tuple(made), "read": tuple(read), "sources": dict(made)}


def _names(key: Any) -> Sequence[str]:
    return [key] if isinstance(key, str) else list(key or ())


def _key_fields(node: Mapping[str, Any], uses: Sequence[FieldUse]) -> set[str | None]:
    """The fields that a group's key is made of: they decide which samples come together."""
    found: set[str | None] = set(_names(node["params"].get("key")))
    for use in uses:
        if use.function == "key":
            found |= {None} if use.whole or not use.known else set(use.read)
    return found
