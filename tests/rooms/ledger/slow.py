"""The tree, its proofs and their checking word for word as RFC 6962 defines them, on whole lists.

Nothing here is shared with `whence.ledger`: it hashes by itself, and a proof is checked by following the
definition of its making back to the root.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

HASH_BYTES = 32


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def power_below(n: int) -> int:
    """The largest power of two smaller than n."""
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right)


def mth(entries: Sequence[bytes]) -> bytes:
    """Merkle Tree Hash, 2.1."""
    n = len(entries)
    if n == 0:
        return sha256(b"")
    if n == 1:
        return sha256(b"\x00" + entries[0])
    k = power_below(n)
    return node(mth(entries[:k]), mth(entries[k:]))


def path(m: int, entries: Sequence[bytes]) -> list[bytes]:
    """Merkle audit path, 2.1.1."""
    n = len(entries)
    if n == 1:
        return []
    k = power_below(n)
    if m < k:
        return [*path(m, entries[:k]), mth(entries[k:])]
    return [*path(m - k, entries[k:]), mth(entries[:k])]


def proof(m: int, entries: Sequence[bytes]) -> list[bytes]:
    """Merkle consistency proof, 2.1.2; empty for the empty tree, of which the RFC doesn't speak."""
    return subproof(m, entries, True) if m else []


def subproof(m: int, entries: Sequence[bytes], b: bool) -> list[bytes]:
    n = len(entries)
    if m == n:
        return [] if b else [mth(entries)]
    k = power_below(n)
    if m <= k:
        return [*subproof(m, entries[:k], b), mth(entries[k:])]
    return [*subproof(m - k, entries[k:], False), mth(entries[:k])]


class RefusedError(Exception):
    """The proof isn't one that the definition makes."""


@dataclass(frozen=True)
class Inclusion:
    """A claim: `leaf` is the hash of entry `index` in the tree of `size` with this root."""

    proof: tuple[bytes, ...]
    index: int
    size: int
    leaf: bytes
    root: bytes

    def is_true(self) -> bool:
        """Whether the definition of the path, followed back, leads to the root."""
        try:
            return (
                has_widths(self.proof, self.leaf, self.root)
                and self._root(self.index, self.size, self.proof) == self.root
            )
        except RefusedError:
            return False

    def _root(self, m: int, n: int, path: Sequence[bytes]) -> bytes:
        if not 0 <= m < n or bool(path) != (n > 1):
            raise RefusedError
        if n == 1:
            return self.leaf
        k = power_below(n)
        if m < k:
            return node(self._root(m, k, path[:-1]), path[-1])
        return node(path[-1], self._root(m - k, n - k, path[:-1]))


@dataclass(frozen=True)
class Consistency:
    """A claim: the tree of `size` entries with `root` begins with that of `old_size` with `old_root`."""

    proof: tuple[bytes, ...]
    old_size: int
    old_root: bytes
    size: int
    root: bytes

    def is_true(self) -> bool:
        """Whether the definition of the proof, followed back, leads to both roots."""
        if not 0 <= self.old_size <= self.size or not has_widths(self.proof, self.old_root, self.root):
            return False
        if self.old_size == 0:
            is_empty = self.size > 0 or self.root == self.old_root
            return not self.proof and self.old_root == mth([]) and is_empty
        try:
            return self._roots(self.old_size, self.size, self.proof, True) == (self.old_root, self.root)
        except RefusedError:
            return False

    def _roots(self, m: int, n: int, path: Sequence[bytes], b: bool) -> tuple[bytes, bytes]:
        if m == n:
            if len(path) != (not b):
                raise RefusedError
            known = self.old_root if b else path[0]
            return known, known
        if not path:
            raise RefusedError
        k = power_below(n)
        last = path[-1]
        if m <= k:
            old, new = self._roots(m, k, path[:-1], b)
            return old, node(new, last)
        old, new = self._roots(m - k, n - k, path[:-1], False)
        return node(last, old), node(last, new)


def has_widths(proof: Sequence[bytes], *others: bytes) -> bool:
    return all(len(each) == HASH_BYTES for each in (*proof, *others))


def some_entries(count: int, salt: str = "") -> list[bytes]:
    """Entries of different lengths, the first one empty."""
    return [f"{salt}{place}".encode() * (place % 5) for place in range(count)]
