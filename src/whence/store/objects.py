"""Large content, by the SHA-256 of its bytes: a file each, written and read in blocks, never half there.

    objects/<2 hex>/<62 hex>     78 01 …: the content as a zlib stream; anything else: the content itself

Content that doesn't get smaller, as the weights of models don't, lies there as it is: `sha256sum` checks
it, and keeping it costs what reading it does. Measured on weights: SHA-256 takes 0.55 s a gigabyte, zlib's
quickest level 26 s, for 7 % of it. A tenth of a megabyte is tried to tell.
"""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
import secrets
import stat
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, NamedTuple

from whence.errors import DamagedError, NotFoundError, SourceError
from whence.store.files import explained, explained_reading, sync_data, sync_folder, write_all
from whence.store.guarding import held
from whence.vocab import Hasher, digest_bytes, digest_text

BLOCK_BYTES = 1 << 20
SQUEEZED = b"\x78\x01"
"""How content begins that lies there as a zlib stream."""
INCOMING = ".incoming-"
"""How the names of files begin in `objects` that aren't whole yet; what a writer that died leaves."""

_TRIED_BYTES = 8 << 10
_TRIES = 12
_WORTH_SHARE = 0.75
_REMEDY = "Copy it from a backup, or log the same content again, which puts it right."


class Kept(NamedTuple):
    """Content that was kept: its SHA-256, 32 bytes raw, and how many bytes it has."""

    digest: bytes
    size: int


def object_path(objects: pathlib.Path, digest: bytes) -> pathlib.Path:
    """Where content lies, if it is here."""
    name = digest.hex()
    return objects / name[:2] / name[2:]


def keep_bytes(objects: pathlib.Path, data: bytes | memoryview) -> Kept:
    """Keep bytes under their digest, on the disk when this returns."""
    view = memoryview(data).cast("B")
    blocks = (view[at : at + BLOCK_BYTES] for at in range(0, len(view), BLOCK_BYTES))
    return _keep(objects, blocks, [view[at : at + _TRIED_BYTES] for at in _places(len(view))])


def keep_file(objects: pathlib.Path, file: SteadyFile) -> Kept:
    """Keep a file's content under its digest, on the disk when this returns; reads it once, in blocks.

    Raises:
        SourceError: it can't be read, or changed since it was opened.
    """
    return _keep(objects, file.blocks(), file.tried(), check=file.check)


