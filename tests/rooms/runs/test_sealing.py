"""What goes into the ledger when a run ends: each thing once, and never at the cost of the run."""

from __future__ import annotations

import collections
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import warnings

import pytest

import whence as wh
from whence.errors import DamagedError, RecordWarning, StoreFullError
from whence.ledger import LoggedArtifact, LoggedDecision, LoggedVersion, SealedRun, Subject
from whence.runs import sealing, stating
from whence.store import LOGBOOK, Folder, Ledger, Logbook, read_journal, scan_frames
from whence.vocab import digest_bytes


@pytest.fixture(autouse=True)
def nothing_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test is warned as a program is that has just begun."""
    monkeypatch.setattr(sealing, "_warned", set())


def subjects(workspace: wh.Workspace) -> list[Subject]:
    """List what the ledger says, the earliest first."""
    return [each.subject for each in reversed(workspace.ledger.entries()) if each.subject is not None]


def runs_in(workspace: wh.Workspace) -> dict[str, list[SealedRun]]:
    """List what the ledger says of each run."""
    found = collections.defaultdict(list)
    for subject in subjects(workspace):
        if isinstance(subject, SealedRun):
            found[subject.run_id].append(subject)
    return dict(found)


def waiting(workspace: wh.Workspace) -> list[str]:
    """List what waits to be logged."""
    return Logbook(Folder(workspace.path)).waiting()


def child(code: str, workspace: wh.Workspace, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program that has `run`, begun in the workspace, and `sealing`."""
    before = (
        "import os, signal, sys\n"
        "import whence as wh\n"
        "from whence.runs import sealing\n"
        "from whence.store import Logbook\n"
        "def die(*ignored, **named):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "run = wh.start_run('child', workspace=sys.argv[1])\n"
    )
    return subprocess.run(
        [sys.executable, "-c", before + code, str(workspace.path)],
        capture_output=True, text=True, check=False, env={**os.environ, **environment},
    )  # fmt: skip


def log_versions(workspace: wh.Workspace, count: int) -> None:
    """Log versions of a model, each in a run."""
    for number in range(count):
        with wh.start_run("t", workspace=workspace) as run:
            run.log_model("digits", bytes([number]))


def is_beginning(workspace: wh.Workspace, sealed: SealedRun) -> bool:
    """Whether a run's journal begins with what was sealed."""
    path = workspace.path / "runs" / sealed.run_id / "journal"
    scan = scan_frames(path, keep=False, ends={sealed.size_bytes})
    return scan.chain_at.get(sealed.size_bytes) == sealed.chain


@pytest.fixture
def workspace(tmp_path: pathlib.Path) -> wh.Workspace:
    return wh.open(tmp_path / ".whence")


def test_a_run_that_ends_is_logged_with_what_it_logged_by_name(workspace: wh.Workspace) -> None:
    with wh.start_run("t", workspace=workspace) as run:
        run.log_model("digits", b"weights")
        run.log_text("words", "notes.txt")
    journal = read_journal(Folder(workspace.path), run.id)
    assert subjects(workspace) == [
        SealedRun(
            run_id=run.id, chain=journal.chain, event_count=len(journal.events), size_bytes=journal.size
        ),
        LoggedVersion(kind="model", name="digits", version=1, digest=digest_bytes(b"weights"), run_id=run.id),
        LoggedArtifact(name="notes.txt", digest=digest_bytes(b"words"), run_id=run.id),
    ]
    assert (workspace.ledger.unlogged(), waiting(workspace)) == ([], [])


def test_a_run_of_a_thousand_points_costs_at_most_20_entries(workspace: wh.Workspace) -> None:
    with wh.start_run("t", workspace=workspace) as run:
        for step in range(1_000):
            run.log_metrics({"loss": 1 / (step + 1), "accuracy": step / 1_000}, step=step)
        run.log_model("digits", b"weights")
    assert sum(shard.size for shard in workspace.ledger.shards) <= 20


