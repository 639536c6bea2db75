"""Which logs a witness knows: by hand and by a file, which may change while it serves."""

from __future__ import annotations

import os
import pathlib

import pytest

from tests.rooms.trust.logs import MadeLog, make_log
from tests.rooms.trust.witnesses import make_witness, request
from whence.errors import InputError, NotFoundError
from whence.ledger import Cosigner, SigningKey
from whence.trust import Logs, Witness
from whence.trust.witness_logs import read_logs


@pytest.fixture
def logs(tmp_path: pathlib.Path) -> list[MadeLog]:
    return [
        make_log(tmp_path / f"log{number}", origin=f"example.com/{number}", seed=number)
        for number in range(3)
    ]


def write(path: pathlib.Path, text: str) -> pathlib.Path:
    """Write a file anew, as an editor does: under another inode."""
    (path.parent / "new").write_text(text)
    (path.parent / "new").replace(path)
    return path


@pytest.mark.parametrize(
    "form",
    [
        "{0}\n{1}\n",
        "# mine\n\n  {0}  \n\t{1}",
        "log {0}\nlog {1}\n",
        "# a policy\nlog {0} https://x\nlog {1}\nwitness w {w}\nquorum w\n",
        "log {1}\nlog {0}\nquorum none\n",
    ],
)
def test_both_forms_are_read(tmp_path: pathlib.Path, logs: list[MadeLog], form: str) -> None:
    w = Cosigner(SigningKey(b"w" * 32), "w.example").vkey
    path = write(tmp_path / "logs", form.format(*(log.vkey for log in logs), w=w))
    assert sorted(each.vkey for each in read_logs(path)) == sorted(log.vkey for log in logs[:2])
    assert Logs([logs[2].vkey], path).origins == [f"example.com/{number}" for number in range(3)]


@pytest.mark.parametrize(
    "text",
    [
        "nonsense\n",
        "{0} {1}\n",
        "{w}\n",
        "log {w}\n",
        "log {0}\nlog {0}\nquorum none\n",
        "log\n",
        "log {0} {1}\n",
        "log {0}\nquorum all\n",
        "{0}\nquorum none\n",
        "x" * 1_000_001,
    ],
)
def test_what_is_neither_is_refused(tmp_path: pathlib.Path, logs: list[MadeLog], text: str) -> None:
    w = Cosigner(SigningKey(b"w" * 32), "w.example").vkey
    path = tmp_path / "logs"
    path.write_bytes(text.format(*(log.vkey for log in logs), w=w).encode())
    with pytest.raises(InputError):
        Logs(path=path)


def test_one_key_may_sign_several_logs(tmp_path: pathlib.Path) -> None:
    """As of shards of several years, which a policy couldn't list."""
    first, second = (make_log(tmp_path / name, origin=f"example.com/{name}") for name in ("2026", "2027"))
    path = write(tmp_path / "logs", f"log {first.vkey}\nlog {second.vkey}\n")
    witness = make_witness(tmp_path / "w")
    logs = Logs(path=path)
    witness = Witness(
        cosigner=witness.cosigner, logs=logs, state=witness.state, beside=witness.beside, now_s=witness.now_s
    )
    assert [witness.answer(request(log, 0)).status for log in (first, second)] == [200, 200]


def test_a_file_that_is_not_there_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(NotFoundError, match="nowhere"):
        Logs(path=tmp_path / "nowhere")


def test_a_log_that_is_added_is_cosigned_from_then_on(tmp_path: pathlib.Path, logs: list[MadeLog]) -> None:
    said: list[str] = []
    path = write(tmp_path / "logs", f"{logs[0].vkey}\n")
    made = make_witness(tmp_path / "w")
    witness = Witness(
        cosigner=made.cosigner,
        logs=Logs(path=path, say=said.append),
        state=made.state,
        beside=made.beside,
        now_s=made.now_s,
    )
    assert [witness.answer(request(log, 0)).status for log in logs[:2]] == [200, 404]
    assert said == []
    write(path, f"{logs[0].vkey}\n{logs[1].vkey}\n")
    assert witness.answer(request(logs[1], 0)).status == 200
    assert said == [f"{path}: 2 logs"]

    write(path, "nonsense\n")  # it serves on, with what it knew
    logs[1].grow("more")
    assert witness.answer(request(logs[1], 3)).status == 200
    os.unlink(path)
    logs[1].grow("more")
    assert witness.answer(request(logs[1], 4)).status == 200
    assert ["the logs of before stay" in line for line in said] == [False, True, True]
    write(path, f"{logs[2].vkey}\n")
    assert [witness.answer(request(log, 0)).status for log in logs] == [404, 404, 200]


def test_who_vouches_for_himself_is_no_witness(tmp_path: pathlib.Path, logs: list[MadeLog]) -> None:
    with pytest.raises(InputError, match=r"its key is the one of the log example\.com/1"):
        make_witness(tmp_path / "w", logs[0].vkey, logs[1].vkey, seed=1)
