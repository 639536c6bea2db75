"""Go's `note` package reads what we write and accepts what we accept; where it takes more is said."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable

import pytest

from tests.judges.go_judge import Judge, build_judge
from tests.notaries import AT_S, checkpoint_of, cosigner, log_signer, signed
from whence.errors import WhenceError
from whence.ledger import (
    EMPTY_ROOT,
    Checkpoint,
    Note,
    Signature,
    SigningKey,
    check_note,
    parse_checkpoint,
    parse_vkey,
)

MUTANTS = 3_000
WRITTEN = 300
LETTERS = "abcXYZ019./-_\x7f\xa1äßλж中文字🜁\u0301\u200d\ufeff"


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    return build_judge(tmp_path_factory.mktemp("judge"))


def question(data: bytes, vkey: str, checkpoint: Checkpoint) -> dict[str, object]:
    return {
        "op": "checkpoint",
        "note": data,
        "vkey": vkey,
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root,
    }


def opened(data: bytes, vkey: str) -> Checkpoint | None:
    """Return what we read, None where we refuse."""
    try:
        note, _ = check_note(data, [parse_vkey(vkey)])
        return parse_checkpoint(note.text)
    except WhenceError:
        return None


def word(chance: random.Random, letters: str = LETTERS) -> str:
    return "".join(chance.choice(letters) for _ in range(chance.randrange(1, 12)))


def written(chance: random.Random) -> tuple[bytes, str, Checkpoint]:
    """Write a checkpoint as odd as the standards allow, signed by its log and by some witnesses."""
    signer = SigningKey(chance.randbytes(32)).signer(word(chance))
    size = chance.choice([0, 1, chance.randrange(2**32), 2**63 - 1])
    root = chance.randbytes(32) if size else EMPTY_ROOT
    extensions = tuple(word(chance, f"{LETTERS} +") for _ in range(chance.choice([0, 0, 1, 3])))
    checkpoint = Checkpoint(word(chance, f"{LETTERS} +"), size, root, extensions)
    kinds = [number % 3 == 0 and not extensions for number in range(chance.randrange(4))]
    cosigners = [cosigner(f"w{number}", is_mldsa=is_mldsa) for number, is_mldsa in enumerate(kinds)]
    note = signed(checkpoint, signer, cosigners)
    lines = [*note.signatures, Signature(word(chance), chance.randrange(2**32), chance.randbytes(5))]
    chance.shuffle(lines)
    return Note(note.text, tuple(lines)).encode(), signer.vkey, checkpoint


def _flip(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :]


def _insert(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data) + 1)
    return data[:place] + chance.choice([b"\n", b"\r", b" ", b"=", b"A", b"+", b"\0", b"0"]) + data[place:]


def _delete(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data))
    return data[:place] + data[place + chance.randrange(1, 4) :]


def _lines(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\n")
    one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    match chance.randrange(3):
        case 0:
            lines[one], lines[other] = lines[other], lines[one]
        case 1:
            lines.insert(one, lines[other])
        case _:
            del lines[one]
    return b"\n".join(lines)


def _end(data: bytes, chance: random.Random) -> bytes:
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
    places = [place for place, sign in enumerate(data) if sign in b"="]
    place = chance.choice(places) - chance.randrange(3)
    return data[:place] + bytes([chance.choice(alphabet)]) + data[place + 1 :]


MUTATIONS: list[Callable[[bytes, random.Random], bytes]] = [_flip, _insert, _delete, _lines, _end]


def test_whatever_we_write_go_reads_the_same(judge: Judge) -> None:
    chance = random.Random(1)
    cases = [written(chance) for _ in range(WRITTEN)]
    assert [opened(data, vkey) for data, vkey, _ in cases] == [checkpoint for _, _, checkpoint in cases]
    answers = judge.ask([question(*case) for case in cases])
    assert [answer.error for answer in answers] == [""] * WRITTEN


def test_whatever_we_accept_go_accepts_and_reads_the_same(judge: Judge) -> None:
    chance = random.Random(2)
    vkey = log_signer().vkey
    note = signed(checkpoint_of(), log_signer(), [cosigner()])
    data = note.signed(Signature("unknown", 1, b"x" * 5)).encode()
    accepted, refused = [], 0
    for _ in range(MUTANTS):
        mutant = chance.choice(MUTATIONS)(data, chance)
        checkpoint = opened(mutant, vkey)
        if checkpoint is None:
            refused += 1
        else:
            accepted.append(question(mutant, vkey, checkpoint))
    assert len(accepted) > 250
    assert refused > 1_000
    assert {answer.error for answer in judge.ask(accepted)} == {""}


def respelled(vkey: str) -> str:
    """Write the ID of a vkey in capitals."""
    name, key_id, key = vkey.split("+", 2)
    return f"{name}+{key_id.upper()}+{key}"


def test_where_go_takes_more_than_we_do(judge: Judge) -> None:
    """Second spellings that Go's reader takes for the same note: for us they are none."""
    signer = log_signer()
    note = signed(checkpoint_of(), signer)
    data = note.encode()
    unused_bit = data[: -len(b"=\n") - 1] + bytes([data[-3] + 1]) + b"=\n"
    assert base64.b64decode(unused_bit.split()[-1]) == base64.b64decode(data.split()[-1])
    laxer = [
        (Note(note.text, note.signatures * 2).encode(), signer.vkey),
        (unused_bit, signer.vkey),
        (data, respelled(signer.vkey)),
    ]
    assert {answer.error for answer in judge.ask([question(*each, checkpoint_of()) for each in laxer])} == {
        ""
    }
    assert [opened(*each) for each in laxer] == [None, None, None]


def test_go_refuses_what_we_refuse_of_cosigned_checkpoints(judge: Judge) -> None:
    """A judge who accepts everything would be none."""
    signer = log_signer()
    other = signed(checkpoint_of(), log_signer(b"o" * 32))
    plain = Note(checkpoint_of().text, (cosigner().cosign(checkpoint_of(), time_s=AT_S),))
    answers = judge.ask([question(note.encode(), signer.vkey, checkpoint_of()) for note in (other, plain)])
    assert all(answer.error for answer in answers)
