"""Code identity under mutation: whatever is changed in code that an op reaches, its digest changes.

A package of two modules, in which everything is reached from one function, is changed at every place in turn:
literals, operators, comparisons, names, attributes, calls, statements, branches, defaults, decorators, bases
and imports. Each version is written, imported and identified anew. Versions that only look different are
compared as well, and must be the same.
"""

from __future__ import annotations

import ast
import copy
import importlib
import itertools
import pathlib
import random
import sys
from collections.abc import Callable, Iterator

import pytest

from whence.capture.code import identify

HELPERS = '''
"""Helpers."""
import logging
import math
from dataclasses import dataclass, field

log = logging.getLogger("helpers")
SCALES = {"small": 0.5, "large": [2.0, 3.0], "names": ("a", "b")}
OFFSET = -3


def clipped(value, low=0, high=255):
    """Bring a value between two others."""
    log.debug("clipping %s", value)
    if value < low:
        return low
    elif value > high:
        return high
    return value


def ratio(one, other, *, eps=1e-9):
    try:
        return one / (other + eps)
    except ZeroDivisionError:
        return math.inf
    finally:
        log.info("ratio of %s", one)


@dataclass
class Window:
    size: int = 3
    weights: list = field(default_factory=lambda: [1, 2, 1])

    def smooth(self, values):
        total = sum(self.weights)
        return [
            sum(w * v for w, v in zip(self.weights, values[i:])) / total
            for i in range(len(values) - self.size + 1)
            if i % 2 == 0
        ]


class Base:
    bias = 4

    def shift(self, x):
        return x + self.bias


class Shifter(Base):
    rate = 0.25

    @property
    def step(self):
        return self.rate * 2

    @staticmethod
    def flip(x):
        return -x

    @classmethod
    def made(cls):
        return cls()

    def shift(self, x):
        return super().shift(x) * self.step + self.flip(x)
'''

STEPS = '''
"""Steps."""
import functools
import logging
import operator
import re

import helpers_of_steps as h
from helpers_of_steps import Shifter, Window, clipped

log = logging.getLogger(__name__)
LIMIT = 12
WORD = re.compile("[a-z]+", re.IGNORECASE)
shifter = Shifter.made()
window = Window(size=2)


def times(factor):
    def around(fn):
        @functools.wraps(fn)
        def inner(*args, **kwargs):
            return fn(*args, **kwargs) * factor
        return inner
    return around


def power(base):
    count = 0
    def inner(x, extra=1):
        nonlocal count
        count += 1
        return base ** x + extra
    return inner


@times(3)
def decorated(x):
    return x + 1


def branches(x, flag=True):
    if flag and x > 3 or x == -1:
        y = x // 2
    else:
        y = x % 5
    while y > 10:
        y -= 4
    for number in range(3):
        if number == 1:
            continue
        y += number
    return y if not flag else y + 1


def texts(text):
    found = [word.lower() for word in WORD.findall(text) if len(word) > 2]
    joined = f"{'-'.join(found):>10}|{len(found)}"
    return {"text": joined.strip(), "first": found[0] if found else None, **h.SCALES}


def matched(value):
    match value:
        case {"kind": "a", "n": n}:
            return n + 1
        case [first, *rest]:
            return first - len(rest)
        case _:
            return None


square = power(2)
halve = functools.partial(operator.mul, 0.5)
pick = operator.itemgetter("x", "y")
double = lambda value: value * 2


def entry(sample, *, strength=0.7):
    """Do it all."""
    log.info("sample %s", sample)
    x = clipped(sample["x"], high=99) + h.OFFSET
    x = branches(x) ^ branches(x + 1, False)
    y = h.ratio(x, LIMIT) + decorated(x) + square(2) + halve(x) + double(x)
    values = window.smooth([x, y, shifter.shift(x), strength])
    if (n := len(values)) >= 1:
        y = values[-1] * n
    del values
    assert y is not None
    out = {"x": x, "y": y, **texts(sample["text"]), "m": matched(sample)}
    return pick(out), out, {v: k for k, v in out.items() if k in ("x", "y")}, -x, ~x, x << 1
'''

SWAPS: dict[type, type] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Div,
    ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.BitXor: ast.BitOr, ast.LShift: ast.RShift,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And,
    ast.USub: ast.UAdd, ast.Invert: ast.USub, ast.Not: ast.UAdd,
}  # fmt: skip

UNHEARD = {"Helpers.", "Steps.", "Bring a value between two others.", "Do it all.", "list"}
"""What documents and annotates."""
FACTORIES = {"power", "times", "around"}
"""What they return counts, and what that has from them; not how they came to it."""

Mutate = Callable[[ast.AST], None]
_numbers = itertools.count()


