"""What a power cut leaves of a run: whole up to the last time that all of it was forced to the disk.

Behind that there may be holes, later bytes without the earlier, and references to what isn't there. Where
what is behind isn't whole, it is cut off, in all files at the same moment in time; nothing of it had been
acknowledged to be on the disk.
"""

from __future__ import annotations

import os
import pathlib

from whence.store.confirming import read_synced
from whence.store.frames import Damage, scan_frames
from whence.store.journal import Journal
from whence.store.metrics_tail import find_tails


def settled_sizes(journal: Journal) -> dict[str, int] | None:
    """Find how many bytes of each file were on the disk when the machine went down; None where it didn't.

    An end may be among what came later: whoever writes it takes the lease away when all of it is on the disk.
    """
    return read_synced(journal.path) if journal.went_down else None


def split_damages(journal: Journal, damages: list[Damage]) -> tuple[list[Damage], list[Damage]]:
    """Tell damage from what a power cut leaves.

    Returns:
        What had been on the disk and isn't whole; and what had not.
    """
    sizes = settled_sizes(journal)
    if sizes is None:
        return damages, []
    found: tuple[list[Damage], list[Damage]] = ([], [])
    last = sizes.get("journal", 0)
    has_holes = any(each.length and each.offset >= last for each in journal.damages)
    for each in damages:
        path = pathlib.Path(each.path)
        name = str(path.relative_to(journal.path)) if path.is_relative_to(journal.path) else ""
        is_inferred = has_holes and not each.length  # of what the journal says, some of which is gone
        found[is_inferred or each.offset >= sizes.get(name, 0)].append(each)
    return found


def roll_back(journal: Journal) -> bool:
    """Cut all files of a run to what had been on the disk, where that is whole; returns whether it was.

    Raises:
        OSError: they can't be cut.
    """
    sizes = settled_sizes(journal)
    if sizes is None:
        return False
    for name, size in sizes.items():
        path = journal.path / name
        if not path.exists() or path.stat().st_size < size:
            return False
        if not name.startswith("points-"):
            scan = scan_frames(path, keep=False, within=size)
            if scan.damages or scan.sound_bytes != size:
                return False
    files = [journal.path / f"segments/{name}" for name in journal.segment_names()]
    files += [path for _, path in find_tails(journal.path)]
    files += [journal.path / name for name in ("journal", "payloads")]
    for path in files:
        if str(path.relative_to(journal.path)) not in sizes:
            path.unlink(missing_ok=True)
    for name, size in sizes.items():
        os.truncate(journal.path / name, size)
    return True
