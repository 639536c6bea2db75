"""The registry: decisions are files of their own, damage hides no other, and numbers are given once."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

import whence
from whence.errors import StoreFullError
from whence.store import Decision, Folder, Registry, claim_version, counter_path, scan_frames, write_whole

SOURCE = pathlib.Path(whence.__file__).parents[1]


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> Folder:
    return Folder(tmp_path / ".whence")


def decide(folder: Folder, name: str, at_ns: int, alias: str = "champion") -> None:
    body = {"name": "digits", "alias": alias, "who": "Ada"}
    Registry(folder).decide("alias", {"run": "R", "model": 3}, body, decision_id=name, at_ns=at_ns)


def decided(folder: Folder) -> list[tuple[str, int]]:
    return [(decision.id, decision.at_ns) for decision in Registry(folder).decisions()]


def test_a_decision_is_read_back_as_it_was_written(folder: Folder) -> None:
    decide(folder, "01A", 5)
    (found,) = Registry(folder).decisions()
    body = {"name": "digits", "alias": "champion", "who": "Ada"}
    assert found == Decision(id="01A", kind="alias", at_ns=5, public={"run": "R", "model": 3}, body=body)
    assert [path.name for path in (folder.path / "registry").iterdir()] == ["01A"]


def test_decisions_are_in_order_of_time_and_then_of_their_ids(folder: Folder) -> None:
    for name, at_ns in (("01C", 5), ("01A", 7), ("01B", 5)):
        decide(folder, name, at_ns)
    assert decided(folder) == [("01B", 5), ("01C", 5), ("01A", 7)]


def test_folders_merge_by_copying_in_either_order(tmp_path: pathlib.Path) -> None:
    one, two = Folder(tmp_path / "1" / ".whence"), Folder(tmp_path / "2" / ".whence")
    decide(one, "01A", 5)
    decide(two, "01B", 4)
    for given, to in ((one, two), (two, one)):
        shutil.copytree(given.path / "registry", to.path / "registry", dirs_exist_ok=True)
    assert decided(one) == decided(two) == [("01B", 4), ("01A", 5)]


def test_every_byte_flipped_is_named_and_hides_no_other_decision(folder: Folder) -> None:
    decide(folder, "01A", 5)
    decide(folder, "01B", 6)
    path = folder.path / "registry" / "01A"
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        registry = Registry(folder)
        assert [decision.id for decision in registry.decisions()] == ["01B"]
        assert [damage.path for damage in registry.damages()] == [str(path)]
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        found = {decision.id: decision.body for decision in Registry(folder).decisions()}
        # cut off behind its event it is a decision whose words were destroyed
        assert found.get("01A") is None
        assert found["01B"]


def test_the_words_of_a_decision_can_be_destroyed_and_the_rest_still_checks(folder: Folder) -> None:
    decide(folder, "01A", 5)
    path = folder.path / "registry" / "01A"
    event, body = scan_frames(path).frames
    write_whole(path, path.read_bytes()[: body.offset])
    (found,) = Registry(folder).decisions()
    assert (found.body, found.public) == (None, {"run": "R", "model": 3})
    assert event.offset < body.offset


def test_the_body_of_another_decision_is_not_believed(folder: Folder) -> None:
    decide(folder, "01A", 5)
    decide(folder, "01B", 5, alias="other")
    paths = [folder.path / "registry" / name for name in ("01A", "01B")]
    (_, mine), (_, others) = (scan_frames(path).frames for path in paths)
    forged = paths[0].read_bytes()[: mine.offset] + paths[1].read_bytes()[others.offset :]
    paths[0].write_bytes(forged)
    assert [decision.id for decision in Registry(folder).decisions()] == ["01B"]
    assert len(Registry(folder).damages()) == 1


def test_what_is_no_decision_is_damage(folder: Folder) -> None:
    decide(folder, "01A", 5)
    (folder.path / "registry" / "notes.txt").write_text("not ours")
    (folder.path / "registry" / "empty").write_bytes(b"")
    (folder.path / "registry" / ".01B").write_bytes(b"half of one, whose writer died")
    assert len(Registry(folder).damages()) == 2
    assert decided(folder) == [("01A", 5)]


def test_an_open_registry_sees_what_others_decide_and_destroy(folder: Folder) -> None:
    registry = Registry(folder)
    assert registry.decisions() == []
    decide(folder, "01A", 5)
    assert len(registry.decisions()) == 1
    decide(folder, "01B", 6)
    assert len(registry.decisions()) == 2
    (folder.path / "registry" / "01A").unlink()
    assert [decision.id for decision in registry.decisions()] == ["01B"]


def test_a_full_disk_leaves_no_half_of_a_decision(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    decide(folder, "01A", 5)

    def refuse(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdatasync", refuse)
    with pytest.raises(StoreFullError):
        decide(folder, "01B", 6)
    assert [path.name for path in (folder.path / "registry").iterdir()] == ["01A"]


# numbers


def test_numbers_are_given_once_and_above_those_that_are_taken(folder: Folder) -> None:
    folder.make()
    assert [claim_version(folder, "a", above=0) for _ in range(3)] == [1, 2, 3]
    assert claim_version(folder, "b", above=7) == 8
    assert claim_version(folder, "a", above=10) == 11
    assert claim_version(folder, "a", above=2) == 12
    assert counter_path(folder, "a").stat().st_size == 12


def test_where_nothing_can_be_written_no_number_is_given(folder: Folder) -> None:
    folder.make()
    (folder.path / "versions").write_text("in the way")
    assert claim_version(folder, "a", above=0) == 0


def test_processes_at_once_never_get_the_same_number(folder: Folder) -> None:
    folder.make()
    program = (
        "import pathlib, sys\n"
        "from whence.store import Folder, claim_version\n"
        "folder = Folder(pathlib.Path(sys.argv[1]))\n"
        "sys.stdin.readline()\n"
        "print(*[claim_version(folder, 'digits', above=40) for _ in range(200)])\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(folder.path)],
            env=os.environ | {"PYTHONPATH": str(SOURCE)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    for process in processes:  # all are let go when all are there
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    numbers = [int(word) for process in processes for word in process.communicate()[0].split()]
    assert len(set(numbers)) == len(numbers) == 1600
    assert min(numbers) > 40
