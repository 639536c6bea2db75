"""Formats are found in files that the libraries themselves wrote, whatever they are called."""

from __future__ import annotations

import pathlib
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import whence as wh

REASON = "run by `make test-neighbours`"
cloudpickle: Any = pytest.importorskip("cloudpickle", reason=REASON)
ensemble: Any = pytest.importorskip("sklearn.ensemble", reason=REASON)
h5py: Any = pytest.importorskip("h5py", reason=REASON)
joblib: Any = pytest.importorskip("joblib", reason=REASON)
lightgbm: Any = pytest.importorskip("lightgbm", reason=REASON)
onnx: Any = pytest.importorskip("onnx", reason=REASON)
safetensors: Any = pytest.importorskip("safetensors.numpy", reason=REASON)
skops: Any = pytest.importorskip("skops.io", reason=REASON)
xgboost: Any = pytest.importorskip("xgboost", reason=REASON)

X = np.random.default_rng(1).random((200, 4))
Y = (X[:, 0] > 0.5).astype(int)
FOREST = ensemble.RandomForestClassifier(5, random_state=0).fit(X, Y)


def write_onnx(path: pathlib.Path) -> None:
    shaped = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None, 4]) for name in "xy"]
    weights = onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, [100_000], np.zeros(100_000))
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    graph = onnx.helper.make_graph([node], "graph", shaped[:1], shaped[1:], initializer=[weights])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)]), path)


def booster() -> Any:
    return xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(X, Y), 3)


def write_lightgbm(path: pathlib.Path) -> None:
    params = {"objective": "binary", "verbose": -1, "min_data_in_leaf": 5}
    lightgbm.train(params, lightgbm.Dataset(X, Y), 3).save_model(path)


def write_hdf5(path: pathlib.Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=X)


def pickled(protocol: int) -> Callable[[pathlib.Path], object]:
    return lambda path: path.write_bytes(pickle.dumps(FOREST, protocol))


def squeezed(how: str) -> Callable[[pathlib.Path], object]:
    return lambda path: joblib.dump({"x": np.arange(200_000), "forest": FOREST}, path, compress=(how, 3))


def squeezed_state(path: pathlib.Path) -> None:
    joblib.dump({"x": np.random.default_rng(0).random(400_000)}, path, compress=("bz2", 9))


SAFE: dict[str, tuple[str, Callable[[pathlib.Path], Any]]] = {
    "safetensors": (
        "safetensors",
        lambda path: safetensors.save_file({"w": np.zeros((300, 400), np.float32)}, path),
    ),
    "safetensors, empty": ("safetensors", lambda path: safetensors.save_file({}, path, metadata={"a": "b"})),
    "skops": ("skops", lambda path: skops.dump(FOREST, path)),
    "skops, squeezed": ("skops", lambda path: skops.dump(FOREST, path, compression=8)),
    "onnx": ("onnx", write_onnx),
    "xgboost, ubj": ("xgboost-ubj", lambda path: path.write_bytes(bytes(booster().save_raw("ubj")))),
    "xgboost, json": ("xgboost-json", lambda path: path.write_bytes(bytes(booster().save_raw("json")))),
    "lightgbm": ("lightgbm-text", write_lightgbm),
    "hdf5": ("hdf5", write_hdf5),
}
UNSAFE: dict[str, Callable[[pathlib.Path], Any]] = {
    **{f"pickle {protocol}": pickled(protocol) for protocol in range(6)},
    **{f"joblib, {how}": squeezed(how) for how in ("zlib", "gzip", "bz2", "xz", "lzma", "lz4")},
    "joblib": lambda path: joblib.dump(FOREST, path),
    "joblib, one large block": squeezed_state,
    "cloudpickle": lambda path: path.write_bytes(cloudpickle.dumps(lambda x: x)),
}


def logged(tmp_path: pathlib.Path, write: Callable[[pathlib.Path], Any]) -> Any:
    path = tmp_path / "model.bin"
    write(path)
    with wh.start_run(workspace=tmp_path) as run:
        run.log_model("model", path)
    return wh.open(tmp_path).model("model")


@pytest.mark.parametrize("name", SAFE)
def test_a_format_is_found_by_its_content(tmp_path: pathlib.Path, name: str) -> None:
    expected, write = SAFE[name]
    model = logged(tmp_path, write)
    assert (model.format, model.is_unsafe, model.remedy) == (expected, False, "")
    assert model.load_bytes() == (tmp_path / "model.bin").read_bytes()


@pytest.mark.parametrize("name", UNSAFE)
def test_a_pickle_is_found_in_each_of_its_wrappings(tmp_path: pathlib.Path, name: str) -> None:
    model = logged(tmp_path, UNSAFE[name])
    assert (model.format, model.is_unsafe) == ("pickle", True)
    assert "skops" in model.remedy


def test_what_was_kept_loads_again(tmp_path: pathlib.Path) -> None:
    model = logged(tmp_path, lambda path: skops.dump(FOREST, path))
    again = skops.load(model.save_to(tmp_path / "again.skops"), trusted=["sklearn.tree._tree.Tree"])
    assert (again.predict(X) == FOREST.predict(X)).all()
    with logged(tmp_path, lambda path: joblib.dump(FOREST, path)).open() as file:
        assert (joblib.load(file).predict(X) == FOREST.predict(X)).all()
