"""Leases: who writes a run, said so that another process can tell whether the writer still lives.

A process is named by its host, that host's boot, its number and its start, because numbers alone are
given again. A lease from this host is decided; one from another host is not ours to judge.
"""

from __future__ import annotations

import os
import pathlib
import platform
import subprocess
import sys
from typing import TypedDict

import msgspec

from whence.vocab import digest_bytes


class Lease(TypedDict):
    """The identity of a writing process."""

    host: str
    boot: str
    pid: int
    started: str


def own_lease() -> Lease:
    """Name this process."""
    pid = os.getpid()
    return Lease(host=_host(), boot=_boot(), pid=pid, started=_start_of(pid))


def write_lease(path: pathlib.Path, lease: Lease) -> None:
    """Write a lease."""
    path.write_bytes(lease_content(lease))


def lease_content(lease: Lease) -> bytes:
    """Spell a lease."""
    return msgspec.json.encode(lease)


def read_lease(path: pathlib.Path) -> Lease | None:
    """Read a lease; None where there is none, or half of one."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Lease)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def is_alive(lease: Lease) -> bool | None:
    """Tell whether the process of a lease still runs; None where that can't be known from here."""
    if lease["host"] != _host():
        return None
    if lease["boot"] != _boot():
        return False
    return _start_of(lease["pid"]) == lease["started"] != ""


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


def _start_of(pid: int) -> str:
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return _printed_by("ps", "-o", "lstart=", "-p", str(pid)) if sys.platform == "darwin" else ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in ("Z", "X") else fields[19]


def _printed_by(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=5)
    return done.stdout.strip()
