"""OpenTimestamps against a calendar and an explorer on the loopback, whose bytes are spelled by hand."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.rooms.trust.answering import answering
from tests.rooms.trust.calendars import (
    APPEND,
    ATTESTATION,
    BITCOIN,
    FORK,
    HEAD,
    HEIGHT,
    PENDING,
    SHA256,
    Calendar,
    bitcoin,
    mine,
    number,
    pending,
    sha256,
    sized,
)
from tests.rooms.trust.logs import MadeLog, make_log
from whence.errors import EvidenceError, RemoteError
from whence.trust import Trust, bytes_of, find_kind, spelled
from whence.trust.opentimestamps import OpenTimestamps, _Block

EASY = Trust(settings={"work_bits": 12})


@pytest.fixture
def calendar() -> Iterator[Calendar]:
    made = Calendar()
    with answering(made.respond) as server:
        made.address, made.asked = server.address, server.asked
        yield made


@pytest.fixture
def log(tmp_path: pathlib.Path) -> MadeLog:
    return make_log(tmp_path / "log")


@pytest.fixture
def final(calendar: Calendar, log: MadeLog) -> dict[str, Any]:
    """Evidence that leads to a block."""
    evidence = calendar.client().anchor(log.checkpoint())
    calendar.is_confirmed = True
    upgraded = calendar.client().upgrade(evidence, log.checkpoint())
    assert upgraded is not None
    return upgraded


def test_a_promise_is_kept_and_said_to_be_one(calendar: Calendar, log: MadeLog) -> None:
    evidence = calendar.client().anchor(log.checkpoint())
    proof = bytes_of(evidence, "proof")
    digest = sha256(log.checkpoint())
    nonce = proof[len(HEAD) + 32 + 2 :][:16]
    expected = HEAD + digest + APPEND + sized(nonce) + SHA256
    assert proof == expected + APPEND + sized(b"calendar") + SHA256 + pending(calendar.address)
    assert calendar.digests == [sha256(digest + nonce)]
    assert calendar.asked[0][3]["Accept"] == "application/vnd.opentimestamps.v1"
    found = OpenTimestamps.check(evidence, log.checkpoint(), Trust())
    assert (found.at, found.is_final, found.is_trusted) == (None, False, False)
    assert calendar.address in found.by


def test_two_anchors_of_one_checkpoint_show_a_calendar_different_digests(
    calendar: Calendar, log: MadeLog
) -> None:
    for _ in range(2):
        calendar.client().anchor(log.checkpoint())
    assert len(set(calendar.digests)) == 2


def test_it_becomes_final_when_a_block_has_it(calendar: Calendar, log: MadeLog) -> None:
    evidence = calendar.client().anchor(log.checkpoint())
    assert calendar.client().upgrade(evidence, log.checkpoint()) is None
    calendar.is_confirmed = True
    upgraded = calendar.client().upgrade(evidence, log.checkpoint())
    assert upgraded is not None
    assert bytes_of(upgraded, "proof").startswith(bytes_of(evidence, "proof")[:60])
    found = OpenTimestamps.check(upgraded, log.checkpoint(), EASY)
    assert found.at is not None
    assert (found.at.timestamp(), found.is_final, found.is_trusted) == (1_700_000_000, True, True)
    assert f"block {HEIGHT:d}" in found.by
    asked = len(calendar.asked)
    assert calendar.client().upgrade(upgraded, log.checkpoint()) is None
    assert len(calendar.asked) == asked


def test_a_cheap_header_is_no_block_of_bitcoin(log: MadeLog, final: dict[str, Any]) -> None:
    found = OpenTimestamps.check(final, log.checkpoint(), Trust())
    assert not found.is_trusted
    assert "a block of Bitcoin takes more than 2^75" in found.rests_on


def test_a_reader_who_names_blocks_believes_no_other(
    calendar: Calendar, log: MadeLog, final: dict[str, Any]
) -> None:
    name = sha256(sha256(calendar.headers[HEIGHT]))[::-1].hex()
    for blocks, is_trusted in (([name], True), ([name.upper(), "00" * 32], True), (["00" * 32], False)):
        trust = Trust(settings={"blocks": blocks, "work_bits": 0})
        assert OpenTimestamps.check(final, log.checkpoint(), trust).is_trusted == is_trusted


def test_the_first_block_of_bitcoin_is_read_as_everybody_reads_it() -> None:
    """The genesis block: a header that others made, with its time, its hash and its work."""
    root = bytes.fromhex("3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a")
    header = bytes.fromhex("01000000") + bytes(32) + root + bytes.fromhex("29ab5f49ffff001d1dac2b7c")
    block = _Block.of(header, 0, root)
    assert block.hash == "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"
    assert (block.at.isoformat(), block.work_bits) == ("2009-01-03T18:15:05+00:00", 43)


def flipped(data: bytes, place: int) -> bytes:
    """Turn over one bit."""
    changed = bytearray(data)
    changed[place // 8] ^= 1 << place % 8
    return bytes(changed)


class TestAProofIsRefused:
    """Whatever isn't exactly a proof of exactly this checkpoint, in the one spelling of the format."""

    def test_another_checkpoint(self, log: MadeLog, final: dict[str, Any]) -> None:
        with pytest.raises(EvidenceError, match="about something else"):
            OpenTimestamps.check(final, log.grow("one more"), EASY)

    def test_every_flipped_bit_of_the_proof(
        self, calendar: Calendar, log: MadeLog, final: dict[str, Any]
    ) -> None:
        """Only what a calendar once promised, beside the path to the block, may change unseen."""
        raw = bytes_of(final, "proof")
        unseen = range(raw.index(PENDING), raw.index(calendar.address.encode()) + len(calendar.address))
        for place in range(len(raw) * 8):
            changed = {**final, "proof": spelled(flipped(raw, place))}
            if place // 8 in unseen:
                continue
            with pytest.raises(EvidenceError):
                OpenTimestamps.check(changed, log.checkpoint(), EASY)

    def test_every_flipped_bit_of_the_header(self, log: MadeLog, final: dict[str, Any]) -> None:
        """All but those that happen to do the work anew, one of 4,096 at the test's difficulty."""
        raw = bytes_of(final["headers"], str(HEIGHT))
        accepted = 0
        for place in range(len(raw) * 8):
            changed = {**final, "headers": {str(HEIGHT): spelled(flipped(raw, place))}}
            try:
                OpenTimestamps.check(changed, log.checkpoint(), EASY)
                accepted += 1
            except EvidenceError:
                continue
        assert accepted < 6

    def test_a_header_without_its_work(self, calendar: Calendar, log: MadeLog, final: dict[str, Any]) -> None:
        root = calendar.headers[HEIGHT][36:68]
        negative, too_large = (0x2080FFFF, 8), (0xFF7FFFFF, 0)
        for bits, work in ((0x1D00FFFF, 0), (0x03000001, 0), (0, 0), negative, too_large):
            header = mine(root, bits=bits, work=work)
            with pytest.raises(EvidenceError, match="doesn't show the work"):
                OpenTimestamps.check(
                    {**final, "headers": {str(HEIGHT): spelled(header)}}, log.checkpoint(), EASY
                )

    def test_a_header_with_more_behind_it(
        self, calendar: Calendar, log: MadeLog, final: dict[str, Any]
    ) -> None:
        header = mine(calendar.headers[HEIGHT][36:68], behind=b"x")
        with pytest.raises(EvidenceError, match="has 80 bytes, not 81"):
            OpenTimestamps.check({**final, "headers": {str(HEIGHT): spelled(header)}}, log.checkpoint(), EASY)

    @pytest.mark.parametrize(
        "headers",
        [
            None,
            [],
            {"300000": "!"},
            {"0300000": ""},
            {"-1": ""},
            {"x": ""},
            {"300000": 3},
            {"300000": "AAAA"},
        ],
    )
    def test_other_headers(self, log: MadeLog, final: dict[str, Any], headers: object) -> None:
        with pytest.raises(EvidenceError):
            OpenTimestamps.check({**final, "headers": headers}, log.checkpoint(), EASY)

    def test_a_header_of_another_height_says_nothing(self, log: MadeLog, final: dict[str, Any]) -> None:
        moved = {**final, "headers": {"300001": final["headers"][str(HEIGHT)]}}
        with pytest.raises(EvidenceError, match="needs none of the headers"):
            OpenTimestamps.check(moved, log.checkpoint(), EASY)

    @pytest.mark.parametrize(
        "tail",
        [
            b"",
            SHA256,
            SHA256 + ATTESTATION + b"\x01" * 8 + sized(b"x"),
            SHA256 + bitcoin(HEIGHT) + b"more",
            SHA256 * 300 + bitcoin(HEIGHT),
            b"\x99" + bitcoin(HEIGHT),
            APPEND + number(5000) + b"x" * 5000 + bitcoin(HEIGHT),
            APPEND + b"\x81\x00" + b"x" + bitcoin(HEIGHT),
            APPEND + b"\xff" * 4000,
            FORK + SHA256 + bitcoin(HEIGHT) + SHA256 + bitcoin(HEIGHT),
            FORK + bitcoin(HEIGHT) + bitcoin(HEIGHT + 1),
            ATTESTATION + BITCOIN + sized(number(HEIGHT) + b"\x00"),
            pending("https://example.org/?who=me"),
        ],
    )
    def test_bytes_that_are_no_proof(self, log: MadeLog, tail: bytes) -> None:
        if tail.startswith(FORK + bitcoin(HEIGHT)):
            tail += b"\x00"
        proof = HEAD + sha256(log.checkpoint()) + tail
        with pytest.raises(EvidenceError):
            OpenTimestamps.check({"headers": {}, "proof": spelled(proof)}, log.checkpoint(), EASY)

    def test_a_proof_without_end(self, log: MadeLog) -> None:
        """One that is spelled as it must be, and would otherwise count as promised."""
        others = b"".join(
            FORK + ATTESTATION + number.to_bytes(8, "big") + sized(b"x") for number in range(100_000)
        )
        proof = HEAD + sha256(log.checkpoint()) + others + pending("https://example.org")
        with pytest.raises(EvidenceError, match="more than 1048576"):
            OpenTimestamps.check({"headers": {}, "proof": spelled(proof)}, log.checkpoint(), EASY)
        proof = HEAD + sha256(log.checkpoint()) + others[: 12 * 100] + pending("https://example.org")
        assert not OpenTimestamps.check(
            {"headers": {}, "proof": spelled(proof)}, log.checkpoint(), EASY
        ).is_final


