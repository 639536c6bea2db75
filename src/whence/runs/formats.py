"""Which format a model's file has, found by its content; and which formats run code when they are loaded.

Names of files say nothing that could be relied on: a `.bin` may be weights or a program. What isn't known
is `unknown`, and nothing is loaded to find out. Where bytes could be read in two ways, the one that runs
code counts, since that is what a loader may do with them.

Sources: the specifications of safetensors, ONNX (onnx.proto), GGUF, HDF5, NumPy's npy, UBJSON; Python's
pickletools; what skops, PyTorch, Keras, XGBoost, LightGBM and CatBoost write.
"""

from __future__ import annotations

import bz2
import gzip
import itertools
import lzma
import pickletools
import zipfile
import zlib
from collections.abc import Collection
from typing import BinaryIO, NamedTuple

import msgspec

_PICKLED = (
    "Loading it runs whatever code its bytes name: load it only where you trust who made it, and how it came"
    " here. Formats that hold no code: safetensors, skops, ONNX, and those of XGBoost, LightGBM and Keras."
)
REMEDIES = {
    "pickle": _PICKLED,
    "torch": "Load it with torch.load(..., weights_only=True), which refuses code; else loading runs whatever"
    " code its bytes name. Better: keep the state_dict as safetensors.",
    "torchscript": "It is a program: run it only where you trust who made it.",
    "keras": "A Lambda layer in it holds Python code: keep safe_mode=True, and make the layer a class.",
    "npy": _PICKLED,
    "npz": _PICKLED,
}
"""What to do about a file that runs code when it is loaded, by format."""

ALWAYS_UNSAFE = frozenset({"pickle", "torch", "torchscript"})

_HEAD_BYTES = 64 << 10
_INNER_BYTES = 4 << 10
_HEADER_LIMIT = 100 << 20
_OPCODES_TRIED = 12
_TEXT_OPCODES = tuple(b"(cIJKLMNSUVXlpdt]})F")
_TEXT_OPCODES_TRIED = 64
_TEXT_PICKLE_LIMIT = 4 << 20
_LEAST_BYTES = 4
_NO_PICKLE = (ValueError, IndexError, OverflowError, Warning)
"""What pickletools raises where bytes are none, a warning about escapes made an error among it."""

_NO_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    OSError,
    EOFError,
    ValueError,
    KeyError,
    NotImplementedError,
    RuntimeError,
)
_MAGICS = (
    (b"GGUF", "gguf"),
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    (b"CBM1", "catboost"),
    (b"tree\nversion=v", "lightgbm-text"),
    (b"{L\0\0\0\0\0\0\0\x07learner", "xgboost-ubj"),
    (b'{"learner":', "xgboost-json"),
)


class Found(NamedTuple):
    """A format, and whether loading a file of it runs code that it holds."""

    format: str
    unsafe: bool = False


UNKNOWN = Found("unknown")


def find_format(file: BinaryIO, size: int) -> Found:
    """Find the format of a file by its content.

    Args:
        file: the content; may be read at any place.
        size: how many bytes it has.

    Cost: some reads of its first bytes; of zip and ONNX files, of their tables. Nothing is loaded.
    """
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    for magic, name in _MAGICS:
        if head.startswith(magic):
            return Found(name)
    if head.startswith(b"\x93NUMPY"):
        return Found("npy", _holds_objects(head))
    if head.startswith(b"PK\x03\x04"):
        return _of_zip(file)
    if head[4:8] == b"TFL3":
        return Found("tflite")
    if _is_safetensors(file, head, size):
        return Found("safetensors")
    if _is_pickle(head) or _is_pickle(_opened(file, head)) or _is_text_pickle(file, head, size):
        return Found("pickle", unsafe=True)
    return Found("onnx") if _is_onnx(file, size) else UNKNOWN


def format_of_folder(parts: dict[str, Found]) -> Found:
    """Find the format of a folder by the files that libraries look for, and by their formats."""
    unsafe = any(found.unsafe for found in parts.values())
    if "saved_model.pb" in parts:
        return Found("saved-model", unsafe)
    weights = ("model.safetensors", "pytorch_model.bin", "adapter_model.safetensors", "adapter_model.bin")
    shards = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
    if {"config.json", "adapter_config.json"} & parts.keys() and {*weights, *shards} & parts.keys():
        return Found("hugging-face", unsafe)
    return Found("folder", unsafe)


def remedy_of(name: str, parts: Collection[str] = ()) -> str:
    """Say what to do about a model that runs code when it is loaded; of a folder by its parts' formats."""
    found = [REMEDIES[each] for each in (name, *parts) if each in REMEDIES]
    return found[0] if found else _PICKLED


def _is_safetensors(file: BinaryIO, head: bytes, size: int) -> bool:
    length = int.from_bytes(head[:8], "little")
    if not (2 <= length <= min(_HEADER_LIMIT, size - 8) and head[8:9] == b"{"):
        return False
    file.seek(8)
    try:
        header = msgspec.json.decode(file.read(length))
    except (msgspec.DecodeError, RecursionError):
        return False
    entries = [each for name, each in header.items() if name != "__metadata__"]
    return all(
        isinstance(each, dict) and {"dtype", "shape", "data_offsets"} <= each.keys() for each in entries
    )


