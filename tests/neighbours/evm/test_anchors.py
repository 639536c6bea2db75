"""Anchors in an EVM chain: a real chain on this machine, and what it, its node and others may do to them."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import json
import pathlib
import random
import re
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import whence as wh
from whence.cli import main
from whence.errors import (
    DamagedError,
    EvidenceError,
    InputError,
    KeyUnusableError,
    RemoteError,
    WhenceError,
)
from whence.ledger import Checkpoint, Note, SigningKey
from whence.trust import Anchor, Trust, bytes_of, read_anchor, spelled, write_anchor

pytest.importorskip("eth_tester", reason="run by `make test-neighbours`")

import rlp
from eth.vm.forks.cancun.transactions import CancunTransactionBuilder
from eth_account import Account
from trie import HexaryTrie

from tests.neighbours.evm.chain import Chain
from whence.trust.evm import Evm

SIGNER = SigningKey(bytes(32)).signer("whence.invalid/2026-abcdefghij")


def checkpoint_of(size: int) -> bytes:
    """A checkpoint as a log has it."""
    text = Checkpoint(origin=SIGNER.name, size=size, root=size.to_bytes(32, "big")).text
    return Note(text=text, signatures=(SIGNER.sign(text),)).encode()


CHECKPOINT = checkpoint_of(1)


@pytest.fixture
def chain() -> Iterator[Chain]:
    """A chain, and a node that answers."""
    with Chain().serving() as serving:
        yield serving


@pytest.fixture
def key(chain: Chain, tmp_path: pathlib.Path) -> str:
    """The file of an account's key."""
    return key_file(tmp_path / "key", chain.keys[0].hex())


def key_file(path: pathlib.Path, text: str) -> str:
    path.touch(mode=0o600)
    path.write_text(text)
    return str(path)


def evm(chain: Chain, key: str | None = None, /, **options: Any) -> Evm:
    """The kind, asking this chain."""
    given: dict[str, Any] = {"rpc": chain.url, "chain": str(chain.id), "poll_s": 0.001, "wait_s": 20.0}
    given |= options
    return Evm(key=key, **given)


def saying(answer: Any) -> Callable[..., Any]:
    """A node that always says the same."""
    return lambda *_: answer


def block_of(evidence: dict[str, Any]) -> str:
    """The digest of the block that evidence names."""
    found = re.search(r"0x[0-9a-f]{64}$", Evm.check(evidence, _about(evidence), Trust()).by)
    assert found is not None
    return found[0]


def _about(evidence: dict[str, Any]) -> bytes:
    """The checkpoint that evidence is about, among those of these tests."""
    for size in range(1, 99):
        try:
            Evm.check(evidence, checkpoint_of(size), Trust())
        except EvidenceError:
            continue
        return checkpoint_of(size)
    raise AssertionError("it is about none of them")


def trusting(evidence: dict[str, Any]) -> Trust:
    """A reader who looked the block up."""
    return Trust(settings={"blocks": [block_of(evidence)]})


