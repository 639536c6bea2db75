"""Closed-form mappings made again from the description that was recorded."""

from __future__ import annotations

from collections import abc
from collections.abc import Callable
from typing import cast

from whence.errors import DamagedError, PlanError
from whence.lineage.closed import Affine, Identity, Part, Permuted, Tile, Unknown
from whence.lineage.grouped import Blocks, Windows
from whence.lineage.mapping import ClosedForm, PermutationLike, Spec

_FIELDS_BY_KIND: dict[str, tuple[Callable[..., ClosedForm], tuple[str, ...]]] = {
    "identity": (Identity, ("size",)),
    "affine": (Affine, ("in_size", "start", "step", "out_size")),
    "tile": (Tile, ("in_size", "times")),
    "part": (Part, ("in_size", "offset", "out_size")),
    "blocks": (Blocks, ("in_size", "size", "drop_last")),
    "windows": (Windows, ("in_size", "size", "step", "drop_last")),
    "unknown": (Unknown, ("in_size", "out_size")),
}


def mapping_from_spec(
    spec: abc.Mapping[str, object], *, permutation_from: Callable[[Spec], PermutationLike] | None = None
) -> ClosedForm:
    """Make the mapping that a description came from.

    Args:
        spec: what `spec()` of a closed-form mapping returned; fields not known here are passed over.
        permutation_from: makes a permutation from its own description; needed where one is described.

    Returns:
        An equal mapping.

    Raises:
        DamagedError: the description is of no kind known here, or no mapping can be so.
        PlanError: a permutation is described, and `permutation_from` is not given.
    """
    kind = spec.get("mapping")
    if kind == "permuted":
        return _permuted(spec, permutation_from)
    if not isinstance(kind, str) or kind not in _FIELDS_BY_KIND:
        raise DamagedError(
            f"a recorded mapping is of the kind {kind!r}",
            remedy=f"Known are permuted, {', '.join(sorted(_FIELDS_BY_KIND))}; a newer whence may know more.",
        )
    make, names = _FIELDS_BY_KIND[kind]
    missing = [name for name in names if name not in spec]
    if missing:
        raise DamagedError(f"a recorded mapping of the kind {kind!r} lacks {', '.join(missing)}")
    try:
        return make(**{name: spec[name] for name in names})
    except PlanError as error:
        raise DamagedError(f"a recorded mapping can't be: {error.message}") from error


def _permuted(
    spec: abc.Mapping[str, object], permutation_from: Callable[[Spec], PermutationLike] | None
) -> Permuted:
    if permutation_from is None:
        raise PlanError("a recorded mapping is a permutation, and permutation_from is not given")
    described = spec.get("permutation")
    if not isinstance(described, dict):
        raise DamagedError("a recorded mapping of the kind 'permuted' lacks permutation")
    return Permuted(permutation_from(cast("Spec", described)))
