"""The files of a run as they are read back: what it read, what it wrote, and what couldn't be followed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from whence.store import Journal
from whence.vocab import digest_text

How = Literal["read", "written", "appended", "both"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSeen:
    """A file that a run opened.

    Attributes:
        path: below the folder in which the run began, or absolute, with `~` for the home folder.
        given: how the program wrote it, where that is another text.
        how: read, written, appended to, or read and written.
        size_bytes: when it was last looked at; None where it couldn't be.
        digest: `sha256:` and 64 digits, of an input as it was read, of an output as it was left; None
            where it isn't known.
        note: why it isn't, or what else there is to know: that it was changed after it was read, for example.
        first_at_ns: when it was opened first.
        last_at_ns: when it was opened last.
        opened: how often it was.
    """

    path: str
    given: str
    how: How
    size_bytes: int | None
    digest: str | None
    note: str
    first_at_ns: int
    last_at_ns: int
    opened: int

    def to_json(self) -> dict[str, Any]:
        """The same as a dict."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfollowed:
    """Something a run did that can't be followed.

    Attributes:
        kind: `process`, `fork`, `network`, `library`, `pipe`; `files` for those of a folder beyond the limit,
            `gone` for those that were there only for a time or never, `failure` for what couldn't be
            understood, `more` for what is beyond a limit.
        what: the command, without secrets; the host and port; and so on.
        count: how often.
        first_at_ns, last_at_ns: when; 0 where only a number is kept.
    """

    kind: str
    what: str
    count: int
    first_at_ns: int = 0
    last_at_ns: int = 0

    def to_json(self) -> dict[str, Any]:
        """The same as a dict."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesSeen:
    """All of them, each list in the order of the first time."""

    inputs: list[FileSeen]
    outputs: list[FileSeen]
    unfollowed: list[Unfollowed]


def read_files(journal: Journal) -> FilesSeen:
    """Read what a run's journal tells of files; what was told later of one replaces what was told before."""
    rows: dict[str, list[Any]] = {}
    for event in journal.find("file"):
        for row in (event.body or {}).get("files", []):
            rows[row[0]] = row
    inputs, outputs = [], []
    for row in sorted(rows.values(), key=lambda each: each[6]):
        how, digest, before = row[2], row[4], row[5]
        if how in ("read", "both"):
            inputs.append(_file(row, digest if how == "read" else before))
        if how != "read":
            outputs.append(_file(row, digest))
    found: dict[tuple[str, str], Unfollowed] = {}
    for event in journal.find("unfollowed"):
        for kind, what, first, last, count in (event.body or {}).get("entries", []):
            found[kind, what] = Unfollowed(
                kind=kind, what=what, count=count, first_at_ns=first, last_at_ns=last
            )
    return FilesSeen(inputs=inputs, outputs=outputs, unfollowed=[*found.values(), *_counted(journal)])


def _file(row: list[Any], digest: bytes | None) -> FileSeen:
    path, given, how, size, _, _, first, last, opened, note = row[:10]
    if how == "both" and digest is None and not note:
        note = "written by the run before it could be digested"
    return FileSeen(
        path=path,
        given=given or path,
        how=how,
        size_bytes=size,
        digest=None if digest is None else digest_text(digest),
        note=note,
        first_at_ns=first,
        last_at_ns=last,
        opened=opened,
    )


def _counted(journal: Journal) -> list[Unfollowed]:
    found = []
    for event in journal.find("files_counted"):
        for folder, opened, apart in (event.body or {}).get("folders", []):
            at_least = "" if event.public["exact"] else "at least "
            what = f"{folder or 'other folders'}: {at_least}{apart:,} further files"
            found.append(Unfollowed(kind="files", what=what, count=opened))
        for kind, what in (
            ("gone", "files that were there only for a time, or never"),
            ("failure", "events that couldn't be understood"),
        ):
            count = event.public["gone" if kind == "gone" else "failures"]
            if count:
                found.append(Unfollowed(kind=kind, what=what, count=count))
    return found
