"""Check the rules of the house that no off-the-shelf tool knows.

Usage: python tools/check_house.py [SOURCE_FOLDER]

- doors: a room is entered only by its `__init__`; a room's own files don't enter by it (that would be
  a circle), and nobody inside the house uses the front page `whence/__init__.py`, except the demo,
  which is written as a user would write it;
- purity: `vocab`, `chance`, `lineage` and `ledger` touch no file, clock, process or network;
- size: no module over 420 lines, no function over 60 lines without its docstring;
- names: no module and no class whose name says nothing.

The stairs, circles and the one door for identity are the business of import-linter (pyproject.toml).
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PACKAGE = "whence"
MODULE_LINES = 420
FUNCTION_LINES = 60

PURE_ROOMS = ("chance", "ledger", "lineage", "vocab")
# `vocab` spells paths and dates as values; it may name their types but not call for the clock.
PURE_EXCEPTIONS = {"vocab": {"pathlib"}}
FILES = frozenset({"glob", "io", "mmap", "os", "pathlib", "shutil", "sqlite3", "tempfile"})
NETWORK = frozenset({"asyncio", "http", "select", "socket", "ssl", "urllib"})
PROCESSES = frozenset(
    {"concurrent", "ctypes", "fcntl", "multiprocessing", "signal", "subprocess", "threading"}
)
CIRCUMSTANCES = frozenset({"logging", "platform", "random", "secrets", "sys", "time"})
IMPURE_MODULES = FILES | NETWORK | PROCESSES | CIRCUMSTANCES
IMPURE_CALLS = frozenset({"breakpoint", "eval", "exec", "input", "open", "print"})
IMPURE_METHODS = frozenset({"now", "today", "utcnow", "read_bytes", "read_text", "write_bytes", "write_text"})

EMPTY_MODULE_NAMES = frozenset({"base", "common", "core", "helper", "helpers", "misc", "util", "utils"})
EMPTY_CLASS_ENDINGS = ("Handler", "Manager", "Processor")

FRONT_PAGE_GUESTS = frozenset({"demo"})

_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One source file of the package, parsed."""

    path: Path
    name: str
    text: str
    tree: ast.Module = field(repr=False)

    @property
    def is_door(self) -> bool:
        """Whether it is the `__init__` of its folder."""
        return self.path.name == "__init__.py"

    @property
    def room(self) -> str:
        """The room it belongs to, empty for the front page."""
        return self.name.split(".")[1] if "." in self.name else ""


def find_problems(source: Path) -> list[str]:
    """List everything in `source/whence` that breaks a rule, as `file:line: what`."""
    modules = list(read_modules(source))
    if not modules:
        return [f"{source}: no module of {PACKAGE} found, so nothing was checked"]
    names = {module.name for module in modules}
    doors = {
        module.name: public_names(module.tree) for module in modules if module.path.name == "__init__.py"
    }
    problems: list[str] = []
    for module in modules:
        where = module.path.relative_to(source)
        findings = [
            *check_doors(module, names, doors),
            *check_purity(module),
            *check_size(module),
            *check_names(module),
        ]
        problems.extend(f"{where}:{line}: {problem}" for line, problem in sorted(findings))
    return problems


def read_modules(source: Path) -> Iterator[Module]:
    """Parse the package's files, in the order of their paths."""
    for path in sorted((source / PACKAGE).rglob("*.py")):
        parts = path.relative_to(source).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = path.read_text(encoding="utf-8")
        yield Module(path=path, name=name, text=text, tree=ast.parse(text, str(path)))


def public_names(tree: ast.Module) -> set[str]:
    """Find the names that an `__init__` gives out: those it imports, defines or lists as text.

    Text counts because a light `__init__` names what it finds on first use in a table of strings.
    """
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom | ast.Import):
            names.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, _Function | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names.add(node.value)
    return names


