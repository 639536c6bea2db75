"""Which runs are parts of a run: their ids, one a line, appended by the processes that write the parts.

    runs/<run>/parts    ids, 26 letters and a line break each

Every part says by itself of which run it is one; this is only where the run finds them. A line is written
when a part begins and again when it has ended, so that whoever looks at the file sees that something changed.
"""

from __future__ import annotations

import os
import pathlib

from whence.errors import NotFoundError
from whence.store.files import explained, explained_reading, write_all

PARTS = "parts"


def note_part(run_path: pathlib.Path, part_id: str) -> None:
    """Note with a run that something is a part of it.

    Raises:
        StoreFullError, StoreReadOnlyError, StoreError: it can't be written.
    """
    path = run_path / PARTS
    with explained(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            write_all(descriptor, f"{part_id}\n".encode())  # one small write: those of others stay whole
        finally:
            os.close(descriptor)


def part_ids(run_path: pathlib.Path) -> list[str]:
    """List the parts of a run by their ids, in the order in which they began.

    Raises:
        StoreError: the list can't be read.
    """
    path = run_path / PARTS
    try:
        with explained_reading(path):
            text = path.read_bytes()
    except NotFoundError:
        return []
    # what follows the last line break was cut off
    return list(dict.fromkeys(line.decode("ascii", "replace") for line in text.split(b"\n")[:-1]))
