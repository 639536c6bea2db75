"""Large content: kept under its digest in blocks, whole or not at all, and never believed unchecked."""

from __future__ import annotations

import hashlib
import os
import pathlib
import random
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest

import whence
from whence.errors import DamagedError, NotFoundError, SourceError, StoreFullError
from whence.store import Folder
from whence.store.objects import BLOCK_BYTES, Kept, SteadyFile, keep_bytes, object_path, open_object

WEIGHTS = random.Random(7).randbytes(3 * BLOCK_BYTES + 17)
TEXT = b"".join(f"epoch {number}: loss {1 / (number + 1):.6f}\n".encode() for number in range(100_000))
CONTENTS = {
    "weights": WEIGHTS,
    "text": TEXT,
    "zeros": bytes(5 * BLOCK_BYTES),
    "nothing": b"",
    "one byte": b"x",
    "one block": WEIGHTS[:BLOCK_BYTES],
    "like zlib": b"\x78\x01" + WEIGHTS[:100_000],
    "a zlib stream": zlib.compress(WEIGHTS[:100_000], 1),
}


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> Folder:
    folder = Folder(tmp_path / ".whence")
    folder.make()
    return folder


def put_file(folder: Folder, path: pathlib.Path) -> Kept:
    with SteadyFile(path) as file:
        return folder.put_file(file)


def only_file(folder: Folder) -> pathlib.Path:
    (path,) = (path for path in folder.objects_path.rglob("*") if path.is_file())
    return path


