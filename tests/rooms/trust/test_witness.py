"""A witness answers as tlog-witness demands, whatever comes."""

from __future__ import annotations

import base64
import pathlib

import pytest

from tests.rooms.trust.logs import MadeLog, make_log
from tests.rooms.trust.witnesses import NAME, make_witness, post, request, served
from whence.errors import DamagedError, EvidenceError, ForkError, NotFoundError, SignatureError
from whence.ledger import (
    AddCheckpoint,
    Note,
    check_note,
    consistency_proof,
    encode_add_checkpoint,
    parse_checkpoint,
    parse_note,
    take_cosignatures,
    time_of,
)
from whence.trust.witness import Witness


@pytest.fixture
def log(tmp_path: pathlib.Path) -> MadeLog:
    return make_log(tmp_path / "log")


@pytest.fixture
def witness(tmp_path: pathlib.Path, log: MadeLog) -> Witness:
    return make_witness(tmp_path / "w", log.vkey)


def taken(witness: Witness, log: MadeLog, body: bytes) -> Note:
    """Read the cosignature in an answer, as the log's owner does."""
    return take_cosignatures(parse_note(log.checkpoint()), body, [witness.cosigner.verifier])


@pytest.mark.parametrize("algorithm", ["ed25519", "ml-dsa-44"])
def test_a_log_that_grows_is_cosigned_each_time(tmp_path: pathlib.Path, log: MadeLog, algorithm: str) -> None:
    witness = make_witness(tmp_path / "w", log.vkey, algorithm=algorithm)
    old_size, times = 0, []
    for count in (0, 5, 300, 1, 70_000):
        if count:
            log.grow(*(f"{log.size + number}" for number in range(count)))
        reply = witness.answer(request(log, old_size))
        assert reply.status == 200
        note = taken(witness, log, reply.body)
        assert check_note(note, [witness.cosigner.verifier])[1] == [witness.cosigner.verifier]
        times.append(time_of(note.signatures[-1]))
        old_size = log.size
    assert times == sorted(set(times), key=lambda time: time or 0)


def test_the_same_checkpoint_is_cosigned_once_more(witness: Witness, log: MadeLog) -> None:
    first = witness.answer(request(log, 0))
    again = witness.answer(request(log, log.size))
    assert (first.status, again.status) == (200, 200)
    assert first.body != again.body  # another time


