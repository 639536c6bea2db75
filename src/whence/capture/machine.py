"""What surrounds the process: container, limits, the processor's features, what PyTorch is set to, seeds.

Files of the system are read, and modules that are loaded already are asked; nothing is imported or begun.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import random
import sys
from collections.abc import Mapping
from typing import Any

from whence.vocab import fast128

# of some hundred those that numerical libraries choose their code by
_FEATURES = frozenset(
    {
        *(
            "sse4_2",
            "avx",
            "avx2",
            "fma",
            "f16c",
            "avx_vnni",
            "avx512f",
            "avx512bw",
            "avx512vl",
            "avx512_vnni",
        ),
        *("avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16", "amx_fp16", "sha_ni"),
        *("asimd", "asimdhp", "asimddp", "sve", "sve2", "i8mm", "bf16", "sme"),
    }
)
_NO_LIMIT = 1 << 60


def cpu_features(words: str) -> list[str]:
    """Take of a processor's flags those that results may depend on."""
    return sorted(_FEATURES.intersection(words.split()))


def container(variables: Mapping[str, str], root: str = "/") -> dict[str, Any]:
    """Tell what the process is kept in, and how much it may use: `kind`, `memory_bytes`, `cpus`.

    Args:
        variables: of the environment.
        root: where the system's files are.
    """
    top = pathlib.Path(root)
    return {
        "kind": _kind_of_container(variables, top),
        "memory_bytes": _memory_limit(top / "sys/fs/cgroup"),
        "cpus": _cpu_limit(top / "sys/fs/cgroup"),
    }


def _kind_of_container(variables: Mapping[str, str], top: pathlib.Path) -> str | None:
    if "KUBERNETES_SERVICE_HOST" in variables:
        return "kubernetes"
    if "APPTAINER_CONTAINER" in variables or "SINGULARITY_CONTAINER" in variables:
        return "apptainer"
    if (top / "run/.containerenv").exists():
        return "podman"
    return "docker" if (top / ".dockerenv").exists() else None


def _memory_limit(group: pathlib.Path) -> int | None:
    text = _said(group / "memory.max") or _said(group / "memory/memory.limit_in_bytes")
    return int(text) if text.isdigit() and int(text) < _NO_LIMIT else None


def _cpu_limit(group: pathlib.Path) -> float | None:
    quota, _, period = _said(group / "cpu.max").partition(" ")
    if not quota:
        quota = _said(group / "cpu/cpu.cfs_quota_us")
        period = _said(group / "cpu/cpu.cfs_period_us")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else None


def _said(path: pathlib.Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def manager() -> str:
    """Tell which program made the environment: conda, uv, or pip with venv; empty where none did."""
    if os.path.isdir(os.path.join(sys.prefix, "conda-meta")):
        return "conda"
    settings = _said(pathlib.Path(sys.prefix, "pyvenv.cfg"))
    return "uv" if "\nuv = " in f"\n{settings}" else "venv" if settings else ""


def torch_settings() -> dict[str, Any] | None:
    """Tell what PyTorch was built for and is set to, where it is loaded."""
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return None
    found: dict[str, Any] = {}
    with contextlib.suppress(AttributeError, RuntimeError):  # a version without one of them, or half loaded
        found["cuda"] = torch.version.cuda
        found["hip"] = torch.version.hip
        found["deterministic"] = torch.are_deterministic_algorithms_enabled()
        found["cudnn_deterministic"] = torch.backends.cudnn.deterministic
        found["cudnn_benchmark"] = torch.backends.cudnn.benchmark
        found["matmul_precision"] = torch.get_float32_matmul_precision()
        found["threads"] = torch.get_num_threads()
        if torch.version.cuda and torch.cuda.is_initialized():  # else asking would load it
            found["cudnn"] = torch.backends.cudnn.version()
            found["capability"] = [list(torch.cuda.get_device_capability())]
    return found


def seeds() -> dict[str, Any]:
    """Tell what is known of the seeds of global generators.

    `hash`: `PYTHONHASHSEED`, or "random". `torch`: its seed, which PyTorch draws where nobody
    has set one. Python's and NumPy's keep no seed: where they stand is told by a digest, which is equal where
    equal seeds were set.
    """
    found: dict[str, Any] = {"hash": _hash_seed(), "random": fast128(repr(random.getstate()).encode()).hex()}
    numpy: Any = sys.modules.get("numpy.random")
    with contextlib.suppress(AttributeError, KeyError, TypeError, ValueError):
        if numpy is not None:
            state = numpy.mtrand._rand.get_state(legacy=False)["state"]
            found["numpy"] = fast128(state["key"].tobytes() + repr(state["pos"]).encode()).hex()
    torch: Any = sys.modules.get("torch")
    with contextlib.suppress(AttributeError, RuntimeError):
        if torch is not None:
            found["torch"] = str(torch.initial_seed())  # may have 64 bits, without a sign
    return found


def _hash_seed() -> str:
    if not sys.flags.hash_randomization:
        return "0"
    return os.environ.get("PYTHONHASHSEED") or "random"