def test_a_second_run_makes_no_second_shard(workspace: wh.Workspace) -> None:
    for _ in range(3):
        wh.start_run("t", workspace=workspace).finish()
    (shard,) = workspace.ledger.shards
    assert shard.size == 1 + 3


@pytest.mark.parametrize("place", ["sealing.log_waiting", "Logbook.note", "Logbook.done"])
def test_a_run_whose_process_is_killed_at_its_end_is_logged_once_by_the_next(
    workspace: wh.Workspace, place: str
) -> None:
    killed = child(f"{place} = die\nrun.log_model('digits', b'w')\nrun.finish()\n", workspace)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert len(waiting(workspace)) == 1
    with wh.start_run("next", workspace=workspace) as run:
        pass
    found = runs_in(workspace)
    assert {len(each) for each in found.values()} == {1}
    assert len(found) == 2
    assert run.id in found
    assert sum(isinstance(each, LoggedVersion) for each in subjects(workspace)) == 1
    assert waiting(workspace) == []


def test_what_was_recorded_before_there_was_a_ledger_is_sealed_when_asked(workspace: wh.Workspace) -> None:
    for _ in range(3):
        wh.start_run("t", workspace=workspace).finish()
    shutil.rmtree(workspace.path / "ledger")
    shutil.rmtree(workspace.path / LOGBOOK)
    with wh.start_run("newer", workspace=workspace):
        pass
    assert len(runs_in(workspace)) == 1
    assert len(workspace.ledger.unlogged()) == 3
    done = workspace.ledger.seal()
    assert (len(done.logged), done.lost, done.left) == (3, [], [])
    assert {len(each) for each in runs_in(workspace).values()} == {1}
    assert workspace.ledger.seal().logged == []


def test_a_lost_logbook_logs_nothing_twice(workspace: wh.Workspace) -> None:
    with wh.start_run("t", workspace=workspace) as run:
        run.log_model("digits", b"1")
    shutil.rmtree(workspace.path / LOGBOOK)
    assert workspace.ledger.seal().logged == []
    shutil.rmtree(workspace.path / LOGBOOK)
    with wh.start_run(resume=run.id, workspace=workspace) as again:
        again.log_model("digits", b"2")
    found = runs_in(workspace)[run.id]
    assert len(found) == 2
    versions = [each for each in subjects(workspace) if isinstance(each, LoggedVersion)]
    assert [each.version for each in versions] == [1, 2]


def test_a_run_that_is_gone_on_with_is_logged_again_and_its_first_end_stays_true(
    workspace: wh.Workspace,
) -> None:
    with wh.start_run("t", workspace=workspace) as run:
        run.log_text("1", "first.txt")
    with wh.start_run(resume=run.id, workspace=workspace) as again:
        again.log_text("2", "second.txt")
        assert workspace.ledger.seal().logged == []  # it goes on
    first, second = runs_in(workspace)[run.id]
    assert first.size_bytes < second.size_bytes
    assert is_beginning(workspace, first)
    assert is_beginning(workspace, second)
    artifacts = [each for each in subjects(workspace) if isinstance(each, LoggedArtifact)]
    assert [each.name for each in artifacts] == ["first.txt", "second.txt"]
    assert workspace.ledger.unlogged() == []


def test_a_lost_run_is_sealed_as_it_is_found_and_may_be_gone_on_with(workspace: wh.Workspace) -> None:
    killed = child("run.log_text('1', 'first.txt')\ndie()\n", workspace)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    wh.start_run("next", workspace=workspace).finish()
    (lost,) = [each["id"] for each in workspace.summaries("status = lost")]
    assert lost not in runs_in(workspace)  # whoever logs next leaves it alone
    done = workspace.ledger.seal()
    assert (done.lost, done.left) == ([lost], [])
    assert workspace.ledger.seal().logged == []
    (first,) = runs_in(workspace)[lost]
    with wh.start_run(resume=lost, workspace=workspace) as again:
        again.log_text("2", "second.txt")
    assert runs_in(workspace)[lost][0] == first
    assert len(runs_in(workspace)[lost]) == 2
    assert all(is_beginning(workspace, each) for each in runs_in(workspace)[lost])
    artifacts = [each.name for each in subjects(workspace) if isinstance(each, LoggedArtifact)]
    assert artifacts == ["first.txt", "second.txt"]


