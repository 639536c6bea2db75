"""Search: the runs that mention all words, wherever each stands, best first and then newest."""

from __future__ import annotations

import pathlib
import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whence.errors import InputError
from whence.store import Catalog, CatalogRow, Folder, Mention, indexfile, searching, tables

TEXTS = {
    "RUN0": [("title", "Adam on ImageNet"), ("notes", "val_acc fell after the warm-up")],
    "RUN1": [("title", "adamant"), ("params", "path = data/train/3/00017.png")],
    "RUN2": [("notes", "Zürich, 東京タワー, 100% of it\x00\udcff"), ("code", "def adam(): pass\n" * 9)],
    "RUN3": [("tags", "team = vision"), ("notes", "nothing else")],
}


def row_of(run_id: str) -> CatalogRow:
    summary = {"id": run_id, "name": run_id, "title": "", "params": {}, "metrics": {}, "tags": {}}
    mentions = [Mention(field, text) for field, text in TEXTS[run_id]]
    return CatalogRow(
        run_id=run_id, name=run_id, is_final=True, status="finished", summary=summary, mentions=mentions
    )


@pytest.fixture(params=["words", "without"])
def catalog(
    request: pytest.FixtureRequest, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Catalog]:
    """The runs, in a SQLite that has an index of words and in one that hasn't."""
    if request.param == "without":
        for module in (tables, searching):
            monkeypatch.setattr(module, "has_fts5", lambda: False)
    for run_id in TEXTS:
        (tmp_path / "runs" / run_id).mkdir(parents=True)
    made = Catalog(Folder(tmp_path), summarise=row_of)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("adam", ["RUN0", "RUN1", "RUN2"]),
        ("ADAM imagenet", ["RUN0"]),
        ("adam fell", ["RUN0"]),
        ("vision nothing", ["RUN3"]),
        ("vision adam", []),
        ("warm-up", ["RUN0"]),
        ("val_acc", ["RUN0"]),
        ('"after the warm"', ["RUN0"]),
        ('"the after"', []),
        ("data/train/3/00017.png", ["RUN1"]),
        ("100%", ["RUN2"]),
        ("京タ", ["RUN2"]),
        ("def adam", ["RUN2"]),
        ("nowhere", []),
        ('adam "', ["RUN0", "RUN1", "RUN2"]),
        ("adam OR vision", []),
        ("tea*", ["RUN3"]),
        ("\udcff vision", ["RUN3"]),
    ],
)
def test_all_words_of_a_text_are_mentioned(catalog: Catalog, text: str, found: list[str]) -> None:
    if text == "tea*" and not tables.has_fts5():
        found = []  # every sign is looked for
    assert sorted(hit.run_id for hit in catalog.search(text, 9)) == found


def test_each_word_has_its_place(catalog: Catalog) -> None:
    (hit,) = catalog.search("fell adam", 9)
    assert [(place.field, place.snippet) for place in hit.places] == [
        ("notes", "val_acc fell after the warm-up"),
        ("title", "Adam on ImageNet"),
    ]


def test_a_long_text_is_cut_around_the_word(catalog: Catalog) -> None:
    (hit,) = catalog.search("pass def", 9)
    assert all(len(place.snippet) < 100 for place in hit.places)
    assert "pass" in hit.places[0].snippet
    assert hit.places[0].snippet.endswith("…")


def test_a_limit_keeps_the_best(catalog: Catalog) -> None:
    assert len(catalog.search("adam", 2)) == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(), max_size=12) | st.text('"*^:(){}+-\\x00%_\\\\ a', max_size=12))
def test_any_text_is_searched_for_or_refused(catalog: Catalog, text: str) -> None:
    try:
        catalog.search(text, 9)
    except InputError as error:
        assert "no word" in error.message  # noqa: PT017 - most texts have one


@pytest.mark.parametrize("text", ["", "  ", "?!", '""'])
def test_a_text_without_a_word_is_refused(catalog: Catalog, text: str) -> None:
    with pytest.raises(InputError, match="no word"):
        catalog.search(text, 9)


def test_many_words_are_searched_for_and_very_many_refused(catalog: Catalog) -> None:
    assert [hit.run_id for hit in catalog.search("nothing " * 30, 9)] == ["RUN3"]
    with pytest.raises(InputError, match="31 words"):
        catalog.search("nothing " * 31, 9)


def test_a_catalog_without_words_isnt_taken_for_one_with_them(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = sqlite3.connect(tmp_path / "c")
    with monkeypatch.context() as patched:
        patched.setattr(tables, "has_fts5", lambda: False)
        assert tables.prepare(connection)
    connection.close()
    assert indexfile.opened(tmp_path / "c") is None