@pytest.mark.parametrize("name", CONTENTS)
@pytest.mark.parametrize("as_file", [False, True])
def test_content_is_read_back_from_bytes_and_from_files(
    folder: Folder, tmp_path: pathlib.Path, name: str, as_file: bool
) -> None:
    data = CONTENTS[name]
    if as_file:
        (tmp_path / "given").write_bytes(data)
        kept = put_file(folder, tmp_path / "given")
        assert kept.size == len(data)
    digest = kept.digest if as_file else folder.put_object(data)
    assert digest == hashlib.sha256(data).digest()
    assert folder.read_object(digest) == data
    with folder.open_object(digest) as file:
        file.seek(len(data) // 2)
        assert file.read() == data[len(data) // 2 :]
    assert [only_file(folder)] == [folder.object_path(digest)]


def test_weights_lie_as_they_are_and_text_is_squeezed(folder: Folder) -> None:
    weights, text = folder.put_object(WEIGHTS), folder.put_object(TEXT)
    assert folder.object_path(weights).read_bytes() == WEIGHTS
    assert folder.object_path(text).stat().st_size < len(TEXT) / 2
    assert zlib.decompress(folder.object_path(text).read_bytes()) == TEXT


def test_what_could_be_taken_for_squeezed_is_squeezed(folder: Folder) -> None:
    for name in ("like zlib", "a zlib stream"):
        digest = folder.put_object(CONTENTS[name])
        assert zlib.decompress(folder.object_path(digest).read_bytes()) == CONTENTS[name]


def test_objects_of_earlier_versions_are_read(folder: Folder) -> None:
    digest = hashlib.sha256(WEIGHTS).digest()
    folder.object_path(digest).parent.mkdir()
    folder.object_path(digest).write_bytes(zlib.compress(WEIGHTS, 1))
    assert folder.read_object(digest) == WEIGHTS


@pytest.mark.parametrize("data", [WEIGHTS[:70_000], TEXT[:70_000]], ids=["as it is", "squeezed"])
def test_any_byte_changed_cut_off_or_added_is_told(folder: Folder, data: bytes) -> None:
    digest = folder.put_object(data)
    path = folder.object_path(digest)
    whole = path.read_bytes()
    chance = random.Random(1)
    spoilt = [whole[:at] + bytes([whole[at] ^ (1 << chance.randrange(8))]) + whole[at + 1 :]
              for at in [0, 1, 2, len(whole) - 1, *chance.sample(range(len(whole)), 200)]]  # fmt: skip
    spoilt += [whole[:at] for at in (0, 1, 2, len(whole) // 2, len(whole) - 1)] + [whole + b"x"]
    for content in spoilt:
        path.write_bytes(content)
        for read in (folder.read_object, folder.open_object):
            with pytest.raises(DamagedError) as caught:
                read(digest)
            assert caught.value.place == str(path)
            assert "log the same content again" in caught.value.remedy
    assert folder.put_object(data) == digest
    assert folder.read_object(digest) == data


def test_what_is_not_here_is_not_found(folder: Folder) -> None:
    with pytest.raises(NotFoundError, match="sha256:00"):
        folder.open_object(bytes(32))


def test_a_large_content_is_never_in_memory_at_once(folder: Folder, tmp_path: pathlib.Path) -> None:
    for name, block in (("weights", WEIGHTS[:BLOCK_BYTES]), ("zeros", bytes(BLOCK_BYTES))):
        with (tmp_path / name).open("wb") as file:
            for _ in range(48):
                file.write(block)
        tracemalloc.start()
        kept = put_file(folder, tmp_path / name)
        size = sum(len(each) for each in folder.object_blocks(kept.digest))
        folder.open_object(kept.digest).close()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert size == kept.size == 48 * BLOCK_BYTES
        assert peak < 12 * BLOCK_BYTES


def changing(path: pathlib.Path, change: Callable[[], object]) -> Callable[[int, Any], None]:
    """Change a file after the first block of it was read and written."""
    todo = [change]

    def write_all(descriptor: int, data: Any) -> None:
        assert os.write(descriptor, data) == len(data)
        if todo:
            todo.pop()()

    return write_all


def rewrite(path: pathlib.Path) -> None:
    path.write_bytes(WEIGHTS[::-1])


def shorten(path: pathlib.Path) -> None:
    os.truncate(path, BLOCK_BYTES)


def touch_the_end(path: pathlib.Path) -> None:
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(bytes([WEIGHTS[-1] ^ 1]))


@pytest.mark.parametrize("change", [rewrite, shorten])
def test_a_file_that_changes_while_it_is_read_is_refused(
    folder: Folder, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], None]
) -> None:
    given = tmp_path / "given"
    given.write_bytes(WEIGHTS)
    monkeypatch.setattr("whence.store.objects.write_all", changing(given, lambda: change(given)))
    with pytest.raises(SourceError, match="changed while it was read") as caught:
        put_file(folder, given)
    assert caught.value.place == str(given)
    monkeypatch.undo()
    assert not [path for path in folder.objects_path.rglob(".*") if path.is_file()]


def test_a_file_that_grows_while_it_is_read_is_kept_as_it_was(
    folder: Folder, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = tmp_path / "train.log"
    given.write_bytes(WEIGHTS)

    def grow() -> None:
        with given.open("ab") as file:
            file.write(b"one more line\n")

    monkeypatch.setattr("whence.store.objects.write_all", changing(given, grow))
    assert put_file(folder, given).digest == hashlib.sha256(WEIGHTS).digest()


def test_a_change_of_one_byte_behind_is_seen_too(tmp_path: pathlib.Path) -> None:
    given = tmp_path / "given"
    given.write_bytes(WEIGHTS)
    with SteadyFile(given) as file:
        touch_the_end(given)
        read = b"".join(file.blocks())
        file.check(hashlib.sha256(read).digest())  # all of it was read after the change
        os.utime(given, ns=(1, 1))
        touch_the_end(given)
        with pytest.raises(SourceError, match="changed"):
            file.check(hashlib.sha256(WEIGHTS).digest())


@pytest.mark.parametrize("name", ["missing", "folder", "pipe"])
def test_what_is_no_file_is_refused(folder: Folder, tmp_path: pathlib.Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match=name):
        put_file(folder, tmp_path / name)


def test_a_full_disk_leaves_nothing_behind(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    left = [2]

    def failing(descriptor: int, data: Any) -> int:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", failing)
    with pytest.raises(StoreFullError):
        keep_bytes(folder.objects_path, WEIGHTS)
    monkeypatch.undo()
    assert list(folder.objects_path.iterdir()) == []


@pytest.fixture
def killed(folder: Folder) -> pathlib.Path:
    """A process killed in the middle of keeping content."""
    program = (
        "import os, pathlib, sys, whence.store.objects as o\n"
        "o.sync_data = lambda descriptor: os.kill(os.getpid(), 9)\n"
        "o.keep_bytes(pathlib.Path(sys.argv[1]), os.urandom(100_000))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder.objects_path)],
        env=os.environ | {"PYTHONPATH": str(pathlib.Path(whence.__file__).parents[1])},
        check=False,
    )
    assert done.returncode == -9
    (path,) = folder.objects_path.iterdir()
    return path


def test_what_a_killed_writer_left_is_no_object_and_in_nobodys_way(
    folder: Folder, killed: pathlib.Path
) -> None:
    assert killed.name.startswith(".incoming-")
    digest = folder.put_object(WEIGHTS)
    with open_object(folder.objects_path, digest) as file:
        assert file.read() == WEIGHTS
    assert object_path(folder.objects_path, digest).is_file()