def test_a_run_that_goes_on_is_never_sealed(workspace: wh.Workspace) -> None:
    run = wh.start_run("t", workspace=workspace)
    try:
        done = workspace.ledger.seal()
        assert [run.id] == [what for what, _ in done.left]
        assert runs_in(workspace) == {}
        assert workspace.ledger.unlogged() == []
    finally:
        run.finish()
    assert list(runs_in(workspace)) == [run.id]


def test_a_run_in_which_something_is_damaged_is_left_and_named(workspace: wh.Workspace) -> None:
    with warnings.catch_warnings(action="ignore"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sealing, "log_waiting", lambda *given, **named: None)
        run = wh.start_run("t", workspace=workspace)
        run.finish()
    path = workspace.path / "runs" / run.id / "journal"
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(data)
    done = workspace.ledger.seal()
    assert [what for what, _ in done.left] == [run.id]
    assert runs_in(workspace) == {}


def test_a_run_that_became_shorter_than_it_was_logged_is_named(workspace: wh.Workspace) -> None:
    with wh.start_run("t", workspace=workspace) as run:
        pass
    before = read_journal(Folder(workspace.path), run.id)
    with wh.start_run(resume=run.id, workspace=workspace):
        pass
    path = workspace.path / "runs" / run.id / "journal"
    os.truncate(path, before.size)
    done = workspace.ledger.seal()
    assert [what for what, _ in done.left] == [run.id]
    assert "bytes when it was logged" in done.left[0][1]


def test_what_a_forked_process_logs_is_logged_when_it_ends(workspace: wh.Workspace) -> None:
    forked = (
        "import multiprocessing\n"
        "def work():\n"
        "    run.log_metric('loss', 1.0)\n"
        "    run.log_text('1', 'of-a-part.txt')\n"
        "process = multiprocessing.get_context('fork').Process(target=work)\n"
        "process.start(); process.join()\n"
        "run.finish()\n"
    )
    done = child(forked, workspace)
    assert (done.returncode, done.stderr) == (0, "")
    found = runs_in(workspace)
    assert len(found) == 2
    assert {len(each) for each in found.values()} == {1}
    assert [each.name for each in subjects(workspace) if isinstance(each, LoggedArtifact)] == [
        "of-a-part.txt"
    ]


def test_a_run_that_nobody_ended_is_logged_when_the_program_ends(workspace: wh.Workspace) -> None:
    done = child("run.log_metric('loss', 1.0)\n", workspace)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(runs_in(workspace)) == 1


