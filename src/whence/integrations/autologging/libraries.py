"""The libraries that `wh.autolog()` knows: which of their modules belong to which file here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """A library whose trainings can be recorded.

    Args:
        name: the package that is imported.
        aliases: what else it is called.
        file: the module here that knows it.
        modules: those of its modules after whose import hooks are put into them.
    """

    name: str
    aliases: tuple[str, ...] = ()
    file: str
    modules: tuple[str, ...]


_HERE = __name__.rpartition(".")[0]

STREAMS = Library(name="whence", file=f"{_HERE}.handed", modules=("whence.streams",))
"""Our own: what streams give as tables is known when something is trained on it."""

LIBRARIES = (
    Library(
        name="sklearn",
        aliases=("scikit-learn",),
        file=f"{_HERE}.sklearn",
        modules=("sklearn.base", "sklearn.model_selection", "sklearn.metrics"),
    ),
    Library(name="xgboost", file=f"{_HERE}.xgboost", modules=("xgboost",)),
    Library(name="lightgbm", file=f"{_HERE}.lightgbm", modules=("lightgbm",)),
    Library(name="optuna", file=f"{_HERE}.optuna", modules=("optuna",)),
    Library(name="torch", aliases=("pytorch",), file=f"{_HERE}.torch", modules=("torch",)),
    Library(name="keras", file=f"{_HERE}.keras", modules=("keras",)),
    Library(
        name="lightning",
        aliases=("pytorch_lightning",),
        file=f"{_HERE}.lightning",
        modules=("lightning.pytorch", "pytorch_lightning"),
    ),
    Library(name="transformers", file=f"{_HERE}.transformers", modules=("transformers.trainer",)),
)
