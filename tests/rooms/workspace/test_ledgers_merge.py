"""Ledgers of workspaces that are synced, copied by hand, backed up, restored and tidied."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

import whence as wh
from whence.errors import NotFoundError
from whence.ledger import ImportedShard, SealedRun, Statement
from whence.store import LOGBOOK, Folder, Ledger
from whence.vocab import encode_content


@pytest.fixture
def here(tmp_path: pathlib.Path) -> wh.Workspace:
    return wh.open(tmp_path / "here" / ".whence")


@pytest.fixture
def there(tmp_path: pathlib.Path) -> wh.Workspace:
    return wh.open(tmp_path / "there" / ".whence")


def record(workspace: wh.Workspace, name: str = "t") -> str:
    with wh.start_run(name, workspace=workspace) as run:
        run.log_model("digits", name.encode())
    return run.id


def imports(workspace: wh.Workspace) -> list[ImportedShard]:
    """List what the own shards say came in."""
    entries = reversed(workspace.ledger.entries("import"))
    return [each.subject for each in entries if isinstance(each.subject, ImportedShard)]


def logged_runs(workspace: wh.Workspace) -> list[str]:
    subjects = [each.subject for each in workspace.ledger.entries("run")]
    return sorted(each.run_id for each in subjects if isinstance(each, SealedRun))


def shard_of(workspace: wh.Workspace) -> pathlib.Path:
    """Find the shard that is written in a workspace."""
    current = Ledger(Folder(workspace.path)).current()
    assert current is not None
    return current.path


def test_a_shard_comes_whole_and_the_ledger_says_so(here: wh.Workspace, there: wh.Workspace) -> None:
    ours, theirs = record(here, "ours"), record(there, "theirs")
    assert here.sync(there).shards == [shard_of(there).name]
    (shard,) = there.ledger.shards
    (said,) = imports(here)
    assert said == ImportedShard(shard=shard.name, origin=shard.origin, size=shard.size, root=shard.root)
    assert logged_runs(here) == sorted([ours, theirs])
    assert here.ledger.unlogged() == []
    assert here.prove(theirs)
    assert here.verify().holds
    copy = shard_of(here).with_name(shard.name)
    assert (copy / "checkpoint").read_bytes() == shard.checkpoint()
    assert not list(copy.rglob("staging"))


def test_syncs_in_turn_come_to_an_end(here: wh.Workspace, there: wh.Workspace) -> None:
    record(here)
    record(there)
    for _ in range(2):
        here.sync(there)
        there.sync(here)
    sizes = [[shard.size for shard in place.ledger.shards] for place in (here, there)]
    assert here.sync(there).copied_bytes == 0
    assert there.sync(here).copied_bytes == 0
    assert [[shard.size for shard in place.ledger.shards] for place in (here, there)] == sizes
    assert here.verify().holds
    assert there.verify().holds


def test_a_shard_that_grew_is_extended_and_nothing_is_imported_twice(
    here: wh.Workspace, there: wh.Workspace
) -> None:
    record(there, "first")
    here.sync(there)
    assert here.sync(there).shards == []
    later = record(there, "later")
    assert there.ledger.shards[0].size > 4
    assert here.verify().holds  # an older copy is none that was rolled back
    assert here.sync(there).shards == [shard_of(there).name]
    assert here.prove(later)
    assert [each.size for each in imports(here)] == [3, there.ledger.shards[0].size]
    assert here.verify().holds


def test_a_large_shard_is_extended_over_the_borders_of_its_tiles(
    here: wh.Workspace, there: wh.Workspace
) -> None:
    ledger = Ledger(Folder(there.path))
    for count in (3, 250, 3, 1, 700, 256):
        ledger.append([Statement("policy", number, encode_content({"n": number})) for number in range(count)])
        here.sync(there)
        (theirs,) = there.ledger.shards
        ours = next(shard for shard in here.ledger.shards if shard.name == theirs.name)
        assert (ours.size, ours.root) == (theirs.size, theirs.root)
        assert all(ours.opening(index) == theirs.opening(index) for index in range(0, ours.size, 17))
    assert here.verify().holds


def test_runs_that_no_ledger_has_are_logged_where_they_come(here: wh.Workspace, there: wh.Workspace) -> None:
    record(here)
    theirs = record(there)
    shutil.rmtree(there.path / "ledger")
    shutil.rmtree(there.path / LOGBOOK)
    here.sync(there)
    assert theirs in logged_runs(here)
    assert here.ledger.unlogged() == []


def test_two_histories_of_a_shard_are_named_and_neither_is_touched(
    here: wh.Workspace, there: wh.Workspace, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(there, "first")
    shutil.copytree(there.path, tmp_path / "twin" / ".whence")
    keys = pathlib.Path(os.environ["WHENCE_KEYS"])
    shutil.copytree(keys, tmp_path / "keys")  # a signer without the other's memory
    record(there, "one way")
    with monkeypatch.context() as patch:
        patch.setenv("WHENCE_KEYS", str(tmp_path / "keys"))
        twin = wh.open(tmp_path / "twin" / ".whence")
        record(twin, "another way")
    here.sync(there)
    path = shard_of(here).with_name(shard_of(there).name)
    assert path.name == shard_of(twin).name
    before = {each: each.read_bytes() for each in path.rglob("*") if each.is_file()}
    done = here.sync(twin)
    assert [where for where, _ in done.conflicts] == [str(shard_of(twin))]
    assert "another history" in done.conflicts[0][1]
    assert not done.is_whole
    assert before == {each: each.read_bytes() for each in path.rglob("*") if each.is_file()}


@pytest.mark.parametrize("name", ["checkpoint", "tile/0/000.p/3", "tile/entries/000.p/3", "payload/000"])
def test_a_shard_that_is_damaged_is_named_and_not_copied(
    here: wh.Workspace, there: wh.Workspace, name: str
) -> None:
    theirs = record(there)
    path = shard_of(there) / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    done = here.sync(there)
    assert [where for where, _ in done.damaged] == [str(shard_of(there))]
    assert not (here.path / "ledger" / shard_of(there).name).exists()
    assert logged_runs(here) == [theirs]  # by the ledger of where it came


@pytest.mark.parametrize("name", ["checkpoint", "tile/entries/000.p/3", "payload/000"])
@pytest.mark.parametrize("content", [None, b"nonsense"])
def test_a_damaged_shard_of_others_hinders_no_logging(
    here: wh.Workspace, there: wh.Workspace, name: str, content: bytes | None
) -> None:
    record(there)
    here.sync(there)
    path = here.path / "ledger" / shard_of(there).name / name
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    shutil.rmtree(here.path / LOGBOOK)
    run = record(here, "later")
    assert here.ledger.seal().left == []
    assert here.prove(run)
    assert not here.verify().holds


def test_what_was_erased_here_does_not_come_back(here: wh.Workspace, there: wh.Workspace) -> None:
    ledger = Ledger(Folder(there.path))
    secret = encode_content({"who": "somebody who wants to be forgotten"})
    (place,) = ledger.append([Statement("approval", 1, secret)])
    here.sync(there)
    assert any(secret in path.read_bytes() for path in here.path.rglob("*") if path.is_file())
    here.ledger.redact([place], {"why": "asked"})
    record(there, "later")
    here.sync(there)
    assert here.ledger.entry(place).redacted
    shutil.rmtree(here.path / "ledger" / place.shard)
    here.sync(there)
    assert here.ledger.entry(place).redacted
    assert not any(secret in path.read_bytes() for path in here.path.rglob("*") if path.is_file())
    assert here.verify().outcome == "redacted"


@pytest.mark.parametrize("order", [1, -1])
def test_workspaces_that_are_copied_over_each_other_by_hand_hold(
    here: wh.Workspace, there: wh.Workspace, order: int
) -> None:
    runs = [record(here, "ours"), record(there, "theirs")]
    source, target = [here, there][::order]
    shutil.copytree(source.path, target.path, dirs_exist_ok=True)
    again = wh.open(target.path)
    again.ledger.seal()
    assert sorted(set(logged_runs(again))) == sorted(runs)
    assert len(logged_runs(again)) == 2
    assert again.ledger.unlogged() == []
    runs.append(record(again, "later"))
    assert all(again.prove(run) for run in runs)
    assert again.verify().holds


@pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync isn't installed")
def test_what_rsync_brings_as_the_page_says_is_logged_by_seal(
    here: wh.Workspace, there: wh.Workspace
) -> None:
    ours, theirs = record(here, "ours"), record(there, "theirs")
    page = pathlib.Path(__file__).parents[3] / "docs" / "how-to" / "merge.md"
    commands = [line for line in page.read_text().splitlines() if line.startswith("rsync ")]
    assert len(commands) == 3
    for line in commands:
        there_and_here = line.replace("cluster/.whence", str(there.path)).replace(" .whence", f" {here.path}")
        subprocess.run(there_and_here.split(), check=True)
    here.ledger.seal()
    assert [each.shard for each in imports(here)] == [shard_of(there).name]
    assert logged_runs(here) == sorted([ours, theirs])
    assert here.verify().holds


def test_a_backup_has_the_ledger_and_no_key(
    here: wh.Workspace, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = record(here)
    archive = tmp_path / "backup.tar"
    here.back_up(archive)
    keys = list(pathlib.Path(os.environ["WHENCE_KEYS"]).rglob("*.pem"))
    assert keys
    assert not any(key.read_bytes().strip() in archive.read_bytes() for key in keys)
    shutil.rmtree(here.path)
    wh.workspace.restore(archive, here.path)
    again = wh.open(here.path)
    assert again.prove(run)
    assert again.verify().holds
    later = record(again, "later")
    assert sorted(logged_runs(again)) == sorted([run, later])
    assert again.verify().holds


def test_a_backup_while_runs_end_speaks_of_nothing_that_is_not_in_it(
    here: wh.Workspace, tmp_path: pathlib.Path
) -> None:
    record(here)
    code = (
        "import sys\n"
        "import whence as wh\n"
        "print('begun', flush=True)\n"
        "while True:\n"
        "    with wh.start_run('t', workspace=sys.argv[1]) as run:\n"
        "        run.log_model('digits', b'weights')\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(here.path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        for number in range(4):
            archive = tmp_path / f"{number}.tar"
            assert here.back_up(archive).damaged == []
            wh.workspace.restore(archive, tmp_path / str(number) / ".whence")
        process.kill()
    for number in range(4):
        verdict = wh.verify_backup(tmp_path / f"{number}.tar")
        assert verdict.holds, verdict.findings


def test_tidying_leaves_the_ledger_and_rebuilding_finds_everything_again(here: wh.Workspace) -> None:
    run = record(here)
    before = {path: path.read_bytes() for path in (here.path / "ledger").rglob("*") if path.is_file()}
    assert [each for each in here.tidy(delete=True, grace_s=0).leftovers if each.kind != "temporary"] == []
    here.rebuild()
    assert here.ledger.unlogged() == []
    assert here.prove(run)
    assert before == {path: path.read_bytes() for path in (here.path / "ledger").rglob("*") if path.is_file()}


def test_what_is_in_no_ledger_has_no_receipt(here: wh.Workspace) -> None:
    with pytest.raises(NotFoundError):
        here.prove("nothing")
