"""Processes that work on one training share a group; where nobody can tell, there is none."""

from __future__ import annotations

from typing import Any

import pytest

from whence.capture.group import find_group

TORCHRUN = {
    "RANK": "3",
    "WORLD_SIZE": "8",
    "LOCAL_WORLD_SIZE": "8",
    "MASTER_ADDR": "node1",
    "MASTER_PORT": "29500",
}
SLURM = {
    "SLURM_JOB_ID": "7",
    "SLURM_STEP_ID": "0",
    "SLURM_CLUSTER_NAME": "c",
    "SLURM_JOB_START_TIME": "1700000000",
    "SLURM_PROCID": "2",
    "SLURM_NTASKS": "4",
}


def group(parent: str = "", **variables: str) -> dict[str, Any]:
    found = find_group(variables, parent=lambda: parent)
    assert found is not None
    return found


def test_a_process_that_works_alone_has_no_group() -> None:
    assert find_group({}) is None
    assert find_group({"SLURM_JOB_ID": "7", "SLURM_PROCID": "0", "SLURM_NTASKS": "1"}) is None


def test_ranks_of_one_launch_share_a_group_and_know_their_places() -> None:
    first = group(**TORCHRUN, TORCHELASTIC_RUN_ID="job-1")
    second = group(**{**TORCHRUN, "RANK": "4"}, TORCHELASTIC_RUN_ID="job-1")
    assert first["id"] == second["id"]
    assert (first["rank"], second["rank"], first["size"], first["by"]) == (3, 4, 8, "torchrun")
    assert group(**TORCHRUN, TORCHELASTIC_RUN_ID="job-2")["id"] != first["id"]


def test_a_launch_without_a_name_is_told_by_the_process_that_began_it() -> None:
    launch = {**TORCHRUN, "TORCHELASTIC_RUN_ID": "none"}
    first = group(parent="boot 1, process 17 of noon", **launch)
    assert group(parent="boot 1, process 17 of noon", **launch) == first
    assert group(parent="boot 1, process 99 of two", **launch)["id"] != first["id"]


def test_the_same_port_on_several_machines_is_no_group() -> None:
    several = {**TORCHRUN, "WORLD_SIZE": "16"}
    assert find_group(several, parent=lambda: "a process") is None
    assert find_group(TORCHRUN, parent=lambda: "") is None
    assert group(**several, WHENCE_GROUP="launch 12")["rank"] == 3


@pytest.mark.parametrize("changed", sorted(SLURM.keys() - {"SLURM_PROCID", "SLURM_NTASKS"}))
def test_a_step_of_a_slurm_job_is_a_group(changed: str) -> None:
    found = group(**SLURM)
    assert (found["by"], found["rank"], found["size"]) == ("slurm", 2, 4)
    assert group(**{**SLURM, "SLURM_PROCID": "3"})["id"] == found["id"]
    assert group(**{**SLURM, changed: "9"})["id"] != found["id"]


def test_an_mpi_launch_is_a_group_where_it_has_a_name() -> None:
    ranks = {"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2"}
    assert find_group(ranks) is None
    assert group(**ranks, PMIX_NAMESPACE="prterun-1@1")["by"] == "mpi"


def test_users_may_name_a_group() -> None:
    assert group(WHENCE_GROUP="mine") == group(WHENCE_GROUP="mine")
    assert group(WHENCE_GROUP="mine")["id"] != group(WHENCE_GROUP="yours")["id"]
    assert group(WHENCE_GROUP="mine", RANK="1", WORLD_SIZE="2")["rank"] == 1


@pytest.mark.parametrize("rank", ["", "one", "-1", "٣"])
def test_a_rank_that_is_no_number_is_none(rank: str) -> None:
    assert find_group({**TORCHRUN, "RANK": rank, "TORCHELASTIC_RUN_ID": "x"}) is None
