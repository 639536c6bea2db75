"""Signed notes: the clauses of C2SP signed-note, published notes, and every other spelling refused."""

from __future__ import annotations

import base64
import json
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.notaries import checkpoint_of, cosigner, flips, log_signer, signed
from whence.errors import EvidenceError, InputError, SignatureError
from whence.ledger import Note, Signature, SigningKey, check_note, parse_note, parse_vkey, time_of

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/notes.json").read_text(encoding="utf-8"))
DASH = "\u2014"
ALPHABET = f"{string.ascii_letters}{string.digits}+/"

names = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp"), exclude_characters="+"), min_size=1
)
signatures = st.builds(Signature, names, st.integers(0, 2**32 - 1), st.binary(min_size=1, max_size=80))
texts = st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.just("\n"), max_size=60)
notes = st.builds(
    lambda text, found: Note(text + "\n", tuple(found)), texts, st.lists(signatures, min_size=1, max_size=4)
)


def note_of(*lines: str, text: str = "hello\n") -> bytes:
    return (text + "\n" + "".join(f"{line}\n" for line in lines)).encode()


def line_of(name: str = "a", data: bytes = b"\0\0\0\1signature") -> str:
    return f"{DASH} {name} {base64.b64encode(data).decode()}"


class TestPublishedNotes:
    """Notes that others signed verify, and are written again byte for byte."""

    @pytest.mark.parametrize("vector", VECTORS["notes"], ids=lambda vector: vector["what"])
    def test_it_verifies_under_its_keys(self, vector: dict[str, Any]) -> None:
        data = str(vector["note"]).encode()
        note, found = check_note(data, [parse_vkey(vkey) for vkey in vector["vkeys"]])
        assert [verifier.vkey for verifier in found] == vector["vkeys"]
        assert note.encode() == data
        by_id = {(each.name, each.key_id): each for each in note.signatures}
        times = [None if each.algorithm == 1 else time_of(by_id[each.name, each.key_id]) for each in found]
        assert times == vector["times_s"]

    @pytest.mark.parametrize("vector", VECTORS["notes"], ids=lambda vector: vector["what"])
    def test_it_does_not_verify_with_another_text(self, vector: dict[str, Any]) -> None:
        note = parse_note(str(vector["note"]).encode())
        other = Note(f"another {note.text}", note.signatures)
        for vkey in vector["vkeys"]:
            with pytest.raises(SignatureError, match="not valid"):
                check_note(other, [parse_vkey(vkey)])

    def test_the_key_of_the_go_package_signs_as_there(self) -> None:
        (known,) = VECTORS["seeds"]
        signer = SigningKey(bytes.fromhex(known["seed"])).signer(known["name"])
        (wanted,) = (each for each in VECTORS["notes"] if each["vkeys"] == [known["vkey"]])
        text = parse_note(wanted["note"].encode()).text
        assert signer.vkey == known["vkey"]
        assert Note(text, (signer.sign(text),)).encode() == wanted["note"].encode()


