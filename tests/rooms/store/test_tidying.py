"""Only what nobody needs goes, whoever writes meanwhile; attacked with what must never go."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

import whence as wh
from whence.store import Folder, RunWriter, files, tidy_folder
from whence.store.guarding import held
from whence.store.liveness import begin_folder

SOURCE = pathlib.Path(files.__file__).parents[2]


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> Folder:
    return Folder.find(tmp_path)


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at all as if it were a day later: nothing here is young, unless a test says so."""
    monkeypatch.setattr("whence.store.tidying.time.time", later)


def later() -> float:
    return time.clock_gettime(time.CLOCK_REALTIME) + 86_400


def record(folder: Folder, content: bytes = b"model") -> str:
    with wh.start_run("finished", workspace=folder.path) as run:
        run.log_model("m", content * 40_000)
    return run.id


def objects(folder: Folder) -> list[str]:
    return sorted(path.name for path in (folder.path / "objects").rglob("*") if path.is_file())


def everything(folder: Folder) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for path in sorted(folder.path.rglob("*"))
        if path.is_file() and not path.name.startswith("catalog")
    }


def test_nothing_of_a_whole_workspace_goes(folder: Folder, tmp_path: pathlib.Path) -> None:
    record(folder)
    (tmp_path / "net").mkdir()
    for name in ("a", "b"):
        (tmp_path / "net" / name).write_bytes(os.urandom(100_000))
    with wh.start_run("files", workspace=folder.path) as run:
        run.log_model("folder", tmp_path / "net")
        run.log_artifact(tmp_path / "net" / "a")
    before = everything(folder)
    assert wh.open(folder.path).verify().findings == []
    found = tidy_folder(folder, delete=True)
    assert (found.leftovers, found.kept) == ([], [])
    assert everything(folder) == before
    assert len(objects(folder)) == 3
    assert wh.open(folder.path).verify().holds


def test_what_nobody_refers_to_is_named_first_and_goes_when_that_is_said(folder: Folder) -> None:
    record(folder)
    unreferred = folder.object_path(folder.put_object(os.urandom(100_000)))
    part = folder.objects_path / ".incoming-0123"
    part.write_bytes(b"half")
    half = folder.run_path("X").parent / ".X.0123"
    begin_folder(half, {})
    (half / "lease").unlink()
    before = everything(folder)
    found = tidy_folder(folder)
    assert {(each.path, each.kind) for each in found.leftovers} == {
        (unreferred, "object"), (part, "temporary"),
    } | {(half, "temporary")}  # fmt: skip
    assert found.size_bytes >= 100_000
    assert not found.is_deleted
    assert everything(folder) == before
    gone = tidy_folder(folder, delete=True)
    assert gone.size_bytes == found.size_bytes
    assert not unreferred.exists()
    assert not part.exists()
    assert not half.exists()
    assert wh.open(folder.path).verify().holds
    assert tidy_folder(folder, delete=True).leftovers == []


