"""Readers and writers that don't go through Python's `open`: their entry points tell what they were given.

Each is wrapped where all its callers find it: a method in its class, a function in its module and in every
module that had taken it by then. What is loaded already is wrapped when the first run begins, and what is
loaded later right after its import. A name that a later version of a library doesn't have is passed over.
"""

from __future__ import annotations

import contextlib
import functools
import glob
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any

from whence.capture.noticing import How, current_ear, unheard

_WILD = frozenset("*?[")
_AT_MOST = 10_000  # files of one folder or pattern


@dataclass(frozen=True, slots=True)
class _Way:
    """An entry point: its dotted name in its module, how it opens files, and which argument says which."""

    name: str
    how: How | str  # or the argument that says how, after "by:"
    argument: str
    place: int = 0
    result: str = ""  # the attribute of what comes back that lists the files


def _read(names: str, argument: str, place: int = 0) -> list[_Way]:
    return [_Way(name, "read", argument, place) for name in names.split()]


def _written(names: str, argument: str, place: int = 0) -> list[_Way]:
    return [_Way(name, "written", argument, place) for name in names.split()]


_SINKS = "sink_parquet sink_ipc sink_csv sink_ndjson"
WAYS: dict[str, list[_Way]] = {
    "pyarrow": [
        *_read("input_stream", "source"),
        _Way("memory_map", "by:mode", "path"),
        _Way("OSFile", "by:mode", "path"),
        *_written("create_memory_map", "path"),
        *_written("output_stream", "source"),
    ],
    "pyarrow.parquet.core": [
        *_read("ParquetFile.__init__", "source", 1),
        *_read("ParquetDataset.__init__", "path_or_paths", 1),
        *_written("ParquetWriter.__init__", "where", 1),
    ],
    "pyarrow.dataset": [
        _Way("_filesystem_dataset", "read", "source", result="files"),
        _Way("write_dataset", "written", "base_dir", 1),
    ],
    "pyarrow.csv": [*_read("read_csv open_csv", "input_file"), *_written("write_csv", "output_file", 1)],
    "pyarrow.json": _read("read_json open_json", "input_file"),
    "pyarrow.feather": [
        *_read("_read_table_internal", "source"),
        *_written("write_feather", "dest", 1),
    ],
    "pyarrow.ipc": [
        *_read("RecordBatchFileReader.__init__ RecordBatchStreamReader.__init__", "source", 1),
        *_written("RecordBatchFileWriter.__init__ RecordBatchStreamWriter.__init__", "sink", 1),
    ],
    "pyarrow.orc": [
        *_read("read_table", "source"),
        *_read("ORCFile.__init__", "source", 1),
        *_written("ORCWriter.__init__", "where", 1),
    ],
    "polars.io.parquet.functions": _read("read_parquet scan_parquet", "source"),
    "polars.io.csv.functions": _read("read_csv scan_csv read_csv_batched", "source"),
    "polars.io.ipc.functions": _read("read_ipc scan_ipc read_ipc_stream", "source"),
    "polars.io.ndjson": _read("read_ndjson scan_ndjson", "source"),
    "polars.io.json.read": _read("read_json", "source"),
    "polars.io.json": _read("read_json", "source"),
    "polars.io.avro": _read("read_avro", "source"),
    "polars.io.lines": _read("read_lines scan_lines", "source"),
    "polars.lazyframe.frame": _written(" ".join(f"LazyFrame.{sink}" for sink in _SINKS.split()), "path", 1),
    "polars.dataframe.frame": _written("DataFrame.write_json DataFrame.write_avro", "file", 1),
    "torch.serialization": _written("_open_zipfile_writer_file.__init__", "name", 1),
    "torch.jit._serialization": [*_read("load", "f"), *_written("save", "f", 1)],
    "torch": [*_read("from_file", "filename")],
    "safetensors": [
        *_read("safe_open _safe_open_handle", "filename"),
        *_written("serialize_file", "filename", 1),
    ],
    "h5py._hl.files": [_Way("File.__init__", "by:mode", "name", 1)],
    "cv2": [*_read("imread imreadmulti imcount", "filename"), *_written("imwrite imwritemulti", "filename")],
    "xgboost.core": [
        *_read("Booster.load_model", "fname", 1),
        *_read("DMatrix.__init__", "data", 1),
        *_written("Booster.save_model", "fname", 1),
        *_written("DMatrix.save_binary", "fname", 1),
    ],
    "lightgbm.basic": [
        *_read("Dataset.__init__", "data", 1),
        *_read("Booster.__init__", "model_file", 3),
        *_written("Booster.save_model Dataset.save_binary", "filename", 1),
    ],
    "onnxruntime.capi.onnxruntime_inference_collection": _read(
        "InferenceSession.__init__", "path_or_bytes", 1
    ),
    "lmdb": [_Way("open", "unknown", "path"), _Way("Environment", "unknown", "path")],
    "multiprocessing.util": [_Way("spawnv_passfds", "unknown", "args", 1)],
}

_UNSEEN = (
    "av", "catboost", "decord", "deltalake", "duckdb", "lance", "netCDF4", "osgeo", "rasterio",
    "sentencepiece", "soundfile", "tables", "tensorflow", "tokenizers", "torchcodec", "tensorstore", "zarrs",
)  # fmt: skip

_lock = threading.Lock()
_wrapped: set[str] = set()


def unseen_libraries() -> list[str]:
    """The libraries that are loaded and can read or write files in ways that aren't seen."""
    return [f"{name} reads and writes files by itself" for name in _UNSEEN if name in sys.modules]


