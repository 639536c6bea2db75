"""A source that is read again before an earlier reading ended: each reading has digests of its own."""

from __future__ import annotations

import hashlib
import pathlib

import pytest

import whence as wh
from whence.query import Address
from whence.streams import pacing


def test_a_reading_left_half_way_spoils_no_digest(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacing, "FIRST_CHUNK", 1)
    monkeypatch.setattr(pacing, "LARGEST_CHUNK", 1)
    path = tmp_path / "lines.txt"
    path.write_text("a\nb\n")
    with wh.start_run(workspace=tmp_path) as run:
        samples = wh.from_text(path).repeat(2).take(3).repeat(2).collect()
    assert samples == ["a", "b", "a"] * 2
    (origin,) = run.trace(item=0).origins
    assert origin.digest == f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    replayed = run.replayer().replay(Address(run=run.name, epoch=0, batch=0))
    assert replayed.equal
    assert replayed.differences == []
