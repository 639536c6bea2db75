"""What witnesses said is kept: under the checkpoint while it is the newest, and beside the log for good."""

from __future__ import annotations

import pathlib
import threading

import pytest

from tests.rooms.trust.witnesses import make_witness, served
from whence.errors import EvidenceError, InputError, SignatureError
from whence.ledger import (
    Cosigner,
    KnownWitness,
    Note,
    Signature,
    SigningKey,
    Statement,
    check_note,
    encode_cosignatures,
    parse_checkpoint,
    parse_note,
    parse_policy,
)
from whence.store import Folder, KeyRing, Ledger, Shard, encode_content
from whence.trust import Anchor, Trust, ask_witnesses, check_anchors, list_anchors, take_lines
from whence.trust.witness_asking import keep
from whence.trust.witness_kind import Cosigned, last_seen

DAY_S = 86_400


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Ledger:
    found = Ledger(Folder(tmp_path / ".whence"), KeyRing(tmp_path / "keys"))
    grow(found)
    return found


@pytest.fixture
def shard(ledger: Ledger) -> Shard:
    found = ledger.current()
    assert found is not None
    return found


def grow(ledger: Ledger) -> None:
    ledger.append([Statement("approval", 1, encode_content({"by": "me"}))])


def cosigner(number: int) -> Cosigner:
    return Cosigner(SigningKey(bytes([50 + number]) * 32), f"w.example/{number}")


def note_of(shard: Shard) -> Note:
    """The newest checkpoint with the log's signature only."""
    note = parse_note(shard.checkpoint())
    return Note(note.text, note.signatures[:1])


def cosign(ledger: Ledger, shard: Shard, *cosigners: Cosigner, time_s: int) -> Note:
    """Have the newest checkpoint cosigned, and keep it."""
    note = note_of(shard)
    lines = [each.cosign(parse_checkpoint(note.text), time_s=time_s) for each in cosigners]
    keep(ledger, shard, note, lines, at_ms=1)
    return note


def sizes(shard: Shard) -> list[int]:
    return [each.size for each in list_anchors(shard.path) if isinstance(each, Anchor)]


def known(name: str, vkey: str, url: str) -> KnownWitness:
    return parse_policy(f"witness {name} {vkey} {url}\nquorum none\n").witnesses[0]


def test_all_are_asked_and_who_has_said_it_is_not_asked_again(
    tmp_path: pathlib.Path, ledger: Ledger, shard: Shard
) -> None:
    first = make_witness(tmp_path / "1", shard.vkey, seed=21, name="w.example/1")
    second = make_witness(tmp_path / "2", shard.vkey, seed=22, name="w.example/2", algorithm="ml-dsa-44")
    with served(first) as one, served(second) as two:
        friends = [
            known("one", first.cosigner.vkey, one.url),
            known("away", cosigner(0).vkey, "http://127.0.0.1:1"),
            known("two", second.cosigner.vkey, two.url),
        ]
        found = ask_witnesses(ledger, shard, friends, timeout_s=2, at_ms=1)
        assert [each.witness.name for each in found] == ["one", "away", "two"]
        assert [each.signature is not None for each in found] == [True, False, True]
        again = ask_witnesses(ledger, shard, friends[::2], timeout_s=2, at_ms=2)
    assert [(each.was_there, each.signature) for each in again] == [
        (True, found[0].signature), (True, found[2].signature),
    ]  # fmt: skip
    _, signed = check_note(shard.checkpoint(), [each.verifier for each in friends])
    assert {each.name for each in signed} == {"w.example/1", "w.example/2"}
    (kept,) = list_anchors(shard.path)
    assert isinstance(kept, Anchor)
    assert kept.checkpoint == note_of(shard).encode()


def test_who_is_asked_later_is_not_told_who_was_asked_before(
    tmp_path: pathlib.Path, ledger: Ledger, shard: Shard
) -> None:
    cosign(ledger, shard, cosigner(1), time_s=5)
    witness = make_witness(tmp_path / "w", shard.vkey)
    with served(witness) as server:
        friend = known("w", witness.cosigner.vkey, server.url)
        ask_witnesses(ledger, shard, [friend], timeout_s=30, at_ms=2)
    records = [each for each in list_anchors(shard.path) if isinstance(each, Anchor)]
    assert [each.checkpoint for each in records] == [note_of(shard).encode()] * 2


def test_a_checkpoint_that_the_key_did_not_sign_is_shown_to_nobody(ledger: Ledger, shard: Shard) -> None:
    false = SigningKey(b"f" * 32).signer(shard.origin)
    text = note_of(shard).text
    (shard.path / "checkpoint").write_bytes(Note(text).signed(false.sign(text)).encode())
    with pytest.raises(SignatureError, match="no signature by a trusted key"):
        ask_witnesses(ledger, shard, [known("w", cosigner(0).vkey, "http://x")], timeout_s=1, at_ms=1)


def test_what_came_too_late_is_kept_beside_the_log_only(ledger: Ledger, shard: Shard) -> None:
    late = note_of(shard)
    line = cosigner(1).cosign(parse_checkpoint(late.text), time_s=5)
    grow(ledger)
    newest = shard.checkpoint()
    keep(ledger, shard, late, [line], at_ms=1)
    assert shard.checkpoint() == newest
    assert sizes(shard) == [shard.size - 1]
    assert last_seen(shard.path, cosigner(1).verifier) == parse_checkpoint(late.text)
    assert last_seen(shard.path, cosigner(2).verifier) is None