class TestTheStatusesOfTheStandard:
    """tlog-witness, add-checkpoint: the witness MUST respond with these."""

    def test_404_where_the_origin_is_unknown(
        self, tmp_path: pathlib.Path, witness: Witness, log: MadeLog
    ) -> None:
        stranger = make_log(tmp_path / "other", origin="example.com/other")
        assert witness.answer(request(stranger, 0)).status == 404
        assert not (tmp_path / "w").exists()  # a stranger makes no file here

    def test_403_where_no_trusted_key_signed(
        self, tmp_path: pathlib.Path, witness: Witness, log: MadeLog
    ) -> None:
        thief = make_log(tmp_path / "other", seed=5)
        assert thief.origin == log.origin
        assert witness.answer(request(thief, 0)).status == 403

    def test_403_where_a_signature_in_a_trusted_name_is_wrong(self, witness: Witness, log: MadeLog) -> None:
        old = parse_note(log.checkpoint())
        log.grow("more")
        false = Note(parse_note(log.checkpoint()).text, old.signatures)
        body = encode_add_checkpoint(AddCheckpoint(0, (), false.encode()))
        assert witness.answer(body).status == 403

    def test_400_where_the_old_size_is_larger(self, witness: Witness, log: MadeLog) -> None:
        assert witness.answer(request(log, 4)).status == 400

    def test_409_with_the_size_where_another_one_is_remembered(self, witness: Witness, log: MadeLog) -> None:
        for old_size, known in ((2, b"0\n"), (0, b"")):
            reply = witness.answer(request(log, old_size))
            if known:
                assert (reply.status, reply.media_type, reply.body) == (409, "text/x.tlog.size", known)
        assert reply.status == 200
        log.grow("more")
        for old_size in (0, 1, 4):
            reply = witness.answer(request(log, old_size))
            assert (reply.status, reply.media_type, reply.body) == (409, "text/x.tlog.size", b"3\n")

    def test_409_where_the_root_of_the_same_size_is_another(
        self, tmp_path: pathlib.Path, witness: Witness, log: MadeLog
    ) -> None:
        assert witness.answer(request(log, 0)).status == 200
        rewritten = make_log(tmp_path / "again", entries=0)
        rewritten.grow("other", "entries", "altogether")
        reply = witness.answer(request(rewritten, 3))
        assert (reply.status, reply.media_type, reply.body) == (409, "text/x.tlog.size", b"3\n")

    def test_422_where_the_proof_does_not_verify(
        self, tmp_path: pathlib.Path, witness: Witness, log: MadeLog
    ) -> None:
        assert witness.answer(request(log, 0)).status == 200
        rewritten = make_log(tmp_path / "again", entries=0)
        rewritten.grow("other", "entries", "altogether", "and one more")
        assert witness.answer(request(rewritten, 3)).status == 422
        log.grow("more")
        proof = tuple(consistency_proof(log.read, 3, 4))
        for wrong in (
            proof[:-1],
            proof[::-1],
            (*proof, bytes(32)),
            (),
            (*proof[:-1], bytes(32)),
        ):
            body = encode_add_checkpoint(AddCheckpoint(3, wrong, log.checkpoint()))
            assert witness.answer(body).status == 422
        assert witness.answer(request(log, 3)).status == 200

    def test_422_where_a_first_request_has_a_proof(self, witness: Witness, log: MadeLog) -> None:
        body = encode_add_checkpoint(AddCheckpoint(0, (bytes(32),), log.checkpoint()))
        assert witness.answer(body).status == 422

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda body: b"",
            lambda body: body[:-1],
            lambda body: body.replace(b"old 0", b"old 00"),
            lambda body: body.replace(b"old 0", b"old +0"),
            lambda body: body.replace(b"old 0", b"old -1"),
            lambda body: body.replace(b"old 0", b"old 99999999999999999999"),
            lambda body: body.replace(b"old 0", b"OLD 0"),
            lambda body: body.replace(b"\n", b"\r\n"),
            lambda body: b"\n" + body,
            lambda body: body.replace(b"\n\n", b"\n", 1),
            lambda body: body.replace(b"\n\n", b"\n" + base64.b64encode(bytes(31)) + b"\n\n", 1),
            lambda body: body.replace(b"\n\n", b"\n" + 64 * (base64.b64encode(bytes(32)) + b"\n") + b"\n", 1),
            lambda body: body.replace(b"\n3\n", b"\n03\n"),
            lambda body: body.replace(b"\n3\n", b"\n-3\n"),
            lambda body: body + b"\xff\xfe\n",
            lambda body: body + b"no signature line\n",
            lambda body: bytes(5_000_000),
        ],
    )  # fmt: skip
    def test_400_where_it_is_malformed(self, witness: Witness, log: MadeLog, spoil: object) -> None:
        assert callable(spoil)
        assert witness.answer(spoil(request(log, 0))).status == 400
        assert witness.answer(request(log, 0)).status == 200


def test_an_old_request_sent_again_is_answered_with_the_size(witness: Witness, log: MadeLog) -> None:
    first = request(log, 0)
    assert witness.answer(first).status == 200
    log.grow("more")
    second = request(log, 3)
    assert witness.answer(second).status == 200
    for replayed in (first, second):
        reply = witness.answer(replayed)
        assert (reply.status, reply.body) == (409, b"4\n")


def test_signatures_of_strangers_are_ignored_and_not_kept(
    tmp_path: pathlib.Path, witness: Witness, log: MadeLog
) -> None:
    other = make_witness(tmp_path / "other", log.vkey, seed=3, name="witness.example/other")
    tree = parse_checkpoint(parse_note(log.checkpoint()).text)
    note = parse_note(log.checkpoint()).signed(other.cosigner.cosign(tree, time_s=1))
    reply = witness.answer(encode_add_checkpoint(AddCheckpoint(0, (), note.encode())))
    assert reply.status == 200
    assert [each.name for each in taken(witness, log, reply.body).signatures] == [log.origin, NAME]
    (kept,) = (tmp_path / "w" / "state").rglob("checkpoint")
    assert [each.name for each in parse_note(kept.read_bytes()).signatures] == [log.origin, NAME]