def test_what_is_young_stays(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    record(folder)
    monkeypatch.setattr("whence.store.tidying.time.time", lambda: later() - 86_400)
    path = folder.object_path(folder.put_object(os.urandom(100_000)))
    os.utime(path, (0, 0))  # a copy that keeps the time at which it was written
    found = tidy_folder(folder, delete=True)
    assert found.leftovers == []
    assert "the time that is let pass" in found.kept[0]
    assert path.exists()


def test_an_object_just_put_by_a_run_that_goes_on_stays_however_old_it_is(folder: Folder) -> None:
    record(folder)
    writer = RunWriter(folder, "RUN")
    writer.append("run_start", {"name": "a"}, {"title": ""})
    path = folder.object_path(writer.put_object(os.urandom(100_000)))
    half = folder.run_path("RUN") / ".lease.0123"
    half.write_bytes(b"")
    found = tidy_folder(folder, delete=True)
    assert found.leftovers == []
    assert "may still be written" in found.kept[0]
    assert path.exists()
    assert half.exists()
    writer.discard()


def test_a_stopped_writer_keeps_what_it_put(folder: Folder) -> None:
    code = (
        "import os, sys, whence as wh\nfrom whence.store import Folder\n"
        "run = wh.start_run('stops', workspace=sys.argv[1])\n"
        "print(Folder.find(sys.argv[1]).put_object(os.urandom(100_000)).hex(), flush=True)\nsys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder.path)], encoding="utf-8",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(SOURCE)},
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        path = folder.object_path(bytes.fromhex(process.stdout.readline()))
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        assert tidy_folder(folder, delete=True).leftovers == []
        process.kill()
    assert [each.path for each in tidy_folder(folder, delete=True).leftovers] == [path]


def test_while_references_cannot_be_read_every_object_stays(folder: Folder) -> None:
    run_id = record(folder)
    referred = _only_object(folder)
    folder.put_object(os.urandom(100_000))
    for name in ("payloads", "journal"):
        path = folder.run_path(run_id) / name
        sound = path.read_bytes()
        for damaged in (sound[:200] + bytes([sound[200] ^ 1]) + sound[201:], b""):
            path.write_bytes(damaged)
            found = tidy_folder(folder, delete=True)
            assert run_id in folder.run_ids()
            if name == "payloads" or damaged:
                assert found.leftovers == []
                assert "all objects" in found.kept[0]
            assert folder.object_path(referred).exists()
        path.write_bytes(sound)
    assert folder.object_path(referred).exists()
    assert wh.open(folder.path).verify().holds


def _only_object(folder: Folder) -> bytes:
    (path,) = folder.objects_path.rglob("??/*")
    return bytes.fromhex(path.parent.name + path.name)


def test_runs_begun_by_dead_processes_go_and_no_others(folder: Folder) -> None:
    record(folder)
    begun = folder.run_path("BEGUN")
    child = os.fork()
    if child == 0:
        begin_folder(begun, {})
        os._exit(0)
    os.waitpid(child, 0)
    begin_folder(folder.run_path("OURS"), {})
    child = os.fork()
    if child == 0:
        writer = RunWriter(folder, "LOST")
        writer.append("run_start", {"name": "lost"}, {"title": ""})
        os._exit(0)
    os.waitpid(child, 0)
    child = os.fork()
    if child == 0:
        RunWriter(folder, "SOUND").append_segment("digests", 1, b"something")
        os._exit(0)
    os.waitpid(child, 0)
    found = tidy_folder(folder, delete=True)
    assert [(each.path, each.kind) for each in found.leftovers] == [(begun, "empty run")]
    assert {"OURS", "LOST", "SOUND"} < set(folder.run_ids())


def test_many_put_the_same_content_while_house_is_kept(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(folder)
    contents = [os.urandom(70_000) for _ in range(4)]
    # as old as can be: only that it was put again keeps it
    monkeypatch.setattr("whence.store.tidying.time.time", lambda: later() - 86_400)
    stop = threading.Event()
    lost: list[bytes] = []

    def put() -> None:
        while not stop.is_set():
            for content in contents:
                before = time.time()
                digest = folder.put_object(content)
                if not folder.object_path(digest).exists() and time.time() - before < 0.05:
                    lost.append(digest)

    threads = [threading.Thread(target=put) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(60):
        tidy_folder(folder, delete=True, grace_s=0.1)
    stop.set()
    for thread in threads:
        thread.join()
    assert lost == []


def test_nothing_goes_while_runs_are_copied_here(folder: Folder) -> None:
    record(folder)
    path = folder.object_path(folder.put_object(os.urandom(100_000)))
    stage = folder.path / "incoming" / "0123"
    stage.mkdir(parents=True)
    (stage / "journal").write_bytes(b"on its way")
    with held(stage, alone=True):
        found = tidy_folder(folder, delete=True)
        assert found.leftovers == []
        assert path.exists()
        assert stage.exists()
    assert {each.kind for each in tidy_folder(folder, delete=True).leftovers} == {"object", "incoming"}
    assert not stage.exists()


def test_a_tidying_that_is_killed_harms_nothing(folder: Folder) -> None:
    record(folder)
    for step in range(12):
        for _ in range(2):
            folder.put_object(os.urandom(70_000))
        child = os.fork()
        if child == 0:
            die_at_removal(step % 3)
            tidy_folder(folder, delete=True)
            os._exit(0)
        os.waitpid(child, 0)
        assert wh.open(folder.path).verify().holds
    tidy_folder(folder, delete=True)
    assert len(objects(folder)) == 1


def die_at_removal(count: int) -> None:
    seen: Iterator[int] = iter(range(count))

    def look(event: str, _: object) -> None:
        if event in ("os.remove", "os.rename") and next(seen, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)


def test_decisions_that_were_sealed_go_and_others_stay(folder: Folder) -> None:
    kept = b""
    with wh.start_run("finished", workspace=folder.path) as run:
        path = folder.run_path(run.id) / "segments" / "decisions-0"
        for _ in wh.from_items(list(range(40))).filter(lambda x: x % 3 != 0).batch(4):
            kept = path.read_bytes() if path.exists() else kept
    assert kept
    assert not path.exists()
    for content, kinds in ((kept, ["segment"]), (kept[:-1], []), (kept + b"x", [])):
        path.write_bytes(content)
        assert [each.kind for each in tidy_folder(folder).leftovers] == kinds
    path.write_bytes(kept)
    assert [each.path for each in tidy_folder(folder, delete=True).leftovers] == [path]
    assert wh.open(folder.path).verify().holds
    path.write_bytes(kept)
    with wh.start_run(resume=run.id, workspace=folder.path):
        assert tidy_folder(folder, delete=True).leftovers == []  # somebody writes it
    assert tidy_folder(folder, delete=True).leftovers == []  # and has committed to it
    assert wh.open(folder.path).verify().holds
