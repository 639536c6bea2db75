"""Go's checksum database (`golang.org/x/mod/sumdb`, `tlog` and `note`) judges our logs as we do.

It is another implementation of RFC 6962 and of signed notes, by other people, in another language. It reads
our files itself, and our proofs; and it refuses what isn't true, or its word would be worth nothing.
"""

from __future__ import annotations

import itertools
import pathlib
import random
from dataclasses import dataclass
from typing import Any

import pytest

from tests.judges.go_judge import Judge, build_judge
from tests.rooms.ledger import slow
from tests.rooms.ledger.mutants import MUTATIONS, Claim
from tests.rooms.store.ledger.ledgers import ledger_in, said
from whence.errors import NotFoundError
from whence.ledger import (
    WIDTH,
    Checkpoint,
    Grower,
    HashReader,
    Note,
    Signer,
    SigningKey,
    consistency_proof,
    encode_bundle,
    entries_path,
    inclusion_proof,
    leaf_hash,
    leaf_hashes,
)

BORDERS = (0, 1, 255, 256, 257, 65_535, 65_536, 65_537)
HISTORIES = 200
INT64 = range(-(2**63), 2**63)


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    return build_judge(tmp_path_factory.mktemp("judge"))


@dataclass(frozen=True)
class History:
    """A log that grew in steps, on disk, and what was signed after each."""

    folder: pathlib.Path
    signer: Signer
    entries: list[bytes]
    signed: list[tuple[Checkpoint, bytes]]

    @property
    def last(self) -> Checkpoint:
        return self.signed[-1][0]

    def reader(self) -> HashReader:
        return HashReader(self.read, size=self.last.size, root=self.last.root)

    def read(self, path: str) -> bytes:
        try:
            return (self.folder / path).read_bytes()
        except FileNotFoundError as error:
            raise NotFoundError(path) from error


