"""Trees, and the checking of proofs, are those of RFC 6962; no false claim is believed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rooms.ledger import slow
from tests.rooms.ledger.mutants import MUTATIONS, Claim, true_consistency, true_inclusion
from whence.errors import ProofError
from whence.ledger import (
    EMPTY_ROOT,
    check_consistency,
    check_inclusion,
    leaf_hash,
    leaf_hashes,
    node_hash,
    root_of,
)

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "merkle.json").read_text())
SIZES = st.integers(1, 70) | st.sampled_from([127, 128, 129, 255, 256, 257, 300])


def believes(claim: Claim) -> bool:
    """Whether our checkers accept the claim; anything but a `ProofError` is a mistake of theirs."""
    try:
        if isinstance(claim, slow.Inclusion):
            check_inclusion(claim.proof, index=claim.index, size=claim.size, leaf=claim.leaf, root=claim.root)
        else:
            check_consistency(
                claim.proof,
                old_size=claim.old_size,
                old_root=claim.old_root,
                size=claim.size,
                root=claim.root,
            )
    except ProofError:
        return False
    return True


class TestTheTree:
    """RFC 6962, 2.1: leaves and nodes are hashed behind different bytes; the left side is a power of two."""

    INPUTS = (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
    ROOTS = (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )

    @pytest.mark.parametrize("size", range(len(ROOTS)))
    def test_roots_are_those_that_certificate_transparency_publishes(self, size: int) -> None:
        entries = [bytes.fromhex(each) for each in self.INPUTS[:size]]
        assert root_of(leaf_hashes(entries)).hex() == self.ROOTS[size]

    @given(SIZES)
    def test_roots_are_those_of_the_definition(self, size: int) -> None:
        entries = slow.some_entries(size)
        assert root_of(leaf_hashes(entries)) == slow.mth(entries)

    def test_the_empty_tree_has_the_hash_of_nothing(self) -> None:
        assert root_of([]) == EMPTY_ROOT == slow.mth([])

    @given(st.binary(max_size=80), st.binary(min_size=32, max_size=32))
    def test_no_entry_hashes_like_a_node(self, entry: bytes, right: bytes) -> None:
        assert leaf_hash(entry) == slow.mth([entry]) == leaf_hashes([entry])[0]
        assert node_hash(leaf_hash(entry), right) != leaf_hash(leaf_hash(entry) + right)


class TestVectors:
    """Claims that any implementation can be judged by, made from the definitions."""

    @pytest.mark.parametrize("case", VECTORS["roots"], ids=lambda case: str(case["size"]))
    def test_roots(self, case: dict[str, Any]) -> None:
        assert root_of(leaf_hashes(slow.some_entries(case["size"]))).hex() == case["root"]

    @pytest.mark.parametrize("kind", ["inclusion", "consistency"])
    def test_verdicts(self, kind: str) -> None:
        made = {"inclusion": slow.Inclusion, "consistency": slow.Consistency}[kind]
        verdicts: list[bool] = []
        for number, case in enumerate(VECTORS[kind]):
            parts = {
                name: bytes.fromhex(value) if isinstance(value, str) else value
                for name, value in case.items()
                if name not in ("what", "valid", "proof")
            }
            claim = made(proof=tuple(bytes.fromhex(each) for each in case["proof"]), **parts)
            assert believes(claim) == case["valid"] == claim.is_true(), f"{kind} {number}: {case['what']}"
            verdicts.append(case["valid"])
        assert len(verdicts) == 100
        assert verdicts.count(True) == 50

    @pytest.mark.parametrize("kind", ["inclusion", "consistency"])
    def test_every_kind_of_lie_is_among_them(self, kind: str) -> None:
        assert {case["what"] for case in VECTORS[kind]} == {"true", *MUTATIONS}


def true_claims(chance: random.Random) -> list[Claim]:
    claims: list[Claim] = []
    for salt, sizes in (("", (1, 2, 3, 5, 7, 8, 33, 64, 100, 255, 257)), ("other ", (8, 33, 100))):
        for size in sizes:
            entries = slow.some_entries(size, salt)
            for place in {0, size - 1, *(chance.randrange(size) for _ in range(6))}:
                claims += [true_inclusion(entries, place), true_consistency(entries, place + 1)]
            claims.append(true_consistency(entries, 0))
    return claims


def test_of_ten_thousand_false_claims_none_is_believed() -> None:
    chance = random.Random(9162)
    claims = true_claims(chance)
    inclusions = [claim for claim in claims if isinstance(claim, slow.Inclusion)]
    consistencies = [claim for claim in claims if isinstance(claim, slow.Consistency)]
    assert all(claim.is_true() and believes(claim) for claim in claims)
    tried = dict.fromkeys(MUTATIONS, 0)
    kinds: list[list[Any]] = [inclusions, consistencies]
    while sum(tried.values()) < 10_000:
        for name, mutate in MUTATIONS.items():
            for kind in kinds:
                mutant = mutate(chance.choice(kind), chance.choice(kind), chance)
                assert believes(mutant) == mutant.is_true(), f"{name}: {mutant}"
                tried[name] += not mutant.is_true()
    assert min(tried.values()) > 100, tried


@given(st.data())
def test_several_changes_together_are_judged_as_the_definitions_do(data: st.DataObject) -> None:
    entries = slow.some_entries(data.draw(SIZES))
    place = data.draw(st.integers(0, len(entries) - 1))
    makers: list[Callable[[list[bytes], int], Claim]] = [true_inclusion, true_consistency]
    make = data.draw(st.sampled_from(makers))
    claim, other = make(entries, place), make(entries, len(entries) - 1)
    chance = data.draw(st.randoms(use_true_random=False))
    for name in data.draw(st.lists(st.sampled_from(sorted(MUTATIONS)), max_size=3)):
        claim = MUTATIONS[name](claim, other, chance)
    assert believes(claim) == claim.is_true()


def test_every_bit_of_a_proof_counts() -> None:
    entries = slow.some_entries(100)
    for claim in (true_inclusion(entries, 41), true_consistency(entries, 41)):
        for place in range(len(claim.proof)):
            for bit in range(256):
                given = int.from_bytes(claim.proof[place]) ^ 1 << bit
                proof = (*claim.proof[:place], given.to_bytes(32), *claim.proof[place + 1 :])
                assert not believes(type(claim)(**{**vars(claim), "proof": proof}))
