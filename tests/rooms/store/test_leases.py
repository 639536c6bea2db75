"""Leases: a dead writer is found dead, a living one alive, and what can't be known isn't judged."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import msgspec
import pytest

import whence as wh
from whence.store import Folder, RunWriter, files, find_writer
from whence.store.liveness import Lease, begin_folder, judge, own_lease, read_lease, write_lease

SOURCE = pathlib.Path(files.__file__).parents[2]

GOES_ON = """
import sys
import whence as wh
run = wh.start_run("goes on", workspace=sys.argv[1])
run.log_metric("n", 1)
print(run.id, flush=True)
for line in sys.stdin:
    run.log_metric("n", 2)
    print("logged", flush=True)
"""


class Training:
    """A run that goes on in a process of its own."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", GOES_ON, str(folder)], encoding="utf-8",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(SOURCE)},
        )  # fmt: skip
        assert self.process.stdout is not None
        self.id = self.process.stdout.readline().strip()

    @property
    def path(self) -> pathlib.Path:
        return Folder.find(self.folder).run_path(self.id)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)
        if number == signal.SIGSTOP:
            os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)
        if number == signal.SIGCONT:  # it has written again
            assert self.process.stdin is not None
            assert self.process.stdout is not None
            self.process.stdin.write("\n")
            self.process.stdin.flush()
            assert self.process.stdout.readline() == "logged\n"
        if number == signal.SIGKILL:
            self.process.wait()

    def status(self) -> str:
        return wh.open(self.folder).run(self.id).status


@pytest.fixture
def training(tmp_path: pathlib.Path) -> Iterator[Training]:
    begun = Training(tmp_path)
    with contextlib.closing(begun.process.stdout), contextlib.closing(begun.process.stdin):  # type: ignore[type-var] # both are pipes
        yield begun
        begun.process.kill()
        begun.process.wait()


def alive(lease: Lease, folder: pathlib.Path) -> bool | None:
    return judge(lease, folder).is_alive


def test_a_stopped_writer_is_unknown_runs_again_when_it_goes_on_and_is_lost_when_killed(
    training: Training,
) -> None:
    assert training.status() == "running"
    training.signal(signal.SIGSTOP)
    assert training.status() == "unknown"
    assert "stopped by a signal" in wh.open(training.folder).run(training.id).standing
    with pytest.raises(wh.errors.StoreBusyError, match="stopped by a signal"):
        wh.start_run(resume=training.id, workspace=training.folder)
    training.signal(signal.SIGCONT)
    assert training.status() == "running"
    training.signal(signal.SIGSTOP)
    training.signal(signal.SIGKILL)
    assert training.status() == "lost"
    with wh.start_run(resume=training.id, workspace=training.folder) as again:
        assert training.status() == again.status == "resumed"
        assert [each["status"] for each in wh.open(training.folder).summaries("status = resumed")] == [
            "resumed"
        ]
    assert training.status() == "finished"


def test_a_copy_of_a_run_that_goes_on_is_not_taken_for_it(training: Training, tmp_path: pathlib.Path) -> None:
    shutil.copytree(training.path, training.path.with_name("COPY"))
    assert find_writer(training.path.with_name("COPY")).state == "copied"
    assert find_writer(training.path).state == "writing"
    shutil.move(training.path, training.path.with_name("MOVED"))
    assert find_writer(training.path.with_name("MOVED")).state == "writing"
    training.signal(signal.SIGKILL)
    assert find_writer(training.path.with_name("COPY")).state == "gone"


def test_a_writer_that_touches_its_lease_no_more_is_not_dead(training: Training) -> None:
    os.utime(training.path / "lease", (0, 0))
    assert training.status() == "running"


NO_ROOM = """
import resource, sys, warnings
import whence as wh
warnings.simplefilter("ignore")
run = wh.start_run("no room", workspace=sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
print(run.id, flush=True)
for line in sys.stdin:
    run.log_note("not written")
    run.log_metric("n", 1)
    print("logged", flush=True)
"""


