"""Cosignatures: the clauses of C2SP tlog-cosignature; what the two kinds sign, byte for byte."""

from __future__ import annotations

import hashlib
import struct

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from tests.notaries import AT_S, checkpoint_of, cosigner, flips
from whence.errors import InputError, KeyUnusableError
from whence.ledger import Checkpoint, Cosigner, Signature, SigningKey, parse_vkey, time_of

MODERN_VKEY = cosigner(is_mldsa=True).vkey
KINDS = pytest.mark.parametrize("is_mldsa", [False, True], ids=["Ed25519", "ML-DSA-44"])


def with_time(signature: Signature, time_s: int) -> Signature:
    return Signature(signature.name, signature.key_id, struct.pack(">Q", time_s) + signature.value[8:])


class TestFormat:
    """Format: key IDs with the bytes 0x04 and 0x06, then the time in eight bytes and the signature."""

    @pytest.mark.parametrize(
        ("is_mldsa", "kind", "key_bytes", "size"), [(False, 4, 32, 64), (True, 6, 1312, 2420)]
    )
    def test_the_key_id_and_the_sizes(self, is_mldsa: bool, kind: int, key_bytes: int, size: int) -> None:
        witness = cosigner(is_mldsa=is_mldsa)
        public = witness.verifier.public
        digest = hashlib.sha256(witness.name.encode() + b"\n" + bytes([kind]) + public).digest()
        assert len(public) == key_bytes
        assert witness.verifier.key_id == int.from_bytes(digest[:4], "big")
        signature = witness.cosign(checkpoint_of(), time_s=AT_S)
        assert len(signature.value) == 8 + size
        assert struct.unpack(">Q", signature.value[:8]) == (AT_S,)

    @KINDS
    def test_what_is_signed_is_found_valid_by_the_vkey(self, is_mldsa: bool) -> None:
        witness = cosigner(is_mldsa=is_mldsa)
        checkpoint = checkpoint_of()
        signature = witness.cosign(checkpoint, time_s=AT_S)
        assert parse_vkey(witness.vkey).is_valid(checkpoint.text, signature)
        assert time_of(signature) == AT_S

    @KINDS
    @pytest.mark.parametrize("time_s", [-1, 2**63, 2**64])
    def test_the_time_must_not_exceed_63_bits(self, is_mldsa: bool, time_s: int) -> None:
        with pytest.raises(InputError, match="time"):
            cosigner(is_mldsa=is_mldsa).cosign(checkpoint_of(), time_s=time_s)

    def test_a_time_above_63_bits_is_no_time_though_it_were_signed(self) -> None:
        witness, checkpoint = cosigner(), checkpoint_of()
        value = witness.key.sign(f"cosignature/v1\ntime {2**63}\n{checkpoint.text}".encode())
        signature = Signature(witness.name, witness.verifier.key_id, struct.pack(">Q", 2**63) + value)
        assert time_of(signature) is None
        assert not witness.verifier.is_valid(checkpoint.text, signature)

    @pytest.mark.parametrize("size", range(1, 9))
    def test_a_signature_without_room_for_a_time_has_none(self, size: int) -> None:
        witness = cosigner()
        signature = Signature(witness.name, witness.verifier.key_id, b"x" * size)
        assert time_of(signature) is None
        assert not witness.verifier.is_valid(checkpoint_of().text, signature)

    @KINDS
    def test_the_largest_time(self, is_mldsa: bool) -> None:
        witness = cosigner(is_mldsa=is_mldsa)
        signature = witness.cosign(checkpoint_of(), time_s=2**63 - 1)
        assert witness.verifier.is_valid(checkpoint_of().text, signature)

    @KINDS
    def test_another_time_is_another_statement(self, is_mldsa: bool) -> None:
        witness = cosigner(is_mldsa=is_mldsa)
        signature = witness.cosign(checkpoint_of(), time_s=AT_S)
        for time_s in (0, AT_S - 1, AT_S + 1):
            assert not witness.verifier.is_valid(checkpoint_of().text, with_time(signature, time_s))


class TestEd25519Message:
    """Ed25519 signed message: header line, time line, and the whole text of the checkpoint."""

    def test_the_bytes(self) -> None:
        text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\nmore\n"
        root = bytes.fromhex("0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62")
        checkpoint = Checkpoint("example.com/behind-the-sofa", 20852163, root, ("more",))
        witness = cosigner()
        signature = witness.cosign(checkpoint, time_s=1679315147)
        message = f"cosignature/v1\ntime 1679315147\n{text}".encode()
        Ed25519PublicKey.from_public_bytes(witness.verifier.public).verify(signature.value[8:], message)

    def test_a_time_of_zero_is_none(self) -> None:
        with pytest.raises(InputError, match="time"):
            cosigner().cosign(checkpoint_of(), time_s=0)

    def test_extension_lines_are_signed(self) -> None:
        tree = checkpoint_of()
        longer = Checkpoint(tree.origin, tree.size, tree.root, ("more",))
        signature = cosigner().cosign(longer, time_s=AT_S)
        assert cosigner().verifier.is_valid(longer.text, signature)
        assert not cosigner().verifier.is_valid(tree.text, signature)

    def test_what_is_no_checkpoint_is_not_cosigned_though_it_were_signed(self) -> None:
        witness = cosigner()
        for text in ("hello\n", "o\n01\nAAAA\n"):
            value = struct.pack(">Q", AT_S) + witness.key.sign(
                f"cosignature/v1\ntime {AT_S}\n{text}".encode()
            )
            assert not witness.verifier.is_valid(
                text, Signature(witness.name, witness.verifier.key_id, value)
            )


