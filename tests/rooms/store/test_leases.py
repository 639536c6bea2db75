"""Leases: a dead writer is found dead, and one that can't be known is not judged."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

from whence.store.liveness import Lease, is_alive, own_lease, read_lease, write_lease


def test_the_running_process_is_alive() -> None:
    assert is_alive(own_lease()) is True


def test_a_lease_comes_back_as_it_was_written(tmp_path: pathlib.Path) -> None:
    write_lease(tmp_path / "lease", own_lease())
    assert read_lease(tmp_path / "lease") == own_lease()


def test_a_process_that_ended_is_dead() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    lease = own_lease() | {"pid": process.pid}
    lease["started"] = _start_of(process.pid)
    assert is_alive(Lease(**lease)) is True
    process.communicate(b"\n")
    assert is_alive(Lease(**lease)) is False


def _start_of(pid: int) -> str:
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


def test_a_process_that_ended_and_was_not_waited_for_is_dead() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    lease = own_lease() | {"pid": child, "started": _start_of(child)}
    assert is_alive(Lease(**lease)) is False
    os.waitpid(child, 0)


def test_a_number_that_was_given_to_another_process_is_not_taken_for_the_writer() -> None:
    lease = own_lease()
    lease["started"] = "1"
    assert is_alive(lease) is False


def test_a_process_of_an_earlier_boot_is_dead() -> None:
    lease = own_lease()
    lease["boot"] = "an earlier one"
    assert is_alive(lease) is False


def test_a_process_on_another_host_is_not_ours_to_judge() -> None:
    lease = own_lease()
    lease["host"] = "elsewhere"
    assert is_alive(lease) is None


@pytest.mark.parametrize("content", [b"", b'{"host":', b"[]", b'{"host":1}', b"\xff\xff"])
def test_half_a_lease_is_none(tmp_path: pathlib.Path, content: bytes) -> None:
    (tmp_path / "lease").write_bytes(content)
    assert read_lease(tmp_path / "lease") is None
    assert read_lease(tmp_path / "nothing") is None


def test_a_lease_names_no_host_in_clear() -> None:
    assert os.uname().nodename not in own_lease()["host"]
