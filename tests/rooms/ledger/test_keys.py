"""Keys: Ed25519 with one spelling of everything, PEM files, vkeys; the oracle is the curve's arithmetic."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

import whence
from tests.edwards import BASE, ORDER, P, Point, encoded, plus, point, times
from tests.notaries import cosigner, flips, log_signer
from whence.errors import InputError, KeyUnusableError
from whence.ledger import NoteVerifier, Signature, SigningKey, parse_vkey


def small_order_points() -> list[Point]:
    """Return the eight points whose order divides eight: the multiples of one of order eight."""
    for y in range(2, 100):
        found = point(y)
        if found and times(4, generator := times(ORDER, found)) != (0, 1):
            return [times(count, generator) for count in range(8)]
    raise AssertionError


def secret_scalar(seed: bytes) -> int:
    number = int.from_bytes(hashlib.sha512(seed).digest()[:32], "little")
    return number & ((1 << 254) - 8) | 1 << 254


class TestOneSpellingOfASignature:
    """RFC 8032 section 5.1.7: S is below the order, R is the canonical encoding."""

    key = SigningKey(b"k" * 32)
    verifier = key.signer("a").verifier

    def is_valid(self, value: bytes, text: str = "hello\n") -> bool:
        return self.verifier.is_valid(text, Signature("a", self.verifier.key_id, value))

    def test_the_signature_is_valid(self) -> None:
        assert self.is_valid(self.key.sign(b"hello\n"))

    def test_s_plus_the_order_is_refused(self) -> None:
        value = self.key.sign(b"hello\n")
        s = int.from_bytes(value[32:], "little")
        spellings = [s + count * ORDER for count in range(1, 17) if s + count * ORDER < 2**256]
        assert len(spellings) > 10
        for other in spellings:
            assert not self.is_valid(value[:32] + other.to_bytes(32, "little"))

    def test_other_spellings_of_the_same_r_are_refused(self) -> None:
        # With R = 0 the signature can be made for each spelling of R: R is hashed as it is spelled.
        a = secret_scalar(self.key.seed)
        public = self.key.public
        accepted = []
        for spelling in (1, 1 | 1 << 255, P + 1, P + 1 | 1 << 255):
            r = spelling.to_bytes(32, "little")
            h = int.from_bytes(hashlib.sha512(r + public + b"hello\n").digest(), "little")
            accepted.append(self.is_valid(r + (h * a % ORDER).to_bytes(32, "little")))
        assert accepted == [True, False, False, False]

    def test_every_flip_and_every_other_length_is_refused(self) -> None:
        value = self.key.sign(b"hello\n")
        assert not any(self.is_valid(spoiled) for _, spoiled in flips(value))
        assert not any(self.is_valid(value[:size]) for size in range(1, 64))
        assert not self.is_valid(value + b"\0")

    @given(st.text(max_size=40), st.text(max_size=40))
    def test_a_signature_is_of_one_text(self, text: str, other: str) -> None:
        text, other = (each.encode("utf-8", "replace").decode() for each in (text, other))
        assert self.is_valid(self.key.sign(text.encode()), other) is (text == other)


class TestPublicKeysThatMustNotBeTrusted:
    """OpenSSL takes them; under some of them anybody can sign anything."""

    @pytest.mark.parametrize("small", small_order_points())
    def test_points_of_small_order_are_refused(self, small: Point) -> None:
        assert times(8, small) == (0, 1)
        with pytest.raises(InputError, match="small order"):
            NoteVerifier("a", encoded(small))
        with pytest.raises(InputError, match="small order"):
            NoteVerifier("a", (small[1] | 1 << 255).to_bytes(32, "little"))

    def test_anybody_can_sign_under_the_smallest(self) -> None:
        # The attack that the guard stops: no private key, valid for every text.
        forged = encoded(times(5, BASE)) + (5).to_bytes(32, "little")
        for text in (b"one", b"two"):
            Ed25519PublicKey.from_public_bytes(encoded((0, 1))).verify(forged, text)

    @pytest.mark.parametrize("low", range(19))
    def test_second_spellings_of_a_point_are_refused(self, low: int) -> None:
        for sign in (0, 1 << 255):
            with pytest.raises(InputError, match="second spelling"):
                NoteVerifier("a", (P + low | sign).to_bytes(32, "little"))

    def test_what_is_no_point_is_refused_and_every_point_is_taken(self) -> None:
        small = {y for _, y in small_order_points()}
        for y in range(2, 200):
            public = y.to_bytes(32, "little")
            if point(y) is None:
                with pytest.raises(InputError, match="no point"):
                    NoteVerifier("a", public)
            elif y not in small:
                NoteVerifier("a", public)

    def test_a_key_of_mixed_order_is_taken_and_judged_without_the_cofactor(self) -> None:
        # As Go and OpenSSL do (with the hash modulo the order): the small part must vanish by itself.
        seed, eighth = b"m" * 32, small_order_points()[1]
        a = secret_scalar(seed)
        key = NoteVerifier("a", encoded(plus(times(a, BASE), eighth)))
        judged = set()
        for number in range(40):
            text = f"{number}\n"
            r = encoded(times(number + 1, BASE))
            h = int.from_bytes(hashlib.sha512(r + key.public + text.encode()).digest(), "little") % ORDER
            value = r + ((number + 1 + h * a) % ORDER).to_bytes(32, "little")
            is_valid = key.is_valid(text, Signature("a", key.key_id, value))
            assert is_valid is (times(h, eighth) == (0, 1))
            judged.add(is_valid)
        assert judged == {True, False}

    @pytest.mark.parametrize("size", [0, 31, 33, 64])
    def test_another_length_is_refused(self, size: int) -> None:
        with pytest.raises(InputError, match="32"):
            NoteVerifier("a", b"\x42" * size)


class TestVkeys:
    """The text form: name, the ID that follows from name, type and key, and base64 of type and key."""

    vkeys = (log_signer().vkey, cosigner().vkey, cosigner("m", is_mldsa=True).vkey)

    @pytest.mark.parametrize("vkey", vkeys, ids=["0x01", "0x04", "0x06"])
    def test_there_and_back(self, vkey: str) -> None:
        assert parse_vkey(vkey).vkey == vkey

    @pytest.mark.parametrize("vkey", vkeys[:2], ids=["0x01", "0x04"])
    def test_every_flip_and_every_part_is_refused(self, vkey: str) -> None:
        for _, spoiled in flips(vkey.encode()):
            with pytest.raises(InputError):
                parse_vkey(spoiled.decode("utf-8", "surrogateescape"))
        for size in range(len(vkey)):
            for part in (vkey[:size], vkey[size + 1 :]):
                with pytest.raises(InputError):
                    parse_vkey(part)

    @pytest.mark.parametrize(
        "change",
        [
            lambda vkey: vkey + "\n",
            lambda vkey: " " + vkey,
            lambda vkey: vkey.replace("+", " ", 1),
            lambda vkey: vkey.split("+")[0] + "+" + vkey.split("+")[1].upper() + "+" + vkey.split("+", 2)[2],
            lambda vkey: vkey.replace("+", "+0", 1),
            lambda vkey: vkey + "=",
            lambda vkey: vkey.rstrip("="),
        ],
    )
    def test_other_spellings_are_refused(self, change: object) -> None:
        vkey = log_signer(b"\x0a" * 32, "log.example/abcdef").vkey
        assert callable(change)
        spelled = change(vkey)
        if spelled != vkey:
            with pytest.raises(InputError):
                parse_vkey(spelled)

    @pytest.mark.parametrize("algorithm", [0, 2, 3, 5, 7, 0xFF])
    def test_unknown_types_are_refused_by_their_number(self, algorithm: int) -> None:
        public = log_signer().verifier.public
        vkey = whence_vkey("a", algorithm, public)
        with pytest.raises(InputError, match=f"0x{algorithm:02x}"):
            parse_vkey(vkey)

    def test_one_key_has_another_id_for_each_name_and_type(self) -> None:
        key = SigningKey(b"k" * 32)
        ids = {key.signer(name).key_id for name in ("a", "b")} | {cosigner("a").verifier.key_id}
        assert len(ids) == 3

    def test_an_mldsa_key_signs_no_plain_notes(self) -> None:
        with pytest.raises(InputError, match="plain"):
            SigningKey(b"k" * 32, "ml-dsa-44").signer("a")


def whence_vkey(name: str, algorithm: int, public: bytes) -> str:
    """Spell a vkey by the standard's words, not by ours."""
    material = bytes([algorithm]) + public
    key_id = hashlib.sha256(name.encode() + b"\n" + material).hexdigest()[:8]
    return f"{name}+{key_id}+{base64.b64encode(material).decode()}"