def mutations(tree: ast.Module) -> Iterator[tuple[str, ast.Module]]:
    """Every changed version of a module, and what was changed."""
    logged = {id(part) for node in ast.walk(tree) if is_log(node) for part in ast.walk(node)}
    for number, node in enumerate(ast.walk(tree)):
        for what, mutate in () if id(node) in logged else ways(node):
            changed = copy.deepcopy(tree)
            target = next(itertools.islice(ast.walk(changed), number, None))
            mutate(target)
            yield f"{what} at line {getattr(node, 'lineno', '?')}: {ast.dump(node)[:80]}", changed


def ways(node: ast.AST) -> Iterator[tuple[str, Mutate]]:
    """The ways in which one node is changed."""
    yield from ways_of_values(node)
    yield from ways_of_expressions(node)
    yield from ways_of_statements(node)


def ways_of_values(node: ast.AST) -> Iterator[tuple[str, Mutate]]:
    match node:
        case ast.Constant(value=bool() as value):
            yield "a truth value", setting("value", not value)
        case ast.Constant(value=int() | float() as value):
            yield "a number", setting("value", value + 1)
            yield "half a number", setting("value", value - 0.5)
            yield "a large number", setting("value", value * 2 + 1_000)
            yield "a number for a text", setting("value", str(value))
        case ast.Constant(value=str() as text) if text not in UNHEARD:
            yield "a text", setting("value", text + "x")
            yield "no text", setting("value", "")
        case ast.Constant(value=None):
            yield "None", setting("value", 0)
        case ast.Name(id=name, ctx=ast.Load()) if name not in UNHEARD:
            for other in ("callable", "repr", "hash", "min"):
                yield f"{other} for a name", setting("id", other)
        case ast.Attribute():
            yield "an attribute", setting("attr", "upper")
            yield "another attribute", setting("attr", "real")
        case ast.keyword(arg=str()):
            yield "a keyword", setting("arg", "other")


def ways_of_expressions(node: ast.AST) -> Iterator[tuple[str, Mutate]]:
    match node:
        case ast.BinOp(op=op) | ast.BoolOp(op=op) | ast.AugAssign(op=op) | ast.UnaryOp(op=op):
            yield "an operator", setting("op", SWAPS[type(op)]())
        case ast.Compare(ops=[op]):
            yield "a comparison", setting("ops", [SWAPS[type(op)]()])
        case ast.IfExp():
            yield "branches", swap_branches
        case ast.Call(args=[_, *_]):
            yield "an argument less", lambda target: target.args.pop()  # type: ignore[attr-defined]
        case ast.comprehension(ifs=[_]):
            yield "a condition", setting("ifs", [])


def ways_of_statements(node: ast.AST) -> Iterator[tuple[str, Mutate]]:
    match node:
        case ast.If(orelse=[_, *_]):
            yield "branches", swap_branches
        case ast.FunctionDef(decorator_list=[_, *_]) if node.name not in ("made", "step", "flip"):
            yield "a decorator", setting("decorator_list", [])
        case ast.ClassDef(bases=[_]):
            yield "a base", setting("bases", [])
        case ast.Return(value=ast.expr() as value):
            yield "what is returned", setting("value", ast.Constant(value="other"))
            yield "the opposite", setting("value", ast.UnaryOp(op=ast.Not(), operand=value))
    for name in ("body", "orelse", "finalbody"):
        statements = getattr(node, name, None)
        if isinstance(statements, list) and not isinstance(node, ast.Module | ast.ClassDef):
            for place, statement in enumerate(statements):
                if not is_quiet(statement):
                    yield "a statement", leaving_out(name, place)
                    if getattr(node, "name", "") not in FACTORIES:
                        yield "a statement twice", doubling(name, place)
                        if place + 1 < len(statements) and not is_quiet(statements[place + 1]):
                            yield "two statements turned", turning(name, place)


def is_quiet(statement: ast.stmt) -> bool:
    """Whether a statement is a docstring, says nothing, or logs."""
    match statement:
        case ast.Expr(value=ast.Constant()) | ast.Pass() | ast.Nonlocal():
            return True
    return is_log(statement)


def is_log(node: ast.AST) -> bool:
    """Whether it is a statement that logs, or the making of a logger."""
    match node:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="log")))):
            return True
        case ast.Assign(targets=[ast.Name(id="log")]):
            return True
    return False


def setting(name: str, value: object) -> Mutate:
    return lambda target: setattr(target, name, value)


def swap_branches(target: ast.AST) -> None:
    target.body, target.orelse = target.orelse, target.body  # type: ignore[attr-defined]


def leaving_out(name: str, place: int) -> Mutate:
    def mutate(target: ast.AST) -> None:
        statements = getattr(target, name)
        statements[place : place + 1] = [] if len(statements) > 1 or name == "orelse" else [ast.Pass()]

    return mutate


def doubling(name: str, place: int) -> Mutate:
    return lambda target: getattr(target, name).insert(place, copy.deepcopy(getattr(target, name)[place]))


def turning(name: str, place: int) -> Mutate:
    def mutate(target: ast.AST) -> None:
        statements = getattr(target, name)
        statements[place], statements[place + 1] = statements[place + 1], statements[place]

    return mutate


