"""Receipts by themselves, backups without restoring them, sources on demand; and how the command says it."""

from __future__ import annotations

import os
import pathlib
import random
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

import whence as wh
from tests.forging import rewrite_journal
from tests.sites import Log, Site, forget, make_site
from whence.errors import DamagedError, InputError, NotFoundError, RecordWarning
from whence.ledger import SigningKey, Statement, parse_note, parse_receipt
from whence.store import Folder, KeyRing, Ledger, Shard, encode_content
from whence.trust.witness_kind import keep_cosignatures


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from make_site(tmp_path_factory.mktemp("site"))


@pytest.fixture(autouse=True)
def as_it_was(site: Site) -> Iterator[None]:
    yield
    site.put_back()


def model(site: Site) -> tuple[bytes, pathlib.Path]:
    """The receipt of a model, and its content in a file."""
    path = site.folder / "net.bin"
    path.write_bytes(b"first" * 20_000)
    return wh.open(site.folder).prove("net@1"), path


class TestReceipts:
    def test_who_has_the_key_sees_that_it_holds_and_what_it_says(self, site: Site) -> None:
        receipt, thing = model(site)
        verdict = wh.verify_receipt(receipt, thing=thing)
        assert (verdict.holds, verdict.outcome, verdict.findings) == (True, "unanchored", [])
        assert verdict.statement is not None
        assert (verdict.statement["kind"], verdict.statement["name"]) == ("model", "net")
        assert verdict.logs[0].key_from == "key ring"
        assert verdict.checked == {"entries": 1, "objects": 1}

    def test_a_quorum_of_witnesses_makes_it_intact(self, site: Site) -> None:
        receipt, thing = model(site)
        policy = site.witnessed
        shutil.rmtree(site.keys)
        verdict = wh.verify_receipt(receipt, policy=policy, thing=thing)
        assert (verdict.holds, verdict.outcome) == (True, "intact")
        assert verdict.logs[0].vouchers == ("witness w1",)
        assert verdict.to_json()["policy"]["met"] is True

    def test_without_anybody_who_names_the_key_it_never_holds(self, site: Site) -> None:
        receipt, thing = model(site)
        vkey = site.shards[0].vkey
        shutil.rmtree(site.keys)
        verdict = wh.verify_receipt(receipt, thing=thing)
        assert not verdict.holds
        assert "nobody names the key" in verdict.findings[0].problem
        assert wh.verify_receipt(receipt, keys=[vkey], thing=thing).holds

    @pytest.mark.parametrize("policy", [b"quorum none\n", b"# nothing\nquorum none\n"])
    def test_a_policy_that_demands_nothing_is_never_met(self, site: Site, policy: bytes) -> None:
        verdict = wh.verify_receipt(model(site)[0], policy=policy)
        assert not verdict.holds
        assert any("anything would meet it" in each.problem for each in verdict.findings)

    def test_another_key_another_thing_and_a_missing_thing_are_refused(self, site: Site) -> None:
        receipt, thing = model(site)
        other = SigningKey(b"x" * 32).signer(site.shards[0].origin).vkey
        assert not wh.verify_receipt(receipt, keys=[other]).holds
        elsewhere = SigningKey(b"x" * 32).signer("elsewhere.example").vkey
        assert "is of the log" in wh.verify_receipt(receipt, keys=[elsewhere]).findings[0].problem
        thing.write_bytes(thing.read_bytes()[:-1])
        verdict = wh.verify_receipt(receipt, thing=thing)
        assert (verdict.outcome, verdict.findings[0].where) == ("damaged", str(thing))
        thing.unlink()
        assert "can't be read" in wh.verify_receipt(receipt, thing=thing).findings[0].problem

    def test_the_receipt_of_a_run_is_compared_with_its_journal(self, site: Site) -> None:
        run = wh.open(site.folder).run()
        receipt = wh.open(site.folder).prove(run.id)
        path = run.record.journal.path
        assert wh.verify_receipt(receipt, thing=path).holds
        assert wh.verify_receipt(receipt, thing=path / "journal").holds
        data = bytearray((path / "journal").read_bytes())
        data[200] ^= 1
        (path / "journal").write_bytes(data)
        assert wh.verify_receipt(receipt, thing=path).outcome == "damaged"

    def test_no_bit_of_it_can_be_flipped(self, site: Site) -> None:
        receipt, _ = model(site)
        receipt = receipt[: receipt.index("— witness".encode())]  # nobody here asks for the witness
        assert wh.verify_receipt(receipt).holds
        chance = random.Random(5)
        for _ in range(400):
            data = bytearray(receipt)
            bit = chance.randrange(8 * len(data))
            data[bit // 8] ^= 1 << bit % 8
            assert not wh.verify_receipt(bytes(data)).holds, bit

    def test_what_its_key_never_signed_is_a_fork(self, site: Site) -> None:
        """The keeper signed another history, and his key ring remembers the first."""
        shard = site.shards[1]
        log = Log.read(shard)
        log.replace(3, Statement("approval", 5, encode_content({"by": "nobody"})))
        log.resign(site.key(shard))
        receipt = shard.prove(3).encode()
        verdict = wh.verify_receipt(receipt)
        assert (verdict.outcome, verdict.holds) == ("forked", False)
        longer = Statement("approval", 6, encode_content({"by": "nobody"}))
        log.entries.append(longer.entry(bytes(16)))
        log.openings.append(log.openings[3])
        log.resign(site.key(shard))
        assert "never signed more" in wh.verify_receipt(shard.prove(3).encode()).findings[0].problem

    def test_a_checkpoint_that_was_kept_tells_two_histories_of_one_size(self, site: Site) -> None:
        shard = site.shards[1]
        kept = shard.checkpoint()
        log = Log.read(shard)
        log.replace(3, Statement("approval", 5, encode_content({"by": "nobody"})))
        log.resign(site.key(shard))
        forget(site)
        receipt = shard.prove(3).encode()
        assert wh.verify_receipt(receipt).holds, "nobody here can tell"
        assert wh.verify_receipt(receipt, since=kept).outcome == "forked"

    @pytest.mark.parametrize("data", [b"", b"c2sp.org/tlog-proof@v1\n", b"\xff" * 99])
    def test_what_is_no_receipt_is_refused(self, site: Site, data: bytes) -> None:
        assert not wh.verify_receipt(data).holds

    def test_one_without_what_was_logged_shows_nothing(self, site: Site) -> None:
        receipt = parse_receipt(model(site)[0])
        bare = type(receipt)(b"", receipt.index, receipt.hashes, receipt.checkpoint)
        assert not wh.verify_receipt(bare.encode()).holds

    def test_what_it_says_need_not_be_what_we_can_read(self, site: Site) -> None:
        ledger = Ledger(Folder(site.path), KeyRing(site.keys))
        (place,) = ledger.append([Statement("approval", 5, b"\xc1 no msgpack")])
        verdict = wh.verify_receipt(Shard(ledger.path / place.shard).prove(place.index).encode())
        assert (verdict.holds, verdict.statement) == (
            True,
            {"kind": "approval", "at_ms": 5, "index": place.index},
        )


class TestBackups:
    def test_it_is_verified_as_the_workspace_it_is_of_and_nothing_is_left(
        self, site: Site, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "backup.tar.gz"
        wh.open(site.folder).back_up(path)
        room = tmp_path / "room"
        room.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(room))
        told: list[str] = []
        verdict = wh.verify_backup(path, policy=site.witnessed, tell=told.append)
        assert (verdict.holds, verdict.outcome, verdict.findings) == (True, "redacted", [])
        assert verdict.checked["runs"] == 3
        assert told
        assert os.listdir(room) == []

    def test_an_older_one_is_noted_as_such(self, site: Site, tmp_path: pathlib.Path) -> None:
        wh.open(site.folder).back_up(tmp_path / "backup.tar")
        with wh.start_run("later", workspace=site.folder) as run:
            run.log_note("after the backup")
        verdict = wh.verify_backup(tmp_path / "backup.tar")
        assert verdict.holds
        assert any("a copy, with 4 of the 5 entries" in note for note in verdict.notes)

    def test_what_was_damaged_before_it_was_made_is_found(self, site: Site, tmp_path: pathlib.Path) -> None:
        bundle = site.shards[0].path / "tile" / "entries" / "000"
        bundle.write_bytes(bundle.read_bytes()[:-1] + b"!")
        wh.open(site.folder).back_up(tmp_path / "backup.tar")
        verdict = wh.verify_backup(tmp_path / "backup.tar")
        assert verdict.outcome == "damaged"
        assert "tile/entries/000" in verdict.findings[0].where

    def test_one_that_is_cut_off_is_refused_and_leaves_nothing(
        self, site: Site, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "backup.tar"
        wh.open(site.folder).back_up(path)
        path.write_bytes(path.read_bytes()[:100_000])
        (tmp_path / "room").mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "room"))
        with pytest.raises(DamagedError):
            wh.verify_backup(path)
        assert os.listdir(tmp_path / "room") == []


