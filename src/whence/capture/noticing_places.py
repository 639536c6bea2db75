"""Which files are no inputs and outputs of a run: Python's, packages', the system's own, and whence's."""

from __future__ import annotations

import os
import re
import sys
import sysconfig

_SYSTEM = (
    "/proc/",
    "/sys/",
    "/run/",
    "/etc/",
    "/bin/",
    "/sbin/",
    "/lib/",
    "/lib32/",
    "/lib64/",
    "/usr/bin/",
    "/usr/sbin/",
    "/usr/lib/",
    "/usr/lib32/",
    "/usr/lib64/",
    "/usr/libexec/",
    "/usr/local/cuda",
    "/usr/share/ca-certificates/",
    "/usr/share/fontconfig/",
    "/usr/share/fonts/",
    "/usr/share/i18n/",
    "/usr/share/icu/",
    "/usr/share/locale/",
    "/usr/share/mime/",
    "/usr/share/misc/",
    "/usr/share/nvidia/",
    "/usr/share/terminfo/",
    "/usr/share/zoneinfo/",
    "/var/cache/",
    "/opt/nvidia/",
    "/System/",
    "/Library/",
    "/private/etc/",
)
_PARTS = re.compile(r"[/\\](?:site-packages|dist-packages|__pycache__|\.whence|\.git|\.ipython)[/\\]")
_ENDINGS = (".pyc", ".pyo", ".pth", ".so", ".dylib", ".pyd", ".dll")


def _of_python() -> tuple[str, ...]:
    found = set()
    for base in {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}:
        found |= {os.path.join(base, name) + os.sep for name in ("lib", "lib64", "bin", "include", "Scripts")}
        found.add(os.path.join(base, "pyvenv.cfg"))
    paths = sysconfig.get_paths()
    found |= {os.path.abspath(paths[key]) + os.sep for key in ("stdlib", "platstdlib")}
    found.add(os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep)
    return tuple(sorted(found))


_BEGINNINGS = (*_SYSTEM, *_of_python())


def is_left_out(path: str) -> bool:
    """Tell whether an absolute path is none of a run's files, by its name alone."""
    if path.startswith(_BEGINNINGS) or path.endswith(_ENDINGS):
        return True
    if path.startswith("/dev/") and not path.startswith("/dev/shm/"):
        return True
    return _PARTS.search(path) is not None


def module_files() -> frozenset[str]:
    """The files of the modules that are loaded: their code is recorded as code."""
    found = set()
    for module in list(sys.modules.values()):
        file = getattr(module, "__dict__", {}).get("__file__")
        if isinstance(file, str):
            found.add(os.path.abspath(file))
    return frozenset(found)
