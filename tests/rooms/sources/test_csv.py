"""CSV files as samples: types, quotes, and what is said of records that don't fit."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rooms.sources.listening import DATA, Listener, at, read_all, samples_of
from whence.errors import SourceError
from whence.sources import CsvSource

MISSING = ("", "NA")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "x.csv"


def test_real_penguins_have_the_types_of_their_columns() -> None:
    samples = samples_of(CsvSource.of(DATA / "penguins.csv", missing=MISSING))
    assert len(samples) == 344
    assert samples[0] == {
        "species": "Adelie",
        "island": "Torgersen",
        "bill_length_mm": 39.1,
        "bill_depth_mm": 18.7,
        "flipper_length_mm": 181,
        "body_mass_g": 3750,
        "sex": "male",
        "year": 2007,
    }
    assert samples[3]["bill_length_mm"] is None
    assert sum(sample["sex"] is None for sample in samples) == 11


@pytest.mark.parametrize("name", ["penguins.csv", "penguins_raw.csv"])
def test_texts_are_what_the_csv_module_reads(name: str) -> None:
    with (DATA / name).open(newline="") as handle:
        expected = list(csv.DictReader(handle))
    source = CsvSource.of(DATA / name, types=dict.fromkeys(expected[0], str), missing=())
    assert samples_of(source) == expected


@given(st.lists(st.lists(st.text(alphabet='a", \n\r;é1', max_size=5), min_size=2, max_size=2), max_size=40))
def test_what_the_csv_module_writes_comes_back_at_any_position(
    tmp_path_factory: pytest.TempPathFactory, table: list[list[str]]
) -> None:
    file = tmp_path_factory.mktemp("table") / "x.csv"
    with file.open("w", newline="") as handle:
        csv.writer(handle).writerows([["a", "b"], *table])
    source = CsvSource.of(file, types={"a": str, "b": str}, missing=())
    expected = [{"a": a, "b": b} for a, b in table]
    assert samples_of(source) == expected
    backwards = range(len(table) - 1, -1, -1)
    assert at(source.open(Listener()), *backwards) == expected[::-1]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "-2", ""], [1, -2, None]),
        (["1", "2.5", "1e3"], [1.0, 2.5, 1000.0]),
        (["1", "inf", ".5"], [1.0, float("inf"), 0.5]),
        (["01234", "5"], ["01234", "5"]),
        (["1_000", "2"], ["1_000", "2"]),
        (["1", "x"], ["1", "x"]),
        ([" 1", "2"], [" 1", "2"]),
        (["", ""], [None, None]),
        (["9" * 30], [int("9" * 30)]),
    ],
)
def test_a_column_has_the_narrowest_type_that_holds_all(
    file: Path, values: list[str], expected: list[object]
) -> None:
    file.write_text("a,b\n" + "".join(f"{value},x\n" for value in values))
    found = [sample["a"] for sample in samples_of(CsvSource.of(file))]
    assert found == expected
    assert [type(value) for value in found] == [type(value) for value in expected]


def test_types_that_are_given_go_before_inferred_ones(file: Path) -> None:
    file.write_text("a,b\n1,2\n")
    assert samples_of(CsvSource.of(file, types={"a": str, "b": "float"})) == [{"a": "1", "b": 2.0}]


@pytest.mark.parametrize("types", [{"c": int}, {"a": "date"}, {"a": list}])
def test_a_type_that_can_not_be_is_refused(file: Path, types: dict[str, type]) -> None:
    file.write_text("a,b\n1,2\n")
    with pytest.raises(SourceError) as caught:
        CsvSource.of(file, types=types)
    assert caught.value.remedy


@pytest.mark.parametrize("late", ["3.5", "oops", "1_0"])
def test_a_value_that_breaks_the_inferred_type_is_named_with_the_remedy(file: Path, late: str) -> None:
    file.write_text("a,b\n" + "1,2\n" * 1500 + f"1,{late}\n" + "1,2\n")
    source = CsvSource.of(file)
    with pytest.raises(SourceError, match=r"line 1502 \(row 1500\): .* column 'b' .* int") as caught:
        read_all(source.open(Listener()), 100)
    assert 'types={"b": str}' in caught.value.remedy
    assert late not in caught.value.message
    with pytest.raises(SourceError, match=r"line 1502 \(row 1500\)"):
        at(source.open(Listener()), 0, 1500)
    assert len(samples_of(CsvSource.of(file, types={"b": str}))) == 1502


def test_a_ragged_row_is_named_with_its_line(file: Path) -> None:
    file.write_text('a,b\n1,"x\ny"\n2\n3,z\n')
    source = CsvSource.of(file)
    with pytest.raises(SourceError, match=r"x\.csv, line 4 \(row 1\): 1 values, where the header names 2"):
        read_all(source.open(Listener()))
    with pytest.raises(SourceError, match=r"line 4"):
        at(source.open(Listener()), 1)
    assert at(source.open(Listener()), 2, 0) == [{"a": 3, "b": "z"}, {"a": 1, "b": "x\ny"}]


def test_a_quote_that_is_never_closed_is_named(file: Path) -> None:
    file.write_text('a,b\n1,2\n1,"open\n2,3\n')
    with pytest.raises(SourceError, match=r"line 3: .* does not end") as caught:
        CsvSource.of(file)
    assert "quote" in caught.value.remedy


def test_a_bare_carriage_return_is_refused(file: Path) -> None:
    file.write_bytes(b"a,b\n1,2\n1,x\ry\n")
    with pytest.raises(SourceError, match=r"line 3 .*not CSV"):
        samples_of(CsvSource.of(file))


def test_bytes_that_are_not_utf8_are_named(file: Path) -> None:
    file.write_bytes(b"a,b\n1,2\n1,\xe4\n")
    with pytest.raises(SourceError, match=r"line 3 .*not UTF-8"):
        samples_of(CsvSource.of(file))
    file.write_bytes(b"\xe4,b\n1,2\n")
    with pytest.raises(SourceError, match=r"line 1: .*not UTF-8"):
        CsvSource.of(file)


def test_several_bad_rows_do_not_hinder_inferring(file: Path) -> None:
    file.write_bytes(b"a,b\n1,2\n3\n\xff,1\n")
    chunks = CsvSource.of(file).open(Listener()).chunks(lambda: 1)
    assert next(chunks) == [{"a": 1, "b": 2}]
    with pytest.raises(SourceError, match="line 3"):
        next(chunks)


def test_empty_lines_are_no_rows(file: Path) -> None:
    file.write_bytes(b'\n\r\na,b\r\n1,2\r\n\r\n\n3,"4\r\n\r\n"\r\n')
    expected = [{"a": 1, "b": "2"}, {"a": 3, "b": "4\r\n\r\n"}]
    source = CsvSource.of(file)
    assert samples_of(source) == expected
    assert source.rows() == 2
    assert at(source.open(Listener()), 1, 0) == expected[::-1]


def test_a_header_without_records_has_no_rows(file: Path) -> None:
    file.write_text("a,b")
    source = CsvSource.of(file)
    assert samples_of(source) == []
    assert source.rows() == 0


def test_a_file_without_a_header_and_one_that_names_a_column_twice_are_refused(file: Path) -> None:
    for content, problem in [("", "is empty"), ("\n\n", "is empty"), ("a,b,a\n1,2,3\n", "'a' twice")]:
        file.write_text(content)
        with pytest.raises(SourceError, match=problem):
            CsvSource.of(file)


def test_files_with_other_columns_are_refused(file: Path, tmp_path: Path) -> None:
    file.write_text("a,b\n1,2\n")
    (tmp_path / "y.csv").write_text("b,a\n1,2\n")
    source = CsvSource.of(tmp_path / "*.csv")
    with pytest.raises(SourceError, match=r"y\.csv has the columns b, a"):
        read_all(source.open(Listener()))
    with pytest.raises(SourceError, match=r"y\.csv has the columns b, a"):
        source.rows()


def test_tabs_stand_between_the_values_of_a_tsv(tmp_path: Path) -> None:
    (tmp_path / "x.tsv").write_text('a\tb\n1\t"x\ty"\n')
    assert samples_of(CsvSource.of(tmp_path / "x.tsv")) == [{"a": 1, "b": "x\ty"}]


@pytest.mark.parametrize("delimiter", ["", ";;", '"', "\n", "é"])
def test_a_delimiter_must_be_one_plain_character(file: Path, delimiter: str) -> None:
    file.write_text("a,b\n1,2\n")
    with pytest.raises(SourceError, match="delimiter"):
        CsvSource.of(file, delimiter=delimiter)


def test_types_are_inferred_over_the_borders_of_files(tmp_path: Path) -> None:
    for name, text in [("a.csv", "n,x\n"), ("b.csv", "n,x\n,\n"), ("c.csv", "n,x\n1,2.5\n")]:
        (tmp_path / name).write_text(text)
    assert samples_of(CsvSource.of(str(tmp_path / "*.csv"))) == [{"n": None, "x": None}, {"n": 1, "x": 2.5}]


def test_a_later_file_can_widen_a_type(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("n\n1\n")
    (tmp_path / "b.csv").write_text("n\n1.5\n")
    assert samples_of(CsvSource.of(str(tmp_path / "*.csv"))) == [{"n": 1.0}, {"n": 1.5}]
