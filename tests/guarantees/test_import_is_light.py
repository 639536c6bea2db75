"""The README promises: `import whence` loads no heavy neighbour, and no extra is needed to start."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import whence

HEAVY = [
    "numpy",
    "pyarrow",
    "pandas",
    "polars",
    "torch",
    "PIL",
    "rich",
    "jinja2",
    "msgspec",
    "xxhash",
    "plotille",
    "cryptography",
    "psutil",
]
EXTRAS = ["pyarrow", "pandas", "polars", "torch", "PIL"]

_ROOT = Path(whence.__file__).parent
ROOMS = sorted(found.name for found in pkgutil.iter_modules([str(_ROOT)]) if found.name != "__main__")


def run_python(code: str) -> str:
    """Run code in a fresh interpreter that finds the same whence, and return what it printed."""
    prelude = f"import sys; sys.path.insert(0, {str(_ROOT.parent)!r})\n"
    done = subprocess.run(
        [sys.executable, "-c", prelude + code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_whence_loads_no_heavy_neighbour() -> None:
    loaded = json.loads(run_python("import json, whence; print(json.dumps(sorted(sys.modules)))"))
    assert "whence" in loaded
    assert [name for name in HEAVY if name in loaded] == []


def test_importing_whence_opens_no_room() -> None:
    loaded = json.loads(run_python("import json, whence; print(json.dumps(sorted(sys.modules)))"))
    assert [name for name in loaded if name.startswith("whence.")] == []


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_opens_without_any_extra(room: str) -> None:
    code = f"sys.modules.update(dict.fromkeys({EXTRAS!r}))\nimport whence.{room}; print('open')"
    assert run_python(code) == "open\n"


def test_a_run_loads_cryptography_only_when_it_is_sealed(tmp_path: Path) -> None:
    code = (
        "import whence as wh\n"
        f"with wh.start_run('light', workspace={str(tmp_path)!r}) as run:\n"
        "    run.log_metric('loss', 1.0)\n"
        "    print('cryptography' in sys.modules)\n"
        "print('cryptography' in sys.modules)\n"
    )
    assert run_python(code).split() == ["False", "True"]
