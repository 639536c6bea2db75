"""Which files are meant: a path, a folder, a pattern, or a list of them, become a root and paths.

Patterns are those of the shell: `*`, `?` and `[…]` within a name, `**` for any folders between.
Hidden names match only a pattern that begins with a dot. Paths come in the order of their names, so
that the same folder gives the same rows everywhere; what is listed by hand keeps its order.
"""

from __future__ import annotations

import fnmatch
import os
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from whence.errors import SourceError
from whence.sources.disk import unreadable

Given = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_WILD = re.compile(r"[*?\[]")
_EVERYTHING = "**/*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Files below a root.

    Args:
        root: the folder, as it was given; empty if the paths stand for themselves.
        paths: relative to the root, with `/` between names.
        pattern: what found them below the root; None if they were listed.
    """

    root: str
    paths: list[str]
    pattern: str | None = None

    def name(self) -> str:
        """Make a readable name: of the one file, else of the folder that holds all."""
        if self.pattern is None and len(self.paths) == 1:
            return PurePath(self.paths[0]).stem
        return PurePath(self.root).name or "files"


def find_files(given: Given) -> Found:
    """Find the files that a path, folder, pattern or list of them means.

    Raises:
        SourceError: something is missing or unreadable, nothing matches, or it is a URL.
    """
    if isinstance(given, str | os.PathLike):
        return _find(_as_text(given))
    each = [_find(_as_text(one)) for one in given]
    if not each:
        raise SourceError("an empty list of paths was given", remedy="Give at least one path.")
    paths = [join(found.root, path) for found in each for path in found.paths]
    root = _shared_folder(paths)
    skipped = len(posixpath.join(root, ""))
    return Found(root=root, paths=[path[skipped:] for path in paths])


def find_documents(given: Given, suffix: str) -> Found:
    """Find files that hold many rows each; a folder is refused, as it doesn't say which files.

    Raises:
        SourceError: as `find_files`, or a folder is given.
    """
    for one in [given] if isinstance(given, str | os.PathLike) else given:
        text = _as_text(one)
        if os.path.isdir(text):
            raise SourceError(
                f"{text} is a folder, where a file was expected",
                remedy=f"Give a file or a pattern such as {posixpath.join(text, '*' + suffix)!r}.",
                place=text,
            )
    return find_files(given)


def find_pattern(root: str, pattern: str) -> Found:
    """Find the files below a root that a pattern matches, in the order of their paths.

    Raises:
        SourceError: a folder is missing or unreadable, or nothing matches.
    """
    names = pattern.split("/")
    try:
        paths = sorted(_walk(root or ".", "", names, _reach(names, frozenset([0]))))
    except OSError as error:
        raise unreadable(error.filename or root, error) from error
    if not paths:
        where = join(root, pattern)
        raise SourceError(
            f"no file matches {where}",
            remedy="Check the pattern; `**` stands for folders, and hidden files need a dot.",
            place=where,
        )
    return Found(root=root, paths=paths, pattern=pattern)


def join(root: str, path: str) -> str:
    """Put a root and a path below it together again."""
    return posixpath.join(root, path) if root else path


def _as_text(given: str | os.PathLike[str]) -> str:
    text = os.fspath(given)
    if not isinstance(text, str):
        raise SourceError(f"a path must be text, not {type(text).__name__}", remedy="Use os.fsdecode.")
    if _URL.match(text):
        scheme = text.split("://", 1)[0]
        raise SourceError(
            f"{scheme}:// is not supported yet; only local paths can be read",
            remedy="Copy the data to a local folder and give its path.",
            place=text,
        )
    if not text:
        raise SourceError("an empty path was given", remedy="Give a file, a folder or a pattern.")
    return PurePath(os.path.expanduser(text)).as_posix()


def _find(text: str) -> Found:
    try:
        if os.path.isdir(text):
            return find_pattern("" if text == "." else text, _EVERYTHING)
        # A name may hold brackets itself, so a path that exists is never a pattern.
        if not os.path.lexists(text) and _WILD.search(text):
            names = text.split("/")
            first = next(place for place, name in enumerate(names) if _WILD.search(name))
            root = "/".join(names[:first]) or ("/" if text.startswith("/") else "")
            return find_pattern(root, "/".join(names[first:]))
        os.stat(text)
    except OSError as error:
        raise unreadable(error.filename or text, error) from error
    root, name = posixpath.split(text)
    return Found(root=root, paths=[name])


def _walk(folder: str, before: str, names: list[str], at: frozenset[int]) -> Iterator[str]:
    """Walk all folders that can still match; `at` are the places in `names` that come next."""
    with os.scandir(folder) as entries:
        for entry in entries:
            then = _step(names, at, entry.name)
            if not then:
                continue
            if not entry.is_dir():
                if len(names) in then:
                    yield before + entry.name
            elif not _leads_back(folder, entry):
                yield from _walk(entry.path, f"{before}{entry.name}/", names, then)


def _step(names: list[str], at: frozenset[int], name: str) -> frozenset[int]:
    hidden = name.startswith(".")
    then = set()
    for place in at:
        if place == len(names):
            continue
        if names[place] == "**":
            if not hidden:
                then.add(place)
        elif fnmatch.fnmatchcase(name, names[place]) and (not hidden or names[place].startswith(".")):
            then.add(place + 1)
    return _reach(names, frozenset(then))


def _reach(names: list[str], at: frozenset[int]) -> frozenset[int]:
    """Add the places reached by letting `**` stand for no folder at all."""
    reached = set(at)
    for place in sorted(at):
        while place < len(names) and names[place] == "**":
            place += 1  # noqa: PLW2901 - walks on from where the loop stands
            reached.add(place)
    return frozenset(reached)


def _leads_back(folder: str, entry: os.DirEntry[str]) -> bool:
    """Whether a link leads to a folder that it is in itself, so that following it would not end."""
    if not entry.is_symlink():
        return False
    target = os.path.realpath(entry.path)
    return os.path.commonpath([target, os.path.realpath(folder)]) == target


def _shared_folder(paths: list[str]) -> str:
    if len({posixpath.isabs(path) for path in paths}) > 1:
        return ""
    return posixpath.commonpath([posixpath.dirname(path) for path in paths])
