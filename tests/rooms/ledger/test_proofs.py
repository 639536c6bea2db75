"""Receipts: the clauses of C2SP tlog-proof, and no second spelling of any line."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.notaries import (
    ENTRIES,
    checkpoint_of,
    cosigner,
    flips,
    inclusion_proof_of,
    log_signer,
    receipt_of,
    signed,
)
from whence.errors import EvidenceError, ProofError, SignatureError
from whence.ledger import Checkpoint, Receipt, check_note, parse_receipt

HEADER = b"c2sp.org/tlog-proof@v1\n"
CHECKPOINT = signed(checkpoint_of()).encode()
HASH = base64.b64encode(b"h" * 32)


def spelled(*lines: bytes, checkpoint: bytes = CHECKPOINT) -> bytes:
    return HEADER + b"".join(line + b"\n" for line in lines) + b"\n" + checkpoint


class TestFormat:
    """Format: the header, maybe an extra line, the index, the proof, an empty line, the checkpoint."""

    def test_the_lines(self) -> None:
        receipt = receipt_of(2, extra=b"anything")
        head, _, checkpoint = receipt.encode().partition(b"\n\n")
        assert head.split(b"\n") == [
            b"c2sp.org/tlog-proof@v1",
            b"extra " + base64.b64encode(b"anything"),
            b"index 2",
            *(base64.b64encode(each) for each in inclusion_proof_of(2)),
        ]
        assert checkpoint == CHECKPOINT

    @given(
        st.binary(max_size=40),
        st.integers(0, len(ENTRIES) - 1),
        st.lists(st.binary(min_size=32, max_size=32), max_size=63).map(tuple),
    )
    def test_there_and_back(self, extra: bytes, index: int, hashes: tuple[bytes, ...]) -> None:
        receipt = Receipt(extra, index, hashes, CHECKPOINT)
        assert parse_receipt(receipt.encode()) == receipt

    @given(
        st.lists(st.sampled_from([b"", b"extra ", b"extra QQ==", b"index 1", b"index 01", HASH]), max_size=5)
    )
    def test_what_is_read_is_written_again_as_it_was(self, lines: list[bytes]) -> None:
        data = spelled(*lines)
        try:
            receipt = parse_receipt(data)
        except EvidenceError:
            return
        assert receipt.encode() == data

    @pytest.mark.parametrize(
        "lines",
        [
            (),
            (b"extra QQ==",),
            (b"index",),
            (b"index ",),
            (b"index  1",),
            (b"index 1 ",),
            (b" index 1",),
            (b"Index 1",),
            (b"index 01",),
            (b"index +1",),
            (b"index -1",),
            (b"index 1\r",),
            (b"index \xd9\xa1",),
            (b"index 1", b"extra QQ=="),
            (b"extra QQ==", b"extra QQ==", b"index 1"),
            (b"extra", b"index 1"),
            (b"extra ", b"index 1"),
            (b"extra QR==", b"index 1"),
            (b"extra QQ=", b"index 1"),
            (b"extra Q Q==", b"index 1"),
            (b"index 1", b"index 1"),
            (b"index 1", HASH + b" "),
            (b"index 1", HASH[:-2] + b"h="),
            (b"index 1", HASH[:-1]),
            (b"index 1", base64.b64encode(b"h" * 31)),
            (b"index 1", base64.b64encode(b"h" * 33)),
        ],
    )
    def test_anything_else_is_refused(self, lines: tuple[bytes, ...]) -> None:
        with pytest.raises(ProofError):
            parse_receipt(spelled(*lines))

    @pytest.mark.parametrize(
        "header",
        [b"", b"\n", b"c2sp.org/tlog-proof@v2\n", b" " + HEADER, HEADER[:-1] + b" \n", HEADER[:-1] + b"\r\n"],
    )
    def test_the_first_line_must_be_the_header(self, header: bytes) -> None:
        with pytest.raises(ProofError):
            parse_receipt(header + receipt_of(1).encode().removeprefix(HEADER))

    def test_there_are_at_most_63_hashes_and_a_limit_of_size(self) -> None:
        parse_receipt(spelled(b"index 1", *[HASH] * 63))
        with pytest.raises(ProofError, match="63"):
            parse_receipt(spelled(b"index 1", *[HASH] * 64))
        with pytest.raises(ProofError, match="bytes"):
            parse_receipt(spelled(b"extra " + base64.b64encode(b"x" * 2_000_000), b"index 1"))

    def test_the_checkpoint_is_one_and_verbatim(self) -> None:
        for checkpoint in (b"", CHECKPOINT[:-1], CHECKPOINT + b"\n", b"\n" + CHECKPOINT, b"hello\n\n"):
            with pytest.raises(SignatureError):
                parse_receipt(spelled(b"index 1", checkpoint=checkpoint))

    @pytest.mark.parametrize("index", [len(ENTRIES), len(ENTRIES) + 1, 2**63 - 1])
    def test_the_index_is_in_the_log(self, index: int) -> None:
        with pytest.raises(ProofError, match="isn't in a log"):
            parse_receipt(spelled(b"index %d" % index))


class TestPublishedProof:
    """The last entry of a public log of 76,959, as its verifier's tests have it."""

    hashes = (
        "fGRlLyuz+L9Jb8+uTSut/2aVc4z7fKFW+clvsb6xjEM=",
        "F6LautOHD5eppkWC0xn/lz00X5g2yLlZAkl2jCI/wdE=",
        "qH7OJxFNup+TDvJuohd2HphKVngfMeMzUK8QChEDcas=",
        "+Y3g758yXtPCRh/eqhLTA3bdcx+cCV1Uah0JdgB0YEs=",
        "vq8cJSjj8dPVmFBRUqDLlaMqW6aAYR2GKugVhgudXLs=",
        "J0z3X5qTb9WFC1gABhVFx0bW1rVZRL+DAoBL2e2h4G4=",
        "NmSbYg25xNFzTRerIsF3HbEMyTIDqW87AQd9ekzopE8=",
        "L8BZipjURnkctkjJtGJs+YyTXMssvNKA7+a8nV2JT/s=",
        "pva4RFzCejMkVMVmYc93As2lbk7WAyrw58TvrzEOjNc=",
    )
    root = base64.b64decode("QYfrD7XAd4qUHbRBs4dDyDZwpZN4M/cccXr2G56pxkY=")

    def test_it_shows_its_entry(self) -> None:
        note = signed(Checkpoint("log.example/one", 76_959, self.root))
        lines = (b"index 76958", *(each.encode() for each in self.hashes))
        receipt = parse_receipt(spelled(*lines, checkpoint=note.encode()))
        receipt.check_entry(b"hello tesseroak\n")
        with pytest.raises(ProofError):
            receipt.check_entry(b"hello tesseroak")


