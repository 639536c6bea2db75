"""Anchors on disk, and what they say of the log that lies here: by real evidence of a real repository."""

from __future__ import annotations

import json
import os
import pathlib
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from tests.rooms.trust.answering import answering
from tests.rooms.trust.calendars import Calendar
from tests.rooms.trust.logs import MadeLog, make_log
from tests.rooms.trust.test_gits import git as run_git
from tests.rooms.trust.test_gits import make_repository, trusting
from whence.errors import DamagedError, EvidenceError, InputError, RemoteError, SignatureError, StoreError
from whence.trust import (
    KINDS,
    Anchor,
    Anchored,
    Checked,
    Trust,
    anchor_log,
    anchor_path,
    bytes_of,
    check_anchors,
    confirm_anchors,
    find_kind,
    list_anchors,
    read_anchor,
    read_trust,
    upgrade_anchors,
    write_anchor,
)
from whence.trust.gits import Git
from whence.trust.opentimestamps import OpenTimestamps
from whence.vocab import canonical, digest_bytes

AT_MS = 1_800_000_000_000


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration but the repository's own."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)


@pytest.fixture
def log(tmp_path: pathlib.Path) -> MadeLog:
    return make_log(tmp_path / "log")


@pytest.fixture
def git(tmp_path: pathlib.Path) -> Git:
    return Git(repository=str(make_repository(tmp_path / "repository")), branch="anchors")


@pytest.fixture
def anchored(log: MadeLog, git: Git) -> Anchor:
    """A log of three entries, anchored."""
    return anchor_log(log, git, at_ms=AT_MS).anchor


def only(log: MadeLog, **trust: Trust) -> Checked:
    (found,) = check_anchors(log, trust=trust)
    return found


def files_of(log: MadeLog) -> list[pathlib.Path]:
    return sorted((log.path / "anchors").iterdir())


