"""Loading: a function of a script is found again in a new process, and the script doesn't run."""

from __future__ import annotations

import functools
import json
import math
import operator
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import whence
from whence.capture.code import identify
from whence.capture.loading import find_file, load_function
from whence.capture.references import refer
from whence.errors import ReplayError

_HELPERS = """
def scale(x):
    return x * 10
"""

_SCRIPT = """
from __future__ import annotations
import enum, functools, json, operator, os, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import helpers
from dataclasses import dataclass
from collections import *

try:
    import tomllib as toml
    print("TOP LEVEL: in a try")
except ImportError:
    toml = None

print("TOP LEVEL: a call")
K = 3
TABLE = {"a": 1}
TABLE["b"] = 2
if K > 2:
    SWITCH = 1
    print("TOP LEVEL: in a condition")
else:
    SWITCH = 2
UNNEEDED = [print("TOP LEVEL: an assignment that nobody needs")]

class Level(enum.Enum):
    LOW = 1

@dataclass
class Crop:
    size: int
    def __call__(self, x):
        return helpers.scale(x) + self.size + TABLE["b"] + SWITCH
    @classmethod
    def named(cls, x):
        return cls(1)(x)

CROP = Crop(4)

def decorate(f):
    def inner(x):
        return f(x) + 1
    return inner

@decorate
def decorated(x: Later) -> Later:
    return x + K

def plain(x):
    return helpers.scale(x) + K

def make(k, g, level=Level.LOW):
    def inner(x, *, z=k, array=[1.5, (2, None)]):
        return g(x) + k + z + array[0] + level.value
    return inner

def factorial():
    def f(n):
        return 1 if n < 2 else n * f(n - 1)
    return f

def even_and_odd():
    def even(n):
        return n == 0 or odd(n - 1)
    def odd(n):
        return n != 0 and even(n - 1)
    return even

def tokens(x):
    return OrderedDict(a=x)["a"] + len(toml.__name__)

double = lambda x: x * 2
pair = [lambda x: x + 1, lambda x: x + 2]
functions = {
    "plain": plain, "decorated": decorated, "made": make(5, plain), "crop": Crop(7), "double": double,
    "lambda": lambda x: (x + K), "first": pair[0], "second": pair[1],
    "partial": functools.partial(make(2, double), z=1), "factorial": factorial(), "even": even_and_odd(),
    "method": Crop(3).__call__, "class method": Crop.named, "global method": CROP.__call__, "builtin": abs,
    "cached": functools.lru_cache(plain), "star": tokens, "list": (lambda fs: lambda x: fs[0](x))([plain]),
}
STATE = object()
functions["held"] = make(2, lambda x: x + isinstance(STATE, object))
functions["unspeakable"] = (lambda held: lambda x: x + isinstance(held, object))(STATE)
for step in [Crop(6)]:
    functions["from a loop"] = step
for late in [1]:
    print("TOP LEVEL: a loop")
broken = {"stream": make(sys.stdin, plain), "late": lambda x: x + late}
if __name__ == "__main__":
    GUARDED = 5
    broken["guarded"] = lambda x: x + GUARDED
    from whence.capture.code import identify
    from whence.capture.references import refer
    good = {name: [refer(f), identify(f).digest.hex(), f(4)] for name, f in functions.items()}
    bad = {name: refer(f) for name, f in broken.items()}
    with open("references.json", "w") as stream:
        json.dump({"good": good, "bad": bad}, stream)
print("TRAINING")
"""

_REPLAY = """
import json, sys
from whence.capture.code import identify
from whence.capture.loading import load_function
from whence.errors import ReplayError

root = sys.argv[1]
recorded = json.load(open(root + "/references.json"))
found = {"good": {}, "bad": {}}
for name, (reference, digest, value) in recorded["good"].items():
    function = load_function(reference, root=root)
    found["good"][name] = [identify(function).digest.hex() == digest, function(4) == value]
for name, reference in recorded["bad"].items():
    try:
        load_function(reference, root=root)
    except ReplayError as error:
        found["bad"][name] = str(error)
print("FOUND " + json.dumps(found))
"""