def test_a_writer_that_can_write_nothing_is_alive_and_says_so(tmp_path: pathlib.Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", NO_ROOM, str(tmp_path)], encoding="utf-8", bufsize=1,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(SOURCE)},
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        lease = Folder.find(tmp_path).run_path(process.stdout.readline().strip()) / "lease"
        process.stdin.write("\n")
        assert process.stdout.readline() == "logged\n"
        os.utime(lease, (0, 0))
        assert find_writer(lease.parent).state == "writing"
        until = time.monotonic() + 30
        while not lease.stat().st_mtime and time.monotonic() < until:
            os.sched_yield()
        assert lease.stat().st_mtime
        process.kill()


def test_a_writer_in_another_container_is_unknown(tmp_path: pathlib.Path) -> None:
    """Its process has the number of one here, or of none: both mean nothing here."""
    code = (
        "import os, pathlib, sys\nfrom whence.store.liveness import begin_folder\n"
        "begin_folder(pathlib.Path(sys.argv[1]), {})\nprint(os.getpid(), flush=True)\nsys.stdin.read()\n"
    )
    inside = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", sys.executable, "-c"]
    if subprocess.run([*inside, ""], capture_output=True, check=False).returncode:
        pytest.skip("no pid namespace can be made here")
    folder = tmp_path / "RUN"
    process = subprocess.Popen(
        [*inside, code, str(folder)], encoding="utf-8", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
    )  # fmt: skip
    assert process.stdout is not None
    assert int(process.stdout.readline()) == 1  # the number that somebody else has here
    assert find_writer(folder).state == "elsewhere"
    process.communicate()
    assert find_writer(folder).state == "elsewhere"
    lease = read_lease(folder / "lease")
    assert lease is not None
    # a boot that isn't ours may be of another machine with the same image
    assert judge(Lease(**(lease | {"boot": "another"})), folder).is_alive is None


def test_a_lease_comes_back_as_it_was_written(tmp_path: pathlib.Path) -> None:
    write_lease(tmp_path / "lease", own_lease(tmp_path))
    assert read_lease(tmp_path / "lease") == own_lease(tmp_path)
    assert os.listdir(tmp_path) == ["lease"]


def test_a_folder_has_its_lease_from_the_first_moment(tmp_path: pathlib.Path) -> None:
    lease = begin_folder(tmp_path / "RUN", {})
    assert read_lease(tmp_path / "RUN" / "lease") == lease
    assert find_writer(tmp_path / "RUN").is_alive is True
    with pytest.raises(wh.errors.StoreError):
        begin_folder(tmp_path / "RUN", {})
    assert os.listdir(tmp_path) == ["RUN"]


def test_a_process_that_ended_is_dead(tmp_path: pathlib.Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    lease = own_lease(tmp_path) | {"pid": process.pid, "started": _start_of(process.pid)}
    assert alive(Lease(**lease), tmp_path) is True
    process.communicate(b"\n")
    assert alive(Lease(**lease), tmp_path) is False


def _start_of(pid: int) -> str:
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


def test_a_process_that_ended_and_was_not_waited_for_is_dead(tmp_path: pathlib.Path) -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    lease = own_lease(tmp_path) | {"pid": child, "started": _start_of(child)}
    assert alive(Lease(**lease), tmp_path) is False
    os.waitpid(child, 0)


@pytest.mark.parametrize(
    ("field", "value", "state"),
    [
        ("started", "1", "gone"),  # the number was given to another process
        ("pid", 2**22 + 1, "gone"),  # beyond what Linux gives
        ("boot", "an earlier one", "gone"),
        ("boot", "", "unreadable"),
        ("host", "elsewhere", "elsewhere"),
        ("space", "pid:[1]", "elsewhere"),
        ("place", "1:1", "copied"),
    ],
)
def test_each_part_of_a_lease_is_looked_at(
    tmp_path: pathlib.Path, field: str, value: str, state: str
) -> None:
    told = {**own_lease(tmp_path), field: value}
    assert judge(msgspec.convert(told, Lease), tmp_path).state == state


def test_leases_of_earlier_versions_are_judged_as_they_were(tmp_path: pathlib.Path) -> None:
    now = own_lease(tmp_path)
    lease = Lease(host=now["host"], boot=now["boot"], pid=now["pid"], started=now["started"])
    assert alive(lease, tmp_path) is True
    assert alive(Lease(**(lease | {"started": "1"})), tmp_path) is False


@pytest.mark.parametrize("content", [b'{"host":', b"[]", b'{"host":1}', b"\xff\xff"])
def test_a_lease_that_cannot_be_read_is_unknown(tmp_path: pathlib.Path, content: bytes) -> None:
    (tmp_path / "lease").write_bytes(content)
    assert read_lease(tmp_path / "lease") is None
    assert find_writer(tmp_path).state == "unreadable"
    (tmp_path / "lease").unlink()
    (tmp_path / "lease").mkdir()
    assert find_writer(tmp_path).state == "unreadable"


def test_no_lease_and_an_empty_one_are_of_nobody(tmp_path: pathlib.Path) -> None:
    assert find_writer(tmp_path).state == "gone"
    (tmp_path / "lease").touch()
    assert find_writer(tmp_path).state == "gone"


def test_a_run_is_never_seen_without_its_writer(tmp_path: pathlib.Path) -> None:
    writer = RunWriter(Folder.find(tmp_path), "RUN")
    (row,) = wh.open(tmp_path).summaries()
    assert (row["id"], row["status"]) == ("RUN", "running")
    writer.discard()


def test_a_run_that_ended_since_it_was_read_is_not_lost(tmp_path: pathlib.Path) -> None:
    run = wh.start_run("ends", workspace=tmp_path)
    read = [wh.open(tmp_path).run(run.id) for _ in range(2)]
    run.finish()
    assert [each.status for each in read] == ["running"] * 2
    assert wh.open(tmp_path).run(run.id).status == "finished"


def test_a_lease_names_no_host_in_clear(tmp_path: pathlib.Path) -> None:
    assert os.uname().nodename not in msgspec.json.encode(own_lease(tmp_path)).decode()
