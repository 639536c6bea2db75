"""Content as it is read back: at once, as a file, or copied out; always checked against its digest."""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
import secrets
import shutil
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from whence.capture import current_recorder, unheard
from whence.errors import DamagedError, InputError, NotFoundError, StoreError
from whence.runs import KeptFile, files_of
from whence.store import Folder, Journal, read_journal
from whence.vocab import digest_text


class KeptContent:
    """What a run kept: bytes, a file, or a folder of files.

    Args:
        folder: the workspace.
        run_id: the run that kept it.
        body: what its event says.
    """

    def __init__(self, folder: Folder, run_id: str, body: Mapping[str, Any]) -> None:
        self._folder = folder
        self._run_id = run_id
        self._digest: bytes = body["digest"]
        self.files = files_of(body)
        self.is_folder = "files" in body
        self._journal: Journal | None = None

    def read(self, path: str | None) -> bytes:
        """Read it, or a file of a folder."""
        with unheard():
            return b"".join(self._blocks(self._wanted(path)))

    def open(self, path: str | None) -> BinaryIO:
        """Open it, or a file of a folder; checked before anything of it is handed out."""
        digest = self._wanted(path)
        with unheard():
            small = self._in_run(digest)
            return io.BytesIO(small) if small is not None else self._folder.open_object(digest)

    def save(self, target: pathlib.Path) -> None:
        """Copy it to a file that isn't there yet, or a folder to a folder; whole or not at all.

        Raises:
            InputError: something is there already, or it can't be written.
        """
        if os.path.lexists(target):
            raise InputError(f"{target}: is there already", remedy="Name another, or take it away first.")
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
        try:
            with unheard(), _writable(target):
                if self.is_folder:
                    temporary.mkdir()
                    for each in self.files:
                        path = temporary / inside(each.path)
                        path.parent.mkdir(parents=True, exist_ok=True)
                        self._copy(each.digest, path)
                else:
                    self._copy(self._digest, temporary)
                temporary.rename(target)
        except BaseException:
            with contextlib.suppress(OSError):
                shutil.rmtree(temporary) if temporary.is_dir() else temporary.unlink()
            raise

    def _copy(self, digest: bytes, path: pathlib.Path) -> None:
        with path.open("xb") as file:
            for block in self._blocks(digest):
                file.write(block)

    def _wanted(self, path: str | None) -> bytes:
        if not self.is_folder:
            if path is not None:
                raise NotFoundError(f"no file {path!r:.80}: it is one content", remedy="Leave the path out.")
            return self._digest
        if path is None:
            raise InputError("it is a folder of files", remedy=f"Give a path: {_names(self.files)}.")
        for each in self.files:
            if each.path == path:
                return each.digest
        raise NotFoundError(f"no file {path!r:.80} in it", remedy=f"There are: {_names(self.files)}.")

    def _blocks(self, digest: bytes) -> Iterator[bytes]:
        small = self._in_run(digest)
        if small is not None:
            yield small
        else:
            yield from self._folder.object_blocks(digest)

    def _in_run(self, digest: bytes) -> bytes | None:
        """Find small content, which lies with its run; None of large content, which has a file of its own.

        Raises:
            DamagedError: it may be what is damaged in the run.
        """
        if self._folder.object_path(digest).exists():
            return None
        if self._journal is None:
            self._journal = read_journal(self._folder, self._run_id)
        found = self._journal.objects.get(digest)
        if found is None and self._journal.damages:
            damage = self._journal.damages[0]
            raise DamagedError(
                f"{digest_text(digest)} isn't there: {damage.path}, byte {damage.offset}: {damage.problem}",
                remedy="Copy the run from a backup, or log the same content again.",
                place=damage.path,
            )
        return found


def note_used(kind: str, body: Mapping[str, Any]) -> None:
    """Tell the run that goes on, if there is one, that it reads what was kept."""
    current_recorder().used(kind, body)


def inside(path: str) -> pathlib.PurePosixPath:
    """Take the path of a file in a folder; refuse one that leads out of it.

    Raises:
        DamagedError: no writer of ours writes that.
    """
    found = pathlib.PurePosixPath(path)
    if not path or found.is_absolute() or ".." in found.parts or "\0" in path:
        raise DamagedError(f"{path!r:.80}: leads out of the folder that it is in", remedy="Trust none of it.")
    return found


@contextlib.contextmanager
def _writable(target: pathlib.Path) -> Iterator[None]:
    """Turn the system's errors of writing where a user said into ours."""
    try:
        yield
    except OSError as error:
        if isinstance(error, StoreError):
            raise
        raise InputError(
            f"{target}: can't be written ({error.strerror or error})", remedy="Name another place."
        ) from error


def _names(files: list[KeptFile]) -> str:
    shown = ", ".join(each.path for each in files[:8])
    return shown + (f" and {len(files) - 8} more" if len(files) > 8 else "")