class TestSources:
    @pytest.fixture
    def place(self, tmp_path: pathlib.Path) -> pathlib.Path:
        for number in range(4):
            (tmp_path / f"{number}.txt").write_text(f"line {number}\n")
        with wh.start_run("reads", workspace=tmp_path):
            wh.from_files(str(tmp_path / "*.txt")).map(lambda file: len(file.read())).collect()
        return tmp_path

    def test_files_are_compared_only_when_it_is_asked_for(self, place: pathlib.Path) -> None:
        (place / "1.txt").write_text("another")
        assert wh.open(place).verify().holds
        verdict = wh.open(place).verify(sources=True)
        assert (verdict.holds, verdict.outcome) == (False, "unanchored")
        assert [(each.where, each.kind) for each in verdict.findings] == [(str(place / "1.txt"), "unmet")]
        assert verdict.checked["sources"] == 4

    def test_those_that_were_moved_are_noted(self, place: pathlib.Path) -> None:
        (place / "1.txt").rename(place / "moved")
        verdict = wh.open(place).verify(sources=True)
        assert verdict.holds
        assert any("1 files aren't where" in note for note in verdict.notes)

    def test_a_snapshot_that_isnt_that_of_its_digests_is_found(self, place: pathlib.Path) -> None:
        """What a file is said to have been is changed, and all that follows from it but the snapshot."""
        shutil.rmtree(place / ".whence" / "ledger")
        (run,) = (place / ".whence" / "runs").iterdir()

        def change(event: dict[str, Any], body: dict[str, Any] | None) -> bool:
            if event["k"] != "source_parts" or body is None:
                return False
            body["digests"] = bytes(32) + body["digests"][32:]
            return True

        assert rewrite_journal(run, change)
        (finding,) = wh.open(place).verify().findings
        assert "the snapshot of source 0" in finding.problem


