"""Libraries: versions of what decides how bytes become numbers, and numbers bytes, below packages' own names.

A decoded JPEG depends on the libjpeg that Pillow was built with, a product of matrices on NumPy's BLAS, and
sums on the instructions that the processor has. What packages that are loaded tell of these is recorded.
"""

from __future__ import annotations

import functools
import importlib
import sys
from typing import Any

from whence.store import RunWriter

Library = dict[str, str]

_PILLOW_PARTS = ("libjpeg_turbo", "mozjpeg", "jpg", "jpg_2000", "zlib", "zlib_ng", "libtiff")


def libraries() -> dict[str, Library]:
    """What packages that are loaded tell, by package: its `version`, and those of libraries in it.

    Cost: 0.5 ms for Pillow the first time, for the others some µs.
    """
    asked = {"numpy": _numpy, "pillow": _pillow, "torch": _torch, "whence": _whence}
    modules = {"pillow": "PIL.Image"}
    return {name: ask() for name, ask in asked.items() if modules.get(name, name) in sys.modules}


@functools.cache
def _whence() -> Library:
    return {"version": str(sys.modules["whence"].__version__)}


@functools.cache
def _numpy() -> Library:
    numpy = sys.modules["numpy"]
    found = {"version": str(numpy.__version__)}
    told: dict[str, Any] = numpy.show_config(mode="dicts") or {}
    built = told.get("Build Dependencies", {})
    for part in ("blas", "lapack"):
        library = built.get(part, {})
        if library.get("name"):
            found[part] = f"{library['name']} {library.get('version', '')}".strip()
    simd = told.get("SIMD Extensions", {})
    found["instructions"] = " ".join((*simd.get("baseline", ()), *simd.get("found", ())))
    return found


@functools.cache
def _pillow() -> Library:
    features: Any = importlib.import_module("PIL.features")  # Pillow is loaded, or nobody would ask
    found = {"version": str(sys.modules["PIL"].__version__)}
    for name in _PILLOW_PARTS:
        ask = features.version_codec if name in features.codecs else features.version_feature
        try:
            version = ask(name)
        except ValueError:  # another Pillow doesn't know it
            continue
        if version:
            found[name] = str(version)
    return found


@functools.cache
def _torch() -> Library:
    torch = sys.modules["torch"]
    found = {"version": str(torch.__version__)}
    for name in ("cuda", "hip"):
        version = getattr(torch.version, name, None)
        if version:
            found[name] = str(version)
    return found


class LibraryNotes:
    """Tells a run of libraries, as soon as packages are loaded that have them.

    Args:
        writer: where it is written.
    """

    def __init__(self, writer: RunWriter) -> None:
        self._writer = writer
        self._told: set[str] = set()

    def tell(self) -> None:
        """Write what wasn't written before."""
        news = {name: each for name, each in libraries().items() if name not in self._told}
        if news and self._writer.is_open:
            self._told.update(news)
            self._writer.append("libraries", {}, {"libraries": news})
