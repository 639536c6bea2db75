"""The operations on fields of dict samples, as methods of a stream; what they do is said in `ops`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Generic, Literal, TypeVar

from whence.errors import PlanError
from whence.ops import (
    Cast,
    Drop,
    FillAlong,
    FillMissing,
    Normalize,
    OneHot,
    Op,
    Rename,
    Select,
    Winsorize,
    WithColumns,
    WithIds,
    check_constant,
)

S = TypeVar("S")

_LEARNED = ("mean", "median")
_ALONG = ("forward", "interpolate")
_LABEL_CHARS = 60


class Tabular(ABC, Generic[S]):
    """Works on fields of dict samples."""

    __slots__ = ()

    @abstractmethod
    def pipe(self, op: Op) -> S:
        """Chain any operation."""

    @abstractmethod
    def _fitted(self, op: Op, statistics: Mapping[str, Any], fit: S | None, **settings: Any) -> S:
        """Chain an operation that needs what is learned of fields, here or of another stream."""

    def select(self, *names: str) -> S:
        """Keep some fields of each sample, in this order; see `ops.Select`."""
        return self.pipe(Select(label=_label("select", names), names=names))

    def drop(self, *names: str) -> S:
        """Leave out some fields of each sample; see `ops.Drop`."""
        return self.pipe(Drop(label=_label("drop", names), names=names))

    def rename(self, names: Mapping[str, str] | None = None, /, **more: str) -> S:
        """Give fields other names, `{old: new}` or `old=new`; see `ops.Rename`."""
        both = _mapping(names or {}, "rename") | more
        return self.pipe(Rename(label=_label("rename", both), names=both))

    def cast(self, types: Mapping[str, str] | None = None, /, **more: str) -> S:
        """Make the values of fields another type, or stop at one that can't be; see `ops.Cast`."""
        both = _mapping(types or {}, "cast") | more
        return self.pipe(Cast(label=_label("cast", both), types=both))

    def with_columns(self, columns: Mapping[str, Any] | None = None, /, **more: Any) -> S:
        """Add or replace fields: other fields, functions of columns, constants; see `ops.WithColumns`."""
        both = _mapping(columns or {}, "with_columns") | more
        return self.pipe(WithColumns(label=_label("with_columns", both), columns=both))

    def with_ids(self, field: str = "whence_id") -> S:
        """Add each sample's position, by which `wh.watch` knows it again; see `ops.WithIds`."""
        return self.pipe(WithIds(label=f"with_ids({field})", field=field))

    def fill_missing(self, what: str | Mapping[str, Any], how: Any = None, /, *, fit: S | None = None) -> S:
        """Give what is missing a value: a constant, or "mean", "median", "forward" or "interpolate".

        Fields and hows as `"mass", "mean"` or as `{"mass": "mean", "sex": "unknown"}`; see `ops.FillMissing`
        for constants, mean and median, and `ops.FillAlong` for the others. `fit` is the stream that mean and
        median are learned of, by default this one.
        """
        by_name = {what: how} if isinstance(what, str) else _mapping(what, "fill_missing")
        if not isinstance(what, str) and how is not None:
            raise PlanError(
                "fill_missing: how is given twice", remedy='Write fill_missing({"mass": "mean"}).'
            )
        learned = {name: word for name, word in by_name.items() if _is_among(word, _LEARNED)}
        along = {name: word for name, word in by_name.items() if _is_among(word, _ALONG)}
        given = {name: word for name, word in by_name.items() if name not in learned and name not in along}
        for name, value in given.items():
            check_constant(name, value, (*_LEARNED, *_ALONG))
        if not by_name or (fit is not None and not learned):
            raise PlanError(
                "fill_missing: wanted "
                + ("a field" if not by_name else "no fit, as no field takes a mean or a median"),
                remedy='Write fill_missing("mass", "mean", fit=train), for example.',
            )
        found: Any = self
        if given or learned:
            op = FillMissing(label=_label("fill_missing", [*given, *learned]), params=given, learned=learned)
            found = found._fitted(op, learned, fit) if learned else found.pipe(op)
        if along:
            found = found.pipe(FillAlong(label=_label("fill_missing", along), how=along))
        return found  # type: ignore[no-any-return]  # S is what pipe gives, and has these methods itself

    def normalize(
        self,
        *names: str,
        how: Literal["standard", "minmax", "robust"] = "standard",
        fit: S | None = None,
    ) -> S:
        """Move and scale numbers by what `fit`, by default this stream, has of them; see `ops.Normalize`."""
        op = Normalize(label=_label("normalize", names), names=names, how=how)
        return self._fitted(op, dict.fromkeys(names, how), fit)

    def winsorize(self, *names: str, lower: float = 0.05, upper: float = 0.95, fit: S | None = None) -> S:
        """Bring numbers within two quantiles of `fit`, by default of this stream; see `ops.Winsorize`."""
        op = Winsorize(label=_label("winsorize", names), names=names, lower=lower, upper=upper)
        return self._fitted(op, dict.fromkeys(names, "quantiles"), fit, shares=(float(lower), float(upper)))

    def one_hot(
        self,
        *names: str,
        categories: Mapping[str, Sequence[Any]] | Sequence[Any] | None = None,
        unknown: Literal["zeros", "error"] = "zeros",
        fit: S | None = None,
    ) -> S:
        """Put a field for each category in the place of a field; see `ops.OneHot`.

        Categories are those that `fit`, by default this stream, has, or those given: by field, or a list
        where there is one field.
        """
        if categories is None:
            by_name: Mapping[str, Any] = {}
        elif isinstance(categories, Mapping):
            by_name = categories
        elif len(names) == 1:
            by_name = {names[0]: categories}
        else:
            raise PlanError(
                "one_hot: a list of categories for several fields",
                remedy='Write categories={"species": ["Adelie", "Gentoo"]}.',
            )
        op = OneHot(label=_label("one_hot", names), names=names, categories=by_name, unknown=unknown)
        if op.learned:
            return self._fitted(op, dict.fromkeys(op.learned, "categories"), fit)
        if fit is not None:
            raise PlanError("one_hot: wanted no fit, as all categories are given", remedy="Leave one out.")
        return self.pipe(op)


def _label(kind: str, names: Any) -> str:
    shown = ", ".join(map(str, names))
    return f"{kind}({shown if len(shown) <= _LABEL_CHARS else shown[: _LABEL_CHARS - 1] + '…'})"


def _is_among(word: Any, words: tuple[str, ...]) -> bool:
    return isinstance(word, str) and word in words


def _mapping(given: Any, where: str) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise PlanError(
            f"{where}: wanted a dict, got {type(given).__name__}", remedy=f'Write {where}({{"name": ...}}).'
        )
    return dict(given)
