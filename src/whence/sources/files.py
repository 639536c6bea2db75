"""Whole files as samples: `File` knows its path, reads itself, and tells the witness what it read."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from itertools import repeat
from pathlib import PurePath
from typing import Any, BinaryIO, ClassVar

from whence.capture import OWN, NullWitness, SourceWitness, expect, unheard
from whence.errors import SourceError
from whence.sources.disk import unreadable
from whence.sources.finding import Found, Given, find_files, find_pattern
from whence.sources.source import Gives, Int64Array, Listing, Reader, Sizer, Source, check_positions

_READ_ONLY = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | OWN
_FIRST_READ_BYTES = 1 << 16


class _Shelf:
    """What all files of one reading share, so that a `File` is two words."""

    __slots__ = ("before", "parents", "paths", "witness")

    def __init__(self, before: str, paths: list[str], witness: SourceWitness) -> None:
        self.before = before
        self.paths = paths
        self.witness = witness
        self.parents: dict[str, PurePath] = {}


class File:
    """A file that is a sample; nothing is read before it is asked for.

    However the content is reached, by `read`, by `open` or through the path that a library takes from
    it, the witness is told the whole of it.
    """

    __slots__ = ("_part", "_shelf")

    def __init__(self, shelf: _Shelf, part: int) -> None:
        self._shelf = shelf
        self._part = part

    @property
    def path(self) -> str:
        """The path: the root as it was given, and the way below it."""
        return self._shelf.before + self._shelf.paths[self._part]

    @property
    def name(self) -> str:
        """The file's own name, with its suffix."""
        return self._shelf.paths[self._part].rpartition("/")[2]

    @property
    def parent(self) -> PurePath:
        """The folder that it is in; its `.name` is the label where folders are labels."""
        folder = self.path.rpartition("/")[0]
        parents = self._shelf.parents
        if folder not in parents:
            parents[folder] = PurePath(folder)
        return parents[folder]

    def read(self) -> bytes:
        """Read the whole content.

        Raises:
            SourceError: the file has vanished or can't be read.

        Cost: three system calls for a small file; 4.0 µs where `open(path, "rb")` took 11.6.
        """
        path = self.path
        try:
            handle = os.open(path, _READ_ONLY)
            try:
                data = os.read(handle, _FIRST_READ_BYTES)
                # A short read is the end of a plain file, but not of a pipe: only nothing is the end.
                if more := os.read(handle, _FIRST_READ_BYTES):
                    data = _read_on(handle, data + more)
            finally:
                os.close(handle)
        except OSError as error:
            raise _lost(path, error) from error
        self._shelf.witness.whole(self._part, data)
        return data

    def open(self) -> BinaryIO:
        """Open it for reading bytes, for content too large to hold at once.

        Raises:
            SourceError: the file has vanished or can't be read.
        """
        path = self.path
        try:
            with unheard():
                handle = open(path, "rb")  # noqa: SIM115 - the caller closes it
        except OSError as error:
            raise _lost(path, error) from error
        try:
            self._tell(handle)
        except BaseException:
            handle.close()
            raise
        return handle

    def __fspath__(self) -> str:
        path = self.path
        # Whoever asks for the path will read the file where we can't see it (Pillow, soundfile), so the
        # content is told now. If it can't be opened, the one who asked gets the error he expects.
        try:
            with unheard():
                handle = open(path, "rb")  # noqa: SIM115 - only opening may fail in silence, not telling
        except OSError:
            return path
        with handle:
            self._tell(handle)
        expect(path)
        return path

    def _tell(self, handle: BinaryIO) -> None:
        """Tell the whole content through a map, which costs nothing if nobody listens."""
        try:
            content = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
        except (ValueError, OSError):  # an empty file, or a file system without maps
            self._shelf.witness.whole(self._part, handle.read())
            handle.seek(0)
            return
        with content, memoryview(content) as view:
            self._shelf.witness.whole(self._part, view)

    def __repr__(self) -> str:
        return f"File({self.path!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, File) and self.path == other.path

    def __hash__(self) -> int:
        return hash(self.path)

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (self._shelf.before, self._shelf.paths[self._part])


def _unpickle(before: str, path: str) -> File:
    return File(_Shelf(before, [path], NullWitness()), 0)


def _read_on(handle: int, data: bytes) -> bytes:
    pieces = [data]
    size = max(_FIRST_READ_BYTES, os.fstat(handle).st_size - len(data) + 1)
    while piece := os.read(handle, size):
        pieces.append(piece)
    return b"".join(pieces)


def _lost(path: str, error: OSError) -> SourceError:
    if isinstance(error, FileNotFoundError):
        return SourceError(
            f"{path} was there when the source was listed and is gone now",
            remedy="Put the file back, or make the source again to list what is there.",
            place=path,
        )
    return unreadable(path, error)


class FilesSource(Source):
    """Whole files as samples, one row each, in the order of their paths."""

    kind: ClassVar[str] = "files"
    gives: ClassVar[Gives] = "rows"

    def __init__(self, found: Found, name: str) -> None:
        self._found = found
        self.name = name

    @classmethod
    def of(cls, given: Given, *, name: str | None = None) -> FilesSource:
        """List the files that are meant.

        Args:
            given: a pattern, a folder (all files below it), a file, or a list of these in its order.
            name: what origins call the source; by default the folder's name.

        Raises:
            SourceError: something is missing or unreadable, nothing matches, or it is a URL.
        """
        found = find_files(given)
        return cls(found, name or found.name())

    def size(self) -> int:
        """Count the files."""
        return len(self._found.paths)

    def listing(self) -> Listing:
        """List the files, a part and a row each."""
        return Listing(
            kind=self.kind, name=self.name, root=self._found.root, paths=self._found.paths, rows=None
        )

    def describe(self) -> dict[str, Any]:
        """Describe the root and the pattern, or the paths where they were listed."""
        found = self._found
        where = {"paths": found.paths} if found.pattern is None else {"pattern": found.pattern}
        return {"kind": self.kind, "name": self.name, "root": found.root, **where}

    @classmethod
    def rebuild(cls, description: dict[str, Any], *, root: str | None = None) -> FilesSource:
        """Make it again; `paths` in the description, such as a recorded listing's, go before the pattern."""
        root = description["root"] if root is None else root
        if "paths" in description:
            found = Found(root=root, paths=list(description["paths"]), pattern=description.get("pattern"))
        else:
            found = find_pattern(root, description["pattern"])
        return cls(found, description["name"])

    def open(self, witness: SourceWitness) -> Reader:
        """Begin a reading; the files read themselves."""
        root = self._found.root
        before = root if not root or root.endswith("/") else root + "/"
        return _FilesReader(self, _Shelf(before, self._found.paths, witness))


class _FilesReader(Reader):
    def __init__(self, source: FilesSource, shelf: _Shelf) -> None:
        self._source = source
        self._shelf = shelf

    def chunks(self, sizer: Sizer) -> Iterator[list[Any]]:
        size = self._source.size()
        start = 0
        while start < size:
            stop = min(start + sizer(), size)
            yield list(map(File, repeat(self._shelf), range(start, stop)))
            start = stop

    def fetch(self, positions: Int64Array) -> list[Any]:
        check_positions(positions, self._source.size(), self._source.name)
        return list(map(File, repeat(self._shelf), positions.tolist()))
