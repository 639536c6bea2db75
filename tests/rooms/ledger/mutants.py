"""Claims about trees that are true, and every way to make them false that we know.

A mutant may be true by accident (a proof for entry 0 of 8 also fits a claim about 7 with the same root: the
size is vouched for by the checkpoint, not by the proof); `is_true` of the claim decides, by the definitions.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, TypeAlias

from tests.rooms.ledger import slow

Claim: TypeAlias = slow.Inclusion | slow.Consistency
Mutation: TypeAlias = Callable[[Claim, Claim, random.Random], Claim]


def true_inclusion(entries: list[bytes], index: int) -> slow.Inclusion:
    return slow.Inclusion(
        proof=tuple(slow.path(index, entries)),
        index=index,
        size=len(entries),
        leaf=slow.sha256(b"\x00" + entries[index]),
        root=slow.mth(entries),
    )


def true_consistency(entries: list[bytes], old_size: int) -> slow.Consistency:
    return slow.Consistency(
        proof=tuple(slow.proof(old_size, entries)),
        old_size=old_size,
        old_root=slow.mth(entries[:old_size]),
        size=len(entries),
        root=slow.mth(entries),
    )


def _numbers(claim: Claim) -> list[str]:
    return [each.name for each in fields(claim) if isinstance(getattr(claim, each.name), int)]


def _hashes(claim: Claim) -> list[str]:
    return [each.name for each in fields(claim) if isinstance(getattr(claim, each.name), bytes)]


def _changed(claim: Claim, **values: Any) -> Claim:
    return replace(claim, **values)


def _flip(data: bytes, chance: random.Random) -> bytes:
    bit = chance.randrange(8 * len(data) or 1)
    return bytes(byte ^ (1 << bit % 8 if place == bit // 8 else 0) for place, byte in enumerate(data))


def _in_proof(change: Callable[[list[bytes], int, random.Random], None], shortest: int = 1) -> Mutation:
    """A change of the proof at a random place, for proofs of some length."""

    def mutate(claim: Claim, other: Claim, chance: random.Random) -> Claim:
        proof = list(claim.proof)
        if len(proof) >= shortest:
            change(proof, chance.randrange(len(proof) - shortest + 1), chance)
        return _changed(claim, proof=tuple(proof))

    return mutate


def _in_number(change: Callable[[int, random.Random], int]) -> Mutation:
    def mutate(claim: Claim, other: Claim, chance: random.Random) -> Claim:
        name = chance.choice(_numbers(claim))
        return _changed(claim, **{name: change(getattr(claim, name), chance)})

    return mutate


def _in_hash(change: Callable[[bytes, random.Random], bytes]) -> Mutation:
    def mutate(claim: Claim, other: Claim, chance: random.Random) -> Claim:
        name = chance.choice(_hashes(claim))
        return _changed(claim, **{name: change(getattr(claim, name), chance)})

    return mutate


def _from_other(kind: type) -> Mutation:
    """A part of another true claim put into this one."""

    def mutate(claim: Claim, other: Claim, chance: random.Random) -> Claim:
        name = chance.choice(
            [each.name for each in fields(claim) if isinstance(getattr(claim, each.name), kind)]
        )
        return _changed(claim, **{name: getattr(other, name)})

    return mutate


def _set(proof: list[bytes], place: int, data: bytes) -> None:
    proof[place] = data


def _drop(proof: list[bytes], place: int) -> None:
    del proof[place]


def _swap(proof: list[bytes], place: int, chance: random.Random) -> None:
    other = chance.randrange(len(proof))
    proof[place], proof[other] = proof[other], proof[place]


def _shift(proof: list[bytes], place: int, chance: random.Random) -> None:
    """Move bytes over the border of two neighbours, whose bytes together stay the same."""
    both = proof[place] + proof[place + 1]
    cut = chance.choice([0, 1, 31, 33, 63, 64])
    proof[place : place + 2] = both[:cut], both[cut:]


def _merge(proof: list[bytes], place: int, chance: random.Random) -> None:
    proof[place : place + 2] = [proof[place] + proof[place + 1]]


def _hash_up(proof: list[bytes], place: int, chance: random.Random) -> None:
    proof[place : place + 2] = [slow.node(proof[place], proof[place + 1])]


def _swap_numbers(claim: Claim, other: Claim, chance: random.Random) -> Claim:
    first, second = _numbers(claim)
    return _changed(claim, **{first: getattr(claim, second), second: getattr(claim, first)})


def _swap_hashes(claim: Claim, other: Claim, chance: random.Random) -> Claim:
    first, second = _hashes(claim)
    return _changed(claim, **{first: getattr(claim, second), second: getattr(claim, first)})


def _border(claim: Claim, other: Claim, chance: random.Random) -> Claim:
    """Move bytes between a hash of the claim and the proof's first one."""
    name, cut = chance.choice(_hashes(claim)), chance.choice([1, 31])
    given = getattr(claim, name)
    proof = (given[cut:] + claim.proof[0], *claim.proof[1:]) if claim.proof else ()
    return _changed(claim, **{name: given[:cut]}, proof=proof)


