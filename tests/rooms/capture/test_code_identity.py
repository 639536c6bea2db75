"""Code identity: what changes a function's meaning changes its digest, and nothing else does."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import itertools
import json
import logging
import operator
import random
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import whence
from whence.capture.code import CodeIdentity, identify

_numbers = itertools.count()


@dataclass(frozen=True)
class Meaning:
    """Everything that decides what the generated program does."""

    literal: int = 1
    sign: str = "+"
    callee_literal: int = 2
    default: int = 3
    named_default: int = 4
    closure: int = 5
    constant: int = 6
    table: int = 7
    helper_literal: int = 8
    helper_constant: int = 9
    method_literal: int = 10
    field_value: int = 11
    lambda_literal: int = 12
    partial_argument: int = 13
    callee_sign: str = "*"
    method_sign: str = "-"
    base_literal: int = 14


@dataclass(frozen=True)
class Style:
    """Everything about the generated program that doesn't matter."""

    comments: tuple[str, ...] = ()
    documented: bool = False
    annotated: bool = False
    imports_turned: bool = False
    lines_before: int = 0
    parentheses: int = 0
    logger: str = "one"
    quote: str = '"'
    broken_lines: bool = False


_WORDS = st.text(alphabet="abc def#'\"", max_size=12).map(lambda text: text.replace("\n", " "))
_INTS = st.integers(min_value=-(10**6), max_value=10**6)
_SIGNS = st.sampled_from(["+", "-", "*", "//", "%", "|", "&", "^", "<<"])
_MEANINGS = st.builds(
    Meaning, **{f.name: _SIGNS if f.type == "str" else _INTS for f in dataclasses.fields(Meaning)}
)
_STYLES = st.builds(
    Style,
    comments=st.lists(_WORDS, max_size=4).map(tuple),
    documented=st.booleans(),
    annotated=st.booleans(),
    imports_turned=st.booleans(),
    lines_before=st.integers(0, 9),
    parentheses=st.integers(0, 2),
    logger=st.sampled_from(["one", "two"]),
    quote=st.sampled_from(["'", '"']),
    broken_lines=st.booleans(),
)


def _program(m: Meaning, s: Style, helper: str) -> str:
    comment = (f"# {text}" for text in itertools.cycle(s.comments or ("",)))
    note = f"{'What it does: ' + ''.join(s.comments)!r}; " if s.documented else ""
    typed = (": int", " -> int", ": int") if s.annotated else ("", "", "")
    imports = ["import logging", f"import {helper} as helpers", "import functools"]
    opened, closed = "(" * s.parentheses, ")" * s.parentheses
    broken = "(\n        " if s.broken_lines else "("
    lines = ["", *(s.lines_before * [next(comment)]), *(imports[::-1] if s.imports_turned else imports)]
    lines += [
        f"log = logging.getLogger({s.logger!r})",
        f"CONSTANT{typed[0]} = {m.constant}  {next(comment)}",
        f"TABLE = {{{s.quote}a{s.quote}: [{m.table}]}}",
        f"def callee(x{typed[0]}){typed[1]}:",
        f"    {note}return {opened}x {m.callee_sign} {m.callee_literal}{closed}  {next(comment)}",
        "class Base:",
        f"    def start(self): return {m.base_literal}",
        "class Step(Base):",
        f"    {note}offset = {m.field_value}",
        f"    def apply(self, x{typed[0]}){typed[1]}:",
        f"        {next(comment)}",
        f"        return x {m.method_sign} {m.method_literal} + self.offset + super().start()",
        f"def make(k{typed[0]}):",
        f"    {next(comment)}",
        f"    def run(x{typed[0]}, y{typed[0]} = {m.default}, *, z{typed[0]} = {m.named_default}){typed[1]}:",
        f"        {note}log.info('seen')",
        f"        total{typed[2]} = {opened}x {m.sign} {m.literal}{closed}",
        f"        total = total + callee{broken}x) + k + CONSTANT + TABLE[{s.quote}a{s.quote}][0]",
        f"        return STEP.apply(total) + helpers.scale(x) + SHIFT(y) + BOUND() + z  {next(comment)}",
        "    return run",
        "STEP = Step()",
        f"SHIFT, OTHER = (lambda v: v + {m.lambda_literal}), (lambda v: v)",
        f"BOUND = functools.partial(callee, {m.partial_argument})",
        f"run = make({m.closure})",
    ]
    return "\n".join(lines) + "\n"