def test_runs_that_end_at_once_are_each_logged_once(workspace: wh.Workspace) -> None:
    code = (
        "import sys\n"
        "import whence as wh\n"
        "runs = [wh.start_run('t', workspace=sys.argv[1]) for _ in range(3)]\n"
        "print('begun', flush=True)\n"
        "sys.stdin.read()\n"
        "for run in runs:\n"
        "    run.finish()\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(workspace.path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    for process in processes:
        assert process.communicate()[1] == ""
    found = runs_in(workspace)
    assert len(found) == 12
    assert {len(each) for each in found.values()} == {1}
    assert waiting(workspace) == []


# what the ledger refuses


def test_without_a_key_runs_end_and_are_said_to_wait_once(
    workspace: wh.Workspace, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("WHENCE_KEY_FILE", str(tmp_path / "no-key.pem"))
        with pytest.warns(RecordWarning, match="not in the ledger yet") as said:
            log_versions(workspace, 4)
        assert len(said) == 1
        assert [each["status"] for each in workspace.summaries()] == ["finished"] * 4
        assert len(workspace.ledger.unlogged()) == 4
    with wh.start_run("t", workspace=workspace):
        pass
    found = runs_in(workspace)
    assert len(found) == 5
    assert {len(each) for each in found.values()} == {1}
    assert sum(isinstance(each, LoggedVersion) for each in subjects(workspace)) == 4
    assert (workspace.ledger.unlogged(), waiting(workspace)) == ([], [])


@pytest.mark.parametrize(
    "error", [StoreFullError("no space"), OSError(5, "bad disk"), RuntimeError("a bug"), MemoryError()]
)
def test_whatever_the_ledger_refuses_costs_a_run_nothing(
    workspace: wh.Workspace, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*given: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "append", refuse)
        with pytest.warns(RecordWarning, match="not in the ledger yet"):
            wh.start_run("t", workspace=workspace).finish()
    assert [each["status"] for each in workspace.summaries()] == ["finished"]
    assert len(waiting(workspace)) == 1
    wh.start_run("t", workspace=workspace).finish()
    assert len(runs_in(workspace)) == 2


def test_a_logbook_that_cannot_be_written_costs_a_run_nothing(workspace: wh.Workspace) -> None:
    workspace.make()
    (workspace.path / LOGBOOK).write_bytes(b"in the way")
    wh.start_run("t", workspace=workspace).finish()
    assert [each["status"] for each in workspace.summaries()] == ["finished"]
    (workspace.path / LOGBOOK).unlink()
    workspace.ledger.seal()
    assert {len(each) for each in runs_in(workspace).values()} == {1}


def test_damage_in_what_others_staged_costs_a_run_nothing(
    workspace: wh.Workspace, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("WHENCE_KEY_FILE", str(tmp_path / "no-key.pem"))
        with pytest.warns(RecordWarning):
            wh.start_run("t", workspace=workspace).finish()
    (staged,) = [path for path in (workspace.path / "ledger" / "staging").iterdir() if any(path.read_bytes())]
    data = bytearray(staged.read_bytes())
    data[120] ^= 1
    staged.write_bytes(data)
    with warnings.catch_warnings(action="ignore"):
        wh.start_run("t", workspace=workspace).finish()
        wh.start_run("t", workspace=workspace).finish()
    workspace.ledger.seal()
    found = runs_in(workspace)
    assert len(found) == 3
    assert {len(each) for each in found.values()} == {1}


# decisions


def test_a_decision_is_logged_at_once(workspace: wh.Workspace) -> None:
    with wh.start_run("t", workspace=workspace) as run:
        run.log_model("digits", b"weights")
    workspace.set_alias("digits@1", "champion", note="best so far")
    (decision,) = [each for each in subjects(workspace) if isinstance(each, LoggedDecision)]
    registry = Folder(workspace.path).path / "registry" / decision.decision_id
    event = scan_frames(registry).frames[0].payload
    assert decision.digest == digest_bytes(event)
    assert workspace.ledger.unlogged() == []


def test_a_decision_that_cannot_be_logged_is_made_and_waits(
    workspace: wh.Workspace, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with wh.start_run("t", workspace=workspace) as run:
        run.log_model("digits", b"weights")
    with monkeypatch.context() as patch:
        patch.setenv("WHENCE_KEY_FILE", str(tmp_path / "no-key.pem"))
        with pytest.warns(RecordWarning, match="not in the ledger yet"):
            workspace.set_alias("digits@1", "champion")
    assert workspace.model("digits@champion").version == 1
    assert len(workspace.ledger.unlogged()) == 1
    wh.start_run("t", workspace=workspace).finish()
    assert workspace.ledger.unlogged() == []
    assert sum(isinstance(each, LoggedDecision) for each in subjects(workspace)) == 1


def test_a_decision_that_cannot_be_read_is_left_and_named(workspace: wh.Workspace) -> None:
    with wh.start_run("t", workspace=workspace) as run:
        run.log_model("digits", b"weights")
    workspace.set_alias("digits@1", "champion")
    shutil.rmtree(workspace.path / "ledger")
    shutil.rmtree(workspace.path / LOGBOOK)
    (path,) = (workspace.path / "registry").iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamagedError):
        stating.ready_decision(Folder(workspace.path), path.name)
    done = workspace.ledger.seal()
    assert [what for what, _ in done.left] == [path.name]
    assert len(done.logged) == 1
