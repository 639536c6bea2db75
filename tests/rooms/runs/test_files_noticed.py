"""Files noticed: what a run opens is listed, by whichever way, and what can't be followed is said."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.feather
import pyarrow.json
import pyarrow.orc
import pyarrow.parquet
import pytest
from PIL import Image

import whence as wh
from whence.capture import noticing, noticing_files
from whence.capture.noticing_natives import wrap_natives
from whence.sources import File
from whence.sources import files as file_source

FRAME = pd.DataFrame({"a": [1, 2, 3]})
TABLE = pa.table({"a": [1, 2, 3]})
LAZY = pl.DataFrame({"a": [1, 2, 3]})
SOURCE = pathlib.Path(wh.__file__).parents[1]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def digest_of(path: str | pathlib.Path) -> str:
    return f"sha256:{hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()}"


def _make_all() -> None:
    FRAME.to_csv("a.csv", index=False)
    FRAME.to_json("a.jsonl", orient="records", lines=True)
    FRAME.to_pickle("a.pkl")
    pa.parquet.write_table(TABLE, "a.parquet")
    pa.feather.write_feather(TABLE, "a.feather")
    pa.orc.write_table(TABLE, "a.orc")
    np.save("a.npy", np.arange(4))
    np.savez("a.npz", a=np.arange(4))
    np.arange(4).tofile("a.bin")
    Image.new("L", (2, 2)).save("a.png")
    _make_database("a.db")


def _size(file: File) -> tuple[int, int]:
    with Image.open(file) as image:
        return image.size


def _make_database(path: str) -> None:
    database = sqlite3.connect(path)
    database.execute("create table t (a)")
    database.close()


READERS: dict[str, tuple[str, Callable[[], object]]] = {
    "open": ("a.csv", lambda: pathlib.Path("a.csv").read_bytes()),
    "os.open": ("a.csv", lambda: os.close(os.open("a.csv", os.O_RDONLY))),
    "pandas csv": ("a.csv", lambda: pd.read_csv("a.csv")),
    "pandas csv by Arrow": ("a.csv", lambda: pd.read_csv("a.csv", engine="pyarrow")),
    "pandas parquet": ("a.parquet", lambda: pd.read_parquet("a.parquet")),
    "pandas pickle": ("a.pkl", lambda: pd.read_pickle("a.pkl")),
    "pandas json": ("a.jsonl", lambda: pd.read_json("a.jsonl", lines=True)),
    "Arrow parquet": ("a.parquet", lambda: pa.parquet.read_table("a.parquet")),
    "Arrow parquet file": ("a.parquet", lambda: pa.parquet.ParquetFile("a.parquet").read()),
    "Arrow csv": ("a.csv", lambda: pa.csv.read_csv("a.csv")),
    "Arrow json": ("a.jsonl", lambda: pa.json.read_json("a.jsonl")),
    "Arrow feather": ("a.feather", lambda: pa.feather.read_table("a.feather")),
    "Arrow ORC": ("a.orc", lambda: pa.orc.read_table("a.orc")),
    "Arrow dataset": ("a.parquet", lambda: pa.dataset.dataset("a.parquet").to_table()),
    "Arrow map": ("a.bin", lambda: pa.memory_map("a.bin").read()),
    "Polars parquet": ("a.parquet", lambda: pl.read_parquet("a.parquet")),
    "Polars scan": ("a.parquet", lambda: pl.scan_parquet("a.par*").collect()),
    "Polars csv": ("a.csv", lambda: pl.read_csv("a.csv")),
    "Polars ndjson": ("a.jsonl", lambda: pl.read_ndjson("a.jsonl")),
    "Polars ipc": ("a.feather", lambda: pl.read_ipc("a.feather")),
    "numpy load": ("a.npy", lambda: np.load("a.npy")),
    "numpy map": ("a.npy", lambda: np.load("a.npy", mmap_mode="r")),
    "numpy zip": ("a.npz", lambda: np.load("a.npz").close()),
    "numpy fromfile": ("a.bin", lambda: np.fromfile("a.bin")),
    "Pillow": ("a.png", lambda: Image.open("a.png").load()),
    "sqlite": ("a.db", lambda: sqlite3.connect("file:a.db?mode=ro", uri=True).close()),
}


@pytest.mark.parametrize("reader", READERS)
def test_what_is_read_is_an_input_with_its_digest(reader: str) -> None:
    _make_all()
    name, read = READERS[reader]
    with wh.start_run("t") as run:
        read()
    assert [(each.path, each.how, each.digest, each.note) for each in run.inputs] == [
        (name, "read", digest_of(name), "")
    ]
    assert run.inputs[0].size_bytes == os.path.getsize(name)
    assert run.outputs == []


def _moved() -> None:
    pathlib.Path("b.tmp").write_text("b")
    os.replace("b.tmp", "b.txt")


def _linked() -> None:
    pathlib.Path("c.txt").touch()
    os.link("c.txt", "b.txt")


WRITERS: dict[str, tuple[str, Callable[[], object]]] = {
    "open": ("b.txt", lambda: pathlib.Path("b.txt").write_text("b")),
    "pandas csv": ("b.csv", lambda: FRAME.to_csv("b.csv")),
    "pandas parquet": ("b.parquet", lambda: FRAME.to_parquet("b.parquet")),
    "Arrow parquet": ("b.parquet", lambda: pa.parquet.write_table(TABLE, "b.parquet")),
    "Arrow csv": ("b.csv", lambda: pa.csv.write_csv(TABLE, "b.csv")),
    "Arrow feather": ("b.feather", lambda: pa.feather.write_feather(TABLE, "b.feather")),
    "Arrow ORC": ("b.orc", lambda: pa.orc.write_table(TABLE, "b.orc")),
    "Arrow dataset": (
        "b/part-0.parquet",
        lambda: pa.dataset.write_dataset(TABLE, "b", format="parquet"),
    ),
    "Polars parquet": ("b.parquet", lambda: LAZY.write_parquet("b.parquet")),
    "Polars sink": ("b.csv", lambda: LAZY.lazy().sink_csv("b.csv")),
    "Polars json": ("b.json", lambda: LAZY.write_json("b.json")),
    "numpy save": ("b.npy", lambda: np.save("b.npy", np.arange(4))),
    "numpy tofile": ("b.bin", lambda: np.arange(4).tofile("b.bin")),
    "Pillow": ("b.png", lambda: Image.new("L", (2, 2)).save("b.png")),
    "sqlite": ("b.db", lambda: _make_database("b.db")),
    "moved": ("b.txt", _moved),
    "linked": ("b.txt", _linked),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_what_is_written_is_an_output_with_its_digest(writer: str) -> None:
    name, write = WRITERS[writer]
    with wh.start_run("t") as run:
        write()
    found = {each.path: each for each in run.outputs}
    assert (found[name].how, found[name].digest) == ("written", digest_of(name))
    assert found.keys() - {name} <= {"c.txt"}
    assert run.inputs == []


def test_what_was_taken_from_a_library_before_the_first_run_is_heard_too(tmp_path: pathlib.Path) -> None:
    _make_all()
    code = """
        from polars import read_parquet
        from pyarrow.csv import read_csv
        from pyarrow.parquet import read_table
        import whence as wh
        with wh.start_run("t") as run:
            read_parquet("a.parquet"), read_csv("a.csv"), read_table("a.parquet")
            import pyarrow.feather
            pyarrow.feather.read_table("a.feather")
        print(*sorted(each.path for each in run.inputs))
    """
    assert script(code).split() == ["a.csv", "a.feather", "a.parquet"]


def script(code: str, *arguments: str) -> str:
    lines = code.split("\n")
    indent = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    text = "\n".join(line[indent:] for line in lines)
    done = subprocess.run(
        [sys.executable, "-c", text, *arguments],
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_streams_files_code_and_what_is_gone_are_no_inputs(tmp_path: pathlib.Path) -> None:
    (tmp_path / "data").mkdir()
    for number in range(5):
        Image.new("L", (2, 2), number).save(tmp_path / f"data/{number}.png")
    (tmp_path / "own_module_of_test.py").write_text("import json, colorsys\nX = 1\n")
    sys.path.insert(0, str(tmp_path))
    try:
        with wh.start_run("t") as run:
            __import__("own_module_of_test")
            assert len(wh.from_files("data/*.png").map(lambda file: file.read()).collect()) == 5
            assert len(wh.from_files("data/*.png").map(_size).collect()) == 5
            pathlib.Path("gone.txt").write_text("x")
            pathlib.Path("gone.txt").unlink()
            with pytest.raises(FileNotFoundError):
                pathlib.Path("never.txt").read_text()
            pathlib.Path("/proc/self/status").read_text()
            run.log_artifact("data/0.png")
    finally:
        sys.path.remove(str(tmp_path))
        del sys.modules["own_module_of_test"]
    assert (run.inputs, run.outputs) == ([], [])
    assert [(each.kind, each.count) for each in run.unfollowed] == [("gone", 2)]


def test_a_file_that_changes_after_it_was_read_keeps_the_digest_of_what_was_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard = _looks(monkeypatch)
    pathlib.Path("a.txt").write_text("before")
    before = digest_of("a.txt")
    with wh.start_run("t") as run:
        pathlib.Path("a.txt").read_text()
        heard()
        script("import pathlib; pathlib.Path('a.txt').write_text('after it was read')")
    (found,) = run.inputs
    assert (found.digest, found.note) == (before, "changed after it was read")


def test_a_file_that_is_read_and_then_written_is_both_with_a_digest_for_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard = _looks(monkeypatch)
    pathlib.Path("a.txt").write_text("before")
    before = digest_of("a.txt")
    with wh.start_run("t") as run:
        pathlib.Path("a.txt").read_text()
        heard()
        pathlib.Path("a.txt").write_text("after")
    assert [(each.how, each.digest) for each in run.inputs] == [("both", before)]
    assert [(each.how, each.digest) for each in run.outputs] == [("both", digest_of("a.txt"))]


def test_what_is_overwritten_before_it_could_be_digested_says_so() -> None:
    pathlib.Path("a.txt").write_text("before")
    with wh.start_run("t") as run:
        text = pathlib.Path("a.txt").read_text()
        pathlib.Path("a.txt").write_text(text + "after")
    (found,) = run.inputs
    assert (found.digest, found.note) == (None, "written by the run before it could be digested")
    assert run.outputs[0].digest == digest_of("a.txt")


def test_an_input_that_is_removed_later_stays_an_input(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = _looks(monkeypatch)
    pathlib.Path("a.txt").write_text("before")
    digest = digest_of("a.txt")
    with wh.start_run("t") as run:
        pathlib.Path("a.txt").read_text()
        heard()
        os.remove("a.txt")
    (found,) = run.inputs
    assert (found.digest, found.note) == (digest, "gone when the run ended")


def _looks(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let the thread of the next runs look as soon as it can; the function waits until it has looked."""
    monkeypatch.setattr(noticing_files, "PERIOD_S", 0.001)
    looked = threading.Semaphore(0)
    tell = noticing_files.FileNotes._tell

    def told(self: noticing_files.FileNotes, *, is_over: bool) -> None:
        tell(self, is_over=is_over)
        looked.release()

    monkeypatch.setattr(noticing_files.FileNotes, "_tell", told)

    def wait() -> None:
        while looked.acquire(blocking=False):
            pass
        for _ in range(2):  # one look may have begun before
            assert looked.acquire(timeout=60)

    return wait


