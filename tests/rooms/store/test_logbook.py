"""The logbook: a cache that survives whatever befalls its files; and who is at what waits."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.store import Folder
from whence.store.logbook import LOGBOOK, Logbook, Logged

FIRST = Logged(what="01A", shard="2026-abc", indices=(1, 2, 3), size_bytes=100, event_count=4)
LATER = Logged(what="01A", shard="2027-def", indices=(0,), size_bytes=150, event_count=6)
OTHER = Logged(what="01B", shard="2026-abc", indices=(4,))


@pytest.fixture
def book(tmp_path: pathlib.Path) -> Logbook:
    folder = Folder(tmp_path / ".whence")
    folder.make()
    return Logbook(folder)


def test_what_is_noted_is_found_by_whoever_looks(book: Logbook, tmp_path: pathlib.Path) -> None:
    book.note([FIRST, OTHER])
    book.note([LATER, FIRST])
    again = Logbook(Folder(tmp_path / ".whence"))
    assert again.find("01A") == [FIRST, LATER]
    assert again.find("01C") == []
    assert again.latest() == {"01A": LATER, "01B": OTHER}


def test_it_says_nothing_where_nothing_is(book: Logbook) -> None:
    assert (book.latest(), book.reach(), book.waiting(), book.find("01A")) == ({}, {}, [], [])


@given(st.binary(max_size=40), st.integers(0, 60))
def test_a_line_that_is_cut_off_or_foreign_costs_no_other(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, cut: int
) -> None:
    folder = Folder(tmp_path_factory.mktemp("at") / ".whence")
    folder.make()
    book = Logbook(folder)
    book.note([FIRST])
    page = next((folder.path / LOGBOOK).glob("??"))
    page.write_bytes(page.read_bytes()[: 17 + cut] + noise)
    book.note([LATER])
    assert book.find("01A")[-1] == LATER


def test_pages_of_another_book_make_all_of_it_forgotten(tmp_path: pathlib.Path) -> None:
    ours, theirs = (Logbook(_made(tmp_path / name)) for name in ("ours", "theirs"))
    for number in range(40):
        ours.note([Logged(what=f"ours-{number}", shard="2026-abc", indices=(number,))])
        theirs.note([Logged(what=f"theirs-{number}", shard="2026-def", indices=(number,))])
    ours.note_reach({"2026-abc": 40})
    theirs.note_reach({"2026-def": 40})
    for path in theirs.path.glob("??"):  # as `rsync --ignore-existing` leaves it
        if not (ours.path / path.name).exists():
            shutil.copy(path, ours.path)
    assert ours.reach() == {}
    assert ours.latest() == {}
    shutil.copytree(theirs.path, ours.path, dirs_exist_ok=True)
    assert ours.reach() == {"2026-def": 40}
    assert len(ours.latest()) == 40


def _made(path: pathlib.Path) -> Folder:
    folder = Folder(path)
    folder.make()
    return folder


def test_how_far_the_shards_were_looked_at_is_replaced_whole(book: Logbook) -> None:
    book.note([FIRST])
    book.note_reach({"2026-abc": 5})
    book.note_reach({"2026-abc": 7, "2027-def": 1})
    assert book.reach() == {"2026-abc": 7, "2027-def": 1}
    book.wait("01D")
    book.forget()
    assert (book.latest(), book.reach(), book.waiting()) == ({}, {}, ["01D"])


def test_a_book_that_a_power_cut_left_empty_is_begun_again(book: Logbook) -> None:
    book.note([FIRST])
    for path in book.path.iterdir():
        path.write_bytes(b"")
    assert book.find("01A") == []
    book.note([FIRST])
    assert book.find("01A") == [FIRST]


def test_what_waits_is_claimed_once(book: Logbook) -> None:
    book.wait("01B")
    book.wait("01A")
    assert book.waiting() == ["01A", "01B"]
    with book.claim("01A") as ours, book.claim("01A") as again, book.claim("01B") as other:
        assert (ours, again, other) == (True, False, True)
    with book.claim("01A") as ours:
        assert ours
        book.done("01A")
    with book.claim("01A") as ours:
        assert not ours
    assert book.waiting() == ["01B"]


def test_who_opened_it_before_it_was_done_does_not_get_it_afterwards(
    book: Logbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    book.wait("01A")
    real = os.open

    def slow(path: str, *given: int) -> int:
        monkeypatch.undo()
        descriptor = real(path, *given)
        book.done("01A")  # by whoever held it until now
        book.wait("01A")  # and it ended once more
        return descriptor

    monkeypatch.setattr("whence.store.logbook.os.open", slow)
    with book.claim("01A") as ours:
        assert not ours


def test_a_killed_process_has_claimed_nothing(book: Logbook, tmp_path: pathlib.Path) -> None:
    book.wait("01A")
    code = (
        "import sys, pathlib\n"
        "from whence.store import Folder\n"
        "from whence.store.logbook import Logbook\n"
        "with Logbook(Folder(pathlib.Path(sys.argv[1]))).claim('01A') as ours:\n"
        "    print(ours, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / ".whence")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        with book.claim("01A") as ours:
            assert not ours
        process.kill()
        process.wait()
    with book.claim("01A") as ours:
        assert ours


def test_a_folder_that_cannot_be_written_costs_nothing(book: Logbook) -> None:
    book.path.write_bytes(b"in the way")
    book.wait("01A")
    book.note([FIRST])
    book.note_reach({"2026-abc": 5})
    assert (book.waiting(), book.find("01A"), book.reach()) == ([], [], {})