def test_cosignatures_that_come_together_are_all_kept(ledger: Ledger, shard: Shard) -> None:
    begin = threading.Barrier(8)

    def one(number: int) -> None:
        own = Ledger(Folder(ledger.path.parent), KeyRing(ledger.path.parents[1] / "keys"))
        begin.wait()
        cosign(own, Shard(shard.path), cosigner(number), time_s=10)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _, signed = check_note(shard.checkpoint(), [cosigner(number).verifier for number in range(8)])
    assert len(signed) == 8


class Raced(Ledger):
    """A ledger in which somebody else is quicker, so many times."""

    others: list[Signature]

    def add_signatures(self, shard: Shard, note: bytes) -> bool:
        """Let another cosignature come first."""
        if self.others:
            theirs = parse_note(shard.checkpoint()).signed(self.others.pop())
            super().add_signatures(shard, theirs.encode())
        return super().add_signatures(shard, note)


@pytest.mark.parametrize("count", [1, 4])
def test_who_is_overtaken_tries_again(tmp_path: pathlib.Path, shard: Shard, count: int) -> None:
    raced = Raced(Folder(tmp_path / ".whence"), KeyRing(tmp_path / "keys"))
    tree = parse_checkpoint(note_of(shard).text)
    raced.others = [cosigner(number).cosign(tree, time_s=9) for number in range(count)]
    cosign(raced, shard, cosigner(9), time_s=10)
    verifiers = [cosigner(number).verifier for number in (*range(count), 9)]
    assert len(check_note(shard.checkpoint(), verifiers)[1]) == count + 1


def test_of_a_day_the_last_word_of_the_same_witnesses_stays(ledger: Ledger, shard: Shard) -> None:
    one, two = cosigner(1), cosigner(2)
    for time_s, who in ((10, [one]), (20, [one, two]), (30, [one]), (40, [one]), (DAY_S, [one, two])):
        cosign(ledger, shard, *who, time_s=time_s)
        grow(ledger)
    first = shard.size - 5
    # of 10 both 20 and later ones say more; of 20 nobody has the second witness's word of that day
    assert sizes(shard) == [first + 1, first + 3, first + 4]


class TestAsAnAnchor:
    def test_it_holds_for_who_trusts_the_witness(self, ledger: Ledger, shard: Shard) -> None:
        cosign(ledger, shard, cosigner(1), cosigner(2), time_s=1_700_000_000)
        grow(ledger)
        for keys, trusted in (([], False), ([cosigner(3).vkey], False), ([cosigner(2).vkey], True)):
            trust = Trust(settings={"keys": keys})
            (found,) = check_anchors(shard, trust={"witness": trust})
            said = found.anchored
            assert said is not None
            assert (found.state, said.is_trusted) == ("holds", trusted)
            assert (said.at is not None) is trusted
            if said.at is not None:
                assert (said.by, said.at.timestamp()) == ("the witness w.example/2", 1_700_000_000)

    def test_a_false_line_in_a_trusted_name_is_false(self, ledger: Ledger, shard: Shard) -> None:
        note = cosign(ledger, shard, cosigner(1), time_s=5)
        trust = Trust(settings={"keys": [cosigner(1).vkey]})
        (anchor,) = list_anchors(shard.path)
        assert isinstance(anchor, Anchor)
        grow(ledger)
        with pytest.raises(EvidenceError, match="not valid"):
            Cosigned.check(anchor.evidence, note_of(shard).encode(), trust)
        assert Cosigned.check(anchor.evidence, note.encode(), trust).is_trusted

    @pytest.mark.parametrize(
        "evidence", [{}, {"cosignatures": ""}, {"cosignatures": "nonsense\n"}, {"cosignatures": 3}]
    )
    def test_what_is_no_cosignature_is_false(self, shard: Shard, evidence: dict[str, object]) -> None:
        with pytest.raises(EvidenceError):
            Cosigned.check(evidence, note_of(shard).encode(), Trust())

    def test_a_plain_signature_is_no_cosignature(self, shard: Shard) -> None:
        (own,) = parse_note(shard.checkpoint()).signatures
        evidence = {"cosignatures": own.line}
        assert not Cosigned.check(evidence, note_of(shard).encode(), Trust()).is_trusted

    def test_it_is_not_asked_for_as_one(self) -> None:
        with pytest.raises(InputError, match="aren't asked so"):
            Cosigned().anchor(b"")


class TestLinesThatCameByAnotherWay:
    def test_lines_and_whole_checkpoints_are_taken(self, ledger: Ledger, shard: Shard) -> None:
        note = note_of(shard)
        tree = parse_checkpoint(note.text)
        lines = [cosigner(number).cosign(tree, time_s=3) for number in range(2)]
        verifiers = [cosigner(number).verifier for number in range(2)]
        assert take_lines(ledger, shard, encode_cosignatures(lines[:1]), verifiers, at_ms=1) == lines[:1]
        whole = note.signed(*lines).encode()
        assert take_lines(ledger, shard, whole, verifiers[1:], at_ms=1) == lines[1:]
        assert len(check_note(shard.checkpoint(), verifiers)[1]) == 2

    def test_those_of_strangers_and_of_other_checkpoints_are_refused(
        self, ledger: Ledger, shard: Shard
    ) -> None:
        note = note_of(shard)
        lines = encode_cosignatures([cosigner(1).cosign(parse_checkpoint(note.text), time_s=3)])
        with pytest.raises(SignatureError, match="no signature by a trusted key"):
            take_lines(ledger, shard, lines, [cosigner(2).verifier], at_ms=1)
        grow(ledger)
        for given in (lines, note.encode() + lines):
            with pytest.raises(SignatureError, match="not valid"):
                take_lines(ledger, shard, given, [cosigner(1).verifier], at_ms=1)
        assert sizes(shard) == []