def test_logs_are_apart(tmp_path: pathlib.Path, log: MadeLog) -> None:
    other = make_log(tmp_path / "other", entries=7, origin="example.com/other", seed=4)
    witness = make_witness(tmp_path / "w", log.vkey, other.vkey)
    for each in (log, other):
        assert witness.answer(request(each, 0)).status == 200
    for each in (log, other):
        each.grow("more")
        assert witness.answer(request(each, each.size - 1)).status == 200
    swapped = MadeLog(other.path, log.origin, other.seed, other.grower)
    swapped.grow("signed with the key of another log that is known here")
    assert witness.answer(request(swapped, 4)).status == 403


def test_a_second_key_of_a_log_is_as_good_as_the_first(tmp_path: pathlib.Path, log: MadeLog) -> None:
    new = MadeLog(log.path, log.origin, b"n" * 32, log.grower)
    witness = make_witness(tmp_path / "w", log.vkey, new.vkey)
    assert witness.answer(request(log, 0)).status == 200
    new.grow("signed with the new key")
    assert witness.answer(request(new, 3)).status == 200


def test_over_http_it_is_the_same(witness: Witness, log: MadeLog) -> None:
    with served(witness) as server:
        reply = post(server, request(log, 0))
        assert reply.status == 200
        taken(witness, log, reply.body)
        reply = post(server, request(log, 0))
        assert (reply.status, reply.media_type, reply.body) == (409, "text/x.tlog.size", b"3\n")
        assert post(server, b"old").status == 400


class TestALogAtHand:
    """A witness without a server: the log's folder came by any way."""

    def cosigned(self, witness: Witness, log: MadeLog) -> Note:
        note = parse_note(log.checkpoint())
        tree = parse_checkpoint(note.text)
        return note.signed(witness.cosign(note, tree, log.read))

    def test_it_is_cosigned_as_it_grows(self, witness: Witness, log: MadeLog) -> None:
        for count in (1, 300, 1):
            check_note(self.cosigned(witness, log), [witness.cosigner.verifier])
            log.grow(*(f"{number}" for number in range(count)))
        check_note(self.cosigned(witness, log), [witness.cosigner.verifier])

    def test_what_was_cosigned_over_http_is_remembered(self, witness: Witness, log: MadeLog) -> None:
        assert witness.answer(request(log, 0)).status == 200
        log.grow("more")
        self.cosigned(witness, log)
        assert witness.answer(request(log, 0)).body == b"4\n"

    def test_an_older_checkpoint_is_a_log_that_was_rolled_back(self, witness: Witness, log: MadeLog) -> None:
        old = log.checkpoint()
        log.grow("more")
        self.cosigned(witness, log)
        (log.path / "checkpoint").write_bytes(old)
        with pytest.raises(EvidenceError, match=r"rolled back.*cosigned 4 entries.*has 3") as caught:
            self.cosigned(witness, log)
        assert not isinstance(caught.value, ForkError)

    @pytest.mark.parametrize("count", [3, 4, 400])
    def test_another_history_is_a_fork(
        self, tmp_path: pathlib.Path, witness: Witness, log: MadeLog, count: int
    ) -> None:
        self.cosigned(witness, log)
        rewritten = make_log(tmp_path / "again", entries=0)
        rewritten.grow(*(f"other {number}" for number in range(count)))
        with pytest.raises(ForkError, match="rewritten"):
            self.cosigned(witness, rewritten)

    def test_damaged_tiles_are_no_fork(self, witness: Witness, log: MadeLog) -> None:
        self.cosigned(witness, log)
        log.grow("more")
        tile = log.path / "tile/0/000.p/4"
        data = bytearray(tile.read_bytes())
        data[40] ^= 1
        tile.write_bytes(data)
        with pytest.raises(DamagedError, match="its files aren't those of the checkpoint"):
            self.cosigned(witness, log)

    def test_a_log_that_is_not_known_or_not_its_own_is_refused(
        self, tmp_path: pathlib.Path, witness: Witness
    ) -> None:
        with pytest.raises(NotFoundError, match="not a log that this witness cosigns"):
            self.cosigned(witness, make_log(tmp_path / "stranger", origin="example.com/x"))
        with pytest.raises(SignatureError, match="no signature by a trusted key"):
            self.cosigned(witness, make_log(tmp_path / "thief", seed=5))
