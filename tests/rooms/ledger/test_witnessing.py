"""What a witness answers: the clauses of C2SP tlog-witness, add-checkpoint."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.notaries import (
    AT_S,
    ENTRIES,
    ORIGIN,
    checkpoint_of,
    consistency_proof_of,
    cosigner,
    flips,
    log_signer,
    signed,
)
from whence.errors import InputError, RemoteError, SignatureError
from whence.ledger import (
    EMPTY_ROOT,
    AddCheckpoint,
    Checkpoint,
    Note,
    Outcome,
    Signature,
    check_note,
    encode_add_checkpoint,
    encode_cosignatures,
    judge,
    leaf_hashes,
    parse_add_checkpoint,
    parse_conflict,
    root_of,
    take_cosignatures,
)

LOG = log_signer()
KNOWN = (LOG.verifier,)
SIZE = len(ENTRIES)
HASH = base64.b64encode(b"h" * 32).decode()


def request(
    old_size: int, size: int = SIZE, *, proof: tuple[bytes, ...] | None = None, note: Note | None = None
) -> AddCheckpoint:
    found = consistency_proof_of(old_size, size) if proof is None else proof
    return AddCheckpoint(old_size, found, (note or signed(checkpoint_of(size), LOG)).encode())


def fork_of(size: int) -> Checkpoint:
    """Return a checkpoint of a log whose last entry is another."""
    return Checkpoint(ORIGIN, size, root_of(leaf_hashes([*ENTRIES[: size - 1], b"another"])))


def body(*lines: str, note: bytes | None = None) -> bytes:
    return (
        "".join(f"{line}\n" for line in lines).encode() + b"\n" + (note or signed(checkpoint_of()).encode())
    )


class TestRequest:
    """The request body: old size, consistency proof, empty line, checkpoint."""

    def test_the_example_of_the_standard(self) -> None:
        note = (
            "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
            "\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/"
            "Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
            "\u2014 example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/"
            "V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=\n"
        ).encode()
        data = body(
            "old 20852014",
            "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=",
            "jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=",
            "5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=",
            "/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=",
            note=note,
        )
        read = parse_add_checkpoint(data)
        assert (read.old_size, len(read.proof), len(read.note.signatures)) == (20852014, 4, 2)
        assert read.tree.size == 20852163
        assert encode_add_checkpoint(read) == data

    @given(st.integers(0, SIZE), st.integers(1, SIZE))
    def test_there_and_back(self, old_size: int, size: int) -> None:
        wish = request(old_size, size)
        assert parse_add_checkpoint(encode_add_checkpoint(wish)) == wish

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"old 0\n",
            body(),
            body("old"),
            body("old "),
            body("old  0"),
            body("old 0 "),
            body("old 00"),
            body("old 01"),
            body("old +1"),
            body("old -1"),
            body("old 1\r"),
            body("Old 1"),
            body(f"old {2**63}"),
            body("0"),
            body("old \u0661"),
            body("old 1", "AAAA"),
            body("old 1", HASH + " "),
            body("old 1", HASH[:-1]),
            body("old 1", HASH[:-2] + "h="),
            body("old 1", *[HASH] * 64),
            body("old 1", "", HASH),
            body("old 1", note=b"nonsense\n"),
            body("old 1", note=signed(checkpoint_of()).encode()[:-1]),
            body("old 1", note=signed(checkpoint_of()).encode() + b"\n"),
            body("old 1", note=Note("no checkpoint\n", (LOG.sign("no checkpoint\n"),)).encode()),
            body("old 1", note=Note(checkpoint_of().text).encode()),
            body("old 1", note=b"x" * 2_000_000),
        ],
    )
    def test_anything_else_is_a_bad_request(self, data: bytes) -> None:
        with pytest.raises(InputError):
            parse_add_checkpoint(data)

    def test_up_to_63_hashes(self) -> None:
        assert len(parse_add_checkpoint(body("old 1", *[HASH] * 63)).proof) == 63

    @given(st.binary(max_size=60))
    def test_what_is_read_is_written_again_as_it_was(self, data: bytes) -> None:
        for each in (data, data + body("old 1"), body("old 1") + data):
            try:
                wish = parse_add_checkpoint(each)
            except InputError:
                continue
            assert encode_add_checkpoint(wish) == each


class TestRuling:
    """What the witness must check, and the status that it must answer."""

    @pytest.mark.parametrize("size", range(1, SIZE + 1))
    def test_the_first_checkpoint_of_a_known_log(self, size: int) -> None:
        outcome = judge(None, request(0, size), KNOWN)
        assert (outcome.ruling, outcome.status) == ("cosign", 200)
        assert (outcome.before, outcome.checkpoint) == (None, checkpoint_of(size))

    def test_every_step_from_size_to_size(self) -> None:
        for size in range(1, SIZE + 1):
            for old_size in range(1, size + 1):
                outcome = judge(checkpoint_of(old_size), request(old_size, size), KNOWN)
                assert outcome.status == 200, (old_size, size, outcome.reason)

    def test_an_empty_log_and_its_first_entries(self) -> None:
        empty = Checkpoint(ORIGIN, 0, EMPTY_ROOT)
        assert judge(None, request(0, note=signed(empty, LOG)), KNOWN).status == 200
        assert judge(empty, request(0), KNOWN).status == 200
        assert judge(checkpoint_of(3), request(0, note=signed(empty, LOG)), KNOWN).status == 409

    def test_an_unknown_origin_is_404(self) -> None:
        outcome = judge(None, request(0), ())
        assert (outcome.ruling, outcome.status) == ("unknown", 404)

    def test_no_signature_of_a_trusted_key_is_403(self) -> None:
        other = log_signer(b"o" * 32)
        outcome = judge(None, request(0, note=signed(checkpoint_of(), other)), KNOWN)
        assert (outcome.ruling, outcome.status) == ("unsigned", 403)

    def test_a_wrong_signature_in_the_name_of_a_trusted_key_is_403_though_another_is_right(self) -> None:
        second = log_signer(b"2" * 32)
        right = signed(checkpoint_of(), LOG)
        wrong = right.signed(Signature(second.name, second.key_id, b"x" * 64))
        assert judge(None, request(0, note=wrong), KNOWN).status == 200
        assert judge(None, request(0, note=wrong), (*KNOWN, second.verifier)).status == 403

    def test_signatures_of_unknown_keys_must_be_ignored(self) -> None:
        note = signed(checkpoint_of(), LOG).signed(Signature("unknown", 1, b"x"))
        assert judge(None, request(0, note=note), KNOWN).status == 200

    def test_an_old_size_above_the_size_is_400(self) -> None:
        for remembered in (None, checkpoint_of(5)):
            outcome = judge(remembered, request(5, 3, proof=()), KNOWN)
            assert (outcome.ruling, outcome.status) == ("absurd", 400)

    @pytest.mark.parametrize("remembered", [None, 2, 4])
    def test_another_old_size_than_the_remembered_one_is_409_with_that_size(
        self, remembered: int | None
    ) -> None:
        before = None if remembered is None else checkpoint_of(remembered)
        outcome = judge(before, request(3), KNOWN)
        assert (outcome.ruling, outcome.status) == ("outdated", 409)
        assert outcome.body == f"{remembered or 0}\n".encode()
        assert parse_conflict(outcome.body) == (remembered or 0)

    def test_zero_asks_for_the_size(self) -> None:
        assert judge(checkpoint_of(4), request(0), KNOWN).body == b"4\n"

    def test_the_same_size_with_another_root_is_409(self) -> None:
        outcome = judge(checkpoint_of(5), request(5, note=signed(fork_of(5), LOG), proof=()), KNOWN)
        assert (outcome.ruling, outcome.status) == ("forked", 409)
        assert outcome.body == b"5\n"

    def test_the_same_checkpoint_again_is_cosigned_again(self) -> None:
        assert judge(checkpoint_of(5), request(5, 5), KNOWN).status == 200

    def test_the_proof_must_be_empty_from_zero_and_to_the_same_size(self) -> None:
        assert judge(None, request(0, proof=(b"h" * 32,)), KNOWN).status == 422
        assert judge(checkpoint_of(5), request(5, 5, proof=(b"h" * 32,)), KNOWN).status == 422

    def test_a_proof_that_does_not_verify_is_422(self) -> None:
        good = consistency_proof_of(3)
        for proof in ((), good[:-1], good[::-1], (*good, good[0]), (b"h" * 32, *good[1:])):
            outcome = judge(checkpoint_of(3), request(3, proof=proof), KNOWN)
            assert (outcome.ruling, outcome.status) == ("unproved", 422)

    def test_every_fork_is_refused(self) -> None:
        for size in range(2, SIZE + 1):
            for old_size in range(1, size + 1):
                # The old tree was another one, or the new one is.
                assert judge(fork_of(old_size), request(old_size, size), KNOWN).status in (409, 422)
                forked = request(old_size, note=signed(fork_of(size), LOG))
                if old_size == size:
                    assert judge(checkpoint_of(size), forked, KNOWN).status == 409

    def test_a_rollback_is_refused_whatever_old_size_it_claims(self) -> None:
        for old_size in range(SIZE + 1):
            outcome = judge(checkpoint_of(6), request(old_size, 4, proof=()), KNOWN)
            assert outcome.status in (400, 409)

    def test_a_checkpoint_of_another_log_is_never_judged_by_this_ones_memory(self) -> None:
        other = log_signer(name="log.example/two")
        wish = request(0, note=signed(checkpoint_of(origin="log.example/two"), other))
        with pytest.raises(InputError, match="isn't judged"):
            judge(checkpoint_of(3), wish, (other.verifier,))

    @given(st.integers(0, SIZE), st.integers(0, SIZE), st.integers(1, SIZE), st.booleans())
    def test_nothing_else_is_cosigned_than_what_continues_the_memory(
        self, remembered: int, old_size: int, size: int, is_forked: bool
    ) -> None:
        tree = fork_of(size) if is_forked else checkpoint_of(size)
        wish = request(old_size, note=signed(tree, LOG), proof=consistency_proof_of(old_size, size))
        outcome = judge(checkpoint_of(remembered) if remembered else None, wish, KNOWN)
        may_be = old_size == remembered <= size and not (is_forked and remembered)
        assert (outcome.ruling == "cosign") is may_be

    def test_every_flip_of_a_request_is_refused_or_changes_nothing_that_is_cosigned(self) -> None:
        wish = request(3)
        data = encode_add_checkpoint(wish)
        for place, spoiled in flips(data):
            try:
                outcome = judge(checkpoint_of(3), parse_add_checkpoint(spoiled), KNOWN)
            except InputError:
                continue
            assert outcome.status != 200, f"a flip in byte {place} went unseen"


class TestRace:
    """Checking the old size and persisting the new checkpoint must be one step."""

    def test_of_two_good_requests_written_in_the_wrong_order_the_second_is_refused(self) -> None:
        memory = checkpoint_of(3)
        first, second = judge(memory, request(3, 5), KNOWN), judge(memory, request(3, 7), KNOWN)
        assert first.status == second.status == 200

        def write(outcome: Outcome) -> bool:
            nonlocal memory
            if memory != outcome.before:
                return False
            memory = outcome.checkpoint
            return True

        assert write(second)
        assert not write(first)
        assert memory == checkpoint_of(7)
        assert judge(memory, request(3, 5), KNOWN).body == b"7\n"


class TestAnswer:
    """The answer: signature lines of the witness; the client ignores those of unknown keys."""

    note = signed(checkpoint_of(), LOG)
    witness = cosigner()
    modern = cosigner("modern", is_mldsa=True)

    def test_both_kinds_are_taken_and_then_found_in_the_note(self) -> None:
        lines = [each.cosign(checkpoint_of(), time_s=AT_S) for each in (self.witness, self.modern)]
        known = (self.witness.verifier, self.modern.verifier)
        taken = take_cosignatures(self.note, encode_cosignatures(lines), known)
        assert taken.signatures == (*self.note.signatures, *lines)
        assert check_note(taken.encode(), (LOG.verifier, *known))[1] == [LOG.verifier, *known]

    def test_cosignatures_of_unknown_keys_must_be_ignored(self) -> None:
        lines = [each.cosign(checkpoint_of(), time_s=AT_S) for each in (self.witness, self.modern)]
        taken = take_cosignatures(self.note, encode_cosignatures(lines), [self.modern.verifier])
        assert taken.signatures == (*self.note.signatures, lines[1])

    def test_an_answer_without_the_witness_is_refused(self) -> None:
        for lines in ([self.modern.cosign(checkpoint_of(), time_s=AT_S)], list(self.note.signatures)):
            with pytest.raises(SignatureError):
                take_cosignatures(self.note, encode_cosignatures(lines), [self.witness.verifier])

    def test_a_cosignature_of_another_checkpoint_is_refused(self) -> None:
        for tree in (checkpoint_of(3), fork_of(SIZE)):
            lines = encode_cosignatures([self.witness.cosign(tree, time_s=AT_S)])
            with pytest.raises(SignatureError, match="not valid"):
                take_cosignatures(self.note, lines, [self.witness.verifier])

    def test_the_time_must_not_be_zero(self) -> None:
        lines = encode_cosignatures([self.modern.cosign(checkpoint_of(), time_s=0)])
        with pytest.raises(SignatureError, match="when"):
            take_cosignatures(self.note, lines, [self.modern.verifier])

    def test_a_newer_cosignature_replaces_the_older(self) -> None:
        old, new = (self.witness.cosign(checkpoint_of(), time_s=time_s) for time_s in (1, 2))
        taken = take_cosignatures(self.note.signed(old), encode_cosignatures([new]), [self.witness.verifier])
        assert taken.signatures == (*self.note.signatures, new)

    @pytest.mark.parametrize(
        "answer", [b"", b"\n", b"ok\n", b"<html>", b"\xff\n", b"\xe2\x80\x94 a AAAAAAA=\n\n"]
    )
    def test_what_is_no_signature_line_is_the_servers_fault(self, answer: bytes) -> None:
        with pytest.raises(RemoteError):
            take_cosignatures(self.note, answer, [self.witness.verifier])

    @pytest.mark.parametrize(
        "answer", [b"", b"\n", b"4", b"04\n", b"4\n\n", b"4 \n", b"-1\n", b"\xd9\xa1\n", b"x\n"]
    )
    def test_what_is_no_size_is_the_servers_fault(self, answer: bytes) -> None:
        with pytest.raises(RemoteError):
            parse_conflict(answer)
