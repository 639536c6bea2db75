"""Again: a delivered sample made once more, and compared with what was recorded of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from whence.capture import (
    NullPass,
    PassRecorder,
    SourceWitness,
)
from whence.errors import InputError, ReplayError, WhenceError
from whence.ops import Chunk, Fit, restore_op
from whence.query.addresses import Address
from whence.query.differences import Difference, find_differences
from whence.query.fits import known_values
from whence.query.flow import first_input
from whence.query.following import Int64Array, PassLineage
from whence.query.functions import Functions
from whence.query.trace import locate, origin_of, part_of, pass_at, trace_address
from whence.runs import RunRecord
from whence.sources import source_from_description
from whence.streams import Evaluation, Node, Program, Step, Stream, compiled
from whence.vocab import UNKNOWN, digest_bytes, fast128, sample_digests

Code = Literal["today", "recorded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A sample made again.

    Args:
        address: what was asked.
        value: the sample, or the batch.
        equal: whether its digest is the recorded one; None where none was recorded.
        digest: of the sample made now, hexadecimal.
        recorded: the digest recorded when it was delivered; None where none was.
        differences: what isn't as it was.
    """

    address: str
    value: Any
    equal: bool | None
    digest: str
    recorded: str | None
    differences: list[Difference] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As JSON, without the sample."""
        return {
            "address": self.address,
            "equal": self.equal,
            "digest": self.digest,
            "recorded": self.recorded,
            "differences": [difference.to_json() for difference in self.differences],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a sample was when it left one node on its way.

    Args:
        node: the node's number in the recorded stream.
        op: what the record calls the source or the operation.
        kind: source, map, filter, ...
        position: its position among the node's outputs.
        count: of how many samples there the delivered one was made; `value` is the first of them.
        value: the sample.
    """

    node: int
    op: str
    kind: str
    position: int
    count: int
    value: Any


class Replayer:
    """Makes delivered samples of one run again; loads code and opens sources once.

    Args:
        record: the run.
        stream: the stream that was read, for functions and data that a new process can't find.
        roots: by source name: where its files are now.
        code: "today" takes functions from where they were found then; "recorded" those that are stored with
            the run, which are verified first.
    """

    def __init__(
        self,
        record: RunRecord,
        *,
        stream: Stream | None = None,
        roots: Mapping[str, str] | None = None,
        code: Code = "today",
    ) -> None:
        if code not in get_args(Code):
            raise InputError(
                f"code={code!r:.40}: wanted 'today' or 'recorded'", remedy="Leave it out for today's code."
            )
        if code == "recorded" and stream is not None:
            raise InputError(
                "code='recorded' makes the stream of the record: it can't be given", remedy="Give either."
            )
        self._record = record
        self._given = stream
        self._roots = dict(roots or {})
        self._with_recorded = code == "recorded"
        self._functions: dict[int, Functions] = {}
        self._passes: dict[int, _PassReplay] = {}

    def replay(self, address: Address) -> Replay:
        """Make the sample or batch at an address again.

        Raises:
            NotFoundError: nothing was delivered there, or a source isn't where it was.
            ReplayError: an op's code or mapping can't be had.
        """
        return self._pass_of(address).replay(address)

    def journey(self, address: Address) -> list[Stage]:
        """Make again what the sample at an address was after each operation, the source first.

        Raises:
            NotFoundError: nothing was delivered there, or a source isn't where it was.
            ReplayError: an op's code or mapping can't be had.

        Cost: each stage is made from the source anew, so that none sees what a later one did to a value.
        """
        return self._pass_of(address).journey(address)

    def _pass_of(self, address: Address) -> _PassReplay:
        view = pass_at(self._record, address)
        found = self._passes.get(view.number)
        if found is None:
            lineage = PassLineage(self._record, view)
            found = _PassReplay(lineage, self._given, self._roots, self._functions_of(view.stream))
            self._passes[view.number] = found
        return found

    def _functions_of(self, stream: int) -> Functions:
        if stream not in self._functions:
            self._functions[stream] = Functions(self._record, stream, with_recorded=self._with_recorded)
        return self._functions[stream]


