"""A chain of its own, py-evm by way of eth-tester, and its node: JSON-RPC over HTTP on this machine.

Blocks, headers, transactions and their execution are py-evm's. What stands here is how a node spells them,
its pool of what waits for a block, and what tests make it say instead.
"""

# ruff: noqa: N802 - these are the names of JSON-RPC

from __future__ import annotations

import json
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import rlp
from eth.exceptions import HeaderNotFound
from eth_account import Account
from eth_tester import EthereumTester, PyEVMBackend
from eth_tester.backends.pyevm.serializers import serialize_block
from eth_tester.exceptions import TransactionNotFound
from eth_utils import keccak


class Chain:
    """One chain and its node; `answers` replaces what the node says to a method."""

    def __init__(self) -> None:
        self.backend = PyEVMBackend.from_mnemonic("test " * 11 + "junk")  # keys that look like ones
        self.tester = EthereumTester(self.backend)
        self.keys = [each.to_bytes() for each in self.backend.account_keys]
        self.id = self.backend.chain.chain_id
        self.answers: dict[str, Callable[..., Any]] = {}
        self.asked: list[str] = []
        self.waiting: dict[tuple[str, int], bytes] = {}
        self.mines_at_once = True
        self.lock = threading.RLock()
        chain = self

        class Answering(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answer = {"jsonrpc": "2.0", "id": question["id"]} | chain.answer(question)
                body = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self.secret = secrets.token_hex()
        self.url = f"http://127.0.0.1:{self.server.server_port}/v3/{self.secret}"

    @contextmanager
    def serving(self) -> Iterator[Chain]:
        """Answer while this is open."""
        thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self.server.shutdown()
            self.server.server_close()
            thread.join()

    @property
    def head(self) -> int:
        """The newest block's number."""
        return int(self.tester.get_block_by_number("latest")["number"])

    def mine(self, count: int = 1) -> None:
        """More blocks; what waits is in the first of them."""
        with self.lock:
            for _, raw in sorted(self.waiting.items()):
                self.backend.send_raw_transaction(raw)
            self.waiting.clear()
            self.tester.mine_blocks(count)

    def reorganise(self, number: int) -> None:
        """Let go of all blocks behind one, and go on from there with others, one more than there were."""
        with self.lock:
            count = self.head - number
            block = self.backend.chain.get_canonical_block_by_number(number)
            self.backend.revert_to_snapshot(block.hash)
            self.tester.mine_blocks(count + 1, coinbase="0x" + "22" * 20)  # blocks of somebody else

    def transfer(self, key: bytes, *, kind: int = 0, **fields: Any) -> None:
        """Somebody else's transaction, of an older or newer type."""
        account = Account.from_key(key)
        fees: dict[str, int] = {"gasPrice": 10**10}
        if kind >= 2:
            fees = {"maxFeePerGas": 10**10, "maxPriorityFeePerGas": 10**9}
        told = {"type": kind} if kind else {}
        signed = account.sign_transaction(
            {
                "chainId": self.id,
                "nonce": self._next(account.address),
                "to": "0x" + "11" * 20,
                "value": 1,
                "gas": 200_000,
                **told,
                **fees,
                **fields,
            }
        )
        self.eth_sendRawTransaction("0x" + bytes(signed.raw_transaction).hex())

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """What the node says."""
        method, parameters = question["method"], question["params"]
        self.asked.append(method)
        try:
            if method in self.answers:
                return {"result": self.answers[method](*parameters)}
            with self.lock:
                return {"result": getattr(self, method)(*parameters)}
        except Exception as error:  # as a node would: whatever it is, it is told
            return {"error": {"code": -32000, "message": f"{error!s:.200}"}}

    def eth_chainId(self) -> str:
        return hex(self.id)

    def eth_blockNumber(self) -> str:
        return hex(self.head)

    def eth_getTransactionCount(self, address: str, where: str) -> str:
        return hex(self._next(address) if where == "pending" else self.tester.get_nonce(address))

    def eth_maxPriorityFeePerGas(self) -> str:
        return hex(10**9)

    def eth_estimateGas(self, call: dict[str, str]) -> str:
        asked = {"from": call["from"], "to": call["to"], "data": call["data"], "value": 0}
        return hex(self.tester.estimate_gas(asked))

    def eth_sendRawTransaction(self, raw: str) -> str:
        """A pool as nodes have it: one transaction for each number of an account, the first one stays."""
        sent = bytes.fromhex(raw[2:])
        sender = str(Account.recover_transaction(sent))
        fields = rlp.decode(sent if sent[0] > 0x7F else sent[1:])
        number = int.from_bytes(fields[0 if sent[0] > 0x7F else 1], "big")
        with self.lock:
            if number < self.tester.get_nonce(sender):
                raise ValueError("nonce too low")
            if (sender, number) in self.waiting:
                is_same = self.waiting[sender, number] == sent
                raise ValueError("already known" if is_same else "replacement transaction underpriced")
            self.waiting[sender, number] = sent
            if self.mines_at_once:
                self.mine()
        return "0x" + bytes(keccak(sent)).hex()

    def _next(self, address: str) -> int:
        number = int(self.tester.get_nonce(address))
        while (address, number) in self.waiting:
            number += 1
        return number

    def eth_getBlockByNumber(self, where: str, full: bool) -> Any:
        number = int(where, 16) if where.startswith("0x") else self.head
        return self._block(self.backend.chain.get_canonical_block_by_number, number, full)

    def eth_getBlockByHash(self, digest: str, full: bool) -> Any:
        return self._block(self.backend.chain.get_block_by_hash, bytes.fromhex(digest[2:]), full)

    def _block(self, find: Callable[[Any], Any], what: Any, full: bool) -> Any:
        try:
            block = find(what)
        except HeaderNotFound:
            return None
        told = self.told(serialize_block(block, full, False))
        return told | {"extraData": "0x" + block.header.extra_data.hex()}  # which eth-tester fills up

    def eth_getTransactionByHash(self, digest: str) -> Any:
        if any("0x" + keccak(raw).hex() == digest for raw in self.waiting.values()):
            return {"hash": digest, "blockHash": None}
        return self._found(self.backend.get_transaction_by_hash, digest)

    def eth_getTransactionReceipt(self, digest: str) -> Any:
        return self._found(self.backend.get_transaction_receipt, digest)

    def _found(self, find: Callable[[bytes], Any], digest: str) -> Any:
        try:
            return self.told(find(bytes.fromhex(digest[2:])))
        except TransactionNotFound:
            return None

    def debug_getRawHeader(self, digest: str) -> str:
        block = self.backend.chain.get_block_by_hash(bytes.fromhex(digest[2:]))
        return "0x" + bytes(rlp.encode(block.header)).hex()

    def eth_getRawTransactionByBlockHashAndIndex(self, digest: str, place: str) -> str:
        block = self.backend.chain.get_block_by_hash(bytes.fromhex(digest[2:]))
        return "0x" + bytes(block.transactions[int(place, 16)].encode()).hex()

    def told(self, value: Any, name: str = "") -> Any:
        """Spell what eth-tester says as a node does."""
        if isinstance(value, dict):
            return {_NODES_NAME.get(key, _camel(key)): self.told(each, key) for key, each in value.items()}
        if name == "access_list":
            named = [
                {"address": each, "storageKeys": [slot.to_bytes(32, "big") for slot in slots]}
                for each, slots in value
            ]
            return self.told(named)
        if isinstance(value, list | tuple):
            return [self.told(each) for each in value]
        if name == "logs_bloom":
            return f"0x{value:0512x}"
        if value is None:
            return None
        return hex(value) if isinstance(value, int) else "0x" + bytes(value).hex()


_NODES_NAME = {"data": "input", "coinbase": "miner", "sha3_uncles": "sha3Uncles"}


def _camel(name: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), name)
