"""States: where a pass stands, as a small JSON value, and whether a stream can go on from there.

A state says how many outputs the consumer was given and what gave them: the operations, their parameters
and code, and what the sources looked like. It is refused by a stream that would give other samples, with
what differs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from whence.capture import Start, identify
from whence.errors import StateError
from whence.ops import Op
from whence.sources import WRITTEN_AGAIN, find_change, fingerprint
from whence.streams.cutting import Cut
from whence.streams.plan import Program, Step
from whence.vocab import digest_value, fast128

FORMAT = 1

Data = Literal["checked", "trusted"]


class PlanFacts:
    """What a program is, for states; found once, since it takes milliseconds.

    Args:
        program: the compiled stream.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._ops: list[dict[str, Any]] | None = None
        self._sources: list[dict[str, Any]] | None = None

    def state(
        self, epoch: int, delivered: int, place: Start | None, cut: Cut | None = None
    ) -> dict[str, Any]:
        """Write down where a pass stands.

        Args:
            epoch: its number.
            delivered: how many outputs were handed out, from the start of the epoch.
            place: where it stands in the run that records it; None where none does.
            cut: where to begin, so that what was handed out isn't made again; None where that can't be.

        Raises:
            SourceError: a file that is read is missing or unreadable.
        """
        if self._ops is None:
            self._ops = [_describe(step) for step in self._program.steps]
        if (
            self._sources is None
        ):  # as it looked when a state was asked for first: it may change while it is read
            self._sources = [fingerprint(source) for source in self._program.reads()]
        state: dict[str, Any] = {"format": FORMAT, "epoch": epoch, "delivered": delivered}
        if self._program.name:
            state["stream"] = self._program.name
        if cut is not None and delivered:
            state["cut"] = list(cut)
        if place is not None:
            state |= {"run": place.run, "pass": place.number, "since": place.since}
        return state | {"ops": self._ops, "sources": self._sources}

    def start_from(self, state: Any, *, data: Data = "checked") -> tuple[int, Start]:
        """Find where a pass goes on.

        Args:
            state: as `state` wrote it.
            data: "trusted" where the caller knows that large files are the same although they were
                written anew, as copies are.

        Returns:
            The epoch, and the place in it.

        Raises:
            StateError: it isn't a state, or one of another stream, code or data.
        """
        if data not in ("checked", "trusted"):
            raise StateError(f'data={data!r:.40}: wanted "checked" or "trusted"', remedy="Use one of them.")
        epoch, start = _read(state)
        now = self.state(epoch, start.first, None)
        changes = _changed_ops(state["ops"], now["ops"])
        changes = changes or _changed_sources(state["sources"], now["sources"], with_times=data == "checked")
        if changes:
            remedy = "Go on with the stream as it was, or begin the epoch anew: stream.epoch(k)."
            if all(change.endswith(WRITTEN_AGAIN) for change in changes):
                remedy = 'If the files hold what they held, say so: stream.resume(state, data="trusted").'
            raise StateError(
                f"the stream isn't the one that the state is of: {'; '.join(changes[:5])}", remedy=remedy
            )
        return epoch, start


def _describe(step: Step) -> dict[str, Any]:
    """Describe a step in a few short digests, one for each thing that can be named where it differs."""
    op = step.node.op
    if op is None:
        return {"op": "source", "inputs": []}
    functions: Mapping[str, Callable[..., Any]] = op.functions()
    found: dict[str, Any] = {
        "op": step.label,
        "inputs": list(step.inputs),
        "kind": op.kind,
        "draws": f"{step.key:016x}",
        "params": {name: _short(value) for name, value in _params(op).items()},
    }
    if functions:
        identities = {name: identify(fn) for name, fn in functions.items()}
        found["code"] = {name: _short([each.source, each.constants]) for name, each in identities.items()}
        found["packages"] = {
            package: version for each in identities.values() for package, version in each.packages.items()
        }
    return found


def _params(op: Op) -> dict[str, Any]:
    params = op.parameters()
    own = params.get("params")
    named = {name: value for name, value in params.items() if name not in ("params", "reason")}
    return named | (own if isinstance(own, dict) else {"params": own} if own else {})


def _short(value: Any) -> str:
    return fast128(digest_value(value)).hex()[:16]


def _read(state: Any) -> tuple[int, Start]:
    problem = _problem_of(state)
    if problem:
        raise StateError(
            f"resume(state): {problem}", remedy="Give what it.state() gave, or what JSON made of it."
        )
    start = Start(
        first=state["delivered"],
        run=state.get("run", ""),
        number=state.get("pass", -1),
        since=state.get("since", 0),
        cut=tuple(state.get("cut", ())),
    )
    return state["epoch"], start


def _problem_of(state: Any) -> str:
    if not isinstance(state, Mapping):
        return f"wanted a dict, got {type(state).__name__}"
    if state.get("format") != FORMAT:
        return f"it is of format {state.get('format')!r:.20}, and this whence reads format {FORMAT}"
    for name in ("epoch", "delivered"):
        value = state.get(name)
        if type(value) is not int or value < 0:
            return f"{name} must be a whole number from 0, not {value!r:.40}"
    for name in ("pass", "since"):
        if type(state.get(name, 0)) is not int:
            return f"{name} must be a whole number, not {state.get(name)!r:.40}"
    if not isinstance(state.get("run", ""), str):
        return f"run must be the id of a run, not {state.get('run')!r:.40}"
    cut = state.get("cut", [])
    if not isinstance(cut, list) or not all(type(each) is int and each >= 0 for each in cut):
        return f"cut must be a list of whole numbers from 0, not {cut!r:.40}"
    for name in ("ops", "sources"):
        value = state.get(name)
        if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
            return f"{name} is missing or isn't a list"
    return ""


def _changed_ops(before: list[Mapping[str, Any]], now: list[dict[str, Any]]) -> list[str]:
    names = [each.get("op") for each in before]
    if len(before) != len(now) or any(
        _shape(then) != _shape(each) for then, each in zip(before, now, strict=True)
    ):
        return [f"its operations are {_words(each['op'] for each in now)}, and were {_words(names)}"]
    changes: list[str] = []
    for then, each in zip(before, now, strict=True):
        label = repr(each["op"])
        for what, words in (("params", "the parameter {} of op {}"), ("code", "the code ({}) of op {}")):
            changes += [
                words.format(name, label) + " has changed"
                for name in _differing(then.get(what, {}), each.get(what, {}))
            ]
        for package in _differing(then.get("packages", {}), each.get("packages", {})):
            old, new = then.get("packages", {}).get(package), each.get("packages", {}).get(package)
            changes.append(f"op {label} used {package} {old}, and uses {new}")
        if then.get("draws") != each.get("draws"):
            changes.append(f"the seed or the name of op {label} has changed, and with it its random draws")
    return list(dict.fromkeys(changes))


def _shape(op: Mapping[str, Any]) -> list[Any]:
    return [op.get("kind"), op.get("inputs")]


def _differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [name for name in {**before, **now} if before.get(name) != now.get(name)]


def _words(names: Any) -> str:
    return ", ".join(map(str, names))


def _changed_sources(
    before: list[Mapping[str, Any]], now: list[dict[str, Any]], *, with_times: bool
) -> list[str]:
    found = [find_change(then, each, with_times=with_times) for then, each in zip(before, now, strict=False)]
    return [change for change in found if change]
