"""Blocks in a temporary file come back as they were, or not at all; a failure names its place."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import tempfile
import textwrap
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.errors import DamagedError, OpError, StoreError, StoreFullError
from whence.ops import spill as spilling
from whence.ops.chunk import Chunk
from whence.ops.footprint import footprint, footprint_of
from whence.ops.spill import Block, Partitions, Spill, gathered
from whence.vocab import Columns, sample_digests


def name_origin(origin: int) -> str:
    return f"row {origin}"


def block_of(values: list[Any], *, first: int = 0, as_columns: bool = False) -> Block:
    positions = np.arange(first, first + len(values), dtype=np.int64)
    chunk = Chunk(list(values), positions.view(np.uint64) + np.uint64(7), positions + 100)
    if as_columns:
        columns = chunk.as_columns()
        assert columns is not None
        chunk = Chunk.of_columns(columns, chunk.ids, chunk.origins)
    return Block(chunk, positions, (positions * 2,))


def new_spill() -> Spill:
    return Spill(label="sort(a)", name_origin=name_origin)


def same(one: Block, other: Block) -> bool:
    return (
        sample_digests(one.chunk.values).tolist() == sample_digests(other.chunk.values).tolist()
        and one.chunk.ids.tolist() == other.chunk.ids.tolist()
        and one.chunk.origins.tolist() == other.chunk.origins.tolist()
        and one.positions.tolist() == other.positions.tolist()
        and [each.tolist() for each in one.beside] == [each.tolist() for each in other.beside]
    )


values_of_any_kind = st.lists(
    st.one_of(
        st.none(),
        st.integers(),
        st.floats(),
        st.text(),
        st.binary(),
        st.dictionaries(st.text(max_size=3), st.integers(), max_size=3),
        st.tuples(st.integers(), st.text(max_size=3)),
        st.builds(lambda n: np.arange(n, dtype=np.int16), st.integers(0, 5)),
    ),
    min_size=1,
    max_size=20,
)


@given(st.lists(values_of_any_kind, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_blocks_come_back_as_they_were_in_any_order(parts: list[list[Any]], random: Any) -> None:
    blocks = [block_of(values, first=number * 50) for number, values in enumerate(parts)]
    with new_spill() as spill:
        numbers = [spill.add(block) for block in blocks]
        assert len(spill) == len(blocks)
        random.shuffle(numbers)
        for number in numbers:
            assert same(spill.read(number), blocks[number])


def test_columns_come_back_as_columns() -> None:
    rows = [{"a": n, "b": None if n % 3 else float(n), "c": str(n)} for n in range(20)]
    with new_spill() as spill:
        found = spill.read(spill.add(block_of(rows, as_columns=True)))
    assert isinstance(found.chunk.columns, Columns)
    assert found.chunk.values == rows
    assert list(map(type, found.chunk.values[0].values())) == [int, float, str]


def test_the_file_has_no_name_and_is_in_the_folder_for_temporary_files(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with new_spill() as spill:
        spill.add(block_of(["text"] * 1000))
        assert list(tmp_path.iterdir()) == []
        assert spill.size_bytes > 0
        links = [os.readlink(link) for link in pathlib.Path("/proc/self/fd").iterdir() if link.is_symlink()]
        assert any(link.startswith(str(tmp_path)) for link in links)


def test_nothing_is_opened_before_something_is_put_aside() -> None:
    before = len(os.listdir("/proc/self/fd"))
    with new_spill():
        assert len(os.listdir("/proc/self/fd")) == before


def test_a_sample_that_cannot_be_pickled_is_named() -> None:
    block = block_of([1, 2, lambda: 3, 4], first=40)
    with new_spill() as spill, pytest.raises(OpError) as caught:
        spill.add(block)
    assert (caught.value.op, caught.value.position, caught.value.origin) == ("sort(a)", 42, "row 142")
    assert "pickle" in str(caught.value)
    assert "wh.config(memory=" in caught.value.remedy


class WontComeBack:
    def __reduce__(self) -> Any:
        return (_refuse, ())


def _refuse() -> Any:
    raise ZeroDivisionError("not again")


def test_a_sample_that_cannot_be_unpickled_names_the_op() -> None:
    with new_spill() as spill:
        number = spill.add(block_of([WontComeBack()]))
        with pytest.raises(OpError, match=r"sort\(a\).*ZeroDivisionError: not again") as caught:
            spill.read(number)
    assert caught.value.op == "sort(a)"


@pytest.mark.parametrize("damage", ["flipped", "short"])
def test_a_damaged_block_is_refused_and_its_place_named(damage: str) -> None:
    with new_spill() as spill:
        first, second = spill.add(block_of([1] * 100)), spill.add(block_of([2] * 100))
        assert spill._file is not None
        if damage == "short":
            os.ftruncate(spill._file.fileno(), spill.size_bytes - 1)
        else:
            os.pwrite(spill._file.fileno(), b"\xff\x00\xff", spill.size_bytes - 20)
        assert spill.read(first).chunk.values == [1] * 100
        with pytest.raises(DamagedError, match=r"sort\(a\).*block 1") as caught:
            spill.read(second)
    assert caught.value.place == tempfile.gettempdir()


def test_a_folder_that_is_not_there_is_named(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with new_spill() as spill, pytest.raises(StoreError, match="gone") as caught:
        spill.add(block_of([1]))
    assert "TMPDIR" in caught.value.remedy


def run_with_small_files(code: str, folder: pathlib.Path) -> subprocess.CompletedProcess[str]:
    """Run code in a process whose files may not grow beyond 64 KiB."""
    head = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (65_536, 65_536))\n"
    return subprocess.run(
        [sys.executable, "-c", head + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TMPDIR": str(folder)},
    )


def test_a_full_disk_is_named_with_its_folder(tmp_path: pathlib.Path) -> None:
    done = run_with_small_files(
        """
        import numpy as np
        from whence.errors import StoreFullError
        from whence.ops.chunk import Chunk
        from whence.ops.spill import Block, Spill
        none = np.zeros(1000, np.int64)
        with Spill(label="sort(a)", name_origin=str) as spill:
            try:
                for _ in range(100):
                    spill.add(Block(Chunk(list(range(1000)), none.view(np.uint64), none), none))
            except StoreFullError as error:
                print(error)
                assert spill.read(0).chunk.values == list(range(1000))
        """,
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert str(tmp_path) in done.stdout
    assert "sort(a)" in done.stdout
    assert "TMPDIR" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_known_by_the_error_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> int:
        raise OSError(28, "No space left on device")

    with new_spill() as spill:
        spill.add(block_of([1]))
        monkeypatch.setattr(os, "pwrite", full)
        with pytest.raises(StoreFullError):
            spill.add(block_of([2]))
        monkeypatch.undo()
        assert len(spill) == 1
        assert same(spill.read(spill.add(block_of([3]))), block_of([3]))


def test_a_disk_that_writes_a_little_at_a_time_writes_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    write, read = os.pwrite, os.pread
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: write(file, data[:100], at))
    monkeypatch.setattr(os, "pread", lambda file, count, at: read(file, min(count, 100), at))
    with new_spill() as spill:
        numbers = [spill.add(block_of([n] * 200)) for n in range(3)]
        assert [spill.read(number).chunk.values[0] for number in numbers] == [0, 1, 2]


# parts


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers()), max_size=60),
    st.integers(1, 20),
    st.sampled_from([0, 500, 3000, 1 << 20]),
    st.booleans(),
)
def test_each_part_keeps_the_order_whatever_the_budget(
    numbered: list[tuple[int, int]], chunk_rows: int, budget_bytes: int, as_columns: bool
) -> None:
    with Partitions(5, budget_bytes=budget_bytes, label="join", name_origin=name_origin) as partitions:
        for start in range(0, len(numbered), chunk_rows):
            piece = numbered[start : start + chunk_rows]
            block = block_of([{"n": value} for _, value in piece], first=start, as_columns=as_columns)
            partitions.add(block, np.array([part for part, _ in piece], np.int64))
        assert partitions.has_spilled or not numbered or budget_bytes > 0
        for part in range(5):
            wanted = [place for place, (its_part, _) in enumerate(numbered) if its_part == part]
            blocks = list(partitions.scan(part))
            found = [value["n"] for block in blocks for value in block.chunk.values]
            assert found == [numbered[place][1] for place in wanted]
            assert [at for block in blocks for at in block.positions.tolist()] == wanted
            assert [at for block in blocks for at in block.beside[0].tolist()] == [2 * at for at in wanted]
            assert partitions.rows[part] == len(wanted)
            assert (partitions.weights_bytes[part] > 0) == (len(wanted) > 0)
            partitions.release(part)


def test_what_is_kept_of_columns_is_a_copy_and_not_a_view_of_everything() -> None:
    with Partitions(2, budget_bytes=1 << 30, label="join", name_origin=name_origin) as partitions:
        partitions.add(block_of([{"n": n} for n in range(100)], as_columns=True), np.arange(100) % 2)
        (kept,) = partitions.scan(0)
        assert kept.chunk.columns is not None
        data = kept.chunk.columns.by_name["n"].data
        assert data.base is None or data.base.nbytes == data.nbytes


def test_small_blocks_are_put_together_and_large_samples_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    small = [block_of([n], first=n) for n in range(3000)]
    assert [len(block.chunk) for block in gathered(small)] == [1024, 1024, 952]
    assert list(gathered([])) == []
    monkeypatch.setattr(spilling, "BLOCK_BYTES", 1000)
    large = block_of([bytes(700) for _ in range(5)])
    assert [len(block.chunk) for block in large.cut()] == [1] * 5


# how much memory samples take


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        (b"x" * 10_000, 10_000, 10_200),
        ("ä" * 10_000, 10_000, 20_200),
        (np.zeros(1_000), 8_000, 8_300),
        (np.zeros((10, 1_000))[:, :100], 8_000, 8_300),
        ({"a": b"x" * 5_000, "b": [b"y" * 5_000]}, 10_000, 11_000),
        ([[[b"x" * 5_000]]], 5_000, 6_000),
        (np.array([b"x" * 5_000, None], object), 5_000, 6_000),
    ],
)
def test_the_estimate_counts_what_a_sample_holds(value: Any, least: int, most: int) -> None:
    assert least <= footprint_of([value]) <= most
    assert 500 * least <= footprint_of([value] * 500) <= 500 * most


def test_an_object_counts_with_its_attributes_and_an_image_with_its_pixels() -> None:
    class Sample:
        def __init__(self) -> None:
            self.data = b"x" * 5_000

    image = pytest.importorskip("PIL.Image").new("RGB", (100, 100))
    assert footprint_of([Sample()]) > 5_000
    assert footprint_of([image]) > 30_000


def test_a_circle_is_counted_and_left() -> None:
    circle: list[Any] = []
    circle.append(circle)
    assert 0 < footprint_of([circle]) < 10_000


def test_columns_weigh_what_their_arrays_do() -> None:
    rows = [{"a": n, "b": "text" if n % 2 else None} for n in range(1_000)]
    columns = block_of(rows, as_columns=True).chunk
    assert 8_000 + 8_000 + 16_000 <= footprint(columns) <= 200_000


# what is left behind, and how much memory it takes


def in_a_process(code: str, folder: pathlib.Path, *, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own, with a folder for its temporary files."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=check,
        env={**os.environ, "TMPDIR": str(folder)},
    )


def test_a_killed_process_leaves_nothing_behind(tmp_path: pathlib.Path) -> None:
    done = in_a_process(
        """
        import os, signal
        import whence as wh
        wh.config(memory=1)
        reading = iter(wh.from_items(range(10_000)).dedup().cache().sort(lambda n: -n).epoch(0))
        print(next(reading), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        tmp_path,
        check=False,
    )
    assert done.stdout == "9999\n"
    assert done.returncode == -9
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
@pytest.mark.parametrize("op", ["sort('key')", "dedup('key')", "dedup()", "cache()"])
def test_two_million_rows_stay_within_the_memory_allowed(op: str, tmp_path: pathlib.Path) -> None:
    peaks = []
    for count in (1_000, 2_000_000):
        done = in_a_process(
            f"""
            import resource
            import whence as wh
            class Rows:
                def __iter__(self):
                    for n in range({count}):
                        yield {{"key": n * 0x9E3779B97F4A7C15 % 2**61, "text": f"sample {{n}}"}}
            wh.config(memory="40MB")
            assert sum(1 for _ in wh.from_items(Rows()).{op}) == {count}
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
            """,
            tmp_path,
        )
        peaks.append(int(done.stdout) * 1024)
    assert peaks[1] - peaks[0] < 40_000_000 + 80_000_000