def test_what_a_killed_run_had_read_is_in_its_record(tmp_path: pathlib.Path) -> None:
    pathlib.Path("a.txt").write_text("a")
    code = """
        import os, signal, pathlib, threading
        import whence as wh
        from whence.capture import noticing_files
        noticing_files.PERIOD_S = 0.01
        told = threading.Event()
        tell = noticing_files.FileNotes._tell
        def telling(self, **options):
            tell(self, **options)
            if self._files:
                told.set()
        noticing_files.FileNotes._tell = telling
        run = wh.start_run("t")
        pathlib.Path("a.txt").read_text()
        assert told.wait(60)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    with pytest.raises(AssertionError):
        script(code)
    run = wh.open().run()
    assert run.status == "lost"
    assert [(each.path, each.digest) for each in run.inputs] == [("a.txt", digest_of("a.txt"))]


def test_processes_and_connections_are_listed_as_unfollowed_without_secrets() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    with wh.start_run("t") as run:
        subprocess.run([sys.executable, "-c", "pass", "--password", "hunter22"], check=True)
        os.system("true --token=hunter23")
        socket.create_connection(("localhost", port)).close()
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    server.close()
    found = {(each.kind, each.what) for each in run.unfollowed}
    assert ("network", f"localhost:{port}") in found
    assert ("fork", "a copy of this process") in found
    assert ("process", "true --token=[redacted]") in found
    assert not any("hunter" in what for _, what in found)
    assert len(found) == 4


def test_git_and_what_whence_does_itself_are_not_the_runs() -> None:
    subprocess.run(["git", "init", "-q"], check=True)
    with wh.start_run("outer") as outer, wh.start_run("inner") as inner:
        pass
    assert (outer.unfollowed, inner.unfollowed) == ([], [])
    assert (outer.inputs, inner.inputs) == ([], [])


def test_runs_of_one_process_each_get_their_own() -> None:
    for name in ("a", "b", "c"):
        pathlib.Path(name).write_text(name)
    with wh.start_run("outer") as outer:
        pathlib.Path("a").read_text()
        with wh.start_run("inner") as inner:
            pathlib.Path("b").read_text()
        pathlib.Path("c").read_text()
    pathlib.Path("a").read_text()
    assert [each.path for each in outer.inputs] == ["a", "c"]
    assert [each.path for each in inner.inputs] == ["b"]


def test_files_beyond_the_limit_are_counted_by_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noticing, "LISTED", 10)
    pathlib.Path("many").mkdir()
    for number in range(25):
        pathlib.Path(f"many/{number:02}").write_text(str(number))
    with wh.start_run("t") as run:
        for _ in range(3):
            for number in range(25):
                pathlib.Path(f"many/{number:02}").read_text()
    assert len(run.inputs) == 10
    assert {each.opened for each in run.inputs} == {3}
    assert [(each.kind, each.what, each.count) for each in run.unfollowed] == [
        ("files", "many: 15 further files", 45)
    ]


def test_files_beyond_the_limit_are_told_apart_wherever_the_program_stands(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noticing, "LISTED", 1)
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        for name in "abc":
            (tmp_path / folder / name).write_text(folder)
    with wh.start_run("t") as run:
        for _ in range(2):
            for folder in ("one", "two"):
                os.chdir(tmp_path / folder)
                for name in "abc":
                    pathlib.Path(name).read_text()
        pathlib.Path("a").write_text("written beyond the limit")
    assert [each.path for each in run.inputs] == ["one/a"]
    assert [(each.what, each.count) for each in run.unfollowed] == [
        ("one: 2 further files", 4),
        ("two: 3 further files", 7),
    ]


def test_a_relative_path_is_of_the_folder_in_which_it_was_opened(tmp_path: pathlib.Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.txt").write_text(folder)
    with wh.start_run("t") as run:
        for folder in ("one", "two"):
            os.chdir(tmp_path / folder)
            open("a.txt").close()
    assert [(each.path, each.given) for each in run.inputs] == [
        ("one/a.txt", "a.txt"),
        ("two/a.txt", "a.txt"),
    ]
    expected = [digest_of(tmp_path / folder / "a.txt") for folder in ("one", "two")]
    assert [each.digest for each in run.inputs] == expected


def test_no_path_names_the_home_folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "people" / "somebody"
    (home / "data").mkdir(parents=True)
    (home / "data/a.txt").write_text("a")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(home))
    with wh.start_run("t") as run:
        (home / "data/a.txt").read_text()
    assert [(each.path, each.given) for each in run.inputs] == [("~/data/a.txt", "~/data/a.txt")]


def test_a_file_too_large_for_the_budget_is_listed_without_a_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noticing_files, "LARGEST_BYTES", 1 << 30)
    with open("large", "wb") as sparse:
        sparse.truncate((1 << 30) + 1)
    with wh.start_run("t") as run:
        open("large", "rb").close()
    (found,) = run.inputs
    assert (found.digest, found.size_bytes, found.note) == (None, (1 << 30) + 1, "larger than 1 GiB")


def test_when_there_is_no_time_left_small_files_are_digested_first(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("large", "wb") as sparse:
        sparse.truncate(64 << 20)
    pathlib.Path("small").write_text("s")
    monkeypatch.setattr(noticing_files, "END_S", 0.001)
    monkeypatch.setattr(noticing_files, "_END_SHARE", 0.0)
    with wh.start_run("t") as run:
        open("large", "rb").close()
        open("small", "rb").close()
    found = {each.path: each for each in run.inputs}
    assert (found["large"].digest, found["large"].note) == (None, "the run ended before it could be digested")
    assert found["small"].digest == digest_of("small")


def test_threads_that_open_files_lose_none() -> None:
    for number in range(400):
        pathlib.Path(f"{number}.txt").write_text(str(number))

    def read(thread: int) -> None:
        for number in range(thread * 100, thread * 100 + 100):
            pathlib.Path(f"{number}.txt").read_text()

    with wh.start_run("t") as run:
        threads = [threading.Thread(target=read, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {each.path for each in run.inputs} == {f"{number}.txt" for number in range(400)}


def test_what_a_hook_cannot_understand_never_reaches_the_user() -> None:
    class Strange:
        def __fspath__(self) -> str:
            raise RuntimeError("no")

        def __hash__(self) -> int:
            raise TypeError("no")

    with wh.start_run("t") as run:
        sys.audit("open", Strange(), "r", 0)
        sys.audit("os.rename", None, None)
        pathlib.Path("b.txt").write_text("b")
    assert [each.path for each in run.outputs] == ["b.txt"]
    assert [(each.kind, each.count) for each in run.unfollowed] == [("failure", 2)]


def test_a_file_held_open_by_a_library_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = _looks(monkeypatch)
    pathlib.Path("held.bin").write_bytes(b"held")
    with wh.start_run("t") as run:
        with noticing.unheard():  # as a library opens it that Python doesn't see
            descriptor = os.open("held.bin", os.O_RDONLY)
        heard()
        os.close(descriptor)
    assert [(each.path, each.how, each.digest) for each in run.inputs] == [
        ("held.bin", "read", digest_of("held.bin"))
    ]


def test_where_the_program_spoke_to_before_is_no_output_of_the_run() -> None:
    code = """
        import os
        import whence as wh
        log = os.open("log.txt", os.O_WRONLY | os.O_CREAT)
        os.dup2(log, 1)
        with wh.start_run("t") as run:
            os.write(1, b"said")
        assert run.outputs == []
    """
    script(code)
    assert pathlib.Path("log.txt").read_text().startswith("said")


def test_code_is_what_it_is_whether_its_readers_are_wrapped_or_not() -> None:
    code = """
        import sys
        import polars, pyarrow.csv
        from whence.capture import identify, refer
        from whence.capture.noticing_natives import wrap_natives
        def fn(x):
            return polars.read_csv(x), pyarrow.csv.read_csv(x), reader(x)
        reader = polars.read_parquet
        if sys.argv[1] == "wrapped":
            wrap_natives()
            assert polars.read_csv._whence_wraps and pyarrow.csv.read_csv._whence_wraps
        print(identify(fn).digest.hex(), identify(fn).packages, refer(polars.read_csv))
    """
    assert script(code, "wrapped") == script(code, "as it is")


def test_an_import_that_fails_fails_as_it_would_without_us(tmp_path: pathlib.Path) -> None:
    (tmp_path / "lmdb.py").write_text("raise RuntimeError('of its own')")
    (tmp_path / "cv2.py").write_text("imread = None\nimwrite = 3\n")
    code = """
        import sys
        sys.path.insert(0, ".")
        import whence as wh
        with wh.start_run("t"):
            try:
                import lmdb
            except RuntimeError as error:
                print(error)
            try:
                import safetensors.nothing
            except ImportError as error:
                print(type(error).__name__)
            import cv2
            print(cv2.imread, cv2.imwrite, cv2.__spec__.loader.__class__.__name__)
    """
    assert script(code).split("\n")[:3] == [
        "of its own",
        "ModuleNotFoundError",
        "None 3 SourceFileLoader",
    ]


def test_outside_a_run_nothing_is_heard() -> None:
    wrap_natives()
    with wh.start_run("t") as run:
        pass
    assert noticing.current_ear() is None
    pathlib.Path("b.txt").write_text("b")
    _make_all()
    pl.read_parquet("a.parquet")
    assert wh.open().run(run.id).outputs == []


def test_samples_read_themselves_unheard() -> None:
    assert file_source._READ_ONLY & noticing.OWN


def test_a_copy_of_the_process_hears_nothing(tmp_path: pathlib.Path) -> None:
    code = """
        import os, pathlib
        import whence as wh
        pathlib.Path("a.txt").write_text("a")
        run = wh.start_run("t")
        if os.fork() == 0:
            pathlib.Path("a.txt").read_text()
            pathlib.Path("b.txt").write_text("b")
            os._exit(0)
        os.wait()
        run.finish()
        import json
        files = [each.path for each in run.inputs + run.outputs]
        print(json.dumps([files, [each.kind for each in run.unfollowed]]))
    """
    assert json.loads(script(code)) == [[], ["fork"]]