class TestThereAndBack:
    def test_twenty_anchors_read_back_equal_and_hold_offline(self, key: str, tmp_path: pathlib.Path) -> None:
        with Chain().serving() as chain:
            kept = []
            for size in range(1, 21):
                chain.mine(size % 3)
                evidence = evm(chain, key).anchor(checkpoint_of(size))
                anchor = Anchor.of("evm", checkpoint_of(size), evidence, at_ms=size)
                kept.append((anchor, write_anchor(tmp_path, anchor), chain.head))
            times = {each: chain.backend.get_block_by_number(each)["timestamp"] for *_, each in kept}
        # The node is gone from here on.
        for size, (anchor, path, number) in enumerate(kept, 1):
            back = read_anchor(path)
            assert back == anchor
            found = Evm.check(back.evidence, back.checkpoint, trusting(dict(back.evidence)))
            assert found.is_trusted
            assert found.is_final
            assert found.at == dt.datetime.fromtimestamp(times[number], dt.UTC)
            assert found.by.startswith(f"block {number} 0x")
            for tampered in self.tampered(back.checkpoint):
                with pytest.raises(EvidenceError, match="something else than this checkpoint"):
                    Evm.check(back.evidence, tampered, trusting(dict(back.evidence)))
            with pytest.raises(EvidenceError, match="something else than this checkpoint"):
                Evm.check(back.evidence, checkpoint_of(size + 1), Trust())
        assert len({path.name for _, path, _ in kept}) == 20

    @staticmethod
    def tampered(checkpoint: bytes) -> Iterator[bytes]:
        chance = random.Random(len(checkpoint))
        for _ in range(5):
            place = chance.randrange(len(checkpoint))
            yield checkpoint[:place] + bytes([checkpoint[place] ^ 1]) + checkpoint[place + 1 :]

    def test_a_record_whose_checkpoint_was_rewritten_is_damaged(
        self, chain: Chain, key: str, tmp_path: pathlib.Path
    ) -> None:
        evidence = evm(chain, key).anchor(CHECKPOINT)
        path = write_anchor(tmp_path, Anchor.of("evm", CHECKPOINT, evidence, at_ms=0))
        told = json.loads(path.read_bytes())
        told["checkpoint"] = checkpoint_of(2).decode()
        path.write_text(json.dumps(told))
        with pytest.raises(DamagedError):
            read_anchor(path)

    def test_the_transaction_is_what_the_chain_has(self, chain: Chain, key: str) -> None:
        evidence = evm(chain, key).anchor(CHECKPOINT)
        block = chain.backend.get_block_by_number(chain.head, True)
        (told,) = block["transactions"]
        assert told["from"] == told["to"]
        assert told["value"] == 0
        assert len(told["data"]) == 32
        assert block_of(evidence) == "0x" + block["hash"].hex()
        assert Evm.export(evidence)[".transaction"].decode().strip() == (
            chain.eth_getRawTransactionByBlockHashAndIndex("0x" + block["hash"].hex(), "0x0")
        )

    def test_only_a_block_that_the_reader_named_is_trusted(self, chain: Chain, key: str) -> None:
        evidence = evm(chain, key).anchor(CHECKPOINT)
        found = Evm.check(evidence, CHECKPOINT, Trust(settings={"blocks": ["0x" + "00" * 32]}))
        assert (found.is_trusted, found.at, found.is_final) == (False, None, True)
        upper = Trust(settings={"blocks": "0x" + block_of(evidence)[2:].upper()})
        assert Evm.check(evidence, CHECKPOINT, upper).is_trusted


class TestReorganised:
    def test_three_blocks_that_the_chain_let_go_of_take_the_anchor_with_them(
        self, chain: Chain, key: str
    ) -> None:
        chain.mine(5)
        before = chain.head
        asking = evm(chain, key)
        evidence = asking.anchor(CHECKPOINT)
        chain.mine(2)
        found = asking.confirm(evidence, CHECKPOINT)
        assert found.is_trusted
        assert "2 blocks deep" in found.rests_on
        assert chain.head - before == 3
        chain.reorganise(before)
        assert chain.head - before == 4
        with pytest.raises(EvidenceError, match="no longer in the chain"):
            asking.confirm(evidence, CHECKPOINT)
        assert not Evm.check(evidence, CHECKPOINT, Trust()).is_trusted

    def test_blocks_behind_it_may_go(self, chain: Chain, key: str) -> None:
        asking = evm(chain, key)
        evidence = asking.anchor(CHECKPOINT)
        chain.mine(3)
        chain.reorganise(chain.head - 3)
        assert asking.confirm(evidence, CHECKPOINT).is_trusted

    def test_a_node_that_has_fewer_blocks_is_told_from_a_chain_that_lost_some(
        self, chain: Chain, key: str
    ) -> None:
        asking = evm(chain, key)
        evidence = asking.anchor(CHECKPOINT)
        with Chain().serving() as behind, pytest.raises(EvidenceError, match="ends at block 0"):
            evm(behind).confirm(evidence, CHECKPOINT)

    def test_a_transaction_that_came_into_another_block_is_found_there(self, chain: Chain, key: str) -> None:
        asking = evm(chain, key)
        before = chain.head
        evidence = asking.anchor(CHECKPOINT)
        chain.mine(2)
        chain.reorganise(before)
        assert asking.upgrade(evidence, CHECKPOINT) is None  # it waits again, or was forgotten
        chain.eth_sendRawTransaction("0x" + bytes_of(evidence, "transaction").hex())
        again = asking.upgrade(evidence, CHECKPOINT)
        assert again is not None
        assert again["transaction"] == evidence["transaction"]
        assert block_of(again) != block_of(evidence)
        assert asking.confirm(again, CHECKPOINT).is_trusted

    def test_another_transaction_in_its_place_is_said(self, chain: Chain, key: str) -> None:
        asking = evm(chain, key)
        before = chain.head
        evidence = asking.anchor(CHECKPOINT)
        chain.reorganise(before)
        chain.transfer(chain.keys[0])
        with pytest.raises(RemoteError, match="another transaction took the place"):
            asking.upgrade(evidence, CHECKPOINT)


