"""The environment of a run: command, Python, machine, packages, Git, variables; never who sits there.

Everything is JSON-able. What can't be found is `None`, with a reason where there is one. Secrets are
redacted before anything leaves this file.
"""

from __future__ import annotations

import functools
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from whence.capture.git import git_state, head_of
from whence.capture.machine import container, cpu_features, manager, seeds, torch_settings
from whence.capture.noticing import unheard
from whence.capture.packages import installed_from, installed_packages
from whence.capture.secrets import redact, redact_arguments, redact_value

_GPU_TIMEOUT_S = 2.0
_EDITABLE_ASKED = 4  # of so many packages in use where they are written, Git is asked
_VARIABLES = frozenset(
    {
        "PYTHONHASHSEED",
        "PYTHONOPTIMIZE",
        "PYTHONPATH",
        "PYTHONUTF8",
        "VIRTUAL_ENV",
        "CONDA_DEFAULT_ENV",
        "RANK",
        "LOCAL_RANK",
        "GROUP_RANK",
        "NODE_RANK",
        "WORLD_SIZE",
        "LOCAL_WORLD_SIZE",
        "MASTER_ADDR",
        "MASTER_PORT",
        "CUBLAS_WORKSPACE_CONFIG",
        "TF_DETERMINISTIC_OPS",
        "TF_CUDNN_DETERMINISTIC",
        "TF_ENABLE_ONEDNN_OPTS",
        "TOKENIZERS_PARALLELISM",
        "LANG",
        "LC_ALL",
        "TZ",
        "CI",
        "GITHUB_SHA",
        "GITHUB_RUN_ID",
        "GITHUB_WORKFLOW",
    }
)
_VARIABLE_PREFIXES = (
    "SLURM_",
    "PBS_JOB",
    "LSB_JOB",
    "CUDA_",
    "NVIDIA_VISIBLE",
    "ROCR_",
    "HIP_VISIBLE",
    "OMP_",
    "MKL_",
    "OPENBLAS_",
    "NUMEXPR_",
    "NCCL_",
    "OMPI_COMM_WORLD_",
    "TORCH_",
    "PYTORCH_",
    "XLA_",
    "JAX_",
    "RAY_JOB",
    "WHENCE_",
)
_PERSONAL = ("USER", "ACCOUNT", "HOME", "MAIL")


def environment(root: str | None = None) -> dict[str, Any]:
    """Describe what code runs in.

    Args:
        root: folder that Git is asked about; the working directory by default.

    Returns:
        A JSON-able dict: `argv`, `cwd`, `python`, `platform`, `cpu`, `memory_bytes`, `packages`, `origins`
        (of packages from no index), `git`, `variables`, `time_zone`, `gpus`, `container`, `seeds`, and
        `torch` where it is loaded. `cwd` holds a path of this machine: it isn't for publication.

    Cost: that of Git and one listing of each package folder; the graphics driver is asked once a process.
    """
    return ask_environment(root)()


def ask_environment(root: str | None = None) -> Callable[[], dict[str, Any]]:
    """Begin to ask other programs; what comes back waits for their answers and describes the environment."""
    with unheard():
        folder = root if root is not None else os.getcwd()
        origins = installed_from()
        editable = [each for each in origins.values() if each["editable"]][:_EDITABLE_ASKED]
        threads = ThreadPoolExecutor(max_workers=2 + len(editable))
        git = threads.submit(git_state, folder)
        gpus = threads.submit(_gpus)
        heads = [threads.submit(head_of, each["folder"]) for each in editable]
        threads.shutdown(wait=False)  # they end by themselves

    def described() -> dict[str, Any]:
        with unheard():
            found = _described()
            for each, head in zip(editable, heads, strict=True):
                each.update(head.result())
            for each in origins.values():
                if "folder" in each:
                    each["folder"] = _without_home(redact(each["folder"]))
            return {**found, "origins": origins, "git": git.result(), "gpus": list(gpus.result())}

    return described


def _described() -> dict[str, Any]:
    """What no other program has to be asked for."""
    found = {
        "argv": [_without_home(argument) for argument in redact_arguments(sys.argv)],
        "cwd": os.getcwd(),
        **outline(),
        "cpu": _cpu(),
        "memory_bytes": _memory_bytes(),
        "variables": _variables(),
        "time_zone": time.strftime("%z"),
        "container": container(os.environ),
        "seeds": seeds(),
    }
    torch = torch_settings()
    return found if torch is None else {**found, "torch": torch}


def outline() -> dict[str, Any]:
    """Describe of the environment what samples may depend on: `python`, `platform` and `packages`."""
    return {"python": _python(), "platform": _platform(), "packages": installed_packages()}


def _python() -> dict[str, str]:
    return {
        "manager": manager(),
        "version": platform.python_version(),
        "implementation": platform.python_implementation(),
        "executable": _without_home(sys.executable),
    }


@functools.cache
def _platform() -> dict[str, str]:
    named = os.uname() if hasattr(os, "uname") else None
    return {
        "system": named.sysname if named else platform.system(),
        "release": named.release if named else platform.release(),
        "machine": named.machine if named else platform.machine(),
        "libc": _libc(),
    }


def _libc() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, ValueError, OSError):
        return ""


@functools.cache
def _cpu() -> dict[str, Any]:
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    lines = _cpu_lines()
    model = next((words for name, words in lines if name in ("model name", "Model", "cpu model")), None)
    flags = next((words for name, words in lines if name in ("flags", "Features")), "")
    return {
        "model": model or _cpu_model(),
        "count": os.cpu_count(),
        "allowed": allowed,
        "features": cpu_features(flags),
    }


def _cpu_lines() -> list[tuple[str, str]]:
    """What Linux tells of the first processor."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as stream:
            text = stream.read(1 << 16)
    except OSError:
        return []
    pairs = (line.partition(":") for line in text.split("\n"))
    return [(name.strip(), words.strip()) for name, _, words in pairs]


def _cpu_model() -> str | None:
    return _said("sysctl", "-n", "machdep.cpu.brand_string") or platform.processor() or None


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _variables() -> dict[str, str]:
    return {
        name: _without_home(redact_value(name, value))
        for name, value in sorted(os.environ.items())
        if (name in _VARIABLES or name.startswith(_VARIABLE_PREFIXES))
        and not any(personal in name for personal in _PERSONAL)
    }


def _without_home(text: str) -> str:
    """Write the home folder as `~`: its name is a person's."""
    home = os.path.expanduser("~")
    return text.replace(home, "~") if home.count(os.sep) > 1 else text


@functools.cache
def _gpus() -> tuple[dict[str, str], ...]:
    listed = _said("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
    found = []
    for line in listed.splitlines():
        name, _, rest = line.partition(",")
        memory, _, driver = rest.partition(",")
        found.append({"name": name.strip(), "memory": memory.strip(), "driver": driver.strip()})
    return tuple(found)


def _said(command: str, *arguments: str) -> str:
    """Run a command if it is there; what it said, or nothing if it failed or took too long."""
    path = shutil.which(command)
    if path is None:
        return ""
    try:
        with unheard():
            done = subprocess.run(
                [path, *arguments], capture_output=True, timeout=_GPU_TIMEOUT_S, check=True, text=True
            )
    except (OSError, subprocess.SubprocessError, ValueError):
        return ""
    return done.stdout.strip()
