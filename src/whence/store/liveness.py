"""Leases: who writes a run, said so that another process can tell whether the writer still lives.

A process is named by its host, that host's boot, its pid namespace, its number and its start, because
numbers alone are given again, and are counted anew in every container. The lease also says in which folder
it was left: in a copy of the folder nobody writes, though the process may live. What can't be told from here
is said to be unknown; a writer that doesn't touch its lease any more, on a full disk for example, isn't dead.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import platform
import secrets
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NotRequired, TypedDict

import msgspec

from whence.store.files import explained, write_whole
from whence.vocab import digest_bytes

_FIRST_SPACE = "pid:[4026531836]"
"""The pid namespace of the machine itself: PROC_PID_INIT_INO of the kernel's proc_ns.h."""

_DEAD_STATES = ("Z", "X")
_STOPPED_STATES = ("T", "t")


class Lease(TypedDict):
    """The identity of a writing process; leases of earlier versions lack the last two."""

    host: str
    boot: str
    pid: int
    started: str
    space: NotRequired[str]
    place: NotRequired[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """What can be told of a run's writer from here.

    Args:
        state: `writing`, `gone`; or what leaves it open: `stopped` by a signal, `elsewhere`, `copied`
            (the folder is a copy of the one that the process writes), `unreadable`.
        words: the same for people.
    """

    state: Literal["writing", "gone", "stopped", "elsewhere", "copied", "unreadable"]
    words: str

    @property
    def is_alive(self) -> bool | None:
        """Whether it writes the run; None where that can't be told."""
        return {"writing": True, "gone": False}.get(self.state)


def own_lease(folder: pathlib.Path) -> Lease:
    """Name this process as the writer of a folder that is there."""
    pid = os.getpid()
    return Lease(
        host=_host(), boot=_boot(), pid=pid, started=_seen(pid)[1], space=_space(), place=place_of(folder)
    )


def process_name(pid: int) -> str:
    """Name a process of this machine so that no other ever has the name; empty where that can't be told."""
    boot, (_, started) = _boot(), _seen(pid)
    return f"{_host()} {boot} {_space()} {pid} {started}" if boot and started else ""


def own_boot() -> str:
    """Name the boot of this machine; empty where that can't be told."""
    return _boot()


def place_of(folder: pathlib.Path) -> str:
    """Name a folder so that a copy of it has another name, while it is mounted."""
    found = os.stat(folder)
    return f"{found.st_dev}:{found.st_ino}"


def write_lease(path: pathlib.Path, lease: Lease) -> None:
    """Put a lease in place, all at once, before anything is written that it tells of."""
    write_whole(path, msgspec.json.encode(lease))
    with contextlib.suppress(OSError):  # tells readers that one of the runs is written, perhaps once more
        os.utime(path.parents[1])


def begin_folder(path: pathlib.Path, files: Mapping[str, bytes] = MappingProxyType({})) -> Lease:
    """Make a run's folder in which this process is known as the writer from the first moment on.

    Args:
        path: the folder.
        files: what else is in it from then on.
    """
    staged = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    with explained(path):
        try:
            (staged / "segments").mkdir(parents=True)
            lease = own_lease(staged)
            for name, content in files.items():
                write_whole(staged / name, content)
            write_lease(staged / "lease", lease)
            staged.rename(path)
        except BaseException:
            shutil.rmtree(staged, ignore_errors=True)
            raise
    return lease


def read_lease(path: pathlib.Path) -> Lease | None:
    """Read a lease; None where there is none, or none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Lease)
    except (OSError, msgspec.DecodeError):
        return None


def is_before_boot(lease: Lease) -> bool:
    """Whether the machine was started anew since a process of it left a lease."""
    boot = _boot()
    return lease["host"] == _host() and bool(boot and lease["boot"]) and lease["boot"] != boot


def find_writer(folder: pathlib.Path) -> Writer:
    """Tell what is known of the writer of a run's folder, for which there may be a lease."""
    try:
        content = (folder / "lease").read_bytes()
    except FileNotFoundError:
        return Writer(state="gone", words="nobody writes it")
    except OSError as error:
        return Writer(state="unreadable", words=f"its lease can't be read ({error.strerror or error})")
    if not content:  # a resumption that failed without room for the lease before
        return Writer(state="gone", words="its process died")
    try:
        lease = msgspec.json.decode(content, type=Lease)
    except msgspec.DecodeError:
        return Writer(state="unreadable", words="its lease can't be read")
    return judge(lease, folder)


def judge(lease: Lease, folder: pathlib.Path) -> Writer:
    """Tell what is known from here of the process of a lease that lies in a folder."""
    known = _judge_machine(lease)
    if known is not None:
        return known
    process = f"process {lease['pid']}"
    state, started = _seen(lease["pid"])
    if state == "?":
        return Writer(state="unreadable", words=f"{process} is there, and can't be looked at")
    if state in ("", *_DEAD_STATES) or started != lease["started"]:
        return Writer(state="gone", words=f"its process {lease['pid']} is gone")
    if lease.get("place", place_of(folder)) != place_of(folder):
        return Writer(state="copied", words=f"a copy: {process} of this machine writes it in another folder")
    if state in _STOPPED_STATES:
        return Writer(state="stopped", words=f"its {process} is stopped by a signal")
    return Writer(state="writing", words=f"{process} writes it")


def _judge_machine(lease: Lease) -> Writer | None:
    """Judge a process of another machine, boot or container; None where its number means something here."""
    if lease["host"] != _host():
        return Writer(state="elsewhere", words="its process runs, or ran, on another machine")
    boot, space = _boot(), lease.get("space", _space())
    if sys.platform == "linux" and not (boot and lease["boot"]):
        return Writer(state="unreadable", words="which boot of the machine its process is of can't be read")
    if lease["boot"] != boot:
        if space not in ("", _FIRST_SPACE):  # containers of one image have one identity on many machines
            return Writer(state="elsewhere", words="its process ran in a container, perhaps elsewhere")
        return Writer(state="gone", words="its process ended when the machine was started anew")
    if space != _space():
        return Writer(state="elsewhere", words="its process runs, or ran, in another container")
    return None


def _host() -> str:
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        try:
            identity = pathlib.Path(path).read_text().strip()
        except OSError:
            continue
        if identity:
            return digest_bytes(f"whence {identity}".encode()).hex()[:16]
    return digest_bytes(f"whence {platform.node()}".encode()).hex()[:16]


def _boot() -> str:
    try:
        return pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return _printed_by("sysctl", "-n", "kern.boottime") if sys.platform == "darwin" else ""


def _space() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _seen(pid: int) -> tuple[str, str]:
    """The state of a process and when it began; nothing where there is none, `?` where it is hidden."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return fields[0], fields[19]
    except (OSError, IndexError):
        if sys.platform == "darwin":
            state, _, started = _printed_by("ps", "-o", "state=,lstart=", "-p", str(pid)).partition(" ")
            return state[:1], started.strip()
        return ("?" if _is_hidden(pid) else ""), ""


def _is_hidden(pid: int) -> bool:
    """Whether a process is there that /proc doesn't show: it may be mounted so (`hidepid`)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _printed_by(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=5)
    return done.stdout.strip()