class TestAnchors:
    """What a witness said of an earlier checkpoint, kept beside the log."""

    @pytest.fixture
    def anchored(self, site: Site) -> pathlib.Path:
        shard = site.shards[1]
        note = parse_note(shard.checkpoint())
        cosignatures = [each for each in note.signatures if each.name == site.cosigner.name]
        anchor = keep_cosignatures(shard.path, note, cosignatures, at_ms=1_800_000_000_000)
        return shard.path / "anchors" / anchor.name

    def trusting(self, site: Site) -> bytes:
        return site.policy(f"witness w1 {site.cosigner.vkey}", "quorum none")

    def test_it_vouches_for_as_much_as_it_saw(self, site: Site, anchored: pathlib.Path) -> None:
        shard = site.shards[1]
        with wh.start_run("later", workspace=site.folder) as run:
            run.log_note("after the witness")
        verdict = site.verify(policy=self.trusting(site))
        log = next(each for each in verdict.logs if each.name == shard.name)
        assert verdict.holds
        assert (log.vouched_size, log.size) == (4, 5)
        assert verdict.checked["anchors"] == 1

    def test_who_trusts_nobody_is_told_of_it(self, site: Site, anchored: pathlib.Path) -> None:
        verdict = site.verify()
        assert verdict.holds
        assert any(anchored.name in note and "nobody named as trusted" in note for note in verdict.notes)
        assert {log.vouched_size for log in verdict.logs} == {0}

    def test_no_bit_of_it_can_be_flipped(self, site: Site, anchored: pathlib.Path) -> None:
        whole, chance = anchored.read_bytes(), random.Random(3)
        for _ in range(60):
            data = bytearray(whole)
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            anchored.write_bytes(data)
            verdict = site.verify()
            assert verdict.outcome == "damaged"
            assert [each.where for each in verdict.findings] == [str(anchored)]

    def test_it_tells_a_rewritten_log_and_one_that_was_cut(self, site: Site, anchored: pathlib.Path) -> None:
        shard = site.shards[1]
        log = Log.read(shard)
        log.replace(3, Statement("approval", 5, encode_content({"by": "nobody"})))
        log.resign(site.key(shard))
        forget(site)
        verdict = site.verify()
        assert (verdict.outcome, verdict.findings[0].where) == ("forked", str(anchored))
        log.entries, log.openings = log.entries[:3], log.openings[:3]
        log.resign(site.key(shard))
        forget(site)
        verdict = site.verify()
        assert verdict.outcome == "damaged"
        assert any(each.where == str(anchored) and "rolled back" in each.problem for each in verdict.findings)