def wrap_natives() -> None:
    """Wrap what is loaded, and see to it that what is loaded later is wrapped too; once a process."""
    with _lock:
        if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
            sys.meta_path.insert(0, _Finder())
        loaded = [name for name in WAYS if name in sys.modules and name not in _wrapped]
        originals: dict[str, list[tuple[Any, Any]]] = {}
        for name in loaded:
            _wrap_module(sys.modules[name], originals)
        if originals:
            _replace_everywhere(originals)


def _wrap_module(module: ModuleType, originals: dict[str, list[tuple[Any, Any]]]) -> None:
    _wrapped.add(module.__name__)
    for way in WAYS[module.__name__]:
        owner_name, _, name = way.name.rpartition(".")
        owner = getattr(module, owner_name, None) if owner_name else module
        original = getattr(owner, "__dict__", {}).get(name)
        if not callable(original) or hasattr(original, "_whence_wraps"):
            continue
        wrapper = _wrapper(original, way)
        try:
            setattr(owner, name, wrapper)
        except (AttributeError, TypeError):  # a class written in C
            continue
        if owner is module:
            originals.setdefault(name, []).append((original, wrapper))


def _replace_everywhere(originals: Mapping[str, Sequence[tuple[Any, Any]]]) -> None:
    """Put the wrappers in the place of functions that other modules took before."""
    for module in list(sys.modules.values()):
        names = getattr(module, "__dict__", None)
        if type(names) is dict:
            for name in originals.keys() & names.keys():
                for original, wrapper in originals[name]:
                    if names[name] is original:
                        names[name] = wrapper


def _wrapper(original: Callable[..., Any], way: _Way) -> Callable[..., Any]:
    @functools.wraps(original)
    def noticed(*args: Any, **kwargs: Any) -> Any:
        if current_ear() is None:
            return original(*args, **kwargs)
        began_ns = time.time_ns()
        result = original(*args, **kwargs)
        try:
            _tell(way, args, kwargs, result, began_ns)
        except Exception:  # what can't be told isn't worth the reading
            ear = current_ear()
            if ear is not None:
                ear.failures += 1
        return result

    noticed._whence_wraps = original  # type: ignore[attr-defined]  # functions take any attribute
    return noticed


def _tell(way: _Way, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any, began_ns: int) -> None:
    ear = current_ear()
    if ear is None:
        return
    given = kwargs.get(way.argument, args[way.place] if len(args) > way.place else None)
    if way.name == "spawnv_passfds":
        ear.begun(given)
        return
    filesystem = kwargs.get("filesystem")
    if filesystem is not None and "local" not in type(filesystem).__name__.lower():
        if "SubTree" not in type(filesystem).__name__:
            ear.note("network", f"a file system of type {type(filesystem).__name__}")
        return
    how: Any = way.how
    if how.startswith("by:"):
        mode = kwargs.get(how[3:], args[way.place + 1] if len(args) > way.place + 1 else None)
        how = _how_of_mode(mode)
    if way.result and isinstance(files := getattr(result, way.result, None), list):
        given = files
    with unheard():
        paths = list(_paths(given, began_ns if how == "written" else 0))
    for path in paths:
        ear.took(path, how, began_ns)


def _how_of_mode(mode: Any) -> How:
    text = str(mode or "r")
    if "+" in text and text[0] == "r":
        return "both"
    return "read" if text[0] == "r" else "appended" if text[0] == "a" else "written"


def _paths(given: Any, since_ns: int) -> Iterator[str]:
    """List the files that an argument names: one, several, a folder's, or those that fit a pattern."""
    if isinstance(given, list | tuple):
        for each in given:
            yield from _paths(each, since_ns)
        return
    if not isinstance(given, str | bytes | os.PathLike):
        return
    path = os.fsdecode(given)
    if path.startswith("~"):
        path = os.path.expanduser(path)
    if "://" in path or "\0" in path:
        yield path
    elif os.path.isdir(path):
        yield from _inside(path, since_ns)
    elif not os.path.exists(path) and not _WILD.isdisjoint(path):
        for number, found in enumerate(glob.iglob(path, recursive=True)):
            if number < _AT_MOST and os.path.isfile(found):
                yield found
    else:
        yield path.partition("?cache=")[0]


def _inside(folder: str, since_ns: int) -> Iterator[str]:
    count = 0
    for base, folders, names in os.walk(folder):
        folders[:] = [each for each in folders if not each.startswith(".")]
        for name in names:
            path = os.path.join(base, name)
            if count < _AT_MOST and (not since_ns or os.stat(path).st_mtime_ns >= since_ns - 10_000_000):
                count += 1
                yield path


class _Finder(importlib.abc.MetaPathFinder):
    """Lets modules be found by the others, and those with entry points be wrapped when they are loaded."""

    def __init__(self) -> None:
        self._busy = threading.local()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in WAYS or getattr(self._busy, "name", None) == fullname:
            return None
        self._busy.name = fullname
        try:
            spec = importlib.util.find_spec(fullname)
        except (ImportError, ValueError, AttributeError):
            return None  # let the others say what is wrong
        finally:
            self._busy.name = None
        if spec is not None and spec.loader is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(importlib.abc.Loader):
    """Loads a module as its own loader does, and wraps it then."""

    def __init__(self, own: Any) -> None:
        self._own = own

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        created: ModuleType | None = self._own.create_module(spec)
        return created

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._own
        module.__loader__ = self._own
        self._own.exec_module(module)
        with _lock, contextlib.suppress(AttributeError, TypeError):  # never the importer's trouble
            _wrap_module(module, {})


def original_of(value: Any) -> Any:
    """The function that was wrapped here, or the value itself: code is what it is without us."""
    return getattr(value, "_whence_wraps", value) if type(value) is FunctionType else value
