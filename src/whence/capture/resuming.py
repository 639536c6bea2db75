"""What a run had before this process went on with it: its streams, sources and passes keep their numbers.

Streams are known again by their digest, and sources by what describes them. Of data in memory a description
says little: those are known by their content, which is digested again and compared with what was recorded.
What can't be compared before it is read (a sequence that makes its items when asked, an iterable) is known by
the name that the user gave it; without one it is another source.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from whence.capture.fields import FieldWatch, FieldWatches
from whence.capture.sourcing import Told, object_blocks
from whence.capture.standing import EarlierPass, PassPlace
from whence.capture.witness import Buffer
from whence.store import Event, Journal, decode_content, encode_content
from whence.vocab import digest_value, fast128

_WHERE_IT_STANDS = ("name", "file", "line", "reference")  # the name of a lambda has its line


@dataclass(frozen=True, slots=True, kw_only=True)
class PastStream:
    """A stream that was read before.

    Args:
        number: of the stream.
        digest: of its plan.
        name: what the record calls it; empty where that was destroyed.
        alike: what its nodes are, wherever their functions stand now; empty where that was destroyed.
        fields: what its functions were seen to do with fields, by node.
    """

    number: int
    digest: bytes
    name: str
    alike: bytes
    fields: dict[int, FieldWatches]


@dataclass(slots=True, kw_only=True)
class PastSource:
    """A source that was read before.

    Args:
        number: of the source.
        name: what origins call it.
        identity: of its description; empty where it can't be known again.
        rows: in each part, as its listing said.
        told: what was told of its content.
    """

    number: int
    name: str
    identity: bytes
    rows: Any
    told: Told


@dataclass(slots=True, kw_only=True)
class Past:
    """What a run has had so far: numbers and names that are taken, and what may be known again.

    Args:
        streams: those of an earlier process that no stream of this one was found to be.
        stream_count: how many streams there are.
        stream_names: their names.
        sources: those of an earlier process that no source of this one was found to be.
        source_count: how many sources there are.
        source_names: their names.
        passes: all that had begun in an earlier process.
    """

    streams: list[PastStream] = field(default_factory=list)
    stream_count: int = 0
    stream_names: set[str] = field(default_factory=set)
    sources: list[PastSource] = field(default_factory=list)
    source_count: int = 0
    source_names: set[str] = field(default_factory=set)
    passes: list[EarlierPass] = field(default_factory=list)

    @classmethod
    def of(cls, journal: Journal) -> Past:
        """Read it from a journal."""
        streams, sources = journal.find("stream"), journal.find("source")
        watches = _watches_by_stream(journal)
        told = _told_by_source(journal)
        reached = journal.cursors()
        ends = {event.public["pass"]: event.public["delivered"] for event in journal.find("pass_end")}
        return cls(
            streams=[_past_stream(event, watches) for event in streams],
            stream_count=_count(streams, "stream"),
            stream_names={event.body["name"] for event in streams if event.body},
            sources=[_past_source(event, event.body, told) for event in sources if event.body],
            source_count=max(_count(sources, "source"), _count(journal.find("source_parts"), "source")),
            source_names={event.body["name"] for event in sources if event.body},
            passes=[
                EarlierPass(at, max(at.first, ends.get(at.number, _offered(reached, at.number))))
                for at in (PassPlace.of(event.public) for event in journal.find("pass_start"))
            ],
        )

    def take_stream(self, digest: bytes, name: str, nodes: list[dict[str, Any]]) -> PastStream | None:
        """Find which stream this one was before; another one can't be the same.

        A function that now stands on another line of its file is the same function.

        Args:
            digest: of its plan.
            name: what the record would call it, were it the first of the name.
            nodes: what they are.
        """
        found = next((past for past in self.streams if past.digest == digest), None)
        if found is None and self.streams:
            alike = _alike(decode_content(encode_content(nodes)))
            named = re.compile(rf"{re.escape(name)}(-\d+)?")
            same = (past for past in self.streams if past.alike == alike and named.fullmatch(past.name))
            found = next(same, None)
        if found is not None:
            self.streams.remove(found)
        return found

    def take_source(self, source: Any, identity: bytes, rows: Any) -> PastSource | None:
        """Find which source this one was before; another one can't be the same.

        Args:
            source: it.
            identity: of its description.
            rows: in each part, as its listing says.
        """
        for past in self.sources:
            if past.identity == identity and _is_same(source, rows, past):
                self.sources.remove(past)
                return past
        return None

    def name_stream(self, wanted: str) -> str:
        """Take the next number for a stream, and a name that no other one has."""
        self.stream_count += 1
        return _free_name(wanted, self.stream_names)

    def name_source(self, wanted: str) -> str:
        """Take the next number for a source, and a name that no other one has."""
        self.source_count += 1
        return _free_name(wanted, self.source_names)


def _free_name(wanted: str, taken: set[str]) -> str:
    """Take a name, numbered where another one has it already."""
    name, count = wanted, 1
    while name in taken:
        count += 1
        name = f"{wanted}-{count}"
    taken.add(name)
    return name


def resume_facts(journal: Journal) -> dict[str, Any]:
    """Make what the journal says when a run is gone on with: how many passes had begun, and where those that
    never ended were, as (pass, offered, taken)."""
    begun = [event.public["pass"] for event in journal.find("pass_start")]
    known = {event.public["pass"] for event in journal.find("pass_end")}
    known |= {lost[0] for event in journal.find("run_resume") for lost in event.public["lost"]}
    reached = journal.cursors()
    unheard = [number for number, (offered, _) in enumerate(reached) if number >= len(begun) and offered]
    uncertain = {"uncertain": True} if journal.is_uncertain else {}
    return (
        ({"unheard": unheard} if unheard else {})
        | uncertain
        | {
            "passes": len(begun),
            "lost": [
                [number, *(reached[number] if number < len(reached) else (0, 0))]
                for number in begun
                if number not in known
            ],
        }
    )


def _count(events: Iterable[Event], what: str) -> int:
    return max((event.public[what] for event in events), default=-1) + 1


def _offered(reached: list[tuple[int, int]], number: int) -> int:
    return reached[number][0] if number < len(reached) else 0


def _past_stream(event: Event, watches: Mapping[int, dict[int, FieldWatches]]) -> PastStream:
    number = event.public["stream"]
    return PastStream(
        number=number,
        digest=event.public["digest"],
        name=event.body["name"] if event.body else "",
        alike=_alike(event.body["nodes"]) if event.body else b"",
        fields=watches.get(number, {}),
    )


def _alike(nodes: list[dict[str, Any]]) -> bytes:
    return digest_value(
        [
            node | {"functions": {name: _in_itself(fn) for name, fn in node.get("functions", {}).items()}}
            for node in nodes
        ]
    )


def _in_itself(function: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in function.items() if name not in _WHERE_IT_STANDS}


def _watches_by_stream(journal: Journal) -> dict[int, dict[int, FieldWatches]]:
    found: dict[int, dict[int, dict[str, FieldWatch]]] = {}
    for event in journal.find("fields"):
        if event.body:
            nodes = found.setdefault(event.public["stream"], {})
            nodes.setdefault(event.public["node"], {})[event.body["part"]] = FieldWatch.after(event.body)
    return {
        stream: {index: FieldWatches(by_part) for index, by_part in nodes.items()}
        for stream, nodes in found.items()
    }


def _told_by_source(journal: Journal) -> dict[int, Told | None]:
    """Gather what was told of each source; None where some of that was destroyed."""
    found: dict[int, Told | None] = {}
    for event in journal.find("source_parts"):
        told = found.setdefault(event.public["source"], Told())
        if event.body is None:
            found[event.public["source"]] = None
        elif told is not None:
            told.add(event.body)
    for event in journal.find("snapshot"):
        told = found.get(event.public["source"])
        if told is not None and event.body:
            told.snapshot = event.body["digest"]
    return found


def _past_source(event: Event, body: Mapping[str, Any], told: Mapping[int, Told | None]) -> PastSource:
    number = event.public["source"]
    known = told.get(number, Told())
    return PastSource(
        number=number,
        name=body["name"],
        identity=b"" if known is None else body.get("identity", b""),
        rows=body["rows"],
        told=known or Told(),
    )


def _is_same(source: Any, rows: Any, past: PastSource) -> bool:
    if source.known_by == "content":
        return bool(rows == past.rows) and _holds(source, past.told.blocks)
    return bool(source.known_by != "nothing")


def _holds(source: Any, blocks: Mapping[tuple[int, int], bytes]) -> bool:
    """Whether the rows that a source has in memory are those of which blocks were told before.

    What was delivered had been told, so rows of no block were never delivered.
    """
    heard = _Heard()
    first_rows = sorted({row for _, row in blocks if row < source.size()})
    with source.open(heard) as reader:
        reader.fetch(np.array(first_rows, np.int64))
    return all(heard.blocks.get(place) == digest for place, digest in blocks.items())


class _Heard:
    """Keeps the digests of rows in memory; nothing else is told by what has them there."""

    __slots__ = ("blocks",)

    def __init__(self) -> None:
        self.blocks: dict[tuple[int, int], bytes] = {}

    def memory(self, part: int, first_row: int, data: Buffer) -> None:
        """Digest rows in memory."""
        self.blocks[part, first_row] = fast128(data)

    def objects(self, part: int, first_row: int, values: list[Any], *, block_rows: int = 0) -> None:
        """Digest rows that are Python objects."""
        for row, _, digest in object_blocks(first_row, values, block_rows):
            self.blocks[part, row] = digest

    def whole(self, part: int, data: Buffer) -> None:
        """Ignore it."""

    def piece(self, part: int, data: Buffer) -> None:
        """Ignore it."""

    def end(self, part: int, rows: int) -> None:
        """Ignore it."""
