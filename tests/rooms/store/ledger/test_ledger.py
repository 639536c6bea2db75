"""The ledger: what is staged is logged once, in shards that each have one key and say what came before."""

from __future__ import annotations

import errno
import fcntl
import os
import pathlib
import shutil
import threading
from collections.abc import Callable

import pytest

from tests.rooms.store.ledger.ledgers import (
    NOW_MS,
    bytes_below,
    check_once,
    check_whole,
    ledger_in,
    said,
    texts_in,
    texts_of,
)
from whence.errors import InputError, KeyUnusableError, PositionError, SignatureError, StoreError
from whence.ledger import SigningKey, Statement, parse_entry, parse_note
from whence.store import Folder, KeyRing, Ledger, Shard
from whence.store.ledger.extending import Extension, write_extension

NEXT_YEAR_MS = NOW_MS + 366 * 86_400_000


class Syncs:
    """What the process forced to the disk."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.paths: list[str] = []
        for name in ("fsync", "fdatasync"):
            patch.setattr(os, name, self._instead(getattr(os, name)))

    def _instead(self, real: Callable[[int], None]) -> Callable[[int], None]:
        def sync(descriptor: int) -> None:
            self.paths.append(os.readlink(f"/proc/self/fd/{descriptor}"))
            real(descriptor)

        return sync


def test_what_is_appended_is_where_it_is_said_to_be(tmp_path: pathlib.Path) -> None:
    ledger = ledger_in(tmp_path)
    places = ledger.append(said("a", "b")) + ledger.append(said("c"))
    shard = ledger.current()
    assert shard is not None
    assert [(place.shard, place.index) for place in places] == [(shard.name, index) for index in (1, 2, 3)]
    assert list(texts_in(shard)) == list(zip(places, ["a", "b", "c"], strict=True))
    assert shard.beginning.why == "first"
    assert shard.beginning.before is None
    assert shard.origin == f"log.example/{shard.name}"
    assert shard.name.startswith("2026-")
    check_whole(ledger)


@pytest.mark.parametrize("count", [1, 254, 255, 256, 257, 600, 5000])
def test_logs_of_all_widths_are_whole_whatever_their_steps(tmp_path: pathlib.Path, count: int) -> None:
    ledger = ledger_in(tmp_path)
    texts = [f"{number}" for number in range(count)]
    steps, at = [1, 3, 250, 1, 300, 7], 0
    while at < count:
        ledger.append(said(*texts[at : at + steps[0]]))
        at, steps = at + steps[0], [*steps[1:], steps[0]]
    assert texts_of(ledger) == texts
    check_whole(ledger)


def test_a_commit_logs_what_anybody_staged(tmp_path: pathlib.Path) -> None:
    ledger, other = ledger_in(tmp_path), ledger_in(tmp_path)
    tickets = ledger.stage(said("a", "b")) + other.stage(said("c"))
    assert [ledger.place(ticket) for ticket in tickets] == [None] * 3
    assert other.commit().count == 3
    assert ledger.commit().count == 0
    shard = ledger.current()
    assert shard is not None
    assert [place and place.index for place in map(ledger.place, tickets)] == [1, 2, 3]
    assert texts_of(ledger) == ["a", "b", "c"]
    check_whole(ledger)


def test_staging_costs_one_sync_and_a_commit_eight(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = ledger_in(tmp_path)
    ledger.append(said("first"))
    syncs = Syncs(monkeypatch)
    ledger.stage(said("a"))
    assert len(syncs.paths) == 1
    ledger.commit()
    assert len(syncs.paths) == 9
    ledger.append(said("b"))
    assert len(syncs.paths) == 17
    assert ledger.append([]) == []
    assert ledger.commit().count == 0
    assert len(syncs.paths) == 17


def test_everything_is_synced_before_the_signer_remembers_and_that_before_the_checkpoint(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = ledger_in(tmp_path)
    ledger.append(said("first"))
    syncs = Syncs(monkeypatch)
    ledger.append(said("a"))
    log = str(ledger.path / "2026-")
    remembered = [number for number, path in enumerate(syncs.paths) if "/signed/" in path]
    assert len(remembered) == 1
    before, after = syncs.paths[: remembered[0]], syncs.paths[remembered[0] + 1 :]
    assert all(path.startswith(log) and "checkpoint" not in path for path in before)
    assert {path.split("/")[-2] for path in before if path[-1].isdigit()} == {"000.p", "payload"}
    assert ".checkpoint." in after[0]


def test_an_entry_that_cannot_be_held_is_refused_before_anything_is_staged(tmp_path: pathlib.Path) -> None:
    ledger = ledger_in(tmp_path)
    with pytest.raises(InputError, match="at most 65519 fit"):
        ledger.stage([*said("a"), Statement("run", NOW_MS, bytes(65_520))])
    ledger.append([Statement("run", NOW_MS, b"\x01" * 65_519)])
    shard = ledger.current()
    assert shard is not None
    assert shard.size == 2
    check_whole(ledger)


def test_threads_and_others_that_append_at_once_all_find_their_places(tmp_path: pathlib.Path) -> None:
    ledger, found = ledger_in(tmp_path), {}

    def append(number: int) -> None:
        mine = ledger if number % 2 else ledger_in(tmp_path)
        for step in range(4):
            text = f"{number}.{step}"
            (found[text],) = mine.append(said(text))

    threads = [threading.Thread(target=append, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shard = ledger.current()
    assert shard is not None
    assert {text: place for place, text in texts_in(shard)} == found
    assert len(found) == 32
    check_once(ledger, [*found], [*found])


# shards


def test_a_new_year_closes_the_shard_and_begins_another(tmp_path: pathlib.Path) -> None:
    ledger_in(tmp_path).append(said("old"))
    ledger = ledger_in(tmp_path, now_ms=NEXT_YEAR_MS)
    ledger.append(said("new"))
    old, new = ledger.shards()
    assert [old.name[:5], new.name[:5]] == ["2026-", "2027-"]
    assert old.end() == {"next": {"origin": new.origin, "shard": new.name}, "why": "year"}
    assert new.beginning.why == "year"
    assert new.beginning.before is not None
    assert new.beginning.before["shard"] == old.name
    assert new.beginning.before["size"] == old.size == 3
    assert texts_of(ledger) == ["old", "new"]
    assert ledger.current() is not None
    assert ledger_in(tmp_path, now_ms=NEXT_YEAR_MS).append(said("more"))[0].shard == new.name
    check_whole(ledger)


def test_rotation_closes_the_shard_with_the_old_key(tmp_path: pathlib.Path) -> None:
    ledger = ledger_in(tmp_path)
    ledger.append(said("old"))
    old = ledger.current()
    assert old is not None
    new = ledger.rotate()
    assert new is not None
    assert old.end() == {"next": {"origin": new.origin, "shard": new.name}, "why": "rotation"}
    assert new.beginning.why == "rotation"
    assert new.vkey.split("+")[2] != old.vkey.split("+")[2]
    assert ledger.append(said("new"))[0].shard == new.name
    check_whole(ledger)


def test_a_workspace_that_was_elsewhere_when_the_key_was_rotated_follows(tmp_path: pathlib.Path) -> None:
    keys = tmp_path / "keys"
    away = ledger_in(tmp_path / "away", keys=keys)
    away.append(said("old"))
    ledger_in(tmp_path / "here", keys=keys).rotate()
    again = ledger_in(tmp_path / "away", keys=keys)
    again.append(said("new"))
    assert sorted(shard.beginning.why for shard in again.shards()) == ["first", "rotation"]
    assert texts_of(again).count("old") == texts_of(again).count("new") == 1
    check_whole(again)


def test_who_has_another_key_begins_a_shard_of_his_own_and_both_go_on(tmp_path: pathlib.Path) -> None:
    ada = ledger_in(tmp_path, keys=tmp_path / "ada")
    bob = ledger_in(tmp_path, keys=tmp_path / "bob")
    first = ada.append(said("a"))[0].shard
    second = bob.append(said("b"))[0].shard
    assert first != second
    assert ada.append(said("c"))[0].shard == first
    assert bob.append(said("d"))[0].shard == second
    begun = Shard(ada.path / second).beginning
    assert (begun.why, begun.before and begun.before["shard"]) == ("other-key", first)
    check_once(ada, "abcd", "abcd")


def test_each_project_has_a_shard_and_whoever_commits_puts_things_where_they_belong(
    tmp_path: pathlib.Path,
) -> None:
    plain, fly = ledger_in(tmp_path), ledger_in(tmp_path)
    fly.project = "fly"
    plain.append(said("a"))
    ticket = fly.stage(said("b"))[0]
    plain.append(said("c"))
    place = fly.place(ticket)
    assert place is not None
    shard = Shard(plain.path / place.shard)
    assert (shard.beginning.project, shard.beginning.why) == ("fly", "project")
    assert [text for _, text in texts_in(shard)] == ["b"]
    assert fly.append(said("d"))[0].shard == place.shard
    check_once(plain, "abcd", "abcd")


def test_the_environment_names_project_and_origin(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHENCE_LEDGER_PROJECT", "fly")
    monkeypatch.setenv("WHENCE_LEDGER_ORIGIN", "logs.example.org/team")
    ledger = Ledger(Folder(tmp_path / ".whence"), KeyRing(tmp_path / "keys"))
    ledger.append(said("a"))
    shard = ledger.current()
    assert shard is not None
    assert shard.origin == f"logs.example.org/team/{shard.name}"
    assert shard.beginning.project == "fly"


def test_a_restored_backup_is_never_signed_on(tmp_path: pathlib.Path) -> None:
    ledger = ledger_in(tmp_path)
    ledger.append(said("a"))
    shutil.copytree(tmp_path / ".whence", tmp_path / "backup")
    ledger.append(said("lost"))
    old = ledger.current()
    assert old is not None
    signed = ledger.keys.remembered(old.origin)
    assert signed is not None
    assert signed.size == 3
    shutil.rmtree(tmp_path / ".whence")
    (tmp_path / "backup").rename(tmp_path / ".whence")
    again = ledger_in(tmp_path)
    place = again.append(said("b"))[0]
    assert place.shard != old.name
    new = Shard(again.path / place.shard)
    assert new.beginning.why == "rolled-back"
    assert new.beginning.before is not None
    assert new.beginning.before["shard"] == old.name
    assert new.beginning.before["size"] == 2
    assert (parse_entry(new.entry(0)).public or {})["signed"]["size"] == 3
    assert Shard(again.path / old.name).size == 2
    assert ledger.keys.remembered(old.origin) == signed
    assert again.append(said("c"))[0].shard == new.name
    check_whole(again)


def test_of_a_workspace_and_its_copy_one_goes_on_and_the_other_begins_anew(tmp_path: pathlib.Path) -> None:
    here = ledger_in(tmp_path)
    first = here.append(said("a"))[0].shard
    (tmp_path / "copy").mkdir()
    shutil.copytree(tmp_path / ".whence", tmp_path / "copy" / ".whence")
    copy = ledger_in(tmp_path / "copy", keys=tmp_path / "keys")
    assert copy.append(said("b"))[0].shard == first
    second = here.append(said("c"))[0].shard
    assert second != first
    assert Shard(here.path / second).beginning.why == "rolled-back"
    check_whole(here)
    check_whole(copy)


def test_of_two_copies_that_go_on_at_the_same_moment_one_begins_anew(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = ledger_in(tmp_path)
    first = here.append(said("a"))[0].shard
    (tmp_path / "copy").mkdir()
    shutil.copytree(tmp_path / ".whence", tmp_path / "copy" / ".whence")
    copy = ledger_in(tmp_path / "copy", keys=tmp_path / "keys")
    real = write_extension

    def write(folder: pathlib.Path, extension: Extension) -> None:
        monkeypatch.setattr("whence.store.ledger.scribe.write_extension", real)
        real(folder, extension)
        copy.append(said("b"))

    monkeypatch.setattr("whence.store.ledger.scribe.write_extension", write)
    second = here.append(said("c"))[0].shard
    assert second != first
    assert Shard(here.path / second).beginning.why == "rolled-back"
    assert texts_of(copy) == ["a", "b"]
    check_once(here, "ac", "ac")
    check_whole(copy)


def test_shards_that_were_copied_here_are_read_and_never_written(tmp_path: pathlib.Path) -> None:
    keys = tmp_path / "keys"
    here, there = (ledger_in(tmp_path / name, keys=keys) for name in ("here", "there"))
    first = here.append(said("a"))[0].shard
    other = there.append(said("b"))[0].shard
    shutil.copytree(there.path / other, here.path / other)
    assert here.append(said("c"))[0].shard == first
    assert [shard.name for shard in here.shards()] == sorted((first, other))
    assert there.append(said("d"))[0].shard == other
    check_once(here, "abc", "abc")


def test_a_log_whose_edge_is_damaged_is_left_for_one_that_says_so(tmp_path: pathlib.Path) -> None:
    ledger = ledger_in(tmp_path)
    first = ledger.append(said("a"))[0].shard
    tile = ledger.path / first / "tile/0/000.p/2"
    tile.write_bytes(bytes(64))
    second = ledger.append(said("b"))[0].shard
    assert second != first
    assert Shard(ledger.path / second).beginning.why == "damaged"
    assert Shard(ledger.path / first).size == 2
    assert ledger.append(said("c"))[0].shard == second


def test_a_checkpoint_that_the_key_did_not_sign_is_not_gone_on_with(tmp_path: pathlib.Path) -> None:
    ledger = ledger_in(tmp_path)
    first = ledger.append(said("a"))[0].shard
    shard = Shard(ledger.path / first)
    forged = SigningKey(bytes(32)).signer(shard.origin).sign(shard.tree.text)
    ours = parse_note(shard.checkpoint()).signatures[0]
    line = ours.line.encode()
    value = type(ours)(ours.name, ours.key_id, forged.value).line.encode()
    (shard.path / "checkpoint").write_bytes(shard.checkpoint().replace(line, value))
    second = ledger.append(said("b"))[0].shard
    assert Shard(ledger.path / second).beginning.why == "damaged"


# openings


def test_what_is_destroyed_leaves_no_byte_and_the_log_stays_whole(tmp_path: pathlib.Path) -> None:
    ledger = ledger_in(tmp_path)
    texts = [f"secret {number:04d} of a person" for number in range(600)]
    places = ledger.append(said(*texts))
    shard = ledger.current()
    assert shard is not None
    gone = [0, 5, 254, 255, 256, 599]
    openings = [shard.opening(places[number].index) for number in gone]
    ledger.destroy(shard, [places[number].index for number in gone])
    content = bytes_below(tmp_path)
    for opening, number in zip(openings, gone, strict=True):
        assert opening is not None
        assert opening.salt not in content
        assert texts[number].encode() not in content
        assert shard.opening(places[number].index) is None
        assert shard.prove(places[number].index).extra == b""
    kept = [text for number, text in enumerate(texts) if number not in gone]
    assert [text for _, text in texts_in(shard)] == kept
    ledger.append(said("more"))
    assert texts_of(ledger) == [*kept, "more"]


def test_bytes_of_what_is_destroyed_are_not_in_staging_either(tmp_path: pathlib.Path) -> None:
    ledger = ledger_in(tmp_path)
    place = ledger.append(said("a" * 40_000, "b" * 40_000))[0]
    assert b"a" * 100 not in bytes_below(ledger.path / "staging")
    shard = ledger.current()
    assert shard is not None
    assert b"a" * 100 in bytes_below(tmp_path)
    ledger.destroy(shard, [place.index])
    assert b"a" * 100 not in bytes_below(tmp_path)
    assert b"b" * 40_000 in bytes_below(tmp_path)
    with pytest.raises(PositionError):
        ledger.destroy(shard, [3])


def test_nothing_is_said_to_be_destroyed_while_staging_still_has_it(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    ledger = ledger_in(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("whence.store.ledger.staging._wipe", refuse)
        place = ledger.append(said("a secret"))[0]
        ledger.stage(said("later"))
        shard = Shard(ledger.path / place.shard)
        with pytest.raises(StoreError, match="couldn't be overwritten"):
            ledger.destroy(shard, [place.index])
        assert b"a secret" in bytes_below(ledger.path / "staging")
    ledger.destroy(shard, [place.index])
    assert b"a secret" not in bytes_below(tmp_path)
    assert texts_of(ledger) == ["later"]


# signatures of others


def test_signatures_of_others_are_added_to_the_newest_checkpoint_only(tmp_path: pathlib.Path) -> None:
    ledger = ledger_in(tmp_path)
    ledger.append(said("a"))
    shard = ledger.current()
    assert shard is not None
    note = parse_note(shard.checkpoint())
    witnessed = note.signed(SigningKey(bytes(32)).signer("witness").sign(note.text)).encode()
    assert ledger.add_signatures(shard, witnessed)
    assert shard.checkpoint() == witnessed
    with pytest.raises(SignatureError, match="lacks a signature"):
        ledger.add_signatures(shard, note.encode())
    ledger.append(said("b"))
    assert not ledger.add_signatures(shard, witnessed)
    assert shard.size == 3
    check_whole(ledger)


def test_without_a_usable_key_things_stay_staged(tmp_path: pathlib.Path) -> None:
    ledger = ledger_in(tmp_path, keys=tmp_path / ".whence" / "keys")
    with pytest.raises(KeyUnusableError, match="inside a workspace"):
        ledger.append(said("a"))
    assert ledger.shards() == []
    ledger_in(tmp_path).append(said("b"))
    check_once(ledger, "ab", "ab")


@pytest.mark.parametrize(
    "name", ["checkpoint", "tile/0/000.p/3", "tile/entries/000.p/3", "tile/entries/000.p", "payload/000"]
)
@pytest.mark.parametrize("way", ["gone", "empty", "other"])
def test_whatever_is_damaged_at_the_edge_of_a_log_the_next_entries_are_logged_in_another(
    tmp_path: pathlib.Path, name: str, way: str
) -> None:
    ledger = ledger_in(tmp_path)
    first = ledger.append(said("a", "b"))[0].shard
    path = ledger.path / first / name
    if path.is_dir() or way == "gone":
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    else:
        path.write_bytes(b"" if way == "empty" else b"\xff\xff" + path.read_bytes()[2:])
    again = ledger_in(tmp_path)
    again.stage(said("c"))
    second = again.append(said("d"))[0].shard
    begun = Shard(again.path / second).beginning
    assert (begun.why, begun.before and begun.before["shard"]) == ("damaged", first)
    assert [text for _, text in texts_in(Shard(again.path / second))] == ["c", "d"]
    assert again.append(said("e"))[0].shard == second


def test_where_files_cannot_be_locked_nothing_is_staged_and_that_is_said(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    ledger = ledger_in(tmp_path)
    ledger.append(said("a"))
    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", refuse)
        for act in (ledger.stage, ledger.append):
            with pytest.raises(StoreError, match="doesn't lock files"):
                act(said("b"))
        with pytest.raises(KeyUnusableError, match="doesn't lock files"):
            KeyRing(tmp_path / "others").current()
    assert texts_of(ledger) == ["a"]
