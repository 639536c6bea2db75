"""The environment: what is there is described, what isn't is None with a reason."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest

from whence.capture.environment import environment
from whence.capture.git import git_state
from whence.capture.machine import container, cpu_features, seeds
from whence.capture.packages import home_of_file, home_of_module, installed_packages


def _git(folder: Path, *arguments: str) -> None:
    named = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *named, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit."""
    _git(tmp_path, "init")
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "b.py").write_text("y = 1\n")
    _git(tmp_path, "add", "a.py", "b.py")
    _git(tmp_path, "commit", "-m", "first")
    return tmp_path


def test_the_environment_is_json(repository: Path) -> None:
    found = environment(str(repository))
    assert json.loads(json.dumps(found)) == found
    assert set(found) == {
        "argv",
        "cwd",
        "python",
        "platform",
        "cpu",
        "memory_bytes",
        "packages",
        "git",
        "variables",
        "time_zone",
        "gpus",
        "origins",
        "container",
        "seeds",
    } | ({"torch"} if "torch" in sys.modules else set())
    assert found["python"]["version"] == platform.python_version()
    assert found["memory_bytes"] > 0
    assert found["cpu"]["count"] == os.cpu_count()
    assert len(found["git"]["commit"]) == 40


def test_the_working_directory_is_asked_if_no_folder_is_named(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    found = environment()
    assert found["cwd"] == str(repository)
    assert found["git"]["branch"] == "main"


def test_a_clean_repository_is_clean(repository: Path) -> None:
    found = git_state(str(repository))
    assert (found["dirty"], found["diff"], found["diff_cut"], found["untracked"]) == (False, "", False, [])
    assert found["remote"] is None


def test_what_is_not_committed_is_in_the_diff(repository: Path) -> None:
    (repository / "a.py").write_text("x = 2\n")
    (repository / "b.py").write_text("y = 2\n")
    _git(repository, "add", "b.py")
    (repository / "new file.py").write_text("")
    found = git_state(str(repository))
    assert found["dirty"]
    assert "-x = 1\n+x = 2\n" in found["diff"]
    assert "-y = 1\n+y = 2\n" in found["diff"]
    assert found["untracked"] == ["new file.py"]


def test_a_renamed_file_is_dirty_and_its_old_name_is_not_an_entry(repository: Path) -> None:
    _git(repository, "mv", "a.py", "? a.py")
    found = git_state(str(repository))
    assert (found["dirty"], found["untracked"]) == (True, [])


def test_a_large_diff_is_cut_and_says_so(repository: Path) -> None:
    (repository / "a.py").write_text("word = 1\n" * 400_000)
    found = git_state(str(repository))
    assert found["diff_cut"]
    assert len(found["diff"]) <= 1 << 20


def test_untracked_names_are_bounded_and_counted(repository: Path) -> None:
    for number in range(120):
        (repository / f"{number:03}.txt").write_text("")
    found = git_state(str(repository))
    assert (len(found["untracked"]), found["untracked_count"]) == (100, 120)


def test_the_remote_has_no_credentials(repository: Path) -> None:
    _git(repository, "remote", "add", "origin", "https://me:hunter2@example.org/p.git")
    assert git_state(str(repository))["remote"] == "https://[redacted]@example.org/p.git"


def test_a_secret_in_the_diff_is_redacted(repository: Path) -> None:
    (repository / "a.py").write_text("password = 'hunter2hunter2'\n")
    assert "hunter2" not in git_state(str(repository))["diff"]


def test_a_detached_head_has_no_branch(repository: Path) -> None:
    _git(repository, "checkout", "--detach")
    found = git_state(str(repository))
    assert found["branch"] is None
    assert len(found["commit"]) == 40


def test_a_repository_without_a_commit_says_so(tmp_path: Path) -> None:
    _git(tmp_path, "init")
    found = git_state(str(tmp_path))
    assert (found["commit"], found["reason"]) == (None, "nothing is committed yet")


def test_no_repository_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_state(str(tmp_path)) == {"commit": None, "reason": "not a Git repository"}


def test_no_git_is_a_reason(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    found = git_state(str(repository))
    assert found["commit"] is None
    assert "isn't installed" in found["reason"]


def test_a_git_that_hangs_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "git"
    command.write_text("#!/bin/sh\nexec sleep 60\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr("whence.capture.git._TIMEOUT_S", 0.2)
    assert "took more than" in git_state(str(tmp_path))["reason"]


def test_only_listed_variables_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setenv("SLURM_JOB_USER", "somebody")
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("WHENCE_TOKEN", "abc")
    monkeypatch.setenv("FAVOURITE_COLOUR", "blue")
    found = environment()["variables"]
    assert (found["SLURM_JOB_ID"], found["WORLD_SIZE"]) == ("17", "4")
    assert found["WHENCE_TOKEN"] == "[redacted]"
    assert not {"SLURM_JOB_USER", "FAVOURITE_COLOUR"} & found.keys()


def test_arguments_are_kept_without_secrets_and_without_the_home_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setattr(sys, "argv", ["/home/somebody/train.py", "--lr", "0.1", "--token", "abc"])
    assert environment()["argv"] == ["~/train.py", "--lr", "0.1", "--token", "[redacted]"]


def test_packages_that_come_from_no_index_say_where_they_come_from(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    told: dict[str, Any] = {
        "mine-1.0": {"url": repository.as_uri(), "dir_info": {"editable": True}},
        "theirs-2.0": {
            "url": "https://me:hunter2@example.org/p.git",
            "vcs_info": {"vcs": "git", "commit_id": "0" * 40},
        },
        "odd-1.0": [],
        "usual-3.0": None,
    }
    for name, content in told.items():
        (site / f"{name}.dist-info").mkdir(parents=True)
        if content is not None:
            (site / f"{name}.dist-info/direct_url.json").write_text(json.dumps(content))
    monkeypatch.setattr(sys, "path", [str(site)])
    monkeypatch.setenv("HOME", str(tmp_path.parent))
    (repository / "a.py").write_text("x = 2\n")
    found = environment(str(repository))["origins"]
    assert found == {
        "mine": {
            "folder": f"~/{tmp_path.name}",
            "editable": True,
            "commit": git_state(str(repository))["commit"],
            "dirty": True,
        },
        "theirs": {"url": "https://[redacted]@example.org/p.git", "editable": False, "commit": "0" * 40},
    }


def test_submodules_and_large_files_are_told(repository: Path) -> None:
    assert git_state(str(repository))["uses"] == []
    (repository / ".gitmodules").write_text("[submodule]\n")
    (repository / ".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n")
    (repository / "inner").mkdir()
    assert git_state(str(repository / "inner"))["uses"] == ["submodules", "lfs"]


@pytest.mark.parametrize(
    ("variables", "file", "kind"),
    [
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, ".dockerenv", "kubernetes"),
        ({"APPTAINER_CONTAINER": "/x.sif"}, "else", "apptainer"),
        ({}, "run/.containerenv", "podman"),
        ({}, ".dockerenv", "docker"),
        ({}, "else", None),
    ],
)
def test_what_the_process_is_kept_in_is_told(
    tmp_path: Path, variables: dict[str, str], file: str, kind: str | None
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / file).write_text("")
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("8589934592\n")
    (group / "cpu.max").write_text("150000 100000\n")
    assert container(variables, str(tmp_path)) == {"kind": kind, "memory_bytes": 8 << 30, "cpus": 1.5}
    (group / "memory.max").write_text("max\n")
    (group / "cpu.max").write_text("max 100000\n")
    assert container(variables, str(tmp_path)) == {"kind": kind, "memory_bytes": None, "cpus": None}


def test_equal_seeds_are_told_by_equal_marks() -> None:
    random.seed(7)
    numpy.random.seed(7)
    first = seeds()
    random.random()
    assert seeds()["random"] != first["random"]
    assert seeds()["numpy"] == first["numpy"]
    random.seed(7)
    numpy.random.seed(7)
    assert seeds() == first
    numpy.random.seed(8)
    assert seeds()["numpy"] != first["numpy"]


def test_the_hash_seed_is_told() -> None:
    code = "from whence.capture.machine import seeds; print(seeds()['hash'])"
    for given, told in (("0", "0"), ("17", "17"), ("random", "random")):
        variables = os.environ | {"PYTHONHASHSEED": given, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, check=True)
        assert done.stdout.decode().strip() == told


def test_of_the_processors_flags_those_that_matter_are_kept() -> None:
    assert cpu_features("fpu vme avx2 fma sha_ni hypervisor avx512f") == ["avx2", "avx512f", "fma", "sha_ni"]


def test_no_name_of_the_machine_or_of_a_person_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "somebody-else")
    monkeypatch.setenv("HOSTNAME", "machine-of-somebody")
    text = json.dumps({key: value for key, value in environment().items() if key != "packages"})
    assert "somebody" not in text
    assert platform.node() not in text


def test_every_installed_distribution_is_listed_with_its_version() -> None:
    found = installed_packages()
    expected: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()
        expected.setdefault(name, distribution.version)
    assert found == expected
    assert list(found) == sorted(found)


def test_whose_a_file_is() -> None:
    import json as standard  # noqa: PLC0415  # a second name says what it is here

    import numpy as installed  # noqa: PLC0415  # the same

    assert home_of_file(str(standard.__file__)).owner == "python"
    assert home_of_file(__file__).owner == "user"
    assert home_of_module(__name__).owner == "user"
    home = home_of_module(installed.linalg.__name__)
    assert (home.owner, home.distribution, home.version) == ("package", "numpy", installed.__version__)


def test_a_package_whose_modules_have_another_name_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "site-packages"
    (folder / "cv7").mkdir(parents=True)
    (folder / "cv7/__init__.py").write_text("")
    (folder / "open_vision-7.1.dist-info").mkdir()
    (folder / "open_vision-7.1.dist-info/RECORD").write_text("cv7/__init__.py,,\n")
    sys.path.insert(0, str(folder))
    try:
        home = home_of_file(str(folder / "cv7/__init__.py"))
    finally:
        sys.path.remove(str(folder))
    assert (home.distribution, home.version) == ("open-vision", "7.1")


def test_the_library_itself_is_a_package_even_in_development() -> None:
    home = home_of_module("whence.capture.code")
    assert (home.owner, home.module) == ("package", "whence")