class SteadyFile:
    """A user's file that is read while nobody may be writing it; what grew behind its end does no harm.

    Args:
        path: the file.

    Raises:
        SourceError: it can't be read, or isn't a file.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        with _readable(path):
            # without waiting for somebody to write into a pipe
            self._file = io.FileIO(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        self._before = os.fstat(self._file.fileno())
        self.size = self._before.st_size
        if not stat.S_ISREG(self._before.st_mode):
            self._file.close()
            raise SourceError(f"{path}: not a file", remedy="Give a file or a folder.", place=str(path))

    def __enter__(self) -> SteadyFile:
        return self

    def __exit__(self, *ignored: object) -> None:
        self._file.close()

    def open(self) -> BinaryIO:
        """Open it once more, to look at it; what is seen is checked with what is kept."""
        with _readable(self.path):
            return io.BufferedReader(io.FileIO(os.dup(self._file.fileno())))

    def read(self) -> bytes:
        """Read all of it, checked; raises `SourceError`."""
        data = b"".join(self.blocks())
        self.check(digest_bytes(data))
        return data

    def blocks(self) -> Iterator[bytes]:
        """Give the content that it had when it was opened, some at a time."""
        at = 0
        while at < self.size:
            block = self._read(at, min(BLOCK_BYTES, self.size - at))
            if not block:
                raise self._changed()
            yield block
            at += len(block)

    def digest(self) -> bytes:
        """Digest the content that it has up to there."""
        hasher = Hasher()
        for block in self.blocks():
            hasher.update(block)
        return hasher.digest()

    def tried(self) -> list[bytes]:
        """Give some bytes from all over it."""
        return [self._read(at, _TRIED_BYTES) for at in _places(self.size)]

    def check(self, digest: bytes) -> None:
        """Check that what was read is one content, and not two halves; raises `SourceError`."""
        after = os.fstat(self._file.fileno())
        is_as_before = (after.st_mtime_ns, after.st_size) == (self._before.st_mtime_ns, self._before.st_size)
        if not is_as_before and self.digest() != digest:
            raise self._changed()

    def _read(self, at: int, count: int) -> bytes:
        with _readable(self.path):
            return os.pread(self._file.fileno(), count, at)

    def _changed(self) -> SourceError:
        return SourceError(
            f"{self.path}: changed while it was read, so that what was read is no content of it",
            remedy="Log it when it is written.",
            place=str(self.path),
        )


def object_blocks(objects: pathlib.Path, digest: bytes) -> Iterator[bytes]:
    """Read content some at a time.

    Raises:
        NotFoundError: it isn't here.
        DamagedError: its bytes aren't those of the digest; told after the last of them.
        StoreError: it can't be read.
    """
    path = object_path(objects, digest)
    with _opened(path, digest) as file:
        yield from _checked(file, path, digest)


def open_object(objects: pathlib.Path, digest: bytes) -> BinaryIO:
    """Open content as a file that can be read at any place; all of it is checked before.

    Raises:
        NotFoundError, DamagedError, StoreError: as `object_blocks`.
    """
    path = object_path(objects, digest)
    file = _opened(path, digest)
    is_squeezed = _begins_squeezed(file)
    whole: BinaryIO = tempfile.TemporaryFile(prefix="whence-") if is_squeezed else file  # noqa: SIM115 - handed on
    try:
        for block in _checked(file, path, digest):
            if is_squeezed:
                with explained(tempfile.gettempdir()):
                    whole.write(block)
        whole.seek(0)
    except BaseException:
        whole.close()
        raise
    finally:
        if is_squeezed:
            file.close()
    return whole


def _keep(
    objects: pathlib.Path,
    blocks: Iterator[bytes | memoryview],
    tried: Sequence[bytes | memoryview],
    *,
    check: Callable[[bytes], None] = lambda digest: None,
) -> Kept:
    """Write blocks to a file of its own, and give it the name of its content when all is on the disk."""
    squeezer = _squeezer(tried)
    hasher = Hasher()
    temporary = objects / f"{INCOMING}{secrets.token_hex(8)}"
    with explained(objects):
        objects.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        try:
            for block in blocks:
                hasher.update(block)
                with explained(objects):
                    write_all(descriptor, block if squeezer is None else squeezer.compress(block))
            with explained(objects):
                if squeezer is not None:
                    write_all(descriptor, squeezer.flush())
                sync_data(descriptor)
        finally:
            os.close(descriptor)
        check(hasher.digest())
        path = object_path(objects, hasher.digest())
        with explained(path):
            path.parent.mkdir(exist_ok=True)
            sync_folder(objects)  # whoever made the folder may not have come so far
            with held(objects, alone=False):
                temporary.replace(path)  # also where it was there: what was damaged is whole again
            sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return Kept(hasher.digest(), hasher.size)


def _squeezer(tried: Sequence[bytes | memoryview]) -> zlib._Compress | None:
    """Choose how content is kept: squeezed where that is worth it, as it is elsewhere."""
    if sum(len(zlib.compress(each, 1)) for each in tried) < _WORTH_SHARE * sum(map(len, tried)):
        return zlib.compressobj(1)
    # as it is, unless it could be taken for squeezed
    return zlib.compressobj(0) if tried and tried[0][:2] == SQUEEZED else None


def _places(size: int) -> list[int]:
    """Choose places all over a content, the first bytes among them."""
    step = max(_TRIED_BYTES, size // _TRIES)
    return list(range(0, size, step))[:_TRIES]


def _opened(path: pathlib.Path, digest: bytes) -> BinaryIO:
    try:
        with explained_reading(path):
            return io.BufferedReader(path.open("rb", buffering=0), BLOCK_BYTES)
    except NotFoundError as error:
        raise NotFoundError(
            f"object {digest_text(digest)} isn't in {path.parent.parent.parent}",
            remedy="Copy it from the workspace that has it.",
        ) from error


def _begins_squeezed(file: BinaryIO) -> bool:
    begins = file.read(len(SQUEEZED)) == SQUEEZED
    file.seek(0)
    return begins


def _checked(file: BinaryIO, path: pathlib.Path, digest: bytes) -> Iterator[bytes]:
    hasher = Hasher()
    with explained_reading(path):
        blocks = _squeezed_blocks(file, path) if _begins_squeezed(file) else _plain_blocks(file)
        for block in blocks:
            hasher.update(block)
            yield block
    if hasher.digest() != digest:
        raise DamagedError(f"{path}: the bytes aren't those of its digest", remedy=_REMEDY, place=str(path))


def _plain_blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(BLOCK_BYTES):
        yield block


def _squeezed_blocks(file: BinaryIO, path: pathlib.Path) -> Iterator[bytes]:
    """Give what a zlib stream holds, never more than a block at once, however small it was made."""
    opener = zlib.decompressobj()
    rest = b""
    try:
        while not opener.eof:
            rest = rest or file.read(BLOCK_BYTES)
            block = opener.decompress(rest, BLOCK_BYTES)
            if not (rest or block):  # all was read, and nothing of it is left to be given
                break
            rest = opener.unconsumed_tail
            yield block
    except zlib.error as error:
        raise DamagedError(f"{path}: not readable ({error})", remedy=_REMEDY, place=str(path)) from error
    if not opener.eof or opener.unused_data or file.read(1):
        raise DamagedError(f"{path}: its zlib stream isn't whole", remedy=_REMEDY, place=str(path))


@contextlib.contextmanager
def _readable(path: pathlib.Path) -> Iterator[None]:
    """Turn the system's errors of reading a user's file into ours."""
    try:
        yield
    except OSError as error:
        raise SourceError(
            f"{path}: can't be read ({error.strerror or error})", remedy="Check the path.", place=str(path)
        ) from error