def _helper(m: Meaning) -> str:
    return f"FACTOR = {m.helper_constant}\ndef scale(x):\n    return x * FACTOR + {m.helper_literal}\n"


def _load(text: str, helper_text: str = "", helper: str = "") -> ModuleType:
    """Import a program from a file of its own; its folder stays, as its source is read again."""
    folder = Path(tempfile.mkdtemp(prefix="identity-", dir=_folder))
    name = f"program_{next(_numbers)}"
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    if helper:
        (folder / f"{helper}.py").write_text(helper_text, encoding="utf-8")
    importlib.invalidate_caches()
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))


@pytest.fixture(scope="module", autouse=True)
def _folder_of_programs(tmp_path_factory: pytest.TempPathFactory) -> None:
    global _folder  # noqa: PLW0603  # hypothesis runs many examples in one module's folder
    _folder = str(tmp_path_factory.mktemp("programs"))


_folder = ""


def _identity(meaning: Meaning, style: Style) -> CodeIdentity:
    helper = f"helper_{next(_numbers)}"
    module = _load(_program(meaning, style, helper), _helper(meaning), helper)
    return identify(module.run)


def _with(meaning: Meaning, name: str, value: Any) -> Meaning:
    change: dict[str, Any] = {name: value}
    return replace(meaning, **change)


@settings(max_examples=60, deadline=None)
@given(meaning=_MEANINGS, one=_STYLES, other=_STYLES)
def test_comments_formatting_docstrings_annotations_and_the_order_of_imports_do_not_count(
    meaning: Meaning, one: Style, other: Style
) -> None:
    found = _identity(meaning, one)
    assert found.digest == _identity(meaning, other).digest
    assert found.unknown == []


@settings(max_examples=75, deadline=None)
@given(meaning=_MEANINGS, style=_STYLES, data=st.data())
def test_every_change_of_meaning_changes_the_digest(
    meaning: Meaning, style: Style, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from([f.name for f in dataclasses.fields(Meaning)]))
    old = getattr(meaning, name)
    new = data.draw((_SIGNS if isinstance(old, str) else _INTS).filter(lambda value: value != old))
    changed = _with(meaning, name, new)
    assert _identity(meaning, style).digest != _identity(changed, style).digest


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(Meaning)])
def test_each_part_of_the_closure_counts(name: str) -> None:
    old = getattr(Meaning(), name)
    changed = _with(Meaning(), name, "^" if isinstance(old, str) else old + 100)
    assert _identity(Meaning(), Style()).digest != _identity(changed, Style()).digest


@settings(max_examples=25, deadline=None)
@given(one=_INTS, other=_INTS)
def test_lambdas_on_one_line_are_told_apart(one: int, other: int) -> None:
    module = _load(f"both = [lambda x: x + {one}, lambda x: x + {other}]\n")
    first, second = (identify(found) for found in module.both)
    assert (first.digest == second.digest) == (one == other)
    assert first.unknown == second.unknown == []
    assert _only_text(first) == f"lambda x: x + {one}"


def _only_text(identity: CodeIdentity) -> str:
    (text,) = identity.source.values()
    return text


def test_a_name_says_where_a_lambda_is() -> None:
    module = _load("\n\nf = lambda x: x\n")
    found = identify(module.f)
    assert found.name == f"<lambda> ({Path(found.file).name}:3)"
    assert (found.line, found.qualname, found.module) == (3, "<lambda>", module.__name__)


def _even(n: int) -> bool:
    return n == 0 or _odd(n - 1)


def _odd(n: int) -> bool:
    return n != 0 and _even(n - 1)


def test_functions_that_call_each_other_end() -> None:
    found = identify(_even)
    assert {name.rpartition(".")[2] for name in found.source} == {"_even", "_odd"}


def test_a_list_that_holds_itself_ends_and_is_named() -> None:
    held: list[Any] = []
    held.append(held)
    assert any("contains itself" in reason for reason in identify(lambda: held).unknown)


def test_an_object_that_holds_itself_ends() -> None:
    crop = Crop(2)
    crop.kept = crop
    assert identify(crop).unknown == []


@dataclass
class Crop:
    """A callable object, as transforms are."""

    size: int
    kept: Any = field(default=None)

    def __call__(self, x: int) -> int:
        return x + self.size + OFFSET


OFFSET = 3


def test_the_state_of_a_callable_object_counts() -> None:
    assert identify(Crop(2)).digest != identify(Crop(3)).digest
    assert identify(Crop(2)).digest == identify(Crop(2)).digest
    assert identify(Crop(2).__call__).digest != identify(Crop(3).__call__).digest


