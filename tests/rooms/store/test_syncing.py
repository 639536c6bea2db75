"""Two workspaces become one history: idempotent, in any order, whatever dies in between."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
from typing import Any

import pytest

import whence as wh
from tests.rooms.store.contending import together
from whence.store import Folder, RunWriter, Synced, files, read_journal, sync_folders
from whence.store.snapshots import Snapshot

SOURCE = pathlib.Path(files.__file__).parents[2]


def record(place: pathlib.Path, title: str, count: int = 5) -> str:
    """A finished run with something of everything."""
    stream = wh.from_items(list(range(40)), name="items").filter(lambda x: x % 3 != 0, reason="x").batch(4)
    with wh.start_run(title, params={"count": count}, workspace=place) as run:
        for number, _ in enumerate(stream):
            run.log_metric("n", number * count)
        run.log_model("m", title.encode() * 40_000)
        run.log_text(title, "title.txt")
    return run.id


def answers(place: pathlib.Path) -> list[dict[str, Any]]:
    """What a workspace answers about its runs."""
    return wh.open(place).summaries()


_OWN = re.compile(r"catalog|ledger/(own|lock|staging/|.*\.p/)")
"""What never goes from one workspace to another, and tiles that others replace."""


def content(place: pathlib.Path) -> dict[str, bytes]:
    """Every file that counts."""
    root = Folder.find(place).path
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not _OWN.match(path.relative_to(root).as_posix())
    }


def runs_of(place: pathlib.Path) -> dict[str, bytes]:
    """Every file of its runs."""
    return {name: data for name, data in content(place).items() if name.startswith("runs/")}


def sync(
    source: pathlib.Path, target: pathlib.Path, *, dry_run: bool = False, thorough: bool = False
) -> Synced:
    return sync_folders(Folder.find(source), Folder.find(target), dry_run=dry_run, thorough=thorough)


@pytest.fixture
def here(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "here"


@pytest.fixture
def there(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "there"


def test_two_folders_written_apart_become_one_history_and_a_second_time_nothing_is_done(
    here: pathlib.Path, there: pathlib.Path
) -> None:
    ours, theirs = record(here, "ours"), record(there, "theirs")
    before = content(there)
    foreseen = sync(there, here, dry_run=True)
    assert [run["id"] for run in answers(here)] == [ours]
    done = sync(there, here)
    assert done == foreseen
    assert (done.copied, done.object_count, done.conflicts, done.damaged) == ([theirs], 1, [], [])
    (shard,) = done.shards
    in_ledger = (Folder.find(here).path / "ledger" / shard).rglob("*")
    kept = sum(len(data) for name, data in before.items() if name.startswith(("runs/", "objects/")))
    assert done.copied_bytes == kept + sum(path.stat().st_size for path in in_ledger if path.is_file())
    assert content(there) == before
    assert {run["id"] for run in answers(here)} == {ours, theirs}
    assert wh.open(here).verify().holds
    again = sync(there, here)
    assert (again.same, again.copied, again.copied_bytes) == (1, [], 0)
    assert (sync(there, here, thorough=True).copied_bytes) == 0
    assert sync(here, there).copied == [ours]
    assert answers(here) == answers(there)
    assert content(here) == content(there)


def test_rsync_in_both_orders_makes_the_same_history(tmp_path: pathlib.Path) -> None:
    if shutil.which("rsync") is None:
        pytest.skip("rsync isn't installed: apt-get install rsync")
    first, second = tmp_path / "first" / ".whence", tmp_path / "second" / ".whence"
    for number in range(3):
        record(first, f"first {number}")
        record(second, f"second {number}", number + 2)
    halves = {name: shutil.copytree(first.parent, tmp_path / name) for name in ("a", "b")}
    others = {name: shutil.copytree(second.parent, tmp_path / f"other-{name}") for name in ("a", "b")}
    for name, order in (("a", (0, 1)), ("b", (1, 0))):
        places = [halves[name] / ".whence", others[name] / ".whence"]
        answers(places[0])  # a catalog is there before
        for at in (*order, *order):
            source, target = places[at], places[1 - at]
            for part in ("objects", "runs"):
                subprocess.run(["rsync", "-a", f"{source / part}/", f"{target / part}/"], check=True)
        assert answers(places[0]) == answers(places[1])
        assert all(wh.open(each).verify().holds for each in places)
    assert len(answers(halves["a"])) == 6
    assert answers(halves["a"]) == answers(halves["b"])
    assert wh.open(halves["a"]).model("m").load_bytes() == wh.open(halves["b"]).model("m").load_bytes()


GOES_ON = """
import sys
import whence as wh
with wh.start_run("goes on", workspace=sys.argv[1]) as run:
    print(run.id, flush=True)
    for number, line in enumerate(sys.stdin):
        for each in range(300):
            run.log_metric("n", each)
            run.log_note(f"note {number} {each}")
        for _ in wh.from_items(list(range(50))).filter(lambda x: x % 2).batch(5).epoch(number):
            pass
        run.log_model("m", line.encode() * 40_000)
        print("done", flush=True)