class TestFiles:
    """PEM PKCS#8, with a passphrase or without."""

    # RFC 8410 section 10.3
    RFC_8410 = (
        b"-----BEGIN PRIVATE KEY-----\n"
        b"MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
        b"-----END PRIVATE KEY-----\n"
    )

    def test_the_key_of_rfc_8410(self) -> None:
        key = SigningKey.from_pem(self.RFC_8410)
        assert key.seed.hex() == "d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842"
        assert key.public.hex() == "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"
        assert key.to_pem() == self.RFC_8410

    @pytest.mark.parametrize("algorithm", ["ed25519", "ml-dsa-44"])
    @pytest.mark.parametrize("passphrase", [None, b"correct horse", "wörtlich".encode()])
    def test_there_and_back(self, algorithm: str, passphrase: bytes | None) -> None:
        key = SigningKey(b"k" * 32, algorithm)  # type: ignore[arg-type] # one of the two
        pem = key.to_pem(passphrase=passphrase)
        assert (b"ENCRYPTED" in pem) is (passphrase is not None)
        assert SigningKey.from_pem(pem, passphrase=passphrase) == key

    @pytest.mark.parametrize("passphrase", [None, b"", b"Correct horse", b"correct horse "])
    def test_a_locked_key_needs_its_passphrase(self, passphrase: bytes | None) -> None:
        pem = SigningKey(b"k" * 32).to_pem(passphrase=b"correct horse")
        with pytest.raises(KeyUnusableError):
            SigningKey.from_pem(pem, passphrase=passphrase)

    def test_a_passphrase_for_an_open_key_is_told(self) -> None:
        with pytest.raises(KeyUnusableError, match="isn't locked"):
            SigningKey.from_pem(self.RFC_8410, passphrase=b"correct horse")

    def test_an_empty_passphrase_locks_nothing(self) -> None:
        with pytest.raises(InputError, match="empty"):
            SigningKey(b"k" * 32).to_pem(passphrase=b"")

    @pytest.mark.parametrize(
        "data", [b"", b"nonsense", RFC_8410[:60], RFC_8410.replace(b"PRIVATE", b"PUBLIC")]
    )
    def test_what_is_no_key_is_refused(self, data: bytes) -> None:
        with pytest.raises(KeyUnusableError):
            SigningKey.from_pem(data)

    def test_a_key_of_another_kind_is_refused_by_its_name(self) -> None:
        x25519 = self.RFC_8410.replace(b"MC4CAQAwBQYDK2Vw", b"MC4CAQAwBQYDK2Vu")
        with pytest.raises(KeyUnusableError, match="X25519"):
            SigningKey.from_pem(x25519)

    def test_a_file_locked_by_openssl_with_scrypt_is_read(self) -> None:
        data = (
            b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
            b"MIGTME8GCSqGSIb3DQEFDTBCMCEGCSsGAQQB2kcECzAUBAjGkgXuAsIrhQICQAAC\n"
            b"AQgCAQEwHQYJYIZIAWUDBAEqBBB2eixYma+tjabLYNGuTO+6BECQ5EPC0nlfBWDY\n"
            b"2KIrnFA0wSjtCY9uwt7KatVE2ZoiAdMVemrQGFH2GSgHGo/2mm9wSOGH1fDnZeEv\n"
            b"PQfCSxT8\n"
            b"-----END ENCRYPTED PRIVATE KEY-----\n"
        )
        key = SigningKey.from_pem(data, passphrase=b"correct")
        assert key.seed.hex() == "595c9a8a5fb733278bb84c57c85ca385068d4aa0e0d070861d87088fad8e634d"

    @pytest.mark.parametrize("size", [0, 31, 33, 64])
    def test_a_seed_has_32_bytes(self, size: int) -> None:
        with pytest.raises(InputError, match="32"):
            SigningKey(b"k" * size)

    def test_no_error_and_no_print_shows_the_secret(self) -> None:
        key = SigningKey(b"s3cret!!" * 4)
        assert "s3cret" not in repr(key) + repr(key.signer("a")) + repr(cosigner())


def test_the_ledger_opens_without_loading_cryptography() -> None:
    """Reading notes needs no key, and importing the room no cryptography."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path(whence.__file__).parents[1])!r})\n"
        "import whence.ledger as ledger\n"
        "key = ledger.SigningKey(b'k' * 32)\n"
        "print('cryptography' in sys.modules)\n"
        "key.sign(b'')\n"
        "print('cryptography' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["False", "True"]
