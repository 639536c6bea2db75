"""Files as samples: what they know, how they are read, and that the witness is told each content."""

from __future__ import annotations

import os
import pickle
import threading
from pathlib import Path, PurePath

import pytest
from PIL import Image

from tests.rooms.sources.listening import Listener, at, read_all
from whence.capture import NullWitness
from whence.errors import PositionError, SourceError
from whence.sources import File, FilesSource


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for place in range(20):
        file = tmp_path / "mnist" / str(place % 3) / f"{place:02}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), place).save(file)
    return tmp_path / "mnist"


def file_at(path: Path, witness: Listener) -> File:
    file: File = at(FilesSource.of(path).open(witness), 0)[0]
    return file


def test_a_file_knows_its_path_its_name_and_its_folder(folder: Path) -> None:
    file = file_at(folder, Listener())
    assert file.path == f"{folder}/0/00.png"
    assert file.name == "00.png"
    assert file.parent == PurePath(folder / "0")
    assert file.parent.name == "0"
    assert repr(file) == f"File('{folder}/0/00.png')"


def test_chunks_give_all_files_in_order_and_fetch_gives_any(folder: Path) -> None:
    reader = FilesSource.of(folder).open(NullWitness())
    files = read_all(reader)
    assert [file.path for file in files] == sorted(str(path) for path in folder.rglob("*.png"))
    assert at(reader, 19, 0, 0) == [files[19], files[0], files[0]]
    assert len({files[0], *at(reader, 0, 1)}) == 2


def test_a_position_outside_is_refused(folder: Path) -> None:
    reader = FilesSource.of(folder).open(NullWitness())
    for position in (-1, 20):
        with pytest.raises(PositionError, match=str(position)):
            at(reader, position)


def test_reading_tells_the_whole_content_under_the_file_s_part(folder: Path) -> None:
    witness = Listener()
    (file,) = at(FilesSource.of(folder).open(witness), 5)
    data = file.read()
    assert data == Path(file.path).read_bytes()
    assert witness.wholes == [(5, data)]


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 131_072, 300_000])
def test_a_file_of_any_size_is_read_whole(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    (tmp_path / "x.bin").write_bytes(content)
    witness = Listener()
    file = file_at(tmp_path / "x.bin", witness)
    assert file.read() == content
    with file.open() as handle:
        assert handle.read() == content
    assert witness.wholes == [(0, content)] * 2


def test_a_pipe_is_read_to_its_end_though_it_comes_in_parts(tmp_path: Path) -> None:
    content = os.urandom(300_000)
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=[content])
    writer.start()
    witness = Listener()
    assert file_at(tmp_path / "pipe", witness).read() == content
    writer.join()
    assert witness.wholes == [(0, content)]


def test_a_path_that_is_handed_out_tells_the_content(folder: Path) -> None:
    witness = Listener()
    file = file_at(folder, witness)
    with Image.open(file) as image:
        assert image.size == (4, 4)
    assert witness.wholes
    assert set(witness.wholes) == {(0, Path(file.path).read_bytes())}


def test_a_file_that_vanished_after_listing_is_named(folder: Path) -> None:
    file = file_at(folder, Listener())
    os.remove(file.path)
    for read in (file.read, file.open):
        with pytest.raises(SourceError, match="gone now") as caught:
            read()
        assert caught.value.place == file.path
    with pytest.raises(FileNotFoundError):
        Path(file).read_bytes()


def test_a_folder_in_place_of_a_file_is_named(folder: Path) -> None:
    file = file_at(folder, Listener())
    os.remove(file.path)
    os.mkdir(file.path)
    with pytest.raises(SourceError, match="is a folder"):
        file.read()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(folder: Path) -> None:
    file = file_at(folder, Listener())
    os.chmod(file.path, 0)
    with pytest.raises(SourceError, match="may not be read"):
        file.read()


def test_what_the_witness_raises_is_not_blamed_on_the_file(folder: Path) -> None:
    class Full(Listener):
        def whole(self, part: int, data: object) -> None:
            raise OSError("no space left")

    file = file_at(folder, Full())
    for read in (file.read, file.open, file.__fspath__):
        with pytest.raises(OSError, match="no space left"):
            read()


def test_a_file_travels_to_another_process(folder: Path) -> None:
    file = file_at(folder, Listener())
    copy = pickle.loads(pickle.dumps(file))
    assert copy == file
    assert copy.read() == file.read()
    assert copy != file.path


def test_files_have_a_row_each(folder: Path) -> None:
    source = FilesSource.of(folder)
    assert (source.size(), source.rows(), source.indexable) == (20, 20, True)
    assert source.listing().rows is None
    assert repr(source) == "FilesSource('mnist')"
