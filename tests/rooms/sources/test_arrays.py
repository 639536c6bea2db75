"""Arrays as the columns of dict samples."""

from __future__ import annotations

import datetime
import pickle

import numpy as np
import pytest

from tests.rooms.sources.listening import Listener, at, read_all
from whence.errors import PositionError, SourceError
from whence.sources import ArraysSource

IMAGES = np.arange(100 * 4, dtype=np.uint8).reshape(100, 2, 2)
LABELS = np.arange(100) % 10


def test_a_sample_has_the_same_row_of_each_column() -> None:
    reader = ArraysSource.of({"image": IMAGES, "label": LABELS}).open(Listener())
    samples = read_all(reader)
    assert len(samples) == 100
    assert list(samples[42]) == ["image", "label"]
    assert np.array_equal(samples[42]["image"], IMAGES[42])
    assert samples[42]["label"] == 2
    fetched = at(reader, 42, 0, 42)
    assert [sample["label"] for sample in fetched] == [2, 0, 2]
    assert np.array_equal(fetched[2]["image"], IMAGES[42])


def test_numbers_come_as_python_values() -> None:
    columns = {"i": LABELS, "f": LABELS / 2, "b": LABELS > 3, "s": LABELS.astype(str), "l": [0] * 100}
    sample = read_all(ArraysSource.of(columns).open(Listener()))[4]
    assert sample == {"i": 4, "f": 2.0, "b": True, "s": "4", "l": 0}
    assert [type(value) for value in sample.values()] == [int, float, bool, str, int]


def test_times_keep_their_meaning() -> None:
    times = np.array(["2026-11-21T10:00:00"], "datetime64[ns]")
    (sample,) = read_all(ArraysSource.of({"at": times}).open(Listener()))
    assert sample["at"].astype("datetime64[s]").item() == datetime.datetime(2026, 11, 21, 10)


def test_rows_that_are_arrays_can_not_be_written() -> None:
    source = ArraysSource.of({"image": IMAGES})
    for reader in (source.open(Listener()), pickle.loads(pickle.dumps(source)).open(Listener())):
        for sample in (*read_all(reader), *at(reader, 1)):
            with pytest.raises(ValueError, match="read-only"):
                sample["image"][0, 0] = 1


def test_each_column_is_told_once_as_a_part() -> None:
    witness = Listener()
    source = ArraysSource.of({"image": IMAGES, "label": LABELS})
    reader = source.open(witness)
    read_all(reader)
    at(reader, 3)
    assert witness.memories == {0: IMAGES.tobytes(), 1: LABELS.tobytes()}
    listing = source.listing()
    assert (listing.paths, listing.rows, listing.layout) == (["image", "label"], [100, 100], "columns")


def test_a_column_of_objects_is_told_as_objects() -> None:
    witness = Listener()
    read_all(ArraysSource.of({"word": np.array(["a", None, 3], object)}).open(witness))
    assert witness.values == {0: "a", 1: None, 2: 3}


def test_times_and_empty_arrays_can_be_told() -> None:
    for values in (np.array(["2026-11-21"], "datetime64[D]"), np.zeros((0, 3)), np.array([True, False])):
        witness = Listener()
        source = ArraysSource.of({"x": values})
        assert len(read_all(source.open(witness))) == source.size() == len(values)
        assert witness.memories.get(0, b"") == values.tobytes()


def test_unequal_lengths_are_named_for_each_column() -> None:
    with pytest.raises(SourceError, match="image has 100, label has 99"):
        ArraysSource.of({"image": IMAGES, "label": LABELS[:-1]})


def test_what_is_no_column_is_named() -> None:
    for columns in ({}, {"x": 5}, {"x": [[1], [2, 3]]}):
        with pytest.raises(SourceError):
            ArraysSource.of(columns)


def test_a_position_outside_is_refused() -> None:
    with pytest.raises(PositionError):
        at(ArraysSource.of({"x": LABELS}).open(Listener()), -1)


def test_the_name_is_made_of_the_columns() -> None:
    assert ArraysSource.of({"image": IMAGES, "label": LABELS}).name == "image+label"