class Harmless(ast.NodeTransformer):
    """Rewrites what doesn't count: what is documented, logged and annotated."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        if self._draw.random() < 0.5:
            for argument in node.args.args:
                argument.annotation = ast.Constant(value=f"T{self._draw.randrange(9)}")
        body = [each for each in node.body if not is_log(each) or self._draw.random() < 0.5]
        if self._draw.random() < 0.5 and isinstance(body[0], ast.Expr):
            body = body[1:] if isinstance(body[0].value, ast.Constant) and len(body) > 1 else body
        if self._draw.random() < 0.5:
            names = [argument.arg for argument in node.args.args]
            shown = f" %s %s', repr({names[0]}), {names[0]}" if names else "'"
            text = f"log.{self._draw.choice(['info', 'debug', 'error'])}('at{shown})"
            body.insert(self._draw.randrange(len(body)), ast.parse(text).body[0])
        node.body = body or [ast.Pass()]
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        return ast.parse("log = logging.getLogger('other')").body[0] if is_log(node) else node


def only_looking_different(text: str, draw: random.Random) -> str:
    """Another text of a module that does the same."""
    tree = Harmless(draw).visit(ast.parse(text))
    imports = [each for each in tree.body if isinstance(each, ast.Import | ast.ImportFrom)]
    draw.shuffle(imports)
    rest = [each for each in tree.body if each not in imports]
    lines = ast.unparse(ast.fix_missing_locations(ast.Module(body=[*imports, *rest], type_ignores=[])))
    marked = [
        line + (f"  # {draw.randrange(99)}" if draw.random() < 0.3 and '"""' not in line else "")
        for line in lines.splitlines()
    ]
    return "\n" * draw.randrange(5) + "\n".join(marked) + "\n"


def digest_of(folder: pathlib.Path, steps: str, helpers: str) -> bytes:
    """Write both modules into a folder of their own, import them anew, and identify the entry."""
    home = folder / str(next(_numbers))
    home.mkdir()
    (home / "helpers_of_steps.py").write_text(helpers)
    (home / "steps_that_mutate.py").write_text(steps)
    for name in ("helpers_of_steps", "steps_that_mutate"):
        sys.modules.pop(name, None)
    importlib.invalidate_caches()
    sys.path.insert(0, str(home))
    try:
        found = identify(importlib.import_module("steps_that_mutate").entry)
    finally:
        sys.path.remove(str(home))
    return found.digest


def all_mutations() -> list[tuple[str, str, str]]:
    """All mutated pairs of modules, those of the steps first."""
    found = [(what, ast.unparse(tree), HELPERS) for what, tree in mutations(ast.parse(STEPS))]
    return found + [(what, STEPS, ast.unparse(tree)) for what, tree in mutations(ast.parse(HELPERS))]


def check(folder: pathlib.Path, chosen: list[tuple[str, str, str]]) -> int:
    """Compare each version with the first one; counts those that could be imported."""
    original = digest_of(folder, STEPS, HELPERS)
    missed, count = [], 0
    for what, steps, helpers in chosen:
        try:
            digest = digest_of(folder, steps, helpers)
        except Exception:  # a version that doesn't even run isn't one that could be missed
            continue
        count += 1
        if digest == original:
            missed.append(what)
    assert not missed, "\n".join(missed)
    return count


def test_a_mutation_is_seen(tmp_path: pathlib.Path) -> None:
    chosen = random.Random(7).sample(all_mutations(), 60)
    assert check(tmp_path, chosen) > 30


def test_what_only_looks_different_is_the_same(tmp_path: pathlib.Path) -> None:
    original = digest_of(tmp_path, STEPS, HELPERS)
    for number in range(30):
        draw = random.Random(number)
        steps, helpers = (only_looking_different(text, draw) for text in (STEPS, HELPERS))
        assert digest_of(tmp_path, steps, helpers) == original, steps + helpers


def test_what_is_logged_counts_where_logging_it_may_do_something(tmp_path: pathlib.Path) -> None:
    original = digest_of(tmp_path, STEPS, HELPERS)
    for logged in ("next(sample)", "(n := 3)", "[call() for call in sample]"):
        steps = STEPS.replace('log.info("sample %s", sample)', f'log.info("sample %s", {logged})')
        assert digest_of(tmp_path, steps, HELPERS) != original


def test_what_looks_like_logging_counts_where_it_is_none(tmp_path: pathlib.Path) -> None:
    others = [
        STEPS.replace("log = logging.getLogger(__name__)", f"log = {made}") for made in ("[]", "Shifter()")
    ]
    for text in others:
        louder = text.replace('log.info("sample %s", sample)', 'log.info("sample!", sample)')
        assert digest_of(tmp_path, text, HELPERS) != digest_of(tmp_path, louder, HELPERS)


@pytest.mark.long
def test_every_mutation_is_seen(tmp_path: pathlib.Path) -> None:
    count = check(tmp_path, all_mutations())
    print(f"\n{count:,} mutations, each seen")
    assert count >= 1_000
