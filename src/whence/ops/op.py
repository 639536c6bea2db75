"""What an operation is: chunk in, chunk out, and a mapping that says which came from which.

An op knows nothing of the chain it stands in. It can be *scanned* (chunks in order, constant memory)
and *picked* (any positions, in any order), the second being how shuffles read without a buffer and
how a replay makes one sample again; both give the same samples.
"""

from __future__ import annotations

import functools
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from whence.capture import NodeRecorder
from whence.errors import OpError, PlanError
from whence.lineage import CountsIndex, Related, RelationIndex, SelectionIndex
from whence.lineage import Mapping as Relation
from whence.ops.chunk import Chunk, Int64Array
from whence.vocab import plain

Function = Callable[..., Any]
MappingKind = Literal["closed", "selection", "expansion", "relation", "fit", "unknown"]


@dataclass(slots=True, kw_only=True)
class Context:
    """What an op is given besides samples, for one pass.

    Args:
        recorder: whom it tells what it decided.
        key: the key of its random draws.
        epoch: the number of the pass.
        name_origin: says in words where a sample came from.
        first: the position, in the op's input, of the first sample that a scan will see.
        sources_before: for a split: how many sources come before its own; see `ops.identities`.
    """

    recorder: NodeRecorder
    key: int
    epoch: int
    name_origin: Callable[[int], str]
    first: int = 0
    sources_before: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One input of an op.

    Args:
        scan: begins to read it from its start; may be called again.
        size: its number of samples, where that is known without reading; None otherwise.
        is_indexable: whether it can be read again, at any position.
    """

    scan: Callable[[], Iterator[Chunk]]
    size: int | None
    is_indexable: bool


Fetch = Callable[[int, Int64Array], Chunk]
"""Makes the samples at any positions of the input of the given number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Op(ABC):
    """One operation of a stream: name, code, parameters and its mapping.

    Args:
        label: what the record and the plan call it; default: the operation's or function's name.
    """

    kind: ClassVar[str]
    mapping_kind: ClassVar[MappingKind] = "closed"
    is_order_free: ClassVar[bool] = False
    """Whether each sample is treated by itself, so that a shuffle after it may as well come before."""
    is_random: ClassVar[bool] = False
    unit: ClassVar[int] = 0
    """How many consecutive inputs must come together for pieces of its input to give pieces of its output,
    wherever each is made: 1 for any; 0 where an output may depend on all that came before."""
    reads_by_position: ClassVar[bool] = False
    """Whether a scan of it picks positions of an indexable input rather than scanning that."""
    learns: ClassVar[bool] = False
    """Whether it reads all of its input for a few outputs, kept for whoever asks for them during the pass."""

    keeps: ClassVar[bool] = False
    """Whether its outputs are kept: they can be read again, at any position, whatever its input can."""

    label: str = ""

    def parameters(self) -> dict[str, Any]:
        """Its parameters as the record keeps them, plain; `restore` makes the op again from them."""
        return {}

    def functions(self) -> dict[str, Function]:
        """The user's functions in it, by parameter."""
        return {}

    def is_indexable(self) -> bool:
        """Whether any output can be picked when any input can."""
        return self.mapping_kind == "closed"

    def check_sizes(self, sizes: Sequence[int]) -> None:  # noqa: B027 - most ops take inputs of any sizes
        """Refuse inputs whose sizes don't go together.

        Raises:
            PlanError: they don't.
        """

    def out_size(self, sizes: Sequence[int]) -> int:
        """How many outputs so many inputs give; closed forms only."""
        return sizes[0]

    @abstractmethod
    def mappings(
        self, sizes: Sequence[int], recorded: Recorded | None, key: int, epoch: int
    ) -> list[Relation]:
        """Its mapping, one for each input.

        Args:
            sizes: how many samples each input has, or had when the pass ended.
            recorded: what the data decided, for ops whose mapping isn't closed.
            key: the key of its random draws.
            epoch: the number of the pass.
        """

    @abstractmethod
    def scan(self, inputs: Sequence[Input], context: Context) -> Iterator[Chunk]:
        """Make all outputs, in order."""

    def pick(
        self, positions: Int64Array, mappings: Sequence[Relation], fetch: Fetch, context: Context
    ) -> Chunk:
        """Make the outputs at some positions, in the order asked for."""
        return fetch(0, mappings[0].backward(positions).indices)

    def reason(self) -> str:
        """Why a sample that doesn't pass is dropped here."""
        return self.label


Recorded = SelectionIndex | CountsIndex | Sequence[RelationIndex]
"""What the data decided: by `MappingKind` a selection, an expansion, or a relation for each input."""


def related_of(recorded: Recorded | None, sizes: Sequence[int]) -> list[Relation]:
    """The mappings of an op that records relations: none, where nothing came that far."""
    if isinstance(recorded, Sequence):
        return [Related(index) for index in recorded]
    return [Related(RelationIndex(size, [], [])) for size in sizes]


def name_of(fn: Function) -> str:
    """Name a function as a reader would."""
    inner = fn
    while isinstance(inner, functools.partial):
        inner = inner.func
    name = getattr(inner, "__name__", None) or type(inner).__name__
    return "lambda" if name == "<lambda>" else str(name)


def check_callable(fn: Any, where: str) -> None:
    """Refuse what can't be called."""
    if not callable(fn):
        raise PlanError(
            f"{where}: wanted a function, got {type(fn).__name__}",
            remedy="Pass a function, or anything else that can be called.",
        )


def check_count(value: Any, where: str, *, least: int = 0) -> int:
    """Refuse what isn't a whole number of at least `least`."""
    try:
        count = operator.index(value)
    except TypeError:
        count = None
    if count is None or isinstance(value, bool) or count < least:
        raise PlanError(
            f"{where}: wanted a whole number of at least {least}, got {value!r:.40}", remedy="Correct it."
        )
    return count


def check_seed(seed: Any, where: str) -> int:
    """Refuse a seed that isn't a whole number."""
    try:
        if isinstance(seed, bool):
            raise TypeError
        return operator.index(seed)
    except TypeError:
        raise PlanError(
            f"{where}: the seed must be a whole number, got {seed!r:.40}", remedy="Write seed=7."
        ) from None


def plain_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Make a user's parameters plain for the record."""
    return {name: plain(value) for name, value in params.items()}


def failed(op: Op, position: int, origin: str, error: BaseException) -> OpError:
    """Say that a user's function failed on the sample at an input position (-1: not known)."""
    place = f"sample {position} ({origin})" if position >= 0 else f"the sample from {origin}"
    return OpError(
        f"op {op.label!r} failed on {place}: {type(error).__name__}: {error}",
        remedy="Correct the function or the sample; map(..., on_error='quarantine') sets such samples aside.",
        op=op.label,
        position=position,
        origin=origin,
    )