class TestTheWorkspace:
    def test_a_run_that_ended_and_isnt_logged_is_noted_and_refused_by_a_policy(self, site: Site) -> None:
        policy = site.witnessed
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("WHENCE_KEYS", str(site.path / "inside"))
            run = wh.start_run("unlogged", workspace=site.folder)
            with pytest.warns(RecordWarning):
                run.finish()
        verdict = site.verify()
        assert verdict.holds
        assert any("1 run that ended is not logged yet" in note for note in verdict.notes)
        assert not site.verify(policy=policy).holds

    def test_a_policy_is_not_met_by_a_workspace_without_a_log(
        self, site: Site, tmp_path: pathlib.Path
    ) -> None:
        policy = f"witness w1 {site.cosigner.vkey}\nquorum w1\n".encode()
        run = wh.start_run("goes on", workspace=tmp_path)
        verdict = wh.open(tmp_path).verify(policy=policy)
        run.finish()
        assert not verdict.holds
        assert [each.problem for each in verdict.findings] == ["no log is here that could meet the policy"]

    def test_keys_that_cant_be_used_are_noted(self, site: Site) -> None:
        vkeys = [shard.vkey for shard in site.shards]
        (site.keys / "key-1.pem").chmod(0o644)
        verdict = site.verify(keys=vkeys)
        assert verdict.holds
        assert any("own keys can't be used" in note for note in verdict.notes)
        assert {log.key_from for log in verdict.logs} == {"given"}

    def test_verifying_makes_no_key_and_writes_nothing(self, site: Site) -> None:
        shutil.rmtree(site.keys)
        before = site.whole.keys()
        site.verify()
        now = {path.relative_to(site.folder).as_posix() for path in site.folder.rglob("*") if path.is_file()}
        assert now == {name for name in before if not name.startswith("keys/")}

    def test_what_was_given_and_is_none_is_refused(self, site: Site, tmp_path: pathlib.Path) -> None:
        with pytest.raises(InputError, match="policy"):
            site.verify(policy=b"log nonsense\nquorum none\n")
        with pytest.raises(InputError, match="no checkpoint"):
            site.verify(since=b"nonsense")
        with pytest.raises(InputError, match="vkey"):
            site.verify(keys=["nonsense"])
        with pytest.raises(NotFoundError):
            site.verify(policy=str(tmp_path / "absent"))

    def test_a_saved_checkpoint_that_another_key_signed_says_nothing(self, site: Site) -> None:
        shard = site.shards[0]
        note = parse_note(shard.checkpoint())
        forged = type(note)(note.text).signed(SigningKey(b"z" * 32).signer(shard.origin).sign(note.text))
        (finding,) = site.verify(since=forged.encode()).findings
        assert (finding.kind, "didn't sign" in finding.problem) == ("unmet", True)
