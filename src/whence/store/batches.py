"""Many contents kept at once: each under its digest, and on the disk together.

A file that is written alone waits for the disk three times. Here all are written, then all are waited for at
once, and then they get their names; until that nobody sees any of them.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import secrets
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from whence.store.files import Buffer, explained, sync_data, sync_folder, write_all
from whence.store.guarding import held
from whence.store.objects import INCOMING, SQUEEZED, Kept, keep_bytes, object_path
from whence.vocab import digest_bytes

_SYNCED_AT_ONCE = 8
_HELD_BYTES = 1 << 28
"""How much is written before it is waited for: what lies in the system's memory is lost at once."""


class ObjectBatch:
    """Contents on their way to be objects; any thread may put some.

    Args:
        objects: the folder of objects.
    """

    def __init__(self, objects: pathlib.Path) -> None:
        self._objects = objects
        self._lock = threading.Lock()
        self._waiting: dict[bytes, pathlib.Path] = {}
        self._waiting_bytes = 0

    def put(self, data: Buffer) -> Kept:
        """Write content as it is; it is an object when `commit` has returned.

        Raises:
            StoreFullError, StoreReadOnlyError, StoreError: it couldn't be written.
        """
        if memoryview(data).cast("B")[:2] == SQUEEZED:
            return keep_bytes(self._objects, bytes(data))  # as it is it would be taken for squeezed
        digest = digest_bytes(data)
        kept = Kept(digest, memoryview(data).nbytes)
        if self.touch(digest, kept.size):
            return kept
        temporary = self._objects / f"{INCOMING}{secrets.token_hex(8)}"
        with self._written(temporary) as descriptor, explained(self._objects):
            write_all(descriptor, data)
        with self._lock:
            self._waiting[digest] = temporary
            self._waiting_bytes += kept.size
            is_much = self._waiting_bytes >= _HELD_BYTES
        if is_much:
            self.commit()
        return kept

    def touch(self, digest: bytes, size: int) -> bool:
        """Whether content is there, or is on its way; then it is kept from being tidied up."""
        with self._lock:
            if digest in self._waiting:
                return True
        path = object_path(self._objects, digest)
        with contextlib.suppress(OSError), held(self._objects, alone=False):
            if path.stat().st_size == size:
                os.utime(path)  # as new: nobody refers to it yet
                return True
        return False

    def commit(self) -> None:
        """Make objects of all that was put, on the disk when this returns.

        Raises:
            StoreFullError, StoreReadOnlyError, StoreError: it couldn't be; nothing of it is an object then.
        """
        with self._lock:
            waiting, self._waiting, self._waiting_bytes = self._waiting, {}, 0
        if not waiting:
            return
        try:
            with ThreadPoolExecutor(_SYNCED_AT_ONCE) as pool:
                list(pool.map(_sync, waiting.values()))
            paths = {object_path(self._objects, digest): each for digest, each in waiting.items()}
            with explained(self._objects):
                for parent in {path.parent for path in paths}:
                    parent.mkdir(exist_ok=True)
                sync_folder(self._objects)
                with held(self._objects, alone=False):
                    for path, temporary in paths.items():
                        temporary.replace(path)
            with ThreadPoolExecutor(_SYNCED_AT_ONCE) as pool, explained(self._objects):
                list(pool.map(sync_folder, {path.parent for path in paths}))
        except BaseException:
            _remove(waiting.values())
            raise

    def discard(self) -> None:
        """Take back what isn't an object yet."""
        with self._lock:
            waiting, self._waiting, self._waiting_bytes = self._waiting, {}, 0
        _remove(waiting.values())

    @contextlib.contextmanager
    def _written(self, temporary: pathlib.Path) -> Iterator[int]:
        with explained(self._objects):
            self._objects.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            yield descriptor
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)


def _sync(path: pathlib.Path) -> None:
    with explained(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            sync_data(descriptor)
        finally:
            os.close(descriptor)


def _remove(paths: Iterable[pathlib.Path]) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