"""


def test_a_run_that_goes_on_is_copied_as_far_as_it_is_and_completed_later(
    here: pathlib.Path, there: pathlib.Path
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", GOES_ON, str(there)], encoding="utf-8", bufsize=1,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(SOURCE)},
    )  # fmt: skip
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        run_id = process.stdout.readline().strip()
        seen = 0
        for number in range(4):
            process.stdin.write(f"{number}\n")
            sync(there, here)  # while it writes
            assert process.stdout.readline() == "done\n"
            done = sync(there, here)
            assert not done.conflicts
            assert not done.damaged
            run = wh.open(here).run(run_id)
            assert run.status == "unknown"
            assert "another folder" in run.standing
            assert len(run.notes) == 300 * (number + 1)
            assert run.history("n").value.tolist() == [*map(float, range(300))] * (number + 1)
            assert wh.open(here).verify().holds
            seen += bool(done.extended)
        assert seen
        process.stdin.close()
        process.wait()
    assert sync(there, here).extended == [run_id]
    assert wh.open(here).run(run_id).status == "finished"
    assert content(here) == content(there)


def test_a_run_that_was_resumed_there_follows_here(here: pathlib.Path, there: pathlib.Path) -> None:
    run_id = record(there, "first")
    sync(there, here)
    with wh.start_run(resume=run_id, workspace=there) as run:
        run.log_note("more")
        for _ in wh.from_items(list(range(7))).batch(2).epoch(1):
            pass
        run.log_metric("n", 7)
    ahead = content(there)
    assert sync(here, there).ahead == [run_id]
    assert content(there) == ahead
    assert sync(there, here).extended == [run_id]
    assert content(here) == ahead
    assert wh.open(here).verify().holds


def test_a_run_resumed_in_both_places_is_named_and_both_stay(here: pathlib.Path, there: pathlib.Path) -> None:
    run_id = record(there, "first")
    record(there, "another")
    sync(there, here)
    for place in (here, there):
        with wh.start_run(resume=run_id, workspace=place) as run:
            run.log_note(str(place))
    before = runs_of(here), content(there)
    done = sync(there, here)
    assert [where for where, _ in done.conflicts] == [str(Folder.find(here).run_path(run_id))]
    assert "both places" in done.conflicts[0][1]
    assert not done.is_whole
    assert done.same == 1
    assert (runs_of(here), content(there)) == before


def test_a_run_that_is_written_here_is_not_touched(here: pathlib.Path, there: pathlib.Path) -> None:
    run_id = record(there, "first")
    sync(there, here)
    with wh.start_run(resume=run_id, workspace=there) as run:
        run.log_note("more")
    with wh.start_run(resume=run_id, workspace=here) as ours:
        done = sync(there, here)
        assert len(done.conflicts) == 1
        ours.log_note("ours")
    assert wh.open(here).run(run_id).notes == ["ours"]


@pytest.mark.parametrize("name", ["journal", "payloads", "segments/lineage"])
def test_damage_never_replaces_what_is_sound_and_is_put_right_by_it(
    here: pathlib.Path, there: pathlib.Path, name: str
) -> None:
    run_id = record(there, "first")
    sync(there, here)
    sound = content(here)
    flip(Folder.find(there).run_path(run_id) / name)
    done = sync(there, here, thorough=True)
    assert [where for where, _ in done.damaged] == [str(Folder.find(there).run_path(run_id))]
    assert content(here) == sound
    assert sync(here, there, thorough=True).mended == [run_id]
    assert content(there) == sound


def test_a_damaged_run_is_copied_where_there_is_nothing_better_and_named(
    here: pathlib.Path, there: pathlib.Path
) -> None:
    run_id = record(there, "first")
    flip(Folder.find(there).run_path(run_id) / "journal")
    done = sync(there, here)
    assert (done.copied, len(done.damaged), done.is_whole) == ([run_id], 1, False)
    assert content(here) == content(there)


def test_a_damaged_object_is_not_copied_and_a_sound_one_mends_it(
    here: pathlib.Path, there: pathlib.Path
) -> None:
    record(there, "first")
    (path,) = (Folder.find(there).path / "objects").rglob("??/*")
    flip(path)
    done = sync(there, here)
    assert ([where for where, _ in done.damaged], done.object_count) == ([str(path)], 0)
    flip(path)
    assert sync(there, here).object_count == 1
    (ours,) = (Folder.find(here).path / "objects").rglob("??/*")
    flip(ours)
    assert sync(there, here, thorough=True).object_count == 1
    assert ours.read_bytes() == path.read_bytes()


def flip(path: pathlib.Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)


@pytest.mark.parametrize("step", range(0, 120, 4))
def test_a_sync_that_dies_leaves_sound_runs_and_the_next_one_completes_it(
    here: pathlib.Path, there: pathlib.Path, step: int
) -> None:
    """Killed at a file operation: each run is whole, not there, or goes on to be."""
    run_id = record(there, "first")
    wh.open(here).sync(there)
    other = record(there, "other")
    with wh.start_run(resume=run_id, workspace=there) as run:
        for _ in wh.from_items(list(range(30))).filter(lambda x: x % 2).batch(5).epoch(1):
            pass
        run.log_model("m", b"more" * 40_000)
    child = os.fork()
    if child == 0:
        die_after(step)
        sync(there, here)
        os._exit(9)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (9, -signal.SIGKILL)
    found = {run["id"]: run["status"] for run in answers(here)}
    assert found.keys() <= {run_id, other}
    assert found.get(other, "finished") == "finished"
    assert found[run_id] in ("finished", "lost")
    verdict = wh.open(here).verify()
    # tiles come before the checkpoint that covers them, and the next sync brings that
    assert all("ahead: " in each.problem for each in verdict.findings), verdict.findings
    done = wh.open(here).sync(there)
    assert done.is_whole
    assert content(here).items() >= content(there).items()
    assert wh.open(here).verify().holds
    assert not any((Folder.find(here).path / "incoming").iterdir())


def die_after(count: int) -> None:
    """Kill this process at its n-th operation that changes a file."""
    seen = 0
    watched = {"os.rename", "os.remove", "os.mkdir", "os.truncate"}

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if event in watched or (
            event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_ACCMODE
        ):
            seen += 1
            if seen > count:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)


def test_a_snapshot_of_a_run_that_is_written_is_a_moment_of_it(tmp_path: pathlib.Path) -> None:
    folder = Folder.find(tmp_path)
    writer = RunWriter(folder, "RUN")
    for number in range(20):
        writer.append("note", {}, {"text": str(number)})
    with Snapshot.take(folder.run_path("RUN")) as snapshot:
        writer.append("note", {}, {"text": "later"})
        snapshot.copy_to(folder.run_path("COPY"))
    writer.discard()
    journal = read_journal(folder, "COPY")
    assert (len(journal.find("note")), journal.damages, journal.torn_bytes) == (20, [], 0)


def test_several_syncs_at_once_make_what_one_makes(here: pathlib.Path, there: pathlib.Path) -> None:
    ids = [record(there, f"run {number}") for number in range(3)]
    sync(there, here)
    for run_id in ids:
        with wh.start_run(resume=run_id, workspace=there) as run:
            run.log_note("more")
            run.log_model("m", run_id.encode() * 5_000)
    record(there, "another")

    def act(number: int) -> None:
        assert sync(there, here).is_whole

    assert together(8, act) == [0] * 8
    assert content(here) == content(there)
    assert not any((Folder.find(here).path / "incoming").iterdir())


def test_what_is_no_workspace_and_one_workspace_twice_are_refused(
    here: pathlib.Path, there: pathlib.Path
) -> None:
    with pytest.raises(wh.errors.NotFoundError):
        sync(there, here)
    record(here, "ours")
    with pytest.raises(wh.errors.InputError, match="one workspace"):
        sync(here, here)
