"""Differences: what isn't as it was when a sample was delivered, each with its cause."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from whence.capture import libraries, outline
from whence.query.following import PassLineage
from whence.runs import RunRecord
from whence.streams import Program

Library = Mapping[str, str]
Described = Mapping[str, Any]
"""A function as `capture.describe_function` describes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something that isn't as it was.

    Args:
        cause: source, code, params, randomness, package, library or platform.
        what: what it is, in words.
    """

    cause: str
    what: str

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {"cause": self.cause, "what": self.what}


def find_differences(
    lineage: PassLineage, program: Program, functions: Mapping[tuple[int, str], Described], *, is_given: bool
) -> list[Difference]:
    """Find what isn't as it was, whichever sample is asked for; but for the sources.

    Args:
        lineage: of the pass.
        program: what makes its samples now.
        functions: those of the user's in it that may have changed, by node and parameter.
        is_given: whether the program is the user's own, and not made of the record.
    """
    return [
        *_of_code(lineage, functions),
        *(_of_parameters(lineage, program) if is_given else ()),
        *_of_randomness(lineage),
        *_of_packages(lineage),
        *_of_platform(lineage),
    ]


def drawn_in(record: RunRecord, pass_number: int) -> dict[int, list[str]]:
    """By node: from which generators it was seen to draw in a pass, which aren't its samples' own."""
    found: dict[int, list[str]] = {}
    for event in record.journal.find("drew"):
        if event.public["pass"] == pass_number:
            found[event.public["node"]] = list(event.public["generators"])
    return found


def _of_code(lineage: PassLineage, functions: Mapping[tuple[int, str], Described]) -> Iterator[Difference]:
    for (index, name), now in functions.items():
        recorded = lineage.node(index)["functions"][name]
        if now["digest"] != recorded["digest"]:
            label = lineage.node(index)["label"]
            yield Difference(cause="code", what=_code_change(label, recorded, now))


def _code_change(label: str, recorded: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    changed = [
        name
        for part in ("source", "constants")
        for name in recorded[part]
        if now[part].get(name) != recorded[part][name]
    ]
    return f"the code of op {label!r} has changed" + (f": {', '.join(changed[:5])}" if changed else "")


def _of_parameters(lineage: PassLineage, program: Program) -> Iterator[Difference]:
    for index, step in enumerate(program.steps):
        node, op = lineage.node(index), step.node.op
        if op is None or op.kind != node["kind"]:
            continue
        before, now = _flat(node["params"]), _flat(op.parameters())
        for name in sorted(before.keys() | now.keys()):
            if before.get(name) != now.get(name):
                old, new = (f"{side[name]!r:.80}" if name in side else "not given" for side in (before, now))
                what = f"parameter {name} of op {node['label']!r} was {old}, is {new}"
                yield Difference(cause="params", what=what)


def _flat(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters by name, the user's own among them."""
    merged = {name: value for name, value in parameters.items() if name != "params"}
    return {**merged, **parameters.get("params", {})}


def _of_randomness(lineage: PassLineage) -> Iterator[Difference]:
    for index, generators in sorted(drawn_in(lineage.record, lineage.view.number).items()):
        node = lineage.node(index)
        what = "source" if node["kind"] == "source" else "op"
        drawn = " and ".join(generators)
        yield Difference(
            cause="randomness",
            what=f"{what} {node['label']!r} drew from {drawn}, whose state isn't recorded: it draws anew",
        )


def _of_packages(lineage: PassLineage) -> Iterator[Difference]:
    here = outline()["packages"]
    packages: dict[str, tuple[str, str]] = {}
    for function in (each for node in lineage.stream.nodes for each in node.get("functions", {}).values()):
        for package, version in function["packages"].items():
            packages[package] = version, here.get(package, "not installed")
    before, now = libraries_of(lineage.record, lineage.view.number), libraries()
    for package, parts in before.items():
        if package in now or package not in packages:
            current = now.get(package, {}).get("version") or here.get(package, "not installed")
            packages[package] = parts["version"], current
    for package, (old, new) in sorted(packages.items()):
        if old != new:
            yield Difference(cause="package", what=f"{package} was {old}, is {new}")
    yield from _of_libraries(before, now)


def _of_libraries(before: Mapping[str, Library], now: Mapping[str, Library]) -> Iterator[Difference]:
    for package in sorted(before.keys() & now.keys()):
        for name, old in sorted(before[package].items()):
            new = now[package].get(name, "not there")
            if name != "version" and old != new:
                cause = "platform" if name == "instructions" else "library"
                yield Difference(cause=cause, what=f"{name} of {package} was {old}, is {new}")


def libraries_of(record: RunRecord, pass_number: int) -> dict[str, Library]:
    """What was told of libraries by the process that read a pass, by package."""
    found: dict[str, Library] = {}
    is_here = False
    for event in record.journal.events:
        if event.kind == "environment":  # another process begins to go on with the run
            if is_here:
                break
            found = {}
        elif event.kind == "libraries":
            found |= (event.body or {}).get("libraries", {})
        elif event.kind == "pass_start" and event.public["pass"] == pass_number:
            is_here = True
    return found


def _of_platform(lineage: PassLineage) -> Iterator[Difference]:
    before, now = lineage.record.environment_of(lineage.view.number), outline()
    for group, key in (
        ("python", "version"),
        ("platform", "system"),
        ("platform", "machine"),
        ("platform", "libc"),
    ):
        old = (before.get(group) or {}).get(key)
        new = (now.get(group) or {}).get(key)
        if old and old != new:
            yield Difference(cause="platform", what=f"{group} {key} was {old}, is {new}")
