"""The catalog: an index that answers the same after it was deleted, damaged or replaced."""

from __future__ import annotations

import os
import pathlib
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from whence.errors import StoreError
from whence.store import (
    Catalog,
    CatalogRow,
    Comparison,
    Field,
    Folder,
    Mention,
    Named,
    Order,
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
        writer = RunWriter(folder, f"RUN0000{number}")
        writer.append("run_start", {"name": f"name-{number}"}, {"title": ""})
        writer.seal("finished")
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


# what is looked at


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask as if a minute had gone by since the files were written."""
    now_ns = time.time_ns
    monkeypatch.setattr("whence.store.looking.time.time_ns", lambda: now_ns() + 60_000_000_000)


def looked_at(monkeypatch: pytest.MonkeyPatch, ask: Callable[[], object]) -> list[str]:
    """Name the folders of runs that are looked at while something is asked."""
    found: list[str] = []

    def noting(call: Callable[..., Any]) -> Callable[..., Any]:
        def noted(path: Any, *rest: Any, **named: Any) -> Any:
            found.extend(part for part in pathlib.Path(os.fspath(path)).parts if part.startswith("RUN"))
            return call(path, *rest, **named)

        return noted

    with monkeypatch.context() as patched:
        patched.setattr(os, "stat", noting(os.stat))
        patched.setattr(os, "listdir", noting(os.listdir))
        ask()
    return sorted(set(found))


CONDITION = Selection(condition=Comparison(field=Field("params", "number"), sign="=", value=1))


@pytest.mark.usefixtures("later")
def test_only_what_is_shown_is_looked_at_where_nothing_was_begun(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = Catalog(folder, summarise=Reading())
    catalog.refresh()
    assert looked_at(monkeypatch, lambda: catalog.page(CONDITION)) == ["RUN00001"]
    assert looked_at(monkeypatch, lambda: catalog.page(Selection(limit=2))) == ["RUN00001", "RUN00002"]
    assert looked_at(monkeypatch, lambda: catalog.find("name-1")) == []
    assert looked_at(monkeypatch, catalog.count_by_status) == []
    os.utime(folder.runs_path)
    everything = ["RUN00000", "RUN00001", "RUN00002"]
    assert looked_at(monkeypatch, catalog.count_by_status) == everything


def test_times_that_are_too_young_are_not_believed(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = Catalog(folder, summarise=Reading())
    catalog.refresh()
    everything = ["RUN00000", "RUN00001", "RUN00002"]
    assert looked_at(monkeypatch, catalog.count_by_status) == everything


@pytest.mark.usefixtures("later")
def test_a_list_of_the_newest_reads_those_only(folder: Folder) -> None:
    reading = Reading()
    catalog = Catalog(folder, summarise=reading)
    assert [each["id"] for each in catalog.page(Selection(limit=1)).summaries] == ["RUN00002"]
    assert reading.asked == ["RUN00002"]
    assert catalog.find("name-0") == ["RUN00000"]
    assert catalog.ids(CONDITION) == ["RUN00001"]
    assert sorted(reading.asked) == ["RUN00000", "RUN00001", "RUN00002"]


@pytest.mark.usefixtures("later")
def test_a_run_that_had_ended_and_is_written_again_is_noticed(folder: Folder) -> None:
    reading = Reading()
    catalog = Catalog(folder, summarise=reading)
    catalog.refresh()
    reading.asked.clear()
    writer, _ = RunWriter.reopen(folder, "RUN00001", check=lambda _: [])
    reading.is_final = False
    assert catalog.count_by_status() == {"finished": 2, "running": 1}
    reading.is_final = True
    writer.seal("finished")
    assert catalog.count_by_status() == {"finished": 3}
    assert set(reading.asked) == {"RUN00001"}


@pytest.mark.usefixtures("later")
def test_a_run_that_was_replaced_with_its_old_times_is_noticed(
    folder: Folder, tmp_path: pathlib.Path
) -> None:
    reading = Reading()
    catalog = Catalog(folder, summarise=reading)
    catalog.refresh()
    reading.asked.clear()
    path = folder.run_path("RUN00001")
    before = [(each, each.stat()) for each in (path, folder.runs_path)]
    changed = path / "other"
    changed.write_bytes((path / "payloads").read_bytes() + b"x")
    changed.replace(path / "payloads")
    for each, found in before:  # as `rsync -a` does
        os.utime(each, ns=(found.st_atime_ns, found.st_mtime_ns))
    catalog.refresh()
    assert reading.asked == ["RUN00001"]


def test_what_is_shown_is_as_the_files_are_even_where_no_folder_tells(folder: Folder) -> None:
    reading = Reading()
    catalog = Catalog(folder, summarise=reading)
    order = Selection(order=(Order(Field("metrics", "loss")),), limit=1)
    reading.metrics = {"loss": 0.5}
    assert catalog.ids(order) == ["RUN00002"]
    reading.metrics = {"loss": 0.9}
    with (folder.run_path("RUN00002") / "journal").open("ab") as file:
        file.write(b"x")
    assert catalog.ids(order) == ["RUN00001"]


@pytest.mark.usefixtures("later")
def test_what_a_search_shows_is_as_the_files_are(folder: Folder) -> None:
    reading = Reading()
    reading.texts = ["xyzzy"]
    catalog = Catalog(folder, summarise=reading)
    assert len(catalog.search("xyzzy", 9)) == 3
    reading.texts = ["nothing"]
    with (folder.run_path("RUN00002") / "payloads").open("ab") as file:
        file.write(b"x")
    assert [hit.run_id for hit in catalog.search("xyzzy", 9)] == ["RUN00001", "RUN00000"]


# who asks


READER = """
import sys
import whence as wh
sys.stdin.read(1)
workspace = wh.open(sys.argv[1])
assert len(workspace.summaries("tags.a = 1", sort="-params.number")) == 40
assert [len(each.places) for each in workspace.search("forty")] == [1] * 20
"""


def test_several_processes_make_one_catalog_at_once(tmp_path: pathlib.Path) -> None:
    folder = Folder.find(tmp_path)
    for number in range(40):
        writer = RunWriter(folder, f"RUN{number:05}")
        writer.append("params", {}, {"params": {"number": number}})
        writer.append("tags", {}, {"tags": {"a": 1, "b": "forty times"}})
        writer.seal("finished")
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READER, str(tmp_path)],
            stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(SOURCE)},
        )
        for _ in range(4)
    ]  # fmt: skip
    for reader in readers:
        _, said = reader.communicate(b"x", timeout=120)
        assert reader.returncode == 0, said.decode()


def test_a_catalog_that_another_process_holds_locked_is_waited_for_and_then_told(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whence.store.indexfile._BUSY_S", 0.01)
    Catalog(folder, summarise=Reading()).close()
    with sqlite3.connect(folder.path / "catalog.sqlite", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="locked"):
            Catalog(folder, summarise=Reading()).refresh()
        other.execute("COMMIT")
    other.close()
    assert answers(Catalog(folder, summarise=Reading())) == EXPECTED


def test_a_full_disk_does_not_stop_answers(folder: Folder) -> None:
    catalog = Catalog(folder, summarise=Reading())
    pages = catalog._connection.execute("PRAGMA page_count").fetchone()[0]
    catalog._connection.execute(f"PRAGMA max_page_count = {pages}")
    reading = Reading()
    reading.texts = [f"{number} {'x' * 3000}" for number in range(9)]
    catalog._summarise = reading
    assert answers(catalog) == EXPECTED
    assert sqlite3.connect(folder.path / "catalog.sqlite").execute("PRAGMA integrity_check").fetchone() == (
        "ok",
    )


# what was destroyed


def test_what_was_destroyed_is_not_left_in_the_file(folder: Folder) -> None:
    reading = Reading()
    reading.texts = ["the secret is xyzzy", *(f"other {number}" for number in range(100))]
    catalog = Catalog(folder, summarise=reading)
    assert len(catalog.search("xyzzy", 9)) == 3
    assert b"xyzzy" in (folder.path / "catalog.sqlite").read_bytes()
    reading.texts = ["nothing"]
    for run_id in folder.run_ids():
        (folder.run_path(run_id) / "payloads").write_bytes(b"")
    os.utime(folder.runs_path)
    assert catalog.search("xyzzy", 9) == []
    assert [hit.run_id for hit in catalog.search("nothing", 9)] == ["RUN00002", "RUN00001", "RUN00000"]
    assert b"xyzzy" not in (folder.path / "catalog.sqlite").read_bytes()


def test_what_has_a_name_is_found_by_it_and_by_its_digest_oldest_first(folder: Folder) -> None:
    catalog = Catalog(folder, summarise=Reading())
    found = catalog.named(kind="model", name="m")
    assert [each.run_id for each in found] == ["RUN00002", "RUN00001", "RUN00000"]
    assert catalog.named(digest=bytes([1]) * 32) == [found[1]]
    assert (found[1].kind, found[1].size_bytes, found[1].body["metadata"]) == ("model", 5, {"a": 1})
    assert catalog.named(kind="artifact") == catalog.named(name="n") == []