def _python(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(Path(whence.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose script was run as a program; it has left references behind."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "helpers.py").write_text(_HELPERS, encoding="utf-8")
    (folder / "train.py").write_text(_SCRIPT, encoding="utf-8")
    assert "TRAINING" in _python(folder, "train.py")
    return folder


@pytest.fixture(scope="module")
def replayed(project: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """What a new process in another folder said, and what it found."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "replay.py").write_text(_REPLAY, encoding="utf-8")
    said, _, found = _python(elsewhere, "replay.py", str(project)).rpartition("FOUND ")
    return said, json.loads(found)


def test_no_top_level_code_of_a_script_runs_on_replay(replayed: tuple[str, dict[str, Any]]) -> None:
    assert replayed[0] == ""


def test_every_function_does_what_it_did(replayed: tuple[str, dict[str, Any]]) -> None:
    assert {name for name, (_, equal) in replayed[1]["good"].items() if not equal} == set()
    assert len(replayed[1]["good"]) == 21


def test_every_function_has_the_identity_it_had(replayed: tuple[str, dict[str, Any]]) -> None:
    assert {name for name, (same, _) in replayed[1]["good"].items() if not same} == set()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("stream", "the variable 'k' of make.<locals>.inner of train.py is a _io.TextIOWrapper"),
        ("late", "needs late, bound by code that a replay doesn't run"),
        ("guarded", "needs GUARDED, bound by code that a replay doesn't run"),
    ],
)
def test_what_cannot_be_loaded_is_named_with_a_remedy(
    replayed: tuple[str, dict[str, Any]], name: str, words: str
) -> None:
    assert words in replayed[1]["bad"][name]
    assert "run.replay(..., stream=...)" in replayed[1]["bad"][name]


def _reference(project: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((project / "references.json").read_text())["good"][name][0]
    return found


def test_a_missing_file_is_named_with_a_remedy(project: Path, tmp_path: Path) -> None:
    with pytest.raises(ReplayError, match=r"'train\.py' isn't here") as caught:
        load_function(_reference(project, "plain"), root=str(tmp_path))
    assert "folder of the project" in caught.value.remedy


def test_a_lambda_is_found_after_lines_moved(project: Path, tmp_path: Path) -> None:
    (tmp_path / "helpers.py").write_text(_HELPERS)
    (tmp_path / "train.py").write_text(_SCRIPT.replace("K = 3", "K = 3\n\n# moved\n\n"))
    assert load_function(_reference(project, "second"), root=str(tmp_path))(1) == 3


def test_an_edited_nested_function_is_loaded_as_it_is_now(project: Path, tmp_path: Path) -> None:
    (tmp_path / "helpers.py").write_text(_HELPERS)
    (tmp_path / "train.py").write_text(_SCRIPT.replace("return g(x) + k", "return 1000 + g(x) + k"))
    before = load_function(_reference(project, "made"), root=str(project))
    after = load_function(_reference(project, "made"), root=str(tmp_path))
    assert after(4) == before(4) + 1000
    assert identify(after).digest != identify(before).digest


def test_a_lambda_that_is_gone_is_not_replaced_by_another(project: Path, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(_SCRIPT.replace("lambda x: x + 2", "lambda x: x + 3"))
    with pytest.raises(ReplayError, match="isn't in the file any more"):
        load_function(_reference(project, "second"), root=str(tmp_path))


def test_a_function_that_is_gone_is_named(project: Path, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("K = 3\n")
    with pytest.raises(ReplayError, match=r"plain isn't there any more"):
        load_function(_reference(project, "plain"), root=str(tmp_path))


def test_a_new_variable_in_a_closure_is_named(project: Path, tmp_path: Path) -> None:
    changed = _SCRIPT.replace("return g(x) + k", "return more + g(x) + k")
    (tmp_path / "train.py").write_text(changed.replace("def make(k,", "def make(more, k,"))
    with pytest.raises(ReplayError, match=r"the variable 'more' of .* wasn't recorded"):
        load_function(_reference(project, "made"), root=str(tmp_path))


def test_a_statement_that_fails_is_named_with_its_line_and_tried_again(project: Path, tmp_path: Path) -> None:
    script = "import os\nK = os.environ['NO_SUCH_VARIABLE']\ndef plain(x):\n    return K\n"
    (tmp_path / "train.py").write_text(script)
    for _ in range(2):
        with pytest.raises(ReplayError, match=r"train\.py:2: .* KeyError"):
            load_function(_reference(project, "plain"), root=str(tmp_path))


def test_a_script_that_ends_the_process_does_not_end_ours(project: Path, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import sys\nK = sys.exit(3)\ndef plain(x):\n    return K\n")
    with pytest.raises(ReplayError, match="SystemExit"):
        load_function(_reference(project, "plain"), root=str(tmp_path))


def test_the_same_file_gives_the_same_function(project: Path) -> None:
    reference = _reference(project, "plain")
    root = str(project)
    assert load_function(reference, root=root) is load_function(reference, root=root)


def test_the_running_script_itself_is_used(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        "from whence.capture.loading import load_function\nfrom whence.capture.references import refer\n"
        "def f(x): return x\nprint('ONCE', load_function(refer(f)) is f)\n"
        "g = lambda x: f(x) + 1\nloaded = load_function(refer(g))\n"
        "print(loaded(1), loaded.__globals__ is globals())\n"
    )
    assert _python(tmp_path, "script.py") == "ONCE True\n2 True\n"


def test_a_function_of_an_imported_module_is_imported(project: Path, tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack/__init__.py").write_text("")
    (tmp_path / "pack/steps.py").write_text(
        "from . import more\ndef f(x): return x + more.N\ng = [lambda x: f(x) * 2]\n"
    )
    (tmp_path / "pack/more.py").write_text("N = 5\n")
    (tmp_path / "script.py").write_text(
        "import json\nfrom pack.steps import f, g\nfrom whence.capture.references import refer\n"
        "print(json.dumps([refer(f), refer(g[0])]))\n"
    )
    references = json.loads(_python(tmp_path, "script.py"))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/replay.py").write_text(
        "import json, sys\nfrom whence.capture.loading import load_function\n"
        "print([load_function(r, root=sys.argv[2])(1) for r in json.loads(sys.argv[1])])\n"
    )
    said = _python(tmp_path / "elsewhere", "replay.py", json.dumps(references), str(tmp_path))
    assert said == "[6, 12]\n"


def test_a_file_is_found_by_the_end_of_its_path(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/train.py").write_text("")
    assert find_file("/gone/project/src/train.py", str(tmp_path)) == str(tmp_path / "src/train.py")
    assert find_file("src/train.py", str(tmp_path)) == str(tmp_path / "src/train.py")
    assert find_file("train_2.py", str(tmp_path)) is None
    assert find_file("", str(tmp_path)) is None


@pytest.mark.parametrize(
    "fn",
    [
        len,
        int,
        str.upper,
        math.sqrt,
        json.loads,
        np.abs,
        np.sum,
        dict.fromkeys,
        functools.partial(max, 3, default=None),
        operator.itemgetter("a", "b"),
        ", ".join,
    ],
)
def test_what_is_not_the_users_is_found_by_name(fn: Callable[..., Any]) -> None:
    loaded = load_function(json.loads(json.dumps(refer(fn))))
    assert repr(loaded).split(" at 0x")[0] == repr(fn).split(" at 0x")[0]


def _held(value: Any) -> Callable[[], Any]:
    return lambda: value


_KEYS = st.text().filter(lambda key: not key.startswith("$"))  # others come back in canonical order
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.just(len)
    | st.just(json.dumps),
    lambda inner: st.lists(inner) | st.dictionaries(_KEYS, inner) | st.lists(inner).map(tuple),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(value=_VALUES)
def test_the_values_of_a_closure_come_back_with_their_types(value: Any) -> None:
    loaded = load_function(json.loads(json.dumps(refer(_held(value)))))
    assert repr(loaded()) == repr(value)


def test_a_reference_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ReplayError, match="doesn't know"):
        load_function({"kind": "telepathy"})


def test_a_reference_to_a_value_is_not_a_function() -> None:
    with pytest.raises(ReplayError, match="not a function"):
        load_function({"kind": "value", "value": 3})


def test_a_large_array_in_a_closure_is_missing_and_not_written_out() -> None:
    reference = refer(_held(np.zeros(1 << 20)))
    assert len(json.dumps(reference)) < 1_000
    with pytest.raises(ReplayError, match="the variable 'value'"):
        load_function(reference)


def test_a_small_array_in_a_closure_comes_back() -> None:
    loaded = load_function(json.loads(json.dumps(refer(_held(np.array([1.5, 2.5]))))))
    assert loaded().tolist() == [1.5, 2.5]
