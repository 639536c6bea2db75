"""JSON lines as samples, a JSON value each."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from whence.sources.finding import Found, Given, find_documents
from whence.sources.framing import FilledLines, Frame
from whence.sources.rowfiles import BadRowError, RowFilesSource


class JsonlSource(RowFilesSource):
    """JSON values, one in each line that isn't empty; the usual value is an object, which is a dict."""

    kind: ClassVar[str] = "jsonl"

    @classmethod
    def of(cls, given: Given, *, name: str | None = None) -> JsonlSource:
        """Find the files that are meant.

        Args:
            given: a file, a pattern, or a list of these.
            name: what origins call the source; by default the file's or the folder's name.

        Raises:
            SourceError: something is missing or unreadable, nothing matches, or it is a URL.
        """
        found = find_documents(given, ".jsonl")
        return cls(found, name or found.name())

    @classmethod
    def rebuild(cls, description: dict[str, Any], *, root: str | None = None) -> JsonlSource:
        """Make it again, from another root folder if one is given."""
        root = description["root"] if root is None else root
        return cls(Found(root=root, paths=list(description["paths"])), description["name"])

    def frame(self, data: bytes) -> Frame:
        """Find the lines that aren't empty."""
        return FilledLines(data)

    def decode(self, rows: list[bytes]) -> list[Any]:
        """Decode each line by itself, so that the one that isn't JSON can be named."""
        decode = msgspec.json.decode
        try:
            return list(map(decode, rows))
        except (msgspec.DecodeError, UnicodeDecodeError):
            for index, row in enumerate(rows):
                try:
                    decode(row)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    raise BadRowError(
                        index,
                        f"not JSON: {error}",
                        "Correct the line; each must be one whole JSON value.",
                    ) from error
            raise