class TestACalendarIsNotBelieved:
    """What a server outside answers: an error, nonsense, too much, another's promise."""

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            ((500, b""), "status 500"),
            ((302, b""), "status 302"),
            ((200, b""), "isn't OpenTimestamps"),
            ((200, b"<html>"), "isn't OpenTimestamps"),
            ((200, bytes(20_000)), "more than 10,000 bytes"),
            ((200, SHA256 + pending("http://elsewhere.example") + b"x"), "isn't OpenTimestamps"),
            ((200, SHA256 + pending("http://elsewhere.example")), "another calendar that nobody named"),
            ((200, SHA256 + ATTESTATION + b"12345678" + sized(b"x")), "another calendar that nobody named"),
            ((200, bitcoin(HEIGHT)), "another calendar that nobody named"),
        ],
    )
    def test_a_promise(self, calendar: Calendar, log: MadeLog, answer: tuple[int, bytes], said: str) -> None:
        calendar.answers["/digest"] = answer
        with pytest.raises(RemoteError, match=rf"(?s){said}.*--calendar"):
            calendar.client().anchor(log.checkpoint())

    def test_one_of_two_is_too_few(self, calendar: Calendar, log: MadeLog) -> None:
        with answering(lambda *asked: (503, b"")) as dead:
            kind = OpenTimestamps(calendar=[calendar.address, dead.address])
            with pytest.raises(RemoteError, match="too few calendars answer, 2 must"):
                kind.anchor(log.checkpoint())

    def test_two_of_three_are_enough(self, calendar: Calendar, log: MadeLog) -> None:
        other = Calendar()
        with answering(lambda *asked: (503, b"")) as dead, answering(other.respond) as server:
            other.address = server.address
            kind = OpenTimestamps(calendar=[calendar.address, dead.address, other.address + "/"])
            found = OpenTimestamps.check(kind.anchor(log.checkpoint()), log.checkpoint(), Trust())
        assert calendar.address in found.by
        assert other.address in found.by

    @pytest.mark.parametrize(
        ("path", "answer", "said"),
        [
            ("/timestamp/", (500, b""), "status 500"),
            ("/timestamp/", (200, b"?"), "isn't OpenTimestamps"),
            ("/timestamp/", (200, bitcoin(HEIGHT)), "isn't this proof's header"),
            ("/block-height/", (200, b"<html>"), "no block's hash"),
            ("/block-height/", (200, b"ab" * 32), "status 404"),
            ("/block/", (200, b"00" * 80), "isn't this proof's header"),
            ("/block/", (200, b"zz"), "isn't this proof's header"),
            ("/block/", (404, b""), "status 404"),
        ],
    )
    def test_a_path_to_a_block(
        self, calendar: Calendar, log: MadeLog, path: str, answer: tuple[int, bytes], said: str
    ) -> None:
        evidence = calendar.client().anchor(log.checkpoint())
        calendar.is_confirmed = True
        calendar.headers[HEIGHT] = mine(bytes(32))
        if path != "/timestamp/":
            del calendar.headers[HEIGHT]
        calendar.answers[path] = answer
        with pytest.raises(RemoteError, match=said):
            calendar.client().upgrade(evidence, log.checkpoint())

    def test_an_address_in_a_record_is_not_asked_unless_somebody_named_it(
        self, calendar: Calendar, log: MadeLog
    ) -> None:
        evidence = calendar.client().anchor(log.checkpoint())
        asked = len(calendar.asked)
        with pytest.raises(RemoteError, match="nobody named this calendar"):
            OpenTimestamps().upgrade(evidence, log.checkpoint())
        assert len(calendar.asked) == asked


def test_it_is_found_by_its_name() -> None:
    assert find_kind("opentimestamps") is OpenTimestamps
