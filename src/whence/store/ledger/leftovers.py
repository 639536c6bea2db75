"""What processes leave in a shard that die before they have signed: covered by no checkpoint, and in the way.

A partial tile of entries that were logged in another order later would contradict them, and openings must be
gone when those are destroyed that they are copies of.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator

from whence.errors import InputError
from whence.ledger import WIDTH, parse_path
from whence.store.files import explained
from whence.store.ledger.payloads import PAYLOADS, cut_openings, overwrite, payload_path
from whence.store.ledger.shard import CHECKPOINT


def drop_leftovers(folder: pathlib.Path, size: int) -> None:
    """Take away what is behind the entries of a shard.

    Args:
        folder: the shard's, held alone.
        size: how many entries it has, or was signed to have.

    Raises:
        StoreError: some of it is still there.

    Cost: one look at each name in the folder.
    """
    with explained(folder):
        for name in os.listdir(folder):
            if name.startswith(f".{CHECKPOINT}."):
                (folder / name).unlink()
        for path in _files(folder / "tile"):
            if _is_beyond(path.relative_to(folder).as_posix(), size):
                path.unlink()
        kept = {folder / payload_path(bundle) for bundle in range(-(-size // WIDTH))}
        for path in _files(folder / PAYLOADS):
            if path not in kept:
                overwrite(path)
                path.unlink()
        if size:
            cut_openings(folder, size)


def _files(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    for above, _, names in os.walk(folder):
        for name in names:
            yield pathlib.Path(above, name)


def _is_beyond(path: str, size: int) -> bool:
    try:
        name = parse_path(path)
    except InputError:
        return False  # whoever put it there; verifying tells of it
    count = size >> 8 * (name.level or 0)
    return name.index * WIDTH + name.width > count
