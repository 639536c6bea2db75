"""Artifacts as users hold them, and what models share with them: content that is read back checked."""

from __future__ import annotations

import datetime as dt
import functools
import os
import pathlib
from typing import BinaryIO

from whence.runs import KeptFile, RunRecord, friendly_name, remedy_of
from whence.store import Folder, Named
from whence.vocab import digest_text
from whence.workspace.kept import KeptContent, note_used
from whence.workspace.recorded import time_of
from whence.workspace.run import Run


class Logged:
    """What a run kept under a name."""

    def __init__(self, folder: Folder, named: Named) -> None:
        self._folder = folder
        self._named = named
        self._body = named.body

    @property
    def name(self) -> str:
        """Its name."""
        return self._named.name

    @property
    def digest(self) -> str:
        """Of its bytes; of a folder, of the paths, sizes and digests of its files."""
        return digest_text(self._body["digest"])

    @property
    def size_bytes(self) -> int:
        """How many bytes it has."""
        return int(self._body["bytes"])

    @property
    def format(self) -> str:
        """As which it can be loaded; `unknown` where its content doesn't tell."""
        return str(self._body.get("format", "unknown"))

    @property
    def is_unsafe(self) -> bool:
        """Whether loading it may run code that it holds, as pickles do."""
        return bool(self._body.get("unsafe", False))

    @property
    def remedy(self) -> str:
        """What to do about one that is unsafe; empty for others."""
        if not self.is_unsafe:
            return ""
        parts = [each.format for each in self.files if each.is_unsafe]
        return remedy_of(self._body.get("found", self.format), parts)

    @property
    def files(self) -> list[KeptFile]:
        """Its files, where it is a folder; else none."""
        return list(self._content.files)

    @property
    def logged_at(self) -> dt.datetime:
        """When it was logged, UTC."""
        return time_of(self._named.at_ns)

    @property
    def run_id(self) -> str:
        """The id of the run that logged it."""
        return self._named.run_id

    @property
    def run_name(self) -> str:
        """The friendly name of the run that logged it."""
        return friendly_name(self._named.run_id)

    @functools.cached_property
    def run(self) -> Run:
        """The run that logged it."""
        return Run(self._folder, record=RunRecord.read(self._folder, self._named.run_id))

    def load_bytes(self, path: str | None = None) -> bytes:
        """Read its bytes, checked against the digest; in a run, that is noted.

        Args:
            path: which file, where it is a folder.

        Raises:
            NotFoundError: the bytes aren't here, or there is no such file in it.
            DamagedError: they aren't the ones that were logged; says where they lie.
        """
        content = self._content.read(path)
        self._note()
        return content

    def open(self, path: str | None = None) -> BinaryIO:
        """Open its bytes as a file that can be read at any place, checked before; see `load_bytes`."""
        file = self._content.open(path)
        self._note()
        return file

    def save_to(self, path: str | os.PathLike[str]) -> pathlib.Path:
        """Copy it to a file, or a folder to a folder, that isn't there yet; whole or not at all.

        Returns:
            Where it is now.

        Raises:
            InputError: something is there, or it can't be written.
            NotFoundError, DamagedError: as `load_bytes`; then nothing is left there.
        """
        target = pathlib.Path(path)
        self._content.save(target)
        self._note()
        return target

    @functools.cached_property
    def _content(self) -> KeptContent:
        return KeptContent(self._folder, self._named.run_id, self._body)

    def _note(self) -> None:
        raise NotImplementedError


class Artifact(Logged):
    """A file or folder that a run kept under a name."""

    def __repr__(self) -> str:
        return f"<whence artifact {self._named.run_id}/{self.name}>"

    @property
    def media_type(self) -> str:
        """What kind of file it is."""
        return str(self._body.get("media_type", "application/octet-stream"))

    def _note(self) -> None:
        what = {"digest": self._body["digest"], "run": self._named.run_id, "number": self._named.number}
        note_used("artifact_used", {"name": self.name, **what})