class TestWaiting:
    def test_without_waiting_it_is_a_promise(self, chain: Chain, key: str) -> None:
        chain.mines_at_once = False
        asking = evm(chain, key, confirmations="0")
        evidence = asking.anchor(CHECKPOINT)
        found = Evm.check(evidence, CHECKPOINT, Trust())
        assert (found.is_final, found.is_trusted, found.at) == (False, False, None)
        assert asking.upgrade(evidence, CHECKPOINT) is None
        assert not asking.confirm(evidence, CHECKPOINT).is_final
        chain.mine()
        final = asking.upgrade(evidence, CHECKPOINT)
        assert final is not None
        assert Evm.check(final, CHECKPOINT, trusting(final)).is_trusted

    def test_it_waits_for_as_many_blocks_as_were_asked_for(self, chain: Chain, key: str) -> None:
        def with_another() -> str:
            chain.mine()
            return chain.eth_blockNumber()

        chain.answers["eth_blockNumber"] = with_another
        before = chain.head
        evidence = evm(chain, key, confirmations="4").anchor(CHECKPOINT)
        assert Evm.check(evidence, CHECKPOINT, Trust()).is_final
        assert chain.head - before == 4

    def test_a_block_that_comes_late_is_waited_for(self, chain: Chain, key: str) -> None:
        chain.mines_at_once = False
        polls = itertools.count()

        def late(digest: str) -> Any:
            if next(polls) == 3:
                chain.mine()
            return chain.eth_getTransactionReceipt(digest)

        chain.answers["eth_getTransactionReceipt"] = late
        assert Evm.check(evm(chain, key).anchor(CHECKPOINT), CHECKPOINT, Trust()).is_final

    def test_what_was_sent_is_kept_though_the_time_is_over(self, chain: Chain, key: str) -> None:
        chain.mines_at_once = False
        evidence = evm(chain, key, wait_s=0.0).anchor(CHECKPOINT)
        assert not Evm.check(evidence, CHECKPOINT, Trust()).is_final
        assert len(chain.waiting) == 1

    @pytest.mark.parametrize("error", [KeyboardInterrupt, RemoteError("no answer")])
    def test_what_was_sent_is_kept_though_the_waiting_was_ended(
        self, chain: Chain, key: str, error: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        chain.mines_at_once = False

        def ended(seconds: float) -> None:
            raise error

        monkeypatch.setattr("whence.trust.evm.time.sleep", ended)
        evidence = evm(chain, key).anchor(CHECKPOINT)
        chain.mine()
        assert evm(chain).upgrade(evidence, CHECKPOINT) is not None


class TestSending:
    def test_a_node_of_another_chain_gets_no_signature(self, chain: Chain, key: str) -> None:
        with pytest.raises(RemoteError, match=f"is of chain {chain.id}, wanted 1"):
            evm(chain, key, chain="1").anchor(CHECKPOINT)
        assert chain.asked == ["eth_chainId"]

    def test_an_anchor_of_another_chain_is_not_asked_for(self, chain: Chain, key: str) -> None:
        evidence = evm(chain, key).anchor(CHECKPOINT)
        with pytest.raises(InputError, match=f"the anchor is in chain {chain.id}"):
            evm(chain, chain="1").confirm(evidence, CHECKPOINT)

    def test_what_is_dearer_than_the_budget_is_not_sent(self, chain: Chain, key: str) -> None:
        with pytest.raises(RemoteError, match=r"the budget is 0\.000001"):
            evm(chain, key, budget="0.000001").anchor(CHECKPOINT)
        assert "eth_sendRawTransaction" not in chain.asked
        before = int(chain.tester.get_balance(Account.from_key(chain.keys[0]).address))
        evm(chain, key, budget="0.0002").anchor(CHECKPOINT)
        paid = before - int(chain.tester.get_balance(Account.from_key(chain.keys[0]).address))
        assert 0 < paid <= 2 * 10**14

    def test_a_node_that_estimates_absurdly_is_refused(self, chain: Chain, key: str) -> None:
        chain.answers["eth_estimateGas"] = lambda call: hex(10**9)
        with pytest.raises(RemoteError, match="budget"):
            evm(chain, key).anchor(CHECKPOINT)

    def test_blocks_without_a_base_fee_are_refused(self, chain: Chain, key: str) -> None:
        chain.answers["eth_getBlockByNumber"] = lambda where, full: {"number": "0x1"}
        with pytest.raises(RemoteError, match="base fee"):
            evm(chain, key).anchor(CHECKPOINT)

    def test_two_at_once_have_a_number_each(self, chain: Chain, key: str) -> None:
        """Both are told the same number for their transaction; the second is refused and takes the next."""
        both = threading.Barrier(2)
        asked = itertools.count()

        def told_at_once(address: str, where: str) -> str:
            if where == "pending" and next(asked) < 2:
                number = chain.eth_getTransactionCount(address, where)
                both.wait(timeout=30)
                return number
            return chain.eth_getTransactionCount(address, where)

        chain.answers["eth_getTransactionCount"] = told_at_once
        first, second = self.at_once(chain, key, checkpoint_of(1), checkpoint_of(2))
        assert Evm.check(first, checkpoint_of(1), trusting(first)).is_trusted
        assert Evm.check(second, checkpoint_of(2), trusting(second)).is_trusted
        assert chain.asked.count("eth_sendRawTransaction") == 3
        assert int(chain.tester.get_nonce(Account.from_key(chain.keys[0]).address)) == 2

    def test_two_who_say_the_same_at_once_pay_once(self, chain: Chain, key: str) -> None:
        chain.mines_at_once = False
        both = threading.Barrier(2)

        def told_at_once(address: str, where: str) -> str:
            both.wait(timeout=30)
            return "0x0"

        chain.answers["eth_getTransactionCount"] = told_at_once
        first, second = self.at_once(chain, key, CHECKPOINT, CHECKPOINT, confirmations="0")
        assert first == second
        assert len(chain.waiting) == 1

    @staticmethod
    def at_once(chain: Chain, key: str, *checkpoints: bytes, **options: Any) -> list[dict[str, Any]]:
        found: dict[int, dict[str, Any]] = {}

        def send(place: int, checkpoint: bytes) -> None:
            found[place] = evm(chain, key, **options).anchor(checkpoint)

        threads = [threading.Thread(target=send, args=each) for each in enumerate(checkpoints)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        return [found[place] for place in range(len(checkpoints))]

    def test_an_answer_that_is_lost_costs_no_second_transaction(self, chain: Chain, key: str) -> None:
        def sent_and_lost(raw: str) -> str:
            chain.eth_sendRawTransaction(raw)
            raise ConnectionError("lost")

        chain.answers["eth_sendRawTransaction"] = sent_and_lost
        evidence = evm(chain, key).anchor(CHECKPOINT)
        assert Evm.check(evidence, CHECKPOINT, trusting(evidence)).is_trusted
        assert chain.asked.count("eth_sendRawTransaction") == 1

    def test_a_refusal_is_told_in_the_nodes_words(self, chain: Chain, key: str) -> None:
        def refused(raw: str) -> str:
            raise ValueError("insufficient funds for gas")

        chain.answers["eth_sendRawTransaction"] = refused
        with pytest.raises(RemoteError, match="insufficient funds for gas"):
            evm(chain, key).anchor(CHECKPOINT)
        assert chain.asked.count("eth_sendRawTransaction") == 1

    @pytest.mark.parametrize(
        ("name", "value"),
        [("chain", "0x1"), ("chain", "-1"), ("confirmations", "many"), ("budget", "0"), ("budget", "NaN")],
    )
    def test_options_that_can_not_be_are_named(self, chain: Chain, name: str, value: str) -> None:
        with pytest.raises(InputError, match=name):
            evm(chain, **{name: value})


class TestKeys:
    def test_a_key_that_others_may_read_is_refused(self, chain: Chain, key: str) -> None:
        pathlib.Path(key).chmod(0o640)
        with pytest.raises(KeyUnusableError, match="others may read"):
            evm(chain, key).anchor(CHECKPOINT)
        assert chain.asked == []

    def test_the_variable_holds_it_where_no_file_does(
        self, chain: Chain, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("WHENCE_EVM_PRIVATE_KEY", raising=False)
        with pytest.raises(KeyUnusableError, match="no key"):
            evm(chain).anchor(CHECKPOINT)
        monkeypatch.setenv("WHENCE_EVM_PRIVATE_KEY", "0x" + chain.keys[1].hex())
        evidence = evm(chain).anchor(CHECKPOINT)
        sender = Account.recover_transaction(bytes_of(evidence, "transaction"))
        assert sender == Account.from_key(chain.keys[1]).address

    def test_a_key_store_is_opened_by_its_passphrase(
        self, chain: Chain, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = Account.encrypt(chain.keys[2], "a passphrase", kdf="pbkdf2", iterations=10)
        path = key_file(tmp_path / "store", json.dumps(store))
        monkeypatch.setenv("WHENCE_EVM_PASSPHRASE", "another")
        with pytest.raises(KeyUnusableError, match="another passphrase"):
            evm(chain, path).anchor(CHECKPOINT)
        monkeypatch.setenv("WHENCE_EVM_PASSPHRASE", "a passphrase")
        evidence = evm(chain, path).anchor(CHECKPOINT)
        sender = Account.recover_transaction(bytes_of(evidence, "transaction"))
        assert sender == Account.from_key(chain.keys[2]).address

    @pytest.mark.parametrize(
        "text", ["f" * 64, "0" * 64, "ab" * 31, "zz" * 32, "{}", '{"crypto": 1}', "\xff" * 9]
    )
    def test_what_is_no_key_is_not_repeated(self, chain: Chain, tmp_path: pathlib.Path, text: str) -> None:
        with pytest.raises(KeyUnusableError) as caught:
            evm(chain, key_file(tmp_path / "bad", text)).anchor(CHECKPOINT)
        assert text not in str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__

    def test_neither_evidence_nor_errors_have_a_secret(self, chain: Chain, key: str) -> None:
        said = [json.dumps(evm(chain, key).anchor(CHECKPOINT))]
        junk: Any
        for method in ("eth_chainId", "eth_estimateGas", "eth_sendRawTransaction"):
            for junk in [None, [], "0xzz"]:
                chain.answers = {method: saying(junk)}
                try:
                    said.append(str(evm(chain, key).anchor(CHECKPOINT)))
                except WhenceError as error:
                    said.append(str(error))
        with pytest.raises(RemoteError) as caught:
            evm(chain, key, rpc=f"http://127.0.0.1:9/v3/{chain.secret}").anchor(CHECKPOINT)
        said.append(str(caught.value))
        assert not any(chain.secret in each or chain.keys[0].hex() in each.lower() for each in said)


class TestNodesThatLie:
    def test_others_transactions_of_every_type_lead_to_the_same_root(self, chain: Chain, key: str) -> None:
        """More than 127 of them, so that the places are spelled in two ways."""
        chain.mines_at_once = False
        auth = Account.from_key(chain.keys[5]).sign_authorization(
            {"chainId": chain.id, "address": "0x" + "44" * 20, "nonce": 0}
        )
        slots = [{"address": "0x" + "33" * 20, "storageKeys": ["0x" + "00" * 31 + "01"]}]
        for place in range(66):
            chain.transfer(chain.keys[1 + place % 4])
            chain.transfer(chain.keys[9], kind=2, data=b"\x01\x00" * place)
        chain.transfer(chain.keys[6], kind=1, accessList=slots)
        chain.transfer(chain.keys[7], kind=4, authorizationList=[auth], accessList=slots)
        chain.transfer(chain.keys[8], to="", data=b"\x00", gas=100_000, value=0)
        asking = evm(chain, key, confirmations="0")
        evidence = asking.anchor(CHECKPOINT)
        chain.mine()
        final = asking.upgrade(evidence, CHECKPOINT)
        assert final is not None
        assert Evm.check(final, CHECKPOINT, trusting(final)).is_trusted
        assert not any(each.startswith(("debug_", "eth_getRaw")) for each in chain.asked)
        (block,) = {len(chain.backend.get_block_by_number(chain.head)["transactions"])}
        assert block == 136

    def test_a_transaction_with_blobs_is_put_together_too(self, chain: Chain, key: str) -> None:
        """Blobs themselves are in no block; py-evm spells the transaction, the block is made up around it."""
        evidence = evm(chain, key).anchor(CHECKPOINT)
        fields: dict[str, Any] = {
            "chain_id": 1,
            "nonce": 300,
            "max_priority_fee_per_gas": 10**9,
            "max_fee_per_gas": 10**10,
            "gas": 21_000,
            "to": b"\x11" * 20,
            "value": 5,
            "data": b"\x01\x02",
            "access_list": [(b"\x33" * 20, (1, 2**200))],
            "max_fee_per_blob_gas": 7,
            "blob_versioned_hashes": [b"\x01" * 32, b"\x01\x02" * 16],
            "y_parity": 0,
            "r": 2**255,
            "s": 5,
        }
        blobs = CancunTransactionBuilder.new_blob_transaction(**fields)
        trie = HexaryTrie({})
        trie[rlp.encode(0)], trie[rlp.encode(1)] = blobs.encode(), bytes_of(evidence, "transaction")
        header = chain.backend.chain.get_canonical_block_header_by_number(chain.head)
        header = header.copy(transaction_root=trie.root_hash)
        told = chain.eth_getBlockByNumber(hex(chain.head), True)
        told["transactions"].insert(0, chain.told(fields | {"type": 3, "hash": blobs.hash}))
        told |= {"hash": "0x" + header.hash.hex(), "transactionsRoot": "0x" + trie.root_hash.hex()}
        chain.answers["eth_getBlockByHash"] = lambda digest, full: told
        found = evm(chain).upgrade(evidence, CHECKPOINT)
        assert found is not None
        assert found["place"] == 1
        assert block_of(found) == told["hash"]
        assert chain.asked[-1] == "eth_getBlockByHash"

    def test_what_is_not_known_here_is_asked_for_in_bytes(self, chain: Chain, key: str) -> None:
        """A fork's new field in the header, and a type of transaction that only this chain has."""
        chain.answers["eth_getBlockByHash"] = self.of_the_future(chain)
        evidence = evm(chain, key).anchor(CHECKPOINT)
        assert Evm.check(evidence, CHECKPOINT, trusting(evidence)).is_trusted
        assert chain.asked[-2:] == ["debug_getRawHeader", "eth_getRawTransactionByBlockHashAndIndex"]

    @pytest.mark.parametrize("method", ["debug_getRawHeader", "eth_getRawTransactionByBlockHashAndIndex"])
    @pytest.mark.parametrize("answer", ["0x", "0x00", "0xzz", None, 7])
    def test_other_bytes_than_were_asked_for_are_refused(
        self, chain: Chain, key: str, method: str, answer: Any
    ) -> None:
        evidence = evm(chain, key, confirmations="0").anchor(CHECKPOINT)
        chain.answers["eth_getBlockByHash"] = self.of_the_future(chain)
        chain.answers[method] = lambda *_: answer
        with pytest.raises(RemoteError) as caught:
            evm(chain).upgrade(evidence, CHECKPOINT)
        assert "Ask a node that tells the bytes" in caught.value.remedy

    @staticmethod
    def of_the_future(chain: Chain) -> Any:
        def told(digest: str, full: bool) -> Any:
            block = chain.eth_getBlockByHash(digest, full)
            listed = [each | {"type": "0x7e"} for each in block["transactions"]]
            return block | {"transactions": listed, "stateRoot": "0x" + "00" * 32}

        return told

    def test_a_block_without_the_transaction_is_refused(self, chain: Chain, key: str) -> None:
        evidence = evm(chain, key).anchor(CHECKPOINT)
        chain.mine()
        another = chain.eth_getBlockByNumber(hex(chain.head), True)
        chain.answers["eth_getBlockByHash"] = lambda digest, full: another
        with pytest.raises(RemoteError, match="it isn't"):
            evm(chain).upgrade(evidence, CHECKPOINT)

    def test_a_block_with_a_transaction_too_many_is_refused(self, chain: Chain, key: str) -> None:
        evidence = evm(chain, key).anchor(CHECKPOINT)
        block = chain.eth_getBlockByNumber(hex(chain.head), True)
        more = block | {"transactions": block["transactions"] * 2}
        chain.answers["eth_getBlockByHash"] = lambda digest, full: more
        with pytest.raises(RemoteError, match="other transactions than the block has"):
            evm(chain).upgrade(evidence, CHECKPOINT)

    @pytest.mark.parametrize(
        "method",
        [
            "eth_chainId",
            "eth_getTransactionCount",
            "eth_getTransactionReceipt",
            "eth_blockNumber",
            "eth_getBlockByHash",
            "eth_getBlockByNumber",
        ],
    )
    def test_nonsense_is_said_to_be_the_nodes(self, chain: Chain, key: str, method: str) -> None:
        asking = evm(chain, key)
        evidence = asking.anchor(CHECKPOINT)
        listed = {"blockHash": "0x00", "blockNumber": None, "hash": 1, "transactions": [3]}
        junk: Any
        for junk in ("", "0x", "0xzz", "1", 7, True, [], [{}], {}, listed):
            chain.answers = {method: saying(junk)}
            for ask in (asking.upgrade, asking.confirm):
                before = len(chain.asked)
                with contextlib.suppress(RemoteError, EvidenceError):
                    found = ask(evidence, CHECKPOINT)
                    assert found is None or found == evidence or method not in chain.asked[before:]

    @pytest.mark.parametrize(
        "answer",
        [
            {"result": "0x1", "error": {"message": "and an error"}},
            {"id": 99, "result": "0x1"},
            {"error": "in words"},
            {},
        ],
    )
    def test_what_is_no_answer_to_this_question_is_none(
        self, chain: Chain, key: str, answer: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(chain, "answer", lambda question: answer)
        with pytest.raises(RemoteError, match=r"eth_chainId: (refused|status 200)"):
            evm(chain, key, chain="1").anchor(CHECKPOINT)


class TestForged:
    """What an operator may write into a record: nothing of it is trusted that no chain has."""

    def test_every_flipped_byte_is_refused_or_not_trusted(self, chain: Chain, key: str) -> None:
        chain.mines_at_once = False
        for each in range(20):
            chain.transfer(chain.keys[1 + each % 4])
        asking = evm(chain, key, confirmations="0")
        promise = asking.anchor(CHECKPOINT)
        chain.mine()
        evidence = asking.upgrade(promise, CHECKPOINT)
        assert evidence is not None
        trust = trusting(evidence)
        chance = random.Random(1559)
        parts: list[tuple[str, int | None]] = [("header", None), ("transaction", None)]
        parts += [("proof", each) for each in range(len(evidence["proof"]))]
        refused = 0
        for name, place in parts:
            data = bytes_of({name: evidence[name] if place is None else evidence[name][place]}, name)
            for at in range(len(data)):
                flipped = bytearray(data)
                flipped[at] ^= 1 << chance.randrange(8)
                told: Any = spelled(bytes(flipped))
                if place is not None:
                    told = [*evidence["proof"][:place], told, *evidence["proof"][place + 1 :]]
                try:
                    assert not Evm.check(evidence | {name: told}, CHECKPOINT, trust).is_trusted
                except EvidenceError:
                    refused += 1
        assert refused > 500

    def test_another_place_another_block_another_chain(self, chain: Chain, key: str) -> None:
        first = evm(chain, key).anchor(CHECKPOINT)
        second = evm(chain, key).anchor(CHECKPOINT)
        trust = Trust(settings={"blocks": [block_of(first), block_of(second)]})
        forged = [
            first | {"place": 1},
            first | {"place": -1},
            first | {"place": 1 << 70},
            first | {"place": "0"},
            first | {"header": second["header"]},
            first | {"transaction": second["transaction"]},
            first | {"proof": second["proof"]},
            first | {"proof": []},
            first | {"proof": first["proof"][0]},
            first | {"proof": [7]},
            first | {"proof": [spelled(b"\xc0")]},
            first | {"proof": [spelled(b"\xc1" * 40)]},
            first | {"header": spelled(b"\xc0")},
            first | {"header": spelled(b"\x80")},
            first | {"header": spelled(b"")},
            first | {"header": spelled(bytes([0xC0 + 15]) + b"\xc0" * 15)},
            first | {"transaction": spelled(b"\x02")},
            first | {"transaction": spelled(b"\x01\xc0")},
            {"chain": chain.id, "transaction": spelled(b"\x05" + bytes_of(first, "transaction")[1:])},
            first | {"chain": 1},
            first | {"chain": True},
        ]
        for each in forged:
            with pytest.raises(EvidenceError):
                Evm.check(each, CHECKPOINT, trust)
        assert Evm.check(first, CHECKPOINT, trust).is_trusted

    def test_deep_nests_are_no_proof(self, chain: Chain, key: str) -> None:
        evidence = evm(chain, key).anchor(CHECKPOINT)
        nest = b"\xc0"
        while len(nest) < 60_000:
            size = len(nest)
            count = (size.bit_length() + 7) // 8
            head = bytes([0xC0 + size]) if size < 56 else bytes([0xF7 + count]) + size.to_bytes(count, "big")
            nest = head + nest
        for name, told in (("header", spelled(nest)), ("proof", [spelled(nest)])):
            with pytest.raises(EvidenceError):
                Evm.check(evidence | {name: told}, CHECKPOINT, Trust())


def test_from_the_command_line_until_the_chain_is_reorganised(
    chain: Chain,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def said(*words: str, code: int = 0) -> Any:
        capsys.readouterr()
        assert main([*words, "--json"]) == code
        return json.loads(capsys.readouterr().out)

    monkeypatch.setenv("WHENCE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WHENCE_EVM_PRIVATE_KEY", chain.keys[0].hex())  # a run records variables
    monkeypatch.setenv("WHENCE_KEYS", str(tmp_path / "keys"))
    with wh.start_run("anchored") as run:
        run.log_metric("loss", 0.5)
    node = ["anchor", "evm", "--rpc", chain.url, "--chain", str(chain.id)]
    before = chain.head
    (made,) = said(*node, "--budget", "0.001")["anchors"]
    assert made["new"]
    chain.mine(2)
    (listed,) = said("anchors", "--check", code=1)["anchors"]
    assert (listed["state"], listed["trusted"]) == ("holds", False)
    trust = tmp_path / "trust.toml"
    trust.write_text(f'[evm]\nblocks = "0x{chain.backend.get_block_by_number(before + 1)["hash"].hex()}"\n')
    (listed,) = said("anchors", "--check", "--trust", str(trust))["anchors"]
    assert (listed["trusted"], listed["runs"]) == (True, 1)
    (confirmed,) = said(*node, "--confirm")["anchors"]
    assert confirmed["state"] == "holds"
    chain.reorganise(before)
    (confirmed,) = said(*node, "--confirm", code=1)["anchors"]
    assert "no longer in the chain" in confirmed["problem"]
    kept = b"".join(path.read_bytes() for path in (tmp_path / "home").rglob("*") if path.is_file())
    assert b"WHENCE_EVM_PRIVATE_KEY" in kept
    assert chain.keys[0].hex().encode() not in kept
    assert chain.keys[0] not in kept
    assert chain.secret.encode() not in kept


def test_without_the_packages_their_command_is_named() -> None:
    for package in ("eth_account", "eth_utils", "rlp", "trie"):
        script = f"""
            import sys; sys.modules["{package}"] = None
            from whence.trust import find_kind
            try: find_kind("evm")
            except ImportError as error: print(error.code, error.remedy)
        """
        words = [sys.executable, "-c", textwrap.dedent(script)]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        assert done.stdout == "missing-extra Install it with: pip install 'whence[evm]'\n"