def check_doors(module: Module, names: set[str], doors: dict[str, set[str]]) -> Iterator[tuple[int, str]]:
    """Find imports that enter a room, or the house, by another way than its door."""
    for node in ast.walk(module.tree):
        for target, name in imported(node, module):
            line = getattr(node, "lineno", 1)
            parts = target.split(".")
            if parts[0] != PACKAGE:
                continue
            if len(parts) == 1:
                if f"{PACKAGE}.{name}" not in names and module.room and module.room not in FRONT_PAGE_GUESTS:
                    yield line, f"imports the front page of {PACKAGE}; import from the room"
                continue
            room = f"{PACKAGE}.{parts[1]}"
            if parts[1] == module.room:
                if len(parts) == 2 and module.name != room and f"{room}.{name}" not in names:
                    yield line, f"enters its own room by {room}; import from the file"
            elif len(parts) > 2 or (f"{room}.{name}" in names and name not in doors.get(room, set())):
                yield line, f"enters {room} by the file {'.'.join([target, name])}; import from {room}"


def imported(node: ast.AST, module: Module) -> Iterator[tuple[str, str]]:
    """Yield what a statement imports, as (module, name); the name is empty for `import module`."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name, ""
    elif isinstance(node, ast.ImportFrom):
        target = node.module or ""
        if node.level:
            package = module.name.split(".")
            if not module.is_door:
                package = package[:-1]
            package = package[: len(package) - node.level + 1]
            target = ".".join([*package, target] if target else package)
        for alias in node.names:
            yield target, alias.name


def check_purity(module: Module) -> Iterator[tuple[int, str]]:
    """Find ways to the outside in a room that should be arithmetic only."""
    if module.room not in PURE_ROOMS:
        return
    forbidden = IMPURE_MODULES - PURE_EXCEPTIONS.get(module.room, set())
    for node in ast.walk(module.tree):
        line = getattr(node, "lineno", 1)
        for target, _ in imported(node, module):
            if target.split(".")[0] in forbidden:
                yield line, f"{module.room} is pure and imports {target}"
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Name) and called.id in IMPURE_CALLS:
                yield line, f"{module.room} is pure and calls {called.id}()"
            elif isinstance(called, ast.Attribute) and called.attr in IMPURE_METHODS:
                yield line, f"{module.room} is pure and calls .{called.attr}()"


def check_size(module: Module) -> Iterator[tuple[int, str]]:
    """Find modules and functions too long to be read at once."""
    lines = module.text.count("\n")
    if lines > MODULE_LINES:
        yield 1, f"{lines} lines; split it by idea, {MODULE_LINES} at most"
    for node in ast.walk(module.tree):
        if isinstance(node, _Function):
            length = function_lines(node)
            if length > FUNCTION_LINES:
                yield node.lineno, f"{node.name} has {length} lines, {FUNCTION_LINES} at most"


def function_lines(node: _Function) -> int:
    """Count a function's lines without its docstring."""
    length = (node.end_lineno or node.lineno) - node.lineno + 1
    if ast.get_docstring(node) is not None:
        first = node.body[0]
        length -= (first.end_lineno or first.lineno) - first.lineno + 1
    return length


def check_names(module: Module) -> Iterator[tuple[int, str]]:
    """Find names that would fit anything."""
    if module.name.rsplit(".", maxsplit=1)[-1] in EMPTY_MODULE_NAMES:
        yield 1, "a module of this name holds anything; name it after its idea"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef) and node.name.endswith(EMPTY_CLASS_ENDINGS):
            yield node.lineno, f"the class name {node.name} says nothing; name what it does"


def main(arguments: list[str]) -> int:
    """Print the problems, return 1 if there is one."""
    source = Path(arguments[0]) if arguments else Path(__file__).resolve().parents[1] / "src"
    problems = find_problems(source)
    for problem in problems:
        print(problem)
    print(f"house: {len(problems)} problem(s)" if problems else "house: in order")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