def write_history(folder: pathlib.Path, size: int, chance: random.Random) -> History:
    """Write a log as its owner does: some entries, a checkpoint, some more entries."""
    signer = SigningKey(chance.randbytes(32)).signer(f"log.example/{folder.name}")
    entries = [chance.randbytes(chance.choice([0, 1, 40, 120])) for _ in range(size)]
    grower, signed = Grower(), []
    cuts = sorted({0, size, *(chance.randrange(size + 1) for _ in range(3))})
    for start, stop in zip([0, *cuts], cuts, strict=False):
        growth = grower.extend(leaf_hashes(entries[start:stop]))
        grower = growth.grower
        files = dict(growth.tiles)
        for index in range(start // WIDTH, -(-stop // WIDTH)):
            bundle = entries[index * WIDTH : min(stop, (index + 1) * WIDTH)]
            files[entries_path(index, len(bundle))] = encode_bundle(bundle)
        checkpoint = Checkpoint(signer.name, grower.size, grower.root)
        note = Note(checkpoint.text, (signer.sign(checkpoint.text),)).encode()
        for path, data in (*files.items(), ("checkpoint", note)):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        signed.append((checkpoint, note))
    return History(folder, signer, entries, signed)


@pytest.fixture(scope="module")
def histories(tmp_path_factory: pytest.TempPathFactory) -> list[History]:
    chance = random.Random(2026)
    folder = tmp_path_factory.mktemp("histories")
    sizes = [*BORDERS, *(int(2 ** (chance.random() * 11)) for _ in range(HISTORIES - len(BORDERS)))]
    return [write_history(folder / str(number), size, chance) for number, size in enumerate(sizes)]


def places(history: History, chance: random.Random) -> list[int]:
    size = history.last.size
    return sorted({0, size - 1, *(chance.randrange(size) for _ in range(3))}) if size else []


def test_every_checkpoint_holds(judge: Judge, histories: list[History]) -> None:
    questions = [
        {
            "op": "checkpoint",
            "vkey": history.signer.vkey,
            "note": note,
            "origin": checkpoint.origin,
            "size": checkpoint.size,
            "root": checkpoint.root,
        }
        for history in histories
        for checkpoint, note in history.signed
    ]
    assert len(histories) == HISTORIES
    assert {each.last.size for each in histories} >= set(BORDERS)
    assert [answer.error for answer in judge.ask(questions)] == [""] * len(questions)


def test_every_log_holds_and_its_proofs_are_ours(judge: Judge, histories: list[History]) -> None:
    """Go reads the folder: the signature, all tiles, each entry; the proofs that it makes are ours."""
    chance = random.Random(1)
    questions: list[dict[str, Any]] = []
    wanted: list[tuple[list[list[bytes]], list[list[bytes]]]] = []
    for history in histories:
        size, read = history.last.size, history.reader()
        indices = places(history, chance)
        old_sizes = [checkpoint.size for checkpoint, _ in history.signed if checkpoint.size]
        questions.append(
            {
                "op": "log",
                "folder": history.folder,
                "vkey": history.signer.vkey,
                "indices": indices,
                "old_sizes": old_sizes,
            }
        )
        wanted.append(
            (
                [inclusion_proof(read, index, size) for index in indices],
                [consistency_proof(read, old_size, size) for old_size in old_sizes],
            )
        )
    answers = judge.ask(questions)
    assert [answer.error for answer in answers] == [""] * len(histories)
    assert [(answer.records, answer.trees) for answer in answers] == wanted


def claims_of(history: History, chance: random.Random) -> list[Claim]:
    size, root, read = history.last.size, history.last.root, history.reader()
    claims: list[Claim] = [
        slow.Inclusion(
            proof=tuple(inclusion_proof(read, index, size)),
            index=index,
            size=size,
            leaf=leaf_hash(history.entries[index]),
            root=root,
        )
        for index in places(history, chance)
    ]
    consistencies: list[Claim] = [
        slow.Consistency(
            proof=tuple(consistency_proof(read, old.size, size)),
            old_size=old.size,
            old_root=old.root,
            size=size,
            root=root,
        )
        for old, _ in history.signed
    ]
    return [*claims, *filter(is_askable, consistencies)]


def is_askable(claim: Claim) -> bool:
    """Whether Go has such numbers, and an opinion: of the empty tree the RFC doesn't speak."""
    numbers = [value for value in vars(claim).values() if isinstance(value, int)]
    is_empty = isinstance(claim, slow.Consistency) and 0 in numbers
    return not is_empty and all(number in INT64 for number in numbers)


def question_of(claim: Claim) -> dict[str, Any]:
    return {"op": "record" if isinstance(claim, slow.Inclusion) else "tree", **vars(claim)}


def test_every_proof_holds_and_no_false_one_does(judge: Judge, histories: list[History]) -> None:
    """Each record and each consistency proof; then 4,000 mutants, judged as the definitions judge them."""
    chance = random.Random(2)
    claims = [claim for history in histories for claim in claims_of(history, chance)]
    assert len(claims) > 5 * HISTORIES
    answers = judge.ask([question_of(claim) for claim in claims])
    assert [answer.error for answer in answers] == [""] * len(claims)
    mutants: list[Claim] = []
    by_type: dict[type, list[Claim]] = {
        kind: [claim for claim in claims if type(claim) is kind]
        for kind in (slow.Inclusion, slow.Consistency)
    }
    while len(mutants) < 4_000:
        for mutate in MUTATIONS.values():
            claim = chance.choice(claims)
            mutant = mutate(claim, chance.choice(by_type[type(claim)]), chance)
            if is_askable(mutant):
                mutants.append(mutant)
    verdicts = [not answer.error for answer in judge.ask([question_of(mutant) for mutant in mutants])]
    assert verdicts == [mutant.is_true() for mutant in mutants]
    assert verdicts.count(False) > 3_500


def test_an_entry_is_hashed_as_we_hash_it(judge: Judge, histories: list[History]) -> None:
    history = histories[BORDERS.index(257)]
    read = history.reader()
    questions: list[dict[str, Any]] = [
        {
            "op": "record",
            "proof": inclusion_proof(read, index, 257),
            "index": index,
            "entry": entry,
            "size": 257,
            "root": history.last.root,
        }
        for index, entry in enumerate(history.entries)
    ]
    assert {answer.error for answer in judge.ask(questions)} == {""}
    forged = [{**question, "entry": question["entry"] + b"!"} for question in questions]
    assert "" not in {answer.error for answer in judge.ask(forged)}


def test_the_ledger_of_a_workspace_holds(judge: Judge, tmp_path: pathlib.Path) -> None:
    """The real one: staged, committed and signed by the store, more than a tile, and a key's rotation; and
    a receipt of each of its entries."""
    ledger = ledger_in(tmp_path)
    for start, count in ((0, 1), (1, 300), (301, 7)):
        ledger.append(said(*(f"run {number}" for number in range(start, start + count))))
    ledger.rotate()
    ledger.append(said("after"))
    first, second = ledger.shards()
    questions: list[dict[str, Any]] = [
        {"op": "log", "folder": each.path, "vkey": each.vkey} for each in (first, second)
    ]
    assert [answer.error for answer in judge.ask(questions)] == ["", ""]
    assert first.size + second.size > 309
    receipts = [
        {"op": "receipt", "vkey": shard.vkey, "receipt": shard.prove(index).encode(), "entry": entry}
        for shard in (first, second)
        for index, entry in shard.entries()
    ]
    assert len(receipts) == first.size + second.size
    assert {answer.error for answer in judge.ask(receipts)} == {""}
    others = [{**one, "entry": other["entry"]} for one, other in itertools.pairwise(receipts)]
    assert "" not in {answer.error for answer in judge.ask(others)}
    swapped = [{**questions[0], "vkey": second.vkey}, {**questions[1], "vkey": first.vkey}]
    assert "" not in [answer.error for answer in judge.ask(swapped)]


class TestHeRefuses:
    """A judge who accepts everything judges nothing."""

    @pytest.fixture
    def history(self, tmp_path: pathlib.Path) -> History:
        return write_history(tmp_path / "log", 700, random.Random(3))

    def asked(self, judge: Judge, history: History, vkey: str = "") -> str:
        (answer,) = judge.ask([{"op": "log", "folder": history.folder, "vkey": vkey or history.signer.vkey}])
        return answer.error

    def test_nothing_that_is_whole(self, judge: Judge, history: History) -> None:
        assert self.asked(judge, history) == ""

    @pytest.mark.parametrize(
        "path",
        ["checkpoint", "tile/0/001", "tile/0/002.p/188", "tile/1/000.p/2", "tile/entries/000"],
    )
    def test_a_changed_file(self, judge: Judge, history: History, path: str) -> None:
        data = bytearray((history.folder / path).read_bytes())
        for place in (0, len(data) // 2, len(data) - 2):
            changed = data.copy()
            changed[place] ^= 1
            (history.folder / path).write_bytes(changed)
            assert self.asked(judge, history)
        (history.folder / path).unlink()
        assert self.asked(judge, history)

    def test_another_key(self, judge: Judge, history: History) -> None:
        other = SigningKey(bytes(32)).signer(history.signer.name)
        assert "signature" in self.asked(judge, history, other.vkey)

    def test_a_root_that_is_signed_but_not_reached(self, judge: Judge, history: History) -> None:
        other = list(history.entries)
        other[5] = b"rewritten"
        root = Grower().extend(leaf_hashes(other)).root
        forged = Checkpoint(history.signer.name, 700, root)
        note = Note(forged.text, (history.signer.sign(forged.text),)).encode()
        (history.folder / "checkpoint").write_bytes(note)
        assert self.asked(judge, history)

    def test_a_checkpoint_that_says_something_else(self, judge: Judge, history: History) -> None:
        checkpoint, note = history.signed[-1]
        question = {
            "op": "checkpoint",
            "vkey": history.signer.vkey,
            "note": note,
            "origin": checkpoint.origin,
            "size": checkpoint.size,
            "root": checkpoint.root,
        }
        changes = ({"origin": "another.example"}, {"size": 699}, {"root": bytes(32)}, {"note": note + b"\n"})
        errors = [
            answer.error for answer in judge.ask([question, *({**question, **each} for each in changes)])
        ]
        assert [bool(error) for error in errors] == [False, True, True, True, True]
