"""Digests and keys: fixed for ever, because records name things by them."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from whence.vocab import DIGEST_BYTES, Hasher, digest_bytes, digest_text, fast64, fast128, key64


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_content_in_pieces_has_the_digest_of_the_whole(pieces: list[bytes]) -> None:
    hasher = Hasher()
    for number, piece in enumerate(pieces):
        hasher.update(memoryview(piece) if number % 2 else piece)
    whole = b"".join(pieces)
    assert hasher.digest() == digest_bytes(whole) == hashlib.sha256(whole).digest()
    assert hasher.size == len(whole)


def test_a_digest_is_written_with_its_algorithm() -> None:
    raw = digest_bytes(b"")
    assert len(raw) == DIGEST_BYTES
    assert digest_text(raw) == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_the_fast_digests_are_those_of_the_xxhash_specification() -> None:
    assert fast64(b"") == 0x2D06800538D394C2
    assert fast128(b"").hex() == "99aa06d3014798d86001c324468d497f"
    assert fast64(b"a") == 0xE6C632B61E964E1F


def test_a_key_is_what_other_programs_compute_from_the_page() -> None:
    expected = hashlib.sha256(b'["a",1]').digest()[:8]
    assert key64("a", 1) == int.from_bytes(expected, "little")


@given(st.lists(st.integers() | st.text(max_size=5) | st.binary(max_size=5), max_size=4))
def test_a_key_has_64_bits(parts: list[int | str | bytes]) -> None:
    assert 0 <= key64(*parts) < 1 << 64


def test_neighbours_have_keys_of_their_own() -> None:
    keys = {key64(seed, epoch) for seed in range(50) for epoch in range(50)}
    assert len(keys) == 2500
    assert len({key64("ab"), key64("a", "b"), key64(b"ab"), key64(["ab"])}) == 4  # type: ignore[arg-type]