class TestMeaning:
    """What a receipt shows: this entry is at this place of the log that the checkpoint signs."""

    @pytest.mark.parametrize("index", range(len(ENTRIES)))
    def test_each_entry_is_shown_and_no_other(self, index: int) -> None:
        receipt = parse_receipt(receipt_of(index).encode())
        receipt.check_entry(ENTRIES[index])
        for other in (*ENTRIES[:index], *ENTRIES[index + 1 :], b"", ENTRIES[index] + b"\0"):
            with pytest.raises(ProofError):
                receipt.check_entry(other)

    def test_a_proof_of_another_place_shows_nothing(self) -> None:
        for index in range(len(ENTRIES)):
            for other in range(len(ENTRIES)):
                moved = Receipt(b"", other, inclusion_proof_of(index), CHECKPOINT)
                if other != index:
                    with pytest.raises(ProofError):
                        moved.check_entry(ENTRIES[index])

    def test_every_flip_is_refused_or_touches_only_what_nobody_vouches_for(self) -> None:
        signer, witness = log_signer(), cosigner()
        known = (signer.verifier, witness.verifier)
        receipt = receipt_of(2, extra=b"extra", note=signed(checkpoint_of(), signer, [witness]))
        data = receipt.encode()
        line = data.index(b"extra ")
        for place, spoiled in flips(data):
            try:
                other = parse_receipt(spoiled)
                other.check_entry(ENTRIES[2])
                signed_by = check_note(other.note, known)[1]
            except EvidenceError:
                continue
            if line <= place < data.index(b"index "):
                assert other.extra != receipt.extra
                assert (other.index, other.note) == (receipt.index, receipt.note)
            else:
                assert len(signed_by) < len(known), f"a flip in byte {place} went unseen"
