"""Formats are found by content; what may run code is called unsafe, and what isn't known unknown."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import zipfile

import numpy as np
import pytest

from whence.runs.formats import Found, find_format, format_of_folder, remedy_of


def found_in(data: bytes) -> tuple[str, bool]:
    found = find_format(io.BytesIO(data), len(data))
    return found.format, found.unsafe


def zipped(**files: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return file.getvalue()


def npy(array: object) -> bytes:
    file = io.BytesIO()
    np.save(file, array)  # type: ignore[arg-type]
    return file.getvalue()


def safetensors(header: object, extra: bytes = bytes(16)) -> bytes:
    spelled = json.dumps(header).encode()
    return len(spelled).to_bytes(8, "little") + spelled + extra


TENSOR = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", ("unknown", False)),
        (b"\x80", ("unknown", False)),
        (b"(a sentence in brackets.)", ("unknown", False)),
        (b"It ends with a full stop.", ("unknown", False)),
        (b"N.", ("unknown", False)),
        (b'{"learner": 3}', ("xgboost-json", False)),
        (b'{"a": 3}', ("unknown", False)),
        (b"tree\nversion=v4\n", ("lightgbm-text", False)),
        (b"GGUF\x03\0\0\0", ("gguf", False)),
        (b"CBM1rest", ("catboost", False)),
        (b"\x1c\0\0\0TFL3rest", ("tflite", False)),
        (safetensors({"w": TENSOR}), ("safetensors", False)),
        (safetensors({"__metadata__": {"a": "b"}, "w": TENSOR}), ("safetensors", False)),
        (safetensors({"w": {"dtype": "F32"}}), ("unknown", False)),
        (safetensors({"w": 3}), ("unknown", False)),
        (safetensors([1]), ("unknown", False)),
        (npy(np.arange(3)), ("npy", False)),
        (npy(np.array([{}], object)), ("npy", True)),
        (zipped(x_dot_npy=npy(np.arange(3))), ("npz", False)),
        (zipped(x_dot_npy=npy(np.arange(3)), y_dot_npy=npy(np.array([{}], object))), ("npz", True)),
        (zipped(a_dot_txt=b"x"), ("zip", False)),
        (zipped(a__b_dot_pkl=b"x"), ("zip", True)),
        (zipped(m__data_dot_pkl=b"x", m__version=b"3"), ("torch", True)),
        (zipped(m__data_dot_pkl=b"x", m__constants_dot_pkl=b"x"), ("torchscript", True)),
        (zipped(schema_dot_json=b"{}"), ("skops", False)),
        (b"PK\x03\x04 and then nothing of a zip file", ("unknown", False)),
        (gzip.compress(b"a text", mtime=0), ("unknown", False)),
        (gzip.compress(pickle.dumps([1]), mtime=0), ("pickle", True)),
        (b"\x1f\x8b\x08 no gzip", ("unknown", False)),
    ],
)
def test_a_format_is_found_by_its_content(data: bytes, expected: tuple[str, bool]) -> None:
    assert found_in(data) == expected


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", [None, 1, "text", [1, 2], {"a": (1.5, b"x" * 100_000)}, os.system])
def test_every_pickle_is_unsafe(protocol: int, value: object) -> None:
    data = pickle.dumps(value, protocol)
    assert found_in(data) == ("pickle", True) or len(data) < 4


def test_a_pickle_with_an_archive_behind_it_is_a_pickle() -> None:
    """pickle.load reads the front of a file, zipfile its end."""
    assert found_in(pickle.dumps([1]) + zipped(schema_dot_json=b"{}")) == ("pickle", True)


def test_archives_that_are_cut_or_lie_about_themselves_raise_nothing() -> None:
    whole = zipped(config_dot_json=b"{}" * 100, model_dot_weights_dot_h5=b"x" * 1000)
    assert found_in(whole) == ("keras", False)
    for end in range(0, len(whole), 7):
        assert found_in(whole[:end])[0] in ("unknown", "keras")
    for at in range(len(whole)):
        found_in(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])


def test_no_bytes_raise_anything() -> None:
    chance = np.random.default_rng(5)
    heads = [
        b"",
        b"\x80\x04",
        b"\x08\x07",
        b"(",
        b"c",
        b"\x93NUMPY\x01\0",
        b"\x04\x22\x4d\x18",
        b"x\x9c",
        b"BZh9",
        b"]\0\0",
    ]
    for head in heads:
        for size in range(0, 200, 3):
            found_in(head + chance.bytes(size))


def test_folders_are_known_by_what_libraries_look_for() -> None:
    safe, unsafe = Found("safetensors"), Found("torch", unsafe=True)
    assert format_of_folder({"config.json": Found("unknown"), "model.safetensors": safe}) == (
        "hugging-face",
        False,
    )
    assert format_of_folder({"config.json": safe, "pytorch_model.bin": unsafe}) == ("hugging-face", True)
    assert format_of_folder({"saved_model.pb": safe, "variables/variables.index": safe}) == (
        "saved-model",
        False,
    )
    assert format_of_folder({"notes.txt": safe}) == ("folder", False)
    assert "weights_only" in remedy_of("hugging-face", ["torch"])