class TestWhatAnAnchorSaysOfTheLog:
    """The checkpoint that was attested, against the log as it is now."""

    def test_the_log_continues_it(self, log: MadeLog, anchored: Anchor, tmp_path: pathlib.Path) -> None:
        for entries in range(300):
            log.grow(*(f"more {number}" for number in range(entries // 60)))
            if entries % 60 == 0:
                found = only(log, git=trusting(tmp_path / "repository", refs=["refs/heads/anchors"]))
                assert (found.state, found.problem) == ("holds", "")
                assert found.anchored is not None
                assert found.anchored.is_trusted
        assert log.size > 256

    def test_a_log_that_was_rolled_back(self, log: MadeLog, git: Git, tmp_path: pathlib.Path) -> None:
        """An older copy of the folder is put in place, the records of anchors are kept."""
        anchor_log(log, git, at_ms=AT_MS)
        log.grow("four", "five")
        anchor_log(log, git, at_ms=AT_MS)
        older = make_log(tmp_path / "older")
        (log.path / "anchors").rename(older.path / "anchors")
        states = [each.state for each in check_anchors(older)]
        assert states == ["holds", "ahead"]
        assert "had 5 entries then, and has 3 now" in check_anchors(older)[1].problem

    @pytest.mark.parametrize("entries", [3, 4, 300])
    def test_a_log_that_was_written_anew_with_the_same_key(
        self, log: MadeLog, anchored: Anchor, tmp_path: pathlib.Path, entries: int
    ) -> None:
        forged = make_log(tmp_path / "forged", entries=0)
        forged.grow("entry 0", "entry X", "entry 2", *map(str, range(entries - 3)))
        (log.path / "anchors").rename(forged.path / "anchors")
        found = only(forged)
        assert found.state == "differs"
        assert "aren't those that were anchored" in found.problem

    def test_a_log_that_was_written_anew_with_another_key(
        self, log: MadeLog, anchored: Anchor, tmp_path: pathlib.Path
    ) -> None:
        forged = make_log(tmp_path / "forged", seed=1)
        (log.path / "anchors").rename(forged.path / "anchors")
        assert only(forged).state == "other-key"

    def test_another_log(self, log: MadeLog, anchored: Anchor, tmp_path: pathlib.Path) -> None:
        other = make_log(tmp_path / "other", origin="whence.invalid/2026-zzzzzzzzzz")
        (log.path / "anchors").rename(other.path / "anchors")
        found = only(other)
        assert (found.state, found.anchored) == ("foreign", None)
        assert "put it to the log" in found.remedy

    def test_a_checkpoint_that_the_log_never_signed_accuses_nobody(
        self, log: MadeLog, git: Git, tmp_path: pathlib.Path
    ) -> None:
        """Anybody can write a log of this name with a key of his own, anchor it and put the record here."""
        forger = make_log(tmp_path / "forger", entries=50, seed=7)
        anchor = anchor_log(forger, git, at_ms=AT_MS).anchor
        write_anchor(log.path, anchor)
        assert only(log).state == "other-key"

    def test_a_damaged_tile_is_no_fork(self, log: MadeLog, git: Git) -> None:
        anchor_log(log, git, at_ms=AT_MS)
        log.grow(*map(str, range(300)))
        tile = log.path / "tile/0/000"
        data = bytearray(tile.read_bytes())
        data[0] ^= 1
        tile.write_bytes(data)
        found = only(log)
        assert found.state == "unchecked"
        assert "doesn't lead to its first 3 entries" in found.problem
        tile.unlink()
        assert only(log).state == "unchecked"

    def test_a_log_whose_own_checkpoint_is_no_good_is_an_error(self, log: MadeLog, anchored: Anchor) -> None:
        (log.path / "checkpoint").write_bytes(log.checkpoint().replace(b"\n3\n", b"\n4\n"))
        with pytest.raises(SignatureError, match=r"(?s)log/checkpoint: .*backup"):
            check_anchors(log)

    def test_no_anchors_are_none(self, log: MadeLog) -> None:
        assert check_anchors(log) == []


class TestARecord:
    """One file each, that names itself; it never changes."""

    def test_there_and_back(self, log: MadeLog, anchored: Anchor) -> None:
        (path,) = files_of(log)
        assert path == anchor_path(log.path, anchored)
        assert read_anchor(path) == anchored
        fields = json.loads(path.read_bytes())
        said = (fields["kind"], fields["origin"], fields["size"], fields["at"], fields["checkpoint"].encode())
        assert said == ("git", log.origin, 3, AT_MS, log.checkpoint())
        assert path.name == f"3-git-{digest_bytes(path.read_bytes()).hex()[:32]}"

    def test_fields_of_a_later_version_are_kept(self, log: MadeLog, anchored: Anchor) -> None:
        later = replace(anchored, others={"place": {"lat": 47}}, at_ms=AT_MS + 1)
        found = read_anchor(write_anchor(log.path, later))
        assert found == later
        assert found.encode() == later.encode()

    def test_a_kind_of_a_later_version_is_said_not_to_be_checked(
        self, log: MadeLog, anchored: Anchor
    ) -> None:
        files_of(log)[0].unlink()
        write_anchor(log.path, replace(anchored, kind="moonrock"))
        found = only(log)
        assert (found.state, found.anchored) == ("unchecked", None)
        assert "no anchors of the kind moonrock" in found.problem

    def test_without_its_package_it_is_said_not_to_be_checked(
        self, log: MadeLog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_anchor(log.path, Anchor.of("opentimestamps", log.checkpoint(), {}, at_ms=AT_MS))
        for name in [name for name in sys.modules if name.partition(".")[0] == "opentimestamps"]:
            monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.delitem(sys.modules, "whence.trust.opentimestamps")
        found = only(log)
        assert (found.state, found.anchored) == ("unchecked", None)
        assert found.remedy == "Install it with: pip install 'whence[opentimestamps]'"

    def test_a_flipped_bit_of_any_byte_is_damage(self, log: MadeLog, anchored: Anchor) -> None:
        (path,) = files_of(log)
        data = path.read_bytes()
        for place in range(len(data)):
            flipped = bytearray(data)
            flipped[place] ^= 1 << place % 8
            path.write_bytes(flipped)
            with pytest.raises(DamagedError):
                read_anchor(path)
        assert only(log).state == "damaged"

    @pytest.mark.parametrize(
        "change",
        [
            {"origin": "whence.invalid/2026-zzzzzzzzzz"},
            {"size": 4},
            {"size": "3"},
            {"root": ""},
            {"at": 1.5},
            {"at": None},
            {"at": True},
            {"kind": 3},
            {"checkpoint": "x"},
            {"checkpoint": 3},
            {"evidence": []},
            {"evidence": None},
        ],
    )
    def test_one_that_contradicts_itself_is_damaged(
        self, log: MadeLog, anchored: Anchor, change: dict[str, Any]
    ) -> None:
        """Its name is right: whoever wrote it wrote it so."""
        (path,) = files_of(log)
        data = canonical({**json.loads(path.read_bytes()), **change})
        named = path.with_name(f"3-git-{digest_bytes(data).hex()[:32]}")
        path.rename(named)
        named.write_bytes(data)
        assert only(log).state == "damaged"

    @pytest.mark.parametrize(
        "spell",
        [
            lambda data: data + b"\n",
            lambda data: json.dumps(json.loads(data), indent=1).encode(),
            lambda data: data.replace(b'"at":', b'"at":0,"at":'),
            lambda data: b"[" * 10_000,
            lambda data: b"\xff",
            lambda data: b"",
        ],
    )
    def test_another_spelling_is_damaged(self, log: MadeLog, anchored: Anchor, spell: Any) -> None:
        (path,) = files_of(log)
        data = spell(path.read_bytes())
        named = path.with_name(f"3-git-{digest_bytes(data).hex()[:32]}")
        path.rename(named)
        named.write_bytes(data)
        assert only(log).state == "damaged"

    @pytest.mark.parametrize(
        "name", ["notes.txt", "3-git", "3-git-00", "x-git-" + "0" * 32, "03-git-" + "0" * 32]
    )
    def test_a_stray_file_is_named(self, log: MadeLog, anchored: Anchor, name: str) -> None:
        (log.path / "anchors" / name).write_bytes(files_of(log)[0].read_bytes())
        states = {each.path.name: each.state for each in check_anchors(log)}
        assert states.pop(name) == "damaged"
        assert list(states.values()) == ["holds"]

    def test_a_file_without_end_is_not_read_to_its_end(self, log: MadeLog, anchored: Anchor) -> None:
        """A record that is whole, and larger than any evidence."""
        files_of(log)[0].unlink()
        write_anchor(log.path, replace(anchored, kind="moonrock", evidence={"x": "a" * (17 << 20)}))
        assert only(log).state == "damaged"

    def test_what_a_writer_left_that_died_is_no_record(self, log: MadeLog, anchored: Anchor) -> None:
        (path,) = files_of(log)
        (path.parent / f".{path.name}.0123456789ab").write_bytes(path.read_bytes()[:100])
        assert only(log).state == "holds"

    def test_a_renamed_record_is_damaged(self, log: MadeLog, anchored: Anchor) -> None:
        (path,) = files_of(log)
        for name in (path.name.replace("git", "evm"), path.name.replace("3-", "4-")):
            path.rename(path.with_name(name))
            assert only(log).state == "damaged"
            path.with_name(name).rename(path)

    def test_a_folder_in_its_place_is_an_error_that_names_it(self, log: MadeLog, anchored: Anchor) -> None:
        (path,) = files_of(log)
        path.unlink()
        path.mkdir()
        with pytest.raises(StoreError, match=path.name):
            check_anchors(log)


class TestEvidenceThatWasMoved:
    """Evidence is good for one checkpoint of one log."""

    def test_to_another_checkpoint(self, log: MadeLog, anchored: Anchor) -> None:
        checkpoint = log.grow("four")
        write_anchor(log.path, Anchor.of("git", checkpoint, anchored.evidence, at_ms=AT_MS))
        assert [each.state for each in check_anchors(log)] == ["holds", "false"]

    def test_to_another_kind(self, log: MadeLog, anchored: Anchor) -> None:
        files_of(log)[0].unlink()
        for kind in KINDS:
            if kind != "git":
                path = write_anchor(log.path, replace(anchored, kind=kind))
                assert only(log).state in ("false", "unchecked")
                path.unlink()

    @pytest.mark.parametrize("kind", list(KINDS))
    @pytest.mark.parametrize("evidence", [{}, {"x": 1}, {"entry": 3}, {"object": None}, {"response": {}}])
    def test_nonsense_is_false_for_every_kind(
        self, log: MadeLog, kind: str, evidence: dict[str, Any]
    ) -> None:
        write_anchor(log.path, Anchor.of(kind, log.checkpoint(), evidence, at_ms=AT_MS))
        found = only(log)
        assert found.state in ("false", "unchecked")
        assert found.problem
        assert found.remedy


class TestMaking:
    """What is asked for once is kept once; what fails leaves nothing."""

    def test_a_checkpoint_that_was_attested_is_not_attested_again(
        self, log: MadeLog, git: Git, anchored: Anchor
    ) -> None:
        again = anchor_log(log, git, at_ms=AT_MS + 5)
        assert (again.is_new, again.anchor) == (False, anchored)
        log.grow("four")
        assert anchor_log(log, git, at_ms=AT_MS).is_new

    def test_nobody_is_asked_twice_who_would_attest_it_anew(self, log: MadeLog) -> None:
        calendar = Calendar()
        with answering(calendar.respond) as server:
            calendar.address = server.address
            made = [anchor_log(log, calendar.client(), at_ms=AT_MS + number) for number in range(2)]
        assert [each.is_new for each in made] == [True, False]
        assert len(calendar.digests) == 1

    def test_what_was_tagged_is_still_pushed_when_that_is_asked_for(
        self, log: MadeLog, git: Git, anchored: Anchor, tmp_path: pathlib.Path
    ) -> None:
        run_git(tmp_path, "init", "--quiet", "--bare", str(tmp_path / "shared.git"))
        pushing = Git(
            repository=str(tmp_path / "repository"), branch="anchors", push=str(tmp_path / "shared.git")
        )
        assert not anchor_log(log, pushing, at_ms=AT_MS).is_new
        found = only(log, git=trusting(tmp_path / "shared.git"))
        assert found.anchored is not None
        assert found.anchored.is_trusted

    def test_one_that_is_damaged_or_false_does_not_count(
        self, log: MadeLog, git: Git, anchored: Anchor
    ) -> None:
        (path,) = files_of(log)
        path.write_bytes(path.read_bytes()[:-1])
        assert anchor_log(log, git, at_ms=AT_MS).is_new
        path.unlink(missing_ok=True)
        write_anchor(log.path, replace(anchored, evidence={}))
        assert anchor_log(log, git, at_ms=AT_MS + 1).is_new

    def test_two_at_once_leave_whole_records(self, log: MadeLog, git: Git) -> None:
        barrier = threading.Barrier(4)
        problems: list[BaseException] = []

        def act(at_ms: int) -> None:
            barrier.wait()
            try:
                anchor_log(log, git, at_ms=at_ms)
            except BaseException as error:
                problems.append(error)

        threads = [threading.Thread(target=act, args=(AT_MS + number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not problems
        found = check_anchors(log)
        assert {each.state for each in found} == {"holds"}
        assert 1 <= len(found) == len(files_of(log)) <= 4

    def test_an_empty_log_has_nothing_to_anchor(self, tmp_path: pathlib.Path, git: Git) -> None:
        log = make_log(tmp_path / "empty", entries=0)
        with pytest.raises(EvidenceError, match="empty log"):
            anchor_log(log, git, at_ms=AT_MS)
        assert not (log.path / "anchors").exists()

    def test_a_checkpoint_that_the_log_did_not_sign_is_not_anchored(self, log: MadeLog, git: Git) -> None:
        (log.path / "checkpoint").write_bytes(log.checkpoint().replace(b"\n3\n", b"\n4\n"))
        with pytest.raises(EvidenceError):
            anchor_log(log, git, at_ms=AT_MS)
        assert not (log.path / "anchors").exists()

    def test_who_does_not_attest_leaves_nothing(self, log: MadeLog) -> None:
        with (
            answering(lambda *asked: (500, b"")) as server,
            pytest.raises(RemoteError),
        ):
            anchor_log(log, OpenTimestamps(calendar=[server.address]), at_ms=AT_MS)
        assert not (log.path / "anchors").exists()

    def test_a_folder_that_cannot_be_written_is_an_error(self, log: MadeLog, git: Git) -> None:
        (log.path / "anchors").write_bytes(b"a file")
        with pytest.raises(StoreError):
            anchor_log(log, git, at_ms=AT_MS)


class TestWhatBecomesFinalLater:
    """A promise is kept until it is fulfilled, and then its record gives way."""

    def test_the_promise_gives_way_to_the_block(self, log: MadeLog) -> None:
        calendar = Calendar()
        with answering(calendar.respond) as server:
            calendar.address = server.address
            made = anchor_log(log, calendar.client(), at_ms=AT_MS)
            assert only(log).state == "pending"
            log.grow("four")
            (waiting,) = upgrade_anchors(log, calendar.client())
            assert (waiting.is_new, waiting.anchor, waiting.problem) == (False, made.anchor, "")
            calendar.is_confirmed = True
            (upgraded,) = upgrade_anchors(log, calendar.client())
            assert upgraded.is_new
            assert upgraded.anchor.at_ms == AT_MS
            assert files_of(log) == [upgraded.path]
            found = only(log, opentimestamps=Trust(settings={"work_bits": 12}))
            assert found.state == "holds"
            assert found.anchored is not None
            assert found.anchored.is_trusted
            assert upgrade_anchors(log, calendar.client()) == []

    def test_a_calendar_that_is_down_costs_no_promise(self, log: MadeLog) -> None:
        calendar = Calendar()
        with answering(calendar.respond) as server:
            calendar.address = server.address
            anchor_log(log, calendar.client(), at_ms=AT_MS)
            before = [path.read_bytes() for path in files_of(log)]
            calendar.answers["/timestamp/"] = (503, b"")
            (waiting,) = upgrade_anchors(log, calendar.client())
        assert "status 503" in waiting.problem
        assert [path.read_bytes() for path in files_of(log)] == before


class Chain(Git):
    """A kind whose anchors may fall: what was in the repository of its words may be gone."""

    stands: ClassVar[bool] = True

    def confirm(self, evidence: Mapping[str, Any], checkpoint: bytes) -> Anchored:
        """Say what the test says."""
        if not self.stands:
            raise EvidenceError("the chain was reorganised", remedy="Look where it is now.")
        return self.check(evidence, checkpoint, Trust())


def test_what_no_longer_stands_is_told(
    log: MadeLog, git: Git, anchored: Anchor, tmp_path: pathlib.Path
) -> None:
    chain = Chain(repository=str(tmp_path / "repository"))
    assert [each.state for each in confirm_anchors(log, chain)] == ["holds"]
    Chain.stands = False
    (found,) = confirm_anchors(log, chain)
    assert (found.state, found.problem, found.remedy) == (
        "false",
        "the chain was reorganised",
        "Look where it is now.",
    )
    assert found.path == files_of(log)[0]


@pytest.mark.parametrize("text", ["AB==", "AA=", "AA", "A A==", "AA==\n", "_w==", "é", ""])
def test_bytes_of_evidence_have_one_spelling(text: str) -> None:
    assert bytes_of({"x": "AA=="}, "x") == b"\0"
    if text:
        with pytest.raises(EvidenceError, match="x "):
            bytes_of({"x": text}, "x")
    else:
        assert bytes_of({"x": text}, "x") == b""


class TestTheFileThatNamesWhomToTrust:
    """TOML, a table for each kind; paths are relative to it."""

    def test_it_is_read(self, tmp_path: pathlib.Path) -> None:
        (tmp_path / "keys").mkdir()
        (tmp_path / "keys/a.pem").write_bytes(b"a")
        (tmp_path / "trust.toml").write_text('[rfc3161]\nroots = "keys/a.pem"\n[git]\nrefs = ["x", "y"]\n')
        trust = read_trust(tmp_path / "trust.toml")
        assert trust["rfc3161"].files("roots") == [b"a"]
        assert trust["git"].texts("refs") == ["x", "y"]
        assert trust["git"].texts("other") == []
        assert trust["git"].number("other", 5) == 5

    @pytest.mark.parametrize(
        "text", ["[moon]\n", "git = 3\n", "x\n", "\udcff", "[git]\n[git]\n", "a = " + "[" * 5_000]
    )
    def test_anything_else_is_refused(self, tmp_path: pathlib.Path, text: str) -> None:
        (tmp_path / "trust.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
        with pytest.raises(InputError, match=r"trust\.toml"):
            read_trust(tmp_path / "trust.toml")

    @pytest.mark.parametrize("value", [3, [3], {"a": "b"}, None])
    def test_a_setting_of_another_type_is_refused(self, value: object) -> None:
        trust = Trust(settings={"refs": value, "work_bits": "many"})
        with pytest.raises(InputError, match="refs"):
            trust.texts("refs")
        with pytest.raises(InputError, match="work_bits"):
            trust.number("work_bits", 1)


def test_a_kind_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"(?s)'moonrock'.*rfc3161"):
        find_kind("moonrock")


def test_what_is_damaged_is_listed_beside_the_rest(log: MadeLog, anchored: Anchor) -> None:
    (log.path / "anchors" / "notes.txt").write_text("x")
    found = list_anchors(log.path)
    assert [type(each) for each in found] == [DamagedError, Anchor]
