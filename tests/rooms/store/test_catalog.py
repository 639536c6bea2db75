"""The catalog: an index that answers the same after it was deleted, damaged or replaced."""

from __future__ import annotations

import pathlib
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

import pytest

from whence.store import (
    Catalog,
    CatalogRow,
    Folder,
    Mention,
    Named,
    RunWriter,
    Selection,
    files,
)

SOURCE = pathlib.Path(files.__file__).parents[2]
ALL = Selection()


class Reading:
    """Makes rows from the folder and counts how often."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.is_final = True
        self.texts: list[str] = ["half a \udcff pair"]
        self.metrics: dict[str, Any] = {}

    def __call__(self, run_id: str) -> CatalogRow:
        self.asked.append(run_id)
        title = "half a \udcff pair"
        params = {"lr": 0.1, "big": 2**63 - 1, "number": int(run_id[-1])}
        summary = {"id": run_id, "title": title, "params": params, "metrics": self.metrics, "tags": {}}
        model = Named(
            run_id=run_id, number=3, kind="model", name="m", digest=bytes([int(run_id[-1])]) * 32,
            size_bytes=5, at_ns=1000 - int(run_id[-1]), body={"name": "m", "metadata": {"a": 1}},
        )  # fmt: skip
        return CatalogRow(
            run_id=run_id, name=f"name-{run_id[-1]}", is_final=self.is_final, summary=summary,
            status="finished" if self.is_final else None, named=[model],
            mentions=[Mention("title", text) for text in self.texts],
        )  # fmt: skip


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> Folder:
    folder = Folder(tmp_path)
    for number in range(3):
        RunWriter(folder, f"RUN0000{number}").seal("finished")
    return folder


def answers(catalog: Catalog) -> tuple[list[str], list[str], list[str]]:
    return (
        catalog.ids(ALL),
        catalog.find("name-1"),
        catalog.find("run00002"),
    )


EXPECTED = (["RUN00002", "RUN00001", "RUN00000"], ["RUN00001"], ["RUN00002"])


def test_runs_are_found_by_name_id_and_the_beginning_of_an_id(folder: Folder) -> None:
    catalog = Catalog(folder, summarise=Reading())
    assert answers(catalog) == EXPECTED
    assert catalog.find("RUN00001") == ["RUN00001"]
    assert catalog.find("RUN0000") == []
    assert catalog.find("nobody") == []
    assert catalog.find("\udcff") == []
    assert catalog.page(ALL).summaries[0]["title"] == "half a \udcff pair"


def test_a_run_that_has_ended_is_read_once(folder: Folder) -> None:
    reading = Reading()
    answers(Catalog(folder, summarise=reading))
    answers(Catalog(folder, summarise=reading))
    assert sorted(reading.asked) == sorted(folder.run_ids())


def test_a_run_that_goes_on_is_read_again_once_it_has_told_more(folder: Folder) -> None:
    reading = Reading()
    reading.is_final = False
    catalog = Catalog(folder, summarise=reading)
    answers(catalog)
    answers(catalog)
    assert len(reading.asked) == 3
    (folder.run_path("RUN00001") / "points-0").write_bytes(b"one more")
    answers(catalog)
    (folder.run_path("RUN00001") / "cursors").write_bytes(b"of which the catalog tells nothing")
    answers(catalog)
    assert reading.asked[3:] == ["RUN00001"]


def test_a_journal_that_has_changed_is_read_again(folder: Folder) -> None:
    reading = Reading()
    catalog = Catalog(folder, summarise=reading)
    answers(catalog)
    with (folder.run_path("RUN00001") / "journal").open("ab") as file:
        file.write(b"x")
    answers(catalog)
    assert reading.asked[3:] == ["RUN00001"]


def test_a_run_that_is_gone_is_gone_from_the_index(folder: Folder) -> None:
    catalog = Catalog(folder, summarise=Reading())
    answers(catalog)
    folder.run_path("RUN00001").rename(folder.path / "away")
    assert answers(catalog)[:2] == (["RUN00002", "RUN00000"], [])


def _delete(path: pathlib.Path) -> None:
    path.unlink()


def _overwrite(path: pathlib.Path) -> None:
    path.write_bytes(b"not a database, and long enough that nobody takes it for an empty one" * 99)


def _empty(path: pathlib.Path) -> None:
    path.write_bytes(b"")


def _cut_off(path: pathlib.Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def _spoil_the_pages(path: pathlib.Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:] = bytes(len(data) - 4096)
    path.write_bytes(data)


def _another_format(path: pathlib.Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE about SET format = 99")
        connection.execute("UPDATE run SET name = 'what another format means by it'")
    connection.close()


def _another_table(path: pathlib.Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE run")
        connection.execute("CREATE TABLE run (id TEXT PRIMARY KEY, name TEXT)")
    connection.close()


ATTACKS = [_delete, _overwrite, _empty, _cut_off, _spoil_the_pages, _another_format, _another_table]


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_catalog_that_was_spoiled_is_made_again_with_the_same_answers(
    folder: Folder, attack: Callable[[pathlib.Path], None]
) -> None:
    catalog = Catalog(folder, summarise=Reading())
    assert answers(catalog) == EXPECTED
    catalog.close()
    attack(folder.path / "catalog.sqlite")
    assert answers(Catalog(folder, summarise=Reading())) == EXPECTED


@pytest.mark.parametrize("attack", [_delete, _another_table])
def test_a_catalog_that_is_spoiled_while_it_is_open_goes_on_answering(
    folder: Folder, attack: Callable[[pathlib.Path], None]
) -> None:
    catalog = Catalog(folder, summarise=Reading())
    answers(catalog)
    attack(folder.path / "catalog.sqlite")
    assert answers(catalog) == EXPECTED


def test_a_folder_in_the_place_of_the_catalog_does_not_stop_answers(folder: Folder) -> None:
    (folder.path / "catalog.sqlite").mkdir()
    assert answers(Catalog(folder, summarise=Reading())) == EXPECTED


def test_asking_a_workspace_that_is_not_there_makes_nothing(tmp_path: pathlib.Path) -> None:
    catalog = Catalog(Folder(tmp_path / ".whence"), summarise=Reading())
    assert answers(catalog) == ([], [], [])
    assert list(tmp_path.iterdir()) == []


def test_writers_never_touch_the_catalog(folder: Folder) -> None:
    assert not (folder.path / "catalog.sqlite").exists()


def test_threads_share_a_catalog_and_get_the_same_answers(folder: Folder) -> None:
    catalog = Catalog(folder, summarise=Reading())
    found: list[object] = []

    def ask() -> None:
        found.extend(answers(catalog) for _ in range(10))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [EXPECTED] * 40
