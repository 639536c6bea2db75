"""Files that change while they are used: what was read last is what the record says."""

from __future__ import annotations

import hashlib
import pathlib

import pytest

import whence as wh
from whence.capture import sourcing
from whence.sources.files import File


def told(run: wh.Run, item: int) -> str | None:
    (origin,) = run.trace(item=item).origins
    return origin.digest


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.mark.parametrize("small_bytes", [sourcing._SMALL_BYTES, 1], ids=["together", "each"])
@pytest.mark.parametrize("at_once", [1, 2, 1024])
def test_a_file_that_changes_and_changes_back_has_the_digest_of_its_last_reading(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, small_bytes: int, at_once: int
) -> None:
    monkeypatch.setattr(sourcing, "_SMALL_BYTES", small_bytes)
    monkeypatch.setattr(sourcing, "_WAITING_AT_MOST", at_once)
    one, other = tmp_path / "0.bin", tmp_path / "1.bin"
    one.write_bytes(b"as it was")
    other.write_bytes(b"the other")

    def read(file: File) -> bytes:
        data: bytes = file.read()
        if file.name == one.name:
            one.write_bytes(b"changed" if data == b"as it was" else b"as it was")
        return data

    files = wh.from_files(tmp_path / "*.bin").repeat(2).map(read)
    with wh.start_run(workspace=tmp_path) as run:
        for epoch in range(2):
            assert list(files.epoch(epoch)) == [b"as it was", b"the other", b"changed", b"the other"]
    assert told(run, 0) == digest_of(b"changed")
    assert told(run, 1) == digest_of(b"the other")


def test_a_file_that_is_read_again_as_it_was_is_written_once(tmp_path: pathlib.Path) -> None:
    (tmp_path / "0.bin").write_bytes(b"as it was")
    files = wh.from_files(tmp_path / "*.bin").map(lambda file: file.read())
    with wh.start_run(workspace=tmp_path) as run:
        for epoch in range(3):
            assert list(files.repeat(2).epoch(epoch)) == [b"as it was"] * 2
    assert len(run.record.journal.find("source_parts")) == 1