def test_callable_objects_inside_a_container_are_walked_into() -> None:
    module = _load("class A:\n    def __call__(self, x): return x + 1\nsteps = [A()]\n")
    other = _load("class A:\n    def __call__(self, x): return x + 2\nsteps = [A()]\n")

    def composed(steps: list[Any]) -> Callable[[int], int]:
        return lambda x: int(functools.reduce(lambda value, step: step(value), steps, x))

    assert identify(composed(module.steps)).digest != identify(composed(other.steps)).digest


def test_moving_a_function_to_another_file_and_line_does_not_count() -> None:
    text = "N = 3\ndef f(x):\n    return x + N\n"
    assert identify(_load(text).f).digest == identify(_load("# moved\n\n\nA = 1\n" + text).f).digest


def test_an_unrelated_change_in_the_same_file_does_not_count() -> None:
    text = "N = 3\ndef f(x):\n    return x + N\n"
    assert identify(_load(text).f).digest == identify(_load(text + "def g(x):\n    return f(x)\n").f).digest


def test_a_global_set_later_counts_although_the_source_is_remembered() -> None:
    module = _load("N = 3\ndef f(x):\n    return x + N\n")
    before = identify(module.f)
    module.N = 4  # type: ignore[attr-defined]  # a module made here
    after = identify(module.f)
    assert before.digest != after.digest
    assert before.source == after.source


def test_a_type_counts_and_not_only_its_value() -> None:
    spellings = ("1", "1.0", "True", "'1'", "-0.0", "0.0")
    texts = [f"N = {spelled}\ndef f(x):\n    return x + N\n" for spelled in spellings]
    assert len({identify(_load(text).f).digest for text in texts}) == len(texts)


def test_a_decorated_function_is_the_decorator_and_the_function() -> None:
    decorator = "def twice(f):\n    def inner(x):\n        return f(x) * {0}\n    return inner\n"
    text = decorator + "@twice\ndef f(x):\n    return x + {1}\n"
    digests = {identify(_load(text.format(*numbers)).f).digest for numbers in ((2, 1), (3, 1), (2, 2))}
    assert len(digests) == 3


def test_a_cached_function_is_the_function() -> None:
    text = "import functools\n@functools.lru_cache\ndef f(x):\n    return x + {0}\n"
    assert identify(_load(text.format(1)).f).digest != identify(_load(text.format(2)).f).digest
    found = identify(_load(text.format(1)).f)
    assert found.unknown == []
    assert any("x + 1" in source for source in found.source.values())


def test_a_file_edited_since_its_import_is_not_taken_for_its_source() -> None:
    module = _load("def f(x):\n    return x + 1\n")
    Path(str(module.__file__)).write_text("def f(x):\n    return x + 2\n", encoding="utf-8")
    found = identify(module.f)
    assert found.source == {}
    assert any("changed since its import" in reason for reason in found.unknown)


def test_a_file_edited_elsewhere_since_its_import_is_still_its_source() -> None:
    module = _load("def f(x):\n    return x + 1\n")
    Path(str(module.__file__)).write_text("\n\ndef g(): pass\n\ndef f(x):\n    return x + 1\n")
    assert identify(module.f).unknown == []


def test_a_class_edited_since_its_import_is_not_taken_for_its_source() -> None:
    module = _load("class A:\n    def __call__(self, x):\n        return x + 1\n")
    Path(str(module.__file__)).write_text("class A:\n    def __call__(self, x):\n        return x + 2\n")
    assert any("changed since its import" in reason for reason in identify(module.A()).unknown)


def test_code_without_source_is_identified_by_its_instructions() -> None:
    scope: dict[str, Any] = {"N": 2}
    exec("def f(x):\n    return x + N\ndef g(x):\n    return x - N\n", scope)
    first, second = identify(scope["f"]), identify(scope["g"])
    assert first.digest != second.digest
    assert first.digest == identify(scope["f"]).digest
    assert any("bytecode" in reason for reason in first.unknown)


def test_what_has_no_canonical_bytes_is_unknown_by_its_type() -> None:
    lock, other = threading.Lock(), threading.Lock()

    def make(held: Any) -> Callable[[], Any]:
        return lambda: held

    found = identify(make(lock))
    assert [reason for reason in found.unknown if "lock" in reason]
    assert found.digest == identify(make(other)).digest
    assert found.digest != identify(make(np.random.default_rng(0))).digest


