"""Merkle hashing and the checking of proofs, as RFC 6962 defines the tree: pure arithmetic on hashes.

Where hashes lie in tiles is told by `tiles`, how a log grows by `growing`, how proofs are made by `reading`.

Each guard of the two checkers stops a forgery that is accepted without it; the tests take them out one by
one and show it.

Source: RFC 6962, 2.1 (hashes, audit paths, consistency proofs); RFC 9162, 2.1.3.2 and 2.1.4.2 (checking).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from whence.errors import ProofError
from whence.vocab import DIGEST_BYTES, digest_bytes, digest_each, digest_pairs

EMPTY_ROOT = digest_bytes(b"")

_LEAF = b"\x00"
_NODE = b"\x01"


def leaf_hash(entry: bytes) -> bytes:
    """Hash one entry as a leaf."""
    return digest_bytes(_LEAF + entry)


def leaf_hashes(entries: Iterable[bytes]) -> list[bytes]:
    """Hash many entries as leaves."""
    return digest_each(_LEAF, entries)


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two neighbours as their parent."""
    return digest_bytes(_NODE + left + right)


def row_above(hashes: Sequence[bytes]) -> list[bytes]:
    """Hash each pair of neighbours as their parent; an odd one at the end has none here."""
    return digest_pairs(_NODE, hashes[::2], hashes[1::2])


def root_of(hashes: Sequence[bytes]) -> bytes:
    """Hash a whole tree with these leaf hashes, or a subtree from the hashes of its equal parts.

    Cost: one hash for each of `hashes`.
    """
    if not hashes:
        return EMPTY_ROOT
    row = hashes
    while len(row) > 1:
        above = row_above(row)
        if len(row) % 2:
            above.append(row[-1])
        row = above
    return row[0]


def root_over(peaks: Iterable[bytes]) -> bytes:
    """Hash the complete subtrees that a tree consists of, the smallest (rightmost) first, to its root."""
    root = b""
    for peak in peaks:
        root = node_hash(peak, root) if root else peak
    return root or EMPTY_ROOT


def inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """List the ranges of leaves whose hashes prove that leaf `index` is in a tree of `size`, nearest first.

    Source: RFC 6962, 2.1.1.
    """
    ranges: list[tuple[int, int]] = []
    start, stop = 0, size
    while stop - start > 1:
        middle = start + _largest_power_below(stop - start)
        if index < middle:
            ranges.append((middle, stop))
            stop = middle
        else:
            ranges.append((start, middle))
            start = middle
    return ranges[::-1]


def consistency_ranges(old_size: int, size: int) -> list[tuple[int, int]]:
    """List the ranges of leaves whose hashes prove that a tree of `size` continues one of `old_size`.

    Source: RFC 6962, 2.1.2.
    """
    if old_size in (0, size):
        return []
    ranges: list[tuple[int, int]] = []
    start, stop = 0, size
    while old_size != stop:
        middle = start + _largest_power_below(stop - start)
        if old_size <= middle:
            ranges.append((middle, stop))
            stop = middle
        else:
            ranges.append((start, middle))
            start = middle
    if start:  # else this part is the whole old tree, whose root the checker has
        ranges.append((start, stop))
    return ranges[::-1]


def check_inclusion(proof: Sequence[bytes], *, index: int, size: int, leaf: bytes, root: bytes) -> None:
    """Check that `leaf` is the hash of entry `index` in the tree of `size` entries with this root.

    Args:
        proof: the audit path, the leaf's neighbour first.
        index: the entry's place, from 0.
        size: the count of entries in the tree.
        leaf: the leaf hash of the entry.
        root: the root of the tree, from a checkpoint.

    Raises:
        ProofError: it isn't shown by this proof.

    Cost: one hash for each element of the proof.
    """
    if index < 0:
        raise ProofError(f"an entry's index is counted from 0, and this is {index}")
    if index >= size:
        raise ProofError(f"entry {index} can't be in a tree of {size} entries")
    _check_widths([leaf, *proof])
    inner = (index ^ (size - 1)).bit_length()
    _check_count(proof, inner + (index >> inner).bit_count(), f"of entry {index} in {size}")
    found = leaf
    for step, sibling in enumerate(proof):
        found = node_hash(sibling, found) if _is_right(index, step, inner) else node_hash(found, sibling)
    if found != root:
        raise ProofError(
            f"the proof leads entry {index} of {size} to the root {found.hex()}, not to {root.hex()}"
        )


def check_consistency(
    proof: Sequence[bytes], *, old_size: int, old_root: bytes, size: int, root: bytes
) -> None:
    """Check that the tree of `size` entries begins with the tree of `old_size` entries.

    Args:
        proof: the hashes of RFC 6962, 2.1.2; empty where one tree is empty or both are of the same size.
        old_size: the count of entries in the earlier tree.
        old_root: the root of the earlier tree.
        size: the count of entries in the later tree.
        root: the root of the later tree.

    Raises:
        ProofError: it isn't shown by this proof.

    Cost: at most two hashes for each element of the proof.
    """
    if old_size < 0:
        raise ProofError(f"a tree can't have {old_size} entries")
    if old_size > size:
        raise ProofError(f"a tree of {size} entries can't continue one of {old_size}")
    _check_widths([old_root, root, *proof])
    if old_size == 0 and old_root != EMPTY_ROOT:
        raise ProofError(f"the root of no entries is {EMPTY_ROOT.hex()}, not {old_root.hex()}")
    if old_size == size and old_root != root:
        raise ProofError(f"two trees of {size} entries have different roots")
    if old_size in (0, size):
        _check_count(proof, 0, f"from {old_size} to {size} entries")
        return
    # The way up begins at the old tree's last complete subtree, whose hash is the proof's first, except
    # where it is the whole old tree: that one's hash is the old root.
    height = (old_size & -old_size).bit_length() - 1
    is_whole = old_size == 1 << height
    node, last = (old_size - 1) >> height, (size - 1) >> height
    inner = (node ^ last).bit_length()
    wanted = (not is_whole) + inner + (node >> inner).bit_count()
    _check_count(proof, wanted, f"from {old_size} to {size} entries")
    found_old = found = old_root if is_whole else proof[0]
    for step, sibling in enumerate(proof[not is_whole :]):
        if _is_right(node, step, inner):
            found_old = node_hash(sibling, found_old)
            found = node_hash(sibling, found)
        else:
            found = node_hash(found, sibling)
    if found_old != old_root:
        raise ProofError(f"the proof leads to the old root {found_old.hex()}, not to {old_root.hex()}")
    if found != root:
        raise ProofError(f"the proof leads to the root {found.hex()}, not to {root.hex()}")


def _is_right(node: int, step: int, inner: int) -> bool:
    """Whether the sibling of this step stands to the left of the way up from `node`.

    Below `inner` the way is inside the tree and each step is one level. Above, it's the tree's right edge,
    where a node without a left sibling is its own parent: those levels take no step.
    """
    return step >= inner or bool((node >> step) & 1)


def _check_count(proof: Sequence[bytes], wanted: int, what: str) -> None:
    if len(proof) != wanted:
        raise ProofError(f"a proof {what} has {wanted} hashes, and this one has {len(proof)}")


def _check_widths(hashes: Iterable[bytes]) -> None:
    for place, given in enumerate(hashes):
        if len(given) != DIGEST_BYTES:
            raise ProofError(f"hash {place} has {len(given)} bytes, and a SHA-256 has {DIGEST_BYTES}")


def _largest_power_below(count: int) -> int:
    return 1 << (count - 1).bit_length() - 1