class TestForm:
    """Format: text that ends in a newline, a blank line, one or more signature lines."""

    def test_the_text_may_hold_empty_lines_and_is_split_at_the_last(self) -> None:
        note = parse_note(note_of(line_of(), text="one\n\ntwo\n\nthree\n"))
        assert note.text == "one\n\ntwo\n\nthree\n"
        assert len(note.signatures) == 1

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\n",
            b"\n\n",
            b"hello\n",
            b"hello\n\n",
            note_of(line_of())[:-1],
            note_of(line_of()) + b"\n",
            note_of(line_of()).replace(b"\n\n", b"\n"),
            note_of(line_of(), "not a signature"),
            note_of(line_of()).replace(b"\xe2\x80\x94 ", b"- "),
            note_of(line_of()).replace(b"\xe2\x80\x94 ", b"\xe2\x80\x94"),
            note_of(line_of()).replace(b"\xe2\x80\x94 ", b"\xe2\x80\x94  "),
            note_of(line_of()).replace(b"\xe2\x80\x94", b"\xe2\x80\x93"),
            note_of(line_of() + " "),
            note_of(" " + line_of()),
            note_of(f"{DASH} a"),
            note_of(f"{DASH} a "),
        ],
    )
    def test_anything_else_is_refused(self, data: bytes) -> None:
        with pytest.raises(SignatureError):
            parse_note(data)

    @pytest.mark.parametrize("code", [*range(10), *range(11, 32)])
    def test_control_characters_must_not_occur(self, code: int) -> None:
        for data in (note_of(line_of(), text=f"a{chr(code)}b\n"), note_of(line_of(f"a{chr(code)}b"))):
            with pytest.raises(SignatureError):
                parse_note(data)

    @pytest.mark.parametrize("bad", [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x80"])
    def test_it_must_be_valid_utf8(self, bad: bytes) -> None:
        with pytest.raises(SignatureError, match="UTF-8"):
            parse_note(note_of(line_of()).replace(b"hello", b"h" + bad))

    def test_carriage_returns_are_refused_everywhere(self) -> None:
        data = note_of(line_of(), line_of("b"))
        for place in range(len(data) + 1):
            with pytest.raises(SignatureError):
                parse_note(data[:place] + b"\r" + data[place:])

    @pytest.mark.parametrize("space", " \t\v\f\x85\xa0\u1680\u2000\u2003\u2009\u2028\u2029\u202f\u205f\u3000")
    def test_names_must_not_contain_unicode_spaces(self, space: str) -> None:
        with pytest.raises(SignatureError):
            parse_note(note_of(line_of(f"a{space}b")))

    @pytest.mark.parametrize("name", ["", "+", "a+b"])
    def test_names_must_not_be_empty_or_hold_a_plus(self, name: str) -> None:
        with pytest.raises(SignatureError):
            parse_note(note_of(line_of(name)))
        with pytest.raises(InputError):
            Signature(name, 1, b"x")

    @pytest.mark.parametrize("size", range(5))
    def test_a_signature_has_a_key_id_and_at_least_a_byte(self, size: int) -> None:
        with pytest.raises(SignatureError):
            parse_note(note_of(line_of(data=b"x" * size)))

    def test_at_least_16_signatures_must_be_accepted_and_5_kilobytes_each(self) -> None:
        lines = [line_of(f"key-{number}", b"\0\0\0\1" + b"s" * 5_000) for number in range(16)]
        assert len(parse_note(note_of(*lines)).signatures) == 16

    def test_a_limit_applies(self) -> None:
        lines = [line_of(f"key-{number}") for number in range(101)]
        assert len(parse_note(note_of(*lines[:100])).signatures) == 100
        with pytest.raises(SignatureError, match="100"):
            parse_note(note_of(*lines))
        with pytest.raises(SignatureError, match="1000000"):
            parse_note(note_of(line_of(), text="x" * 1_000_000 + "\n"))

    @given(notes)
    def test_there_and_back(self, note: Note) -> None:
        assert parse_note(note.encode()) == note

    @given(st.binary(max_size=80) | texts.map(str.encode))
    def test_what_is_read_is_written_again_as_it_was(self, data: bytes) -> None:
        for each in (data, data + b"\n\n" + line_of().encode() + b"\n"):
            try:
                note = parse_note(each)
            except SignatureError:
                continue
            assert note.encode() == each

    @pytest.mark.parametrize(("text", "found"), [("a", ()), ("a\r\n", ()), ("\ud800\n", ())])
    def test_a_note_that_could_not_be_read_is_not_made(self, text: str, found: tuple[()]) -> None:
        with pytest.raises(InputError):
            Note(text, found)


class TestBase64:
    """Every value has one spelling: the standard alphabet, padded, no bit unused but zero."""

    @pytest.mark.parametrize("data", [b"\0\0\0\1s", b"\0\0\0\1si", b"\0\0\0\1sig", b"\0\0\0\1\xfb\xff\xfe"])
    def test_other_spellings_of_a_signature_are_refused(self, data: bytes) -> None:
        right = base64.b64encode(data).decode()
        assert parse_note(note_of(f"{DASH} a {right}")).signatures[0].value == data[4:]
        bare = right.rstrip("=")
        others = {
            bare,
            f"{bare}=",
            f"{bare}==",
            f"{bare}===",
            f"{right}====",
            right[:4] + "=" + right[4:],
            right[:4] + "\n" + right[4:],
            right[:4] + "!" + right[4:],
            base64.urlsafe_b64encode(data).decode(),
            *(
                bare[:-1] + sign + right[len(bare) :]
                for sign in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef0123456789+/"
            ),
        } - {right}
        for other in others:
            try:
                note = parse_note(note_of(f"{DASH} a {other}"))
            except SignatureError:
                continue
            assert note.signatures[0].value != data[4:], other


class TestSignatures:
    """Signatures: who is known, what must be verified, what must be ignored."""

    signer = log_signer()
    verifiers = (signer.verifier,)
    note = signed(checkpoint_of(), signer)

    def test_the_key_that_signed_is_found(self) -> None:
        assert check_note(self.note.encode(), self.verifiers) == (self.note, [self.signer.verifier])

    def test_without_a_known_key_the_note_must_be_rejected(self) -> None:
        for known in ((), (log_signer(b"o" * 32).verifier,), (cosigner().verifier,)):
            with pytest.raises(SignatureError, match="trusted"):
                check_note(self.note, known)

    def test_a_note_without_signatures_is_not_vacuously_good(self) -> None:
        with pytest.raises(SignatureError):
            check_note(Note(self.note.text), self.verifiers)
        with pytest.raises(SignatureError):
            check_note(Note(self.note.text), ())

    @pytest.mark.parametrize(
        "unknown",
        [
            Signature("elsewhere.example/log", signer.key_id, b"x" * 64),
            Signature(signer.name, signer.key_id ^ 1, b"x" * 64),
            Signature("elsewhere.example/log", 7, b"x"),
        ],
        ids=["same ID", "same name", "neither"],
    )
    def test_unknown_keys_must_be_ignored(self, unknown: Signature) -> None:
        for found in ((unknown, *self.note.signatures), (*self.note.signatures, unknown, unknown)):
            note, by = check_note(Note(self.note.text, found).encode(), self.verifiers)
            assert by == [self.signer.verifier]
            assert note.text == self.note.text

    def test_a_false_signature_of_a_known_key_condemns_the_note_though_another_is_good(self) -> None:
        other = log_signer(b"o" * 32)
        false = Signature(other.name, other.key_id, b"x" * 64)
        for found in ((*self.note.signatures, false), (false, *self.note.signatures)):
            with pytest.raises(SignatureError, match="not valid"):
                check_note(Note(self.note.text, found), (*self.verifiers, other.verifier))

    def test_a_known_key_signs_once(self) -> None:
        (signature,) = self.note.signatures
        with pytest.raises(SignatureError, match="two signatures"):
            check_note(Note(self.note.text, (signature, signature)), self.verifiers)

    def test_two_valid_signatures_of_one_key_are_refused_too(self) -> None:
        witness = cosigner()
        checkpoint = checkpoint_of()
        found = tuple(witness.cosign(checkpoint, time_s=time_s) for time_s in (1, 2))
        for each in found:
            check_note(Note(checkpoint.text, (each,)), (witness.verifier,))
        with pytest.raises(SignatureError, match="two signatures"):
            check_note(Note(checkpoint.text, found), (witness.verifier,))

    def test_the_order_of_lines_means_nothing(self) -> None:
        witness = cosigner()
        note = signed(checkpoint_of(), self.signer, [witness])
        known = (self.signer.verifier, witness.verifier)
        for found in (note.signatures, note.signatures[::-1]):
            _, by = check_note(Note(note.text, found), known)
            assert set(by) == set(known)

    def test_two_trusted_keys_of_one_identity_are_an_error_of_whoever_trusts_them(self) -> None:
        class Collision:
            name, key_id = TestSignatures.signer.name, TestSignatures.signer.key_id
            algorithm, public, vkey = 1, b"another key", "-"

            def is_valid(self, text: str, signature: Signature) -> bool:
                raise AssertionError("not to be asked")

        with pytest.raises(InputError, match="share the identity"):
            check_note(self.note, (*self.verifiers, Collision()))
        assert check_note(self.note, (*self.verifiers, *self.verifiers))[1] == list(self.verifiers)

    def test_a_key_that_collides_by_name_and_id_can_not_sign_for_the_known_one(self) -> None:
        false = SigningKey(b"f" * 32).sign(self.note.text.encode())
        collided = Note(self.note.text, (Signature(self.signer.name, self.signer.key_id, false),))
        with pytest.raises(SignatureError, match="not valid"):
            check_note(collided, self.verifiers)

    def test_a_new_signature_of_a_key_replaces_its_old_one(self) -> None:
        witness = cosigner()
        first, second = (witness.cosign(checkpoint_of(), time_s=time_s) for time_s in (1, 2))
        note = self.note.signed(first).signed(second)
        assert note.signatures == (*self.note.signatures, second)


class TestEveryFlip:
    """No bit of a signed note can be flipped unseen, but in lines of keys that the reader doesn't know."""

    def test_of_a_checkpoint_signed_by_log_and_witness(self) -> None:
        signer, witness = log_signer(), cosigner()
        note = signed(checkpoint_of(), signer, [witness])
        data, known = note.encode(), (signer.verifier, witness.verifier)
        wanted = check_note(data, known)[1]
        for place, spoiled in flips(data):
            try:
                _, by = check_note(spoiled, known)
            except EvidenceError:
                continue
            assert by != wanted, f"a flip in byte {place} went unseen"

    def test_of_a_checkpoint_with_a_line_that_the_reader_does_not_know(self) -> None:
        signer, witness = log_signer(), cosigner()
        note = signed(checkpoint_of(), signer, [witness])
        data, known = note.encode(), (signer.verifier,)
        start_of_unknown = data.index(f"{DASH} {witness.name}".encode())
        ignored = 0
        for place, spoiled in flips(data):
            try:
                other, by = check_note(spoiled, known)
            except EvidenceError:
                continue
            assert place > start_of_unknown
            assert (other.text, by) == (note.text, list(known))
            ignored += 1
        assert ignored > 100