def test_a_logger_is_not_unknown_and_does_not_count() -> None:
    def make(held: Any) -> Callable[[], Any]:
        return lambda: held

    one, other = identify(make(logging.getLogger("a"))), identify(make(logging.getLogger("b")))
    assert one.digest == other.digest
    assert one.unknown == []


def test_a_counter_that_the_code_assigns_does_not_count() -> None:
    module = _load("N = 0\ndef f(x):\n    global N\n    N += 1\n    return x\n")
    before = identify(module.f)
    module.f(1)
    assert identify(module.f).digest == before.digest
    assert any("assigned by the code itself" in reason for reason in before.unknown)


def test_an_installed_package_is_named_with_its_version() -> None:
    found = identify(lambda x: np.abs(x) + 1)
    assert found.packages == {"numpy": np.__version__}


def test_a_package_imported_inside_the_function_is_named_too() -> None:
    def late(x: Any) -> Any:
        import msgspec  # noqa: PLC0415  # what is tested

        return msgspec.json.encode(x)

    assert "msgspec" in identify(late).packages


def test_a_module_of_the_user_imported_inside_the_function_counts() -> None:
    helper = f"helper_{next(_numbers)}"
    program = f"def f(x):\n    from {helper} import scale\n    return scale(x)\n"
    first = _load(program, "def scale(x):\n    return x * 2\n", helper)
    sys.path.insert(0, str(Path(str(first.__file__)).parent))
    try:
        found = identify(first.f)
    finally:
        sys.path.pop(0)
    assert any("x * 2" in text for text in found.source.values())


def test_an_array_counts_by_its_content() -> None:
    def make(mean: Any) -> Callable[[Any], Any]:
        return lambda x: x - mean

    one, same, other = (identify(make(np.array([1.0, value]))) for value in (2.0, 2.0, 3.0))
    assert one.digest == same.digest != other.digest


@pytest.mark.parametrize(
    "fn",
    [
        len,
        int,
        str.upper,
        ", ".join,
        np.abs,
        np.sum,
        json.loads,
        operator.itemgetter("a"),
        functools.partial(max, 3),
        random.Random(0).random,
        np.random.default_rng(0).normal,
        dict.fromkeys,
        Crop,
        type("Made", (), {}),
        property(len),
    ],
)
def test_anything_can_be_identified(fn: Any) -> None:
    assert identify(fn).digest == identify(fn).digest
    assert len(identify(fn).digest) == 32


def test_different_builtins_differ() -> None:
    getters = [operator.itemgetter("a"), operator.itemgetter("b")]
    found: list[Callable[..., Any]] = [len, int, str.upper, ", ".join, "; ".join, np.abs, *getters]
    assert len({identify(fn).digest for fn in found}) == len(found)


def test_annotations_in_a_class_count_because_dataclasses_behave_by_them() -> None:
    text = "import dataclasses\n@dataclasses.dataclass\nclass A:\n    x{0} = 1\n"
    assert identify(_load(text.format(": int")).A).digest != identify(_load(text.format("")).A).digest


def test_a_monkeypatched_method_counts() -> None:
    text = "class A:\n    def __call__(self, x): return x + 1\n"
    module, patched = _load(text), _load(text)
    patched.A.__call__ = lambda self, x: x + 2
    assert identify(module.A()).digest != identify(patched.A()).digest


def test_an_identity_is_the_same_in_another_process(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        "from whence.capture.code import identify\n"
        "SET = {'a', 'b', 'c', 'd'}\nFROZEN = frozenset(SET)\n"
        "def f(x, k={'z': 1, 'y': SET}):\n    return x in {'q', 'r', 's'} or x in SET or x in FROZEN\n"
        "print(identify(f).digest.hex())\n",
        encoding="utf-8",
    )
    said = {
        subprocess.run(
            [sys.executable, "script.py"],
            cwd=tmp_path,
            env={"PYTHONPATH": str(Path(whence.__file__).parents[1]), "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (1, 2, 3)
    }
    assert len(said) == 1


LAZY = """
import sys
from whence.capture import identify
def lazy(sample):
    from PIL import Image
    return Image
assert "PIL" not in sys.modules
before = identify(lazy)
import PIL.Image
after = identify(lazy)
assert before == after, (before, after)
print(list(before.packages))
"""


def test_a_package_is_the_same_whether_it_was_loaded_before_or_not(tmp_path: Path) -> None:
    script = tmp_path / "lazy.py"
    script.write_text(LAZY)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "['pillow']"), done.stderr