class TestMldsaMessage:
    """ML-DSA-44 signed message: the structure `cosigned_message`, from the first entry to the last."""

    def test_the_bytes(self) -> None:
        witness, tree = cosigner(is_mldsa=True), checkpoint_of()
        name, origin = witness.name.encode(), tree.origin.encode()
        message = b"".join(
            (
                b"subtree/v1\n\x00",
                struct.pack(">B", len(name)) + name,
                struct.pack(">Q", AT_S),
                struct.pack(">B", len(origin)) + origin,
                struct.pack(">QQ", 0, tree.size),
                tree.root,
            )
        )
        signature = witness.cosign(tree, time_s=AT_S)
        MLDSA44PublicKey.from_public_bytes(witness.verifier.public).verify(signature.value[8:], message)

    def test_the_time_may_be_zero(self) -> None:
        witness = cosigner(is_mldsa=True)
        signature = witness.cosign(checkpoint_of(), time_s=0)
        assert time_of(signature) == 0
        assert witness.verifier.is_valid(checkpoint_of().text, signature)

    def test_it_commits_to_the_cosigners_name(self) -> None:
        key = SigningKey(b"k" * 32, "ml-dsa-44")
        one, other = Cosigner(key, "one"), Cosigner(key, "other")
        signature = one.cosign(checkpoint_of(), time_s=AT_S)
        moved = Signature(other.name, other.verifier.key_id, signature.value)
        assert not other.verifier.is_valid(checkpoint_of().text, moved)

    def test_under_extension_lines_which_it_does_not_sign_it_counts_for_nothing(self) -> None:
        tree, witness = checkpoint_of(), cosigner(is_mldsa=True)
        longer = Checkpoint(tree.origin, tree.size, tree.root, ("more",))
        signature = witness.cosign(tree, time_s=AT_S)
        assert witness.verifier.is_valid(tree.text, signature)
        assert not witness.verifier.is_valid(longer.text, signature)
        with pytest.raises(InputError, match="extension"):
            witness.cosign(longer, time_s=AT_S)

    @pytest.mark.parametrize("count", [255, 256])
    def test_names_and_origins_have_at_most_255_bytes(self, count: int) -> None:
        key = SigningKey(b"k" * 32, "ml-dsa-44")
        for witness, tree in (
            (Cosigner(key, "n" * count), checkpoint_of()),
            (Cosigner(key, "n"), checkpoint_of(origin="o" * count)),
        ):
            if count == 255:
                signature = witness.cosign(tree, time_s=AT_S)
                assert witness.verifier.is_valid(tree.text, signature)
            else:
                with pytest.raises(InputError, match="255"):
                    witness.cosign(tree, time_s=AT_S)
                never = Signature(witness.name, witness.verifier.key_id, bytes(8 + 2420))
                assert not witness.verifier.is_valid(tree.text, never)

    def flipped(self, step: int) -> None:
        witness, text = cosigner(is_mldsa=True), checkpoint_of().text
        signature = witness.cosign(checkpoint_of(), time_s=AT_S)
        for place, spoiled in flips(signature.value, step=step):
            other = Signature(signature.name, signature.key_id, spoiled)
            assert not witness.verifier.is_valid(text, other), f"a flip in byte {place} went unseen"

    def test_flips_of_the_signature_are_refused(self) -> None:
        self.flipped(29)

    @pytest.mark.long
    def test_every_flip_of_the_signature_is_refused(self) -> None:
        self.flipped(1)

    def test_the_hints_at_its_end_have_one_spelling(self) -> None:
        # FIPS 204 algorithm 21: places of hints ascend, and what is left over is zero.
        witness, text = cosigner(is_mldsa=True), checkpoint_of().text
        signature = witness.cosign(checkpoint_of(), time_s=AT_S)
        body, hints, ends = signature.value[:-84], signature.value[-84:-4], signature.value[-4:]
        first_two = next(start for start, end in zip((0, *ends), ends, strict=False) if end - start >= 2)
        swapped = bytearray(hints)
        swapped[first_two], swapped[first_two + 1] = swapped[first_two + 1], swapped[first_two]
        left_over = bytearray(hints)
        left_over[79] = 1
        for spoiled in (swapped, left_over):
            assert bytes(spoiled) != hints
            value = body + bytes(spoiled) + ends
            assert not witness.verifier.is_valid(text, Signature(signature.name, signature.key_id, value))


class TestWithoutMldsa:
    """An OpenSSL that doesn't know ML-DSA-44 says so, and Ed25519 goes on."""

    @pytest.fixture(autouse=True)
    def _older_openssl(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Unknown:
            @staticmethod
            def from_seed_bytes(data: bytes) -> None:
                raise UnsupportedAlgorithm("ML-DSA-44 is not supported by this backend.")

            from_public_bytes = from_seed_bytes

        for name in ("MLDSA44PrivateKey", "MLDSA44PublicKey"):
            monkeypatch.setattr(f"whence.ledger.algorithms.{name}", Unknown)

    def test_keys_of_that_kind_are_unusable_by_name(self) -> None:
        for use in (lambda: cosigner(is_mldsa=True), lambda: parse_vkey(MODERN_VKEY)):
            with pytest.raises(KeyUnusableError, match="ML-DSA-44"):
                use()

    def test_others_go_on(self) -> None:
        signature = cosigner().cosign(checkpoint_of(), time_s=AT_S)
        assert cosigner().verifier.is_valid(checkpoint_of().text, signature)