def _is_pickle(head: bytes) -> bool:
    """Tell a pickle of the binary protocols by its first opcodes."""
    return head[:1] == b"\x80" and _count_opcodes(head, _OPCODES_TRIED) > 0


def _is_text_pickle(file: BinaryIO, head: bytes, size: int) -> bool:
    """Tell one of the text protocols, which begin as texts do: by all opcodes, of a large one by many."""
    if not head or head[0] not in _TEXT_OPCODES or size < _LEAST_BYTES:
        return False
    if size > _TEXT_PICKLE_LIMIT:
        return _count_opcodes(head, _TEXT_OPCODES_TRIED) >= _TEXT_OPCODES_TRIED
    file.seek(0)
    return _is_whole_pickle(file.read(size))


def _count_opcodes(head: bytes, limit: int) -> int:
    """Count opcodes up to a limit; 0 where bytes come that are none, before the head ends."""
    count = 0
    try:
        for count, _ in enumerate(itertools.islice(pickletools.genops(head), limit), 1):  # noqa: B007
            pass
    except _NO_PICKLE as error:
        if "unknown" in str(error):  # else an argument goes on behind the head
            return 0
    return count


def _is_whole_pickle(data: bytes) -> bool:
    last = None
    try:
        for opcode in pickletools.genops(data):
            last = opcode
    except _NO_PICKLE:
        return False
    return last is not None and last[0].name == "STOP" and last[2] == len(data) - 1


def _opened(file: BinaryIO, head: bytes) -> bytes:
    """Give the first bytes of what a compressed file holds, as joblib writes pickles."""
    file.seek(0)
    try:
        if head.startswith(b"\x1f\x8b"):
            return gzip.GzipFile(fileobj=file).read(_INNER_BYTES)
        if head.startswith(b"BZh"):
            return bz2.BZ2File(file).read(_INNER_BYTES)
        if head.startswith((b"\xfd7zXZ\0", b"]\0\0")):
            return lzma.LZMAFile(file).read(_INNER_BYTES)
        if head.startswith(b"x"):
            return zlib.decompressobj().decompress(head, _INNER_BYTES)
    except (OSError, EOFError, lzma.LZMAError, zlib.error):
        return b""
    if head.startswith(b"\x04\x22\x4d\x18") and len(head) > _LEAST_BYTES:
        # an LZ4 frame: its first block begins with literals, which are the first bytes as they are
        at = 7 + (8 if head[4] & 8 else 0) + 4
        return head[at + 1 :][: max(2, head[at] >> 4)] if len(head) > at else b""
    return b""


def _of_zip(file: BinaryIO) -> Found:
    try:
        with zipfile.ZipFile(file) as archive:
            return _of_names(archive, archive.namelist())
    except _NO_ZIP:
        return UNKNOWN


def _of_names(archive: zipfile.ZipFile, names: list[str]) -> Found:
    inner = {name.partition("/")[2] or name for name in names}
    if "data.pkl" in inner:
        return Found("torchscript" if "constants.pkl" in inner else "torch", unsafe=True)
    if {"archive_format", "models/model.json"} <= inner:
        return Found("torch-export")
    if "config.json" in names and "model.weights.h5" in names:
        with archive.open("config.json") as config:
            return Found("keras", b'"__lambda__"' in config.read(_HEADER_LIMIT))
    if "schema.json" in names:
        return Found("skops")
    if names and all(name.endswith(".npy") for name in names):
        return Found("npz", any(_holds_objects(_head_of(archive, name)) for name in names))
    return Found("zip", any(name.endswith((".pkl", ".pickle", ".joblib")) for name in names))


def _head_of(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as file:
        return file.read(_HEAD_BYTES)


def _holds_objects(head: bytes) -> bool:
    """Tell whether an npy file's array holds Python objects, which are pickled."""
    wide = head[6:7] != b"\x01"
    length = int.from_bytes(head[8 : 12 if wide else 10], "little")
    return b"|O'" in head[10 : 12 + length]


def _is_onnx(file: BinaryIO, size: int) -> bool:
    """Walk through the fields of a protobuf message: all must be of a ModelProto, and end where it ends."""
    texts_and_messages = {2, 3, 4, 6, 7, 8, 14, 20, 25, 26}
    seen: set[int] = set()
    at = 0
    while at < size:
        file.seek(at)
        head = file.read(22)
        tag, used = _varint(head, 0)
        number, kind = tag >> 3, tag & 7
        value, end = _varint(head, used)
        if kind == 0 and number in (1, 5):
            at += end
        elif kind == 2 and number in texts_and_messages:
            at += end + value
        else:
            return False
        seen.add(number)
    return at == size and {1, 7, 8} <= seen


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        value |= (data[at] & 0x7F) << shift
        at += 1
        if not data[at - 1] & 0x80:
            return value, at
    return 1 << 70, at  # of no field
