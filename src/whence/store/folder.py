"""The workspace folder: where it is, what lies in it, which format it has."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from whence.errors import (
    DamagedError,
    NotFoundError,
    StoreError,
    StoreReadOnlyError,
    StoreVersionError,
)
from whence.store.files import explained, explained_reading, make_folder, write_whole
from whence.store.guarding import held
from whence.store.objects import (
    Kept,
    SteadyFile,
    keep_bytes,
    keep_file,
    object_blocks,
    object_path,
    open_object,
)
from whence.vocab import digest_bytes

WORKSPACE_FORMAT = 1

_FOLDER_NAME = ".whence"


class Folder:
    """A workspace on disk; nothing is made before the first write.

    Args:
        path: the `.whence` folder itself.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.check_format()

    @classmethod
    def find(cls, path: str | os.PathLike[str] | None = None) -> Folder:
        """Find the workspace: the path given, `WHENCE_HOME`, the nearest `.whence` upward, or `./.whence`.

        A path that isn't itself a workspace and doesn't end in `.whence` means the workspace inside it.
        """
        given = path if path is not None else os.environ.get("WHENCE_HOME") or None
        if given is not None:
            root = pathlib.Path(given).expanduser().absolute()
            inside = root / _FOLDER_NAME
            with explained_reading(root):
                if (
                    root.name != _FOLDER_NAME
                    and not (root / "format").exists()
                    and (inside.exists() or path is not None)
                ):
                    root = inside
            return cls(root)
        here = pathlib.Path.cwd()
        for folder in (here, *here.parents):
            if (folder / _FOLDER_NAME).is_dir():
                return cls(folder / _FOLDER_NAME)
        return cls(here / _FOLDER_NAME)

    @property
    def exists(self) -> bool:
        """Whether anything was ever written here."""
        return (self.path / "format").exists()

    @property
    def runs_path(self) -> pathlib.Path:
        """Where the folders of the runs are."""
        return self.path / "runs"

    def check_format(self) -> None:
        """Refuse a workspace that a newer whence wrote.

        Raises:
            StoreVersionError: its format is newer than ours.
            StoreError: its format can't be read.
        """
        try:
            text = (self.path / "format").read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise StoreError(
                f"{self.path}: {error.strerror}", remedy="Check who may read the folder."
            ) from error
        try:
            found = int(msgspec.json.decode(text)["format"])
        except (msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
            raise StoreError(
                f"{self.path / 'format'}: not a workspace format file",
                remedy=f'Restore it; for this version it reads {{"format":{WORKSPACE_FORMAT}}}.',
            ) from error
        if found > WORKSPACE_FORMAT:
            raise StoreVersionError(
                f"{self.path}: a workspace of format {found}, this whence reads up to {WORKSPACE_FORMAT}",
                remedy="Upgrade whence: pip install --upgrade whence",
            )

    def make(self) -> None:
        """Make the folder if it isn't there; any number of processes may do so at once.

        Raises:
            StoreReadOnlyError, StoreFullError, StoreError: it can't be made.
        """
        if self.exists:
            return
        with explained(self.path):
            make_folder(self.runs_path)
            make_folder(self.objects_path)
        ignore = self.path / ".gitignore"
        if not ignore.exists():
            write_whole(ignore, b"*\n")
        write_whole(self.path / "format", msgspec.json.encode({"format": WORKSPACE_FORMAT}))

    def run_ids(self) -> list[str]:
        """List the runs by id, oldest first (ids sort by time); hidden folders are on their way to be one."""
        try:
            with explained_reading(self.runs_path), os.scandir(self.runs_path) as entries:
                return sorted(each.name for each in entries if each.name[0] != "." and each.is_dir())
        except NotFoundError:
            return []

    def run_path(self, run_id: str) -> pathlib.Path:
        """Where one run's folder is."""
        return self.runs_path / run_id

    # objects: large content, by the SHA-256 of its bytes

    @property
    def objects_path(self) -> pathlib.Path:
        """Where the large objects are."""
        return self.path / "objects"

    def object_path(self, digest: bytes) -> pathlib.Path:
        """Where a large object lies, if it is here."""
        return object_path(self.objects_path, digest)

    def put_object(self, data: bytes) -> bytes:
        """Keep large content under its digest, once.

        Returns:
            The digest, 32 bytes raw.
        """
        digest = digest_bytes(data)
        try:
            with held(self.objects_path, alone=False), explained(self.objects_path):
                for _ in self.object_blocks(digest):
                    pass
                os.utime(self.object_path(digest))  # as new: nobody refers to it yet, and it must stay
        except (NotFoundError, DamagedError, StoreReadOnlyError):
            # damaged content is put right by whoever has it, and what others own can't be touched
            keep_bytes(self.objects_path, data)
        return digest

    def put_file(self, file: SteadyFile) -> Kept:
        """Keep a large file's content under its digest, read in blocks; see `keep_file`."""
        return keep_file(self.objects_path, file)

    def object_blocks(self, digest: bytes) -> Iterator[bytes]:
        """Read large content some at a time; see `objects.object_blocks`."""
        return object_blocks(self.objects_path, digest)

    def open_object(self, digest: bytes) -> BinaryIO:
        """Open large content as a file, checked; see `objects.open_object`."""
        return open_object(self.objects_path, digest)

    def read_object(self, digest: bytes) -> bytes:
        """Read large content and check it.

        Raises:
            NotFoundError: it isn't here.
            DamagedError: its bytes aren't those of the digest.
        """
        return b"".join(self.object_blocks(digest))