class _SourceCheck(NullPass):
    """Listens to a replay's reading, and compares what is read with what was recorded."""

    def __init__(self, lineage: PassLineage) -> None:
        self._lineage = lineage
        self.changed: list[str] = []

    def witness(self, index: int) -> SourceWitness:
        """Compare what the source at a node reads."""
        return _ComparingWitness(self, index)

    def compare(self, index: int, part: int, data: Any) -> None:
        """Compare a part that was read whole."""
        source = self._lineage.record.sources[self._lineage.node(index)["source"]]
        recorded = source.digests.get((part, 0))
        if recorded is not None and recorded[0] == "sha256" and recorded[2] != digest_bytes(data):
            path = origin_of(source, part).path if source.kind == "files" else source.paths[part]
            self.changed.append(f"{path} isn't the file that was read: its bytes have changed")


class _ComparingWitness:
    """The witness of one source in a replay."""

    def __init__(self, check: _SourceCheck, index: int) -> None:
        self._check = check
        self._index = index
        self._pieces: dict[int, list[bytes]] = {}

    def whole(self, part: int, data: Any) -> None:
        self._check.compare(self._index, part, data)

    def piece(self, part: int, data: Any) -> None:
        self._pieces.setdefault(part, []).append(bytes(data))

    def end(self, part: int, rows: int) -> None:
        self._check.compare(self._index, part, b"".join(self._pieces.pop(part, [])))

    def memory(self, part: int, first_row: int, data: Any) -> None:
        pass

    def objects(self, part: int, first_row: int, values: list[Any], *, block_rows: int = 0) -> None:
        pass