MUTATIONS: dict[str, Mutation] = {
    "a bit of the proof is flipped": _in_proof(lambda p, i, c: _set(p, i, _flip(p[i], c))),
    "two hashes are swapped": _in_proof(_swap, 2),
    "the proof is reversed": _in_proof(lambda p, i, c: p.reverse(), 2),
    "the proof is turned": _in_proof(lambda p, i, c: p.append(p.pop(0)), 2),
    "the first hash is dropped": _in_proof(lambda p, i, c: _drop(p, 0)),
    "the last hash is dropped": _in_proof(lambda p, i, c: _drop(p, -1)),
    "a hash is dropped": _in_proof(lambda p, i, c: _drop(p, i)),
    "the proof is empty": _in_proof(lambda p, i, c: p.clear()),
    "a hash stands twice": _in_proof(lambda p, i, c: p.insert(i, p[i])),
    "a hash is added before": _in_proof(lambda p, i, c: p.insert(0, c.randbytes(32)), 0),
    "a hash is added behind": _in_proof(lambda p, i, c: p.append(c.randbytes(32)), 0),
    "nothing is added behind": _in_proof(lambda p, i, c: p.append(b""), 0),
    "a hash loses a byte": _in_proof(lambda p, i, c: _set(p, i, p[i][:-1])),
    "a hash has a byte more": _in_proof(lambda p, i, c: _set(p, i, p[i] + b"\x00")),
    "bytes move between neighbours": _in_proof(_shift, 2),
    "two hashes are one": _in_proof(_merge, 2),
    "two hashes are their parent": _in_proof(_hash_up, 2),
    "a hash is replaced": _in_proof(lambda p, i, c: _set(p, i, c.randbytes(32))),
    "a hash is all zeros": _in_proof(lambda p, i, c: _set(p, i, bytes(32))),
    "bytes move between claim and proof": _border,
    "a number is one more": _in_number(lambda n, c: n + 1),
    "a number is one less": _in_number(lambda n, c: n - 1),
    "a number is 0": _in_number(lambda n, c: 0),
    "a number is negative": _in_number(lambda n, c: -n - c.randrange(2)),
    "a number is doubled": _in_number(lambda n, c: 2 * n),
    "a number is halved": _in_number(lambda n, c: n // 2),
    "a bit of a number is flipped": _in_number(lambda n, c: n ^ 1 << c.randrange(12)),
    "a number is huge": _in_number(lambda n, c: n + (1 << 63)),
    "the numbers are swapped": _swap_numbers,
    "a bit of a hash claimed is flipped": _in_hash(_flip),
    "a hash claimed is that of nothing": _in_hash(lambda h, c: slow.mth([])),
    "a hash claimed is cut": _in_hash(lambda h, c: h[:-1]),
    "a hash claimed is hashed again": _in_hash(lambda h, c: slow.sha256(h)),
    "the hashes claimed are swapped": _swap_hashes,
    "the proof is another's": _from_other(tuple),
    "a number is another's": _from_other(int),
    "a hash claimed is another's": _from_other(bytes),
}
"""What changes a claim; most of the time it makes a false one of a true one."""
