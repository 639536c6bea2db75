"""The digests of a pass's items and batches, put in order: batches that were picked come in any order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whence.lineage import decode_counts
from whence.store import Journal, decode_content

_GROUP_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PassDigests:
    """The digests of one pass.

    Args:
        items: 32 bits each, in order; 0 where one is unknown.
        groups: of batches, 128 bits each, in order; empty where one is unknown.
        outputs: 64 bits each, in order; only where functions made the outputs of batches; 0: unknown.
    """

    items: NDArray[np.uint32]
    groups: list[bytes]
    outputs: NDArray[np.uint64]


def digests_in_order(frames: Sequence[dict[str, Any]]) -> PassDigests:
    """Put the digests of one pass where they belong.

    Args:
        frames: as written: "i" digests of items, "g" of groups, "s" sizes of groups as [size, count, ...];
            where groups don't follow those before, "b" their positions and "a" those of their first items;
            "o" digests of outputs, if any; "k" how many items, groups and outputs before those that follow
            were delivered earlier and not made again.
    """
    items = np.zeros(0, np.uint32)
    groups: list[bytes] = []
    followed: list[NDArray[np.uint32]] = []
    outputs: list[NDArray[np.uint64]] = []
    for frame in frames:
        if "k" in frame:
            item_count, group_count, output_count = frame["k"]
            followed.append(np.zeros(item_count, np.uint32))
            groups += [b""] * group_count
            outputs.append(np.zeros(output_count, np.uint64))
        outputs.append(np.frombuffer(frame.get("o", b""), "<u8"))
        found = np.frombuffer(frame["i"], "<u4")
        whole = frame["g"]
        digests = [whole[at : at + _GROUP_BYTES] for at in range(0, len(whole), _GROUP_BYTES)]
        if "b" not in frame:
            followed.append(found)
            groups += digests
            continue
        sizes = np.repeat(frame["s"][::2], frame["s"][1::2])
        firsts = decode_counts(frame["a"], len(digests))
        starts = np.cumsum(sizes) - sizes
        places = np.repeat(firsts - starts, sizes) + np.arange(len(found))
        items, followed = _joined(items, followed), []
        items = np.pad(items, (0, max(0, int(places.max(initial=-1)) + 1 - len(items))))
        items[places] = found
        for position, digest in zip(decode_counts(frame["b"], len(digests)).tolist(), digests, strict=True):
            groups += [b""] * (position + 1 - len(groups))
            groups[position] = digest
    made = np.concatenate(outputs) if outputs else np.zeros(0, np.uint64)
    return PassDigests(items=_joined(items, followed), groups=groups, outputs=made)


def _joined(items: NDArray[np.uint32], followed: list[NDArray[np.uint32]]) -> NDArray[np.uint32]:
    return np.concatenate([items, *followed]) if followed else items


def read_digests(journal: Journal) -> dict[int, PassDigests]:
    """Read the digests of what passes delivered, by the pass."""
    contents: dict[int, list[dict[str, Any]]] = {}
    scan = journal.segment("digests")
    first_damage = min((damage.offset for damage in scan.damages), default=None)
    for frame in scan.frames:
        content = decode_content(frame.payload)
        if first_damage is not None and frame.offset >= first_damage:
            content.pop("o", None)  # it isn't known any more which outputs these are,
            if "b" not in content:  # nor which items, unless they say so
                continue
        contents.setdefault(content["p"], []).append(content)
    return {number: digests_in_order(found) for number, found in contents.items()}