class _PassReplay:
    """Makes delivered samples of one pass again."""

    def __init__(
        self,
        lineage: PassLineage,
        given: Stream | None,
        roots: Mapping[str, str],
        functions: Functions,
    ) -> None:
        self._lineage = lineage
        self._functions = functions
        self._check = _SourceCheck(lineage)
        self._program = self._program_of(given, roots)
        recorder: PassRecorder = self._check
        self._evaluation = Evaluation(
            self._program, epoch=lineage.view.epoch, recorder=recorder, mappings_of=lineage.mappings
        )
        self._standing: list[Difference] | None = None
        self._is_given = given is not None

    def replay(self, address: Address) -> Replay:
        """Make a sample or a batch again."""
        index, positions = self._located(address)
        chunk = self._picked(address, index, positions)
        digest, recorded = self._digests(index, positions, chunk.values)
        equal = None if recorded is None else digest == recorded
        return Replay(
            address=str(address),
            value=chunk.values[0],
            equal=equal,
            digest=digest,
            recorded=recorded,
            differences=self._differences(),
        )

    def journey(self, address: Address) -> list[Stage]:
        """Make what a sample was after each operation."""
        stages: list[Stage] = []
        place: tuple[int, Int64Array] | None = self._located(address)
        while place is not None:
            index, positions = place
            node = self._lineage.node(index)
            stages.append(
                Stage(
                    node=index,
                    op=node["label"],
                    kind=node["kind"],
                    position=int(positions[0]),
                    count=len(positions),
                    value=self._picked(address, index, positions[:1]).values[0],
                )
            )
            place = first_input(self._lineage, index, positions)
        return stages[::-1]

    def _located(self, address: Address) -> tuple[int, Int64Array]:
        ((index, (positions,)),) = locate(self._lineage, address).items()
        return index, positions

    def _picked(self, address: Address, index: int, positions: Int64Array) -> Chunk:
        self._check.changed = []
        try:
            return self._made(index, positions)
        except WhenceError as error:
            self._check_files(address, error)
            differences = self._differences()
            if not differences:
                raise
            reasons = "; ".join(difference.what for difference in differences[:3])
            raise ReplayError(f"{address} can't be made again: {error.message}", remedy=reasons) from error

    def _made(self, index: int, positions: Int64Array) -> Chunk:
        with self._functions.in_force():
            return self._evaluation.pick(index, positions)

    def _check_files(self, address: Address, cause: WhenceError) -> None:
        """Where a file isn't there, say so: an op that was given its path can't know about roots."""
        views = {view.name: view for view in self._lineage.record.sources}
        listings = {
            step.label: step.node.source.listing() for step in self._program.sources if step.node.source
        }
        for origin in trace_address(self._lineage.record, address).origins:
            if origin.path is None or origin.source not in listings:
                continue
            listing = listings[origin.source]
            path = os.path.abspath(
                os.path.join(listing.root, listing.paths[part_of(views[origin.source], origin.row)])
            )
            if not os.path.exists(path):
                raise ReplayError(
                    f"{address} can't be made again: {path} isn't there",
                    remedy=f"If the files of source {origin.source!r} are elsewhere now, say where: "
                    f"--root {origin.source}=FOLDER, in Python roots={{{origin.source!r}: folder}}.",
                ) from cause

    def _differences(self) -> list[Difference]:
        """What isn't as it was; asked when something was made, and so all that is used is loaded."""
        if self._standing is None:
            self._standing = find_differences(
                self._lineage, self._program, self._functions.described, is_given=self._is_given
            )
        changed = dict.fromkeys(self._check.changed)
        return [*(Difference(cause="source", what=what) for what in changed), *self._standing]

    def _digests(self, index: int, positions: Int64Array, values: list[Any]) -> tuple[str, str | None]:
        """Digest what was made as it was digested when it was delivered: an item, or a whole batch."""
        lineage = self._lineage
        items_at = lineage.stream.items_at
        recorded = lineage.record.digests(lineage.view.number)
        is_batched = lineage.node(items_at)["kind"] == "batch"
        place = int(positions[0])
        if is_batched and index == lineage.stream.top and len(recorded.outputs):
            # of the output itself, which functions made of batches
            now, then = int(sample_digests(values)[0]), _at(recorded.outputs, place)
            return f"{now:016x}", f"{then:016x}" if then != UNKNOWN else None
        if is_batched and index >= items_at:
            below = positions
            at = index
            while at != items_at:
                below, at = lineage.mappings(at)[0].backward(below).indices, lineage.inputs(at)[0]
            rows = lineage.mappings(items_at)[0].backward(below).indices
            items = self._made(lineage.inputs(items_at)[0], rows)
            content = sample_digests(items.values).astype("<u8", copy=False).tobytes()
            place = int(below[0])
            group = recorded.groups[place] if place < len(recorded.groups) else b""
            return fast128(content).hex(), group.hex() or None
        digest = sample_digests(values)[:1]
        short = int(digest.astype(np.uint32)[0]) or (1 if int(digest[0]) != UNKNOWN else 0)
        then = _at(recorded.items, place)
        return f"{short:08x}", f"{then:08x}" if then != UNKNOWN else None

    def _program_of(self, given: Stream | None, roots: Mapping[str, str]) -> Program:
        if given is not None:
            program = compiled(given)
            recorded = [node["label"] for node in self._lineage.stream.nodes]
            if [step.label for step in program.steps] != recorded:
                raise ReplayError(
                    "the stream given isn't the one that was read: "
                    f"its operations are {', '.join(step.label for step in program.steps)}",
                    remedy=f"The record says {', '.join(recorded)}.",
                )
            for index in range(len(program.steps)):
                for name, fn in program.functions_of(index).items():
                    self._functions.take(index, name, fn)
            return self._knowing(program)
        return self._knowing(self._rebuilt(roots))

    def _knowing(self, program: Program) -> Program:
        """The program with what its fits learned then, so that nothing is read to learn it again."""
        steps = []
        for index, step in enumerate(program.steps):
            op = step.node.op
            values = known_values(self._lineage, index) if isinstance(op, Fit) else None
            if isinstance(op, Fit) and values is not None:
                step = replace(step, node=replace(step.node, op=replace(op, known=values)))  # noqa: PLW2901
            steps.append(step)
        return Program.of_steps(steps, name=program.name)

    def _rebuilt(self, roots: Mapping[str, str]) -> Program:
        """Make the program again from the record, with functions from their files."""
        lineage = self._lineage
        made: list[Node] = []
        steps: list[Step] = []
        for index, node in enumerate(lineage.stream.nodes):
            inputs = tuple(made[number] for number in node["inputs"])
            if node["kind"] == "source":
                view = lineage.record.sources[node["source"]]
                # the parts as they were: files that came later must not move the rows
                description = view.description | ({"paths": view.paths} if view.kind == "files" else {})
                source = source_from_description(description, root=roots.get(view.name))
                found = Node(source=source, written=node["written"])
            else:
                functions = {name: self._functions.load(index, name) for name in node.get("functions", {})}
                op = restore_op(node["kind"], node["label"], node["params"], functions)
                if op is None:
                    raise ReplayError(
                        f"op {node['label']!r} of kind {node['kind']!r} isn't one of whence's",
                        remedy="Give the stream in Python: run.replay(..., stream=...).",
                    )
                found = Node(op=op, inputs=inputs, written=node["written"])
            made.append(found)
            steps.append(
                Step(
                    node=found,
                    inputs=tuple(node["inputs"]),
                    key=lineage.key(index),
                    source_number=node.get("source_number", -1),
                )
            )
        return Program.of_steps(steps, name=lineage.stream.name)


def _at(digests: NDArray[Any], place: int) -> int:
    return int(digests[place]) if place < len(digests) else UNKNOWN
