"""Which processes work together on one training, as their launcher says: its ranks, and who began a process.

A launcher tells its processes by variables. Those of one launch share a group whose name only they can make:
from the launcher's own identifier of the launch, or, where it has none, from the process that began them on
this machine. Where neither tells one launch from the next, there is no group rather than a guessed one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from whence.vocab import digest_value

GROUP_VARIABLE = "WHENCE_GROUP"
RUN_VARIABLE = "WHENCE_RUN"
"""Tells a process that a run begins in which run it was begun."""

_Parent = Callable[[], str]


def find_group(
    variables: Mapping[str, str] | None = None, *, parent: _Parent | None = None
) -> dict[str, Any] | None:
    """Tell of which group of processes this one is.

    Args:
        variables: the environment variables; the process's own by default.
        parent: names the process that began this one so that no other has the name, or is empty.

    Returns:
        `id`, `by` (the launcher), `rank` and `size`, the latter None where they aren't told; None for a
        process that works alone, and where no name for its group can be made.
    """
    given = os.environ if variables is None else variables
    named = given.get(GROUP_VARIABLE)
    for look in (_torchrun, _slurm, _mpi):
        found = look(given, parent or _no_parent)
        if found is not None:
            name, by, rank, size = found
            if named or name:
                return _group(named or name, by, rank, size)
    if named:
        return _group(named, GROUP_VARIABLE, _number(given, "RANK"), _number(given, "WORLD_SIZE"))
    return None


_Found = tuple[str, str, int | None, int | None]


def _torchrun(given: Mapping[str, str], parent: _Parent) -> _Found | None:
    rank, size = _number(given, "RANK"), _number(given, "WORLD_SIZE")
    if rank is None or size is None or "MASTER_ADDR" not in given:
        return None
    launch = given.get("TORCHELASTIC_RUN_ID", "none")
    if launch != "none":  # what it is where nobody named the launch
        return f"torchrun {launch}", "torchrun", rank, size
    # the port is the same in every launch; but all ranks of one machine have one parent
    on_one_machine = _number(given, "LOCAL_WORLD_SIZE") == size
    began = parent() if on_one_machine else ""
    return (f"torchrun {began}" if began else ""), "torchrun", rank, size


def _slurm(given: Mapping[str, str], parent: _Parent) -> _Found | None:
    job = given.get("SLURM_JOB_ID")
    rank, size = _number(given, "SLURM_PROCID"), _number(given, "SLURM_NTASKS")
    if not job or rank is None or size is None or size < 2:
        return None
    cluster, step = given.get("SLURM_CLUSTER_NAME", ""), given.get("SLURM_STEP_ID", "")
    submitted = given.get("SLURM_JOB_START_TIME", "")  # numbers of jobs are given again
    return f"slurm {cluster} {job} {step} {submitted}", "slurm", rank, size


def _mpi(given: Mapping[str, str], parent: _Parent) -> _Found | None:
    rank, size = _number(given, "OMPI_COMM_WORLD_RANK"), _number(given, "OMPI_COMM_WORLD_SIZE")
    if rank is None or size is None:
        return None
    launch = given.get("PMIX_NAMESPACE", "")
    return (f"mpi {launch} {parent()}" if launch else ""), "mpi", rank, size


def _group(name: str, by: str, rank: int | None, size: int | None) -> dict[str, Any]:
    return {"id": digest_value(name).hex()[:16], "by": by, "rank": rank, "size": size}


def _number(given: Mapping[str, str], name: str) -> int | None:
    text = given.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() else None


def _no_parent() -> str:
    return ""
