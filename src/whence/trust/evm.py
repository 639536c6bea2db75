"""EVM chains: a transaction to oneself, worth nothing, whose data is the digest of the checkpoint.

The data is the SHA-256 of the signed checkpoint, 32 bytes and nothing else. The evidence holds the
transaction, the header of its block and the nodes of the trie between them, so that a reader needs no node to
see that the one is in the other. What he has to know from elsewhere is that this block is in the chain: he
names its digest as trusted, or asks a node of his choice, which also tells when the chain was reorganised.

    evidence = {"chain": id, "transaction": base64}, and once it is in a block
               {"header": base64, "place": place in the block, "proof": [base64 of a node, ...]} as well

The key is read for signing and stays in memory; neither evidence nor messages have it.
"""

from __future__ import annotations

import decimal
import os
import pathlib
import re
import stat
import time
from collections.abc import Mapping
from typing import Any, ClassVar

from whence.errors import EvidenceError, InputError, KeyUnusableError, MissingExtraError, RemoteError
from whence.store import explained_reading
from whence.trust.evm_blocks import (
    Block,
    Carried,
    Inclusion,
    check_included,
    prove_included,
    read_transaction,
)
from whence.trust.evm_node import Node, spelled_hex
from whence.trust.kinds import Anchored, Trust, bytes_of, number_of, spelled
from whence.vocab import digest_bytes

try:
    from eth_account import Account
    from eth_account.signers.local import LocalAccount
except ModuleNotFoundError as error:
    if error.name != "eth_account":
        raise
    raise MissingExtraError("eth-account", extra="evm", need="an anchor in an EVM chain") from error

_POLL_S = 2.0
_WAIT_S = 600.0
_TRIES = 5
_COIN = 10**18
_KEY_LIMIT = 1 << 16
_BUDGET = "0.01"
_GAS_SPARE = 4
"""A quarter more gas than estimated is allowed for; what isn't used isn't paid."""


class Evm:
    """Transactions on one chain, by one node.

    Args:
        rpc: where the node takes JSON-RPC over HTTP.
        chain: the id of the chain; a node of another one is refused before anything is signed.
        key: the file of the private key, hexadecimal or an encrypted key store (whose passphrase is in
            `WHENCE_EVM_PASSPHRASE`); by default `WHENCE_EVM_PRIVATE_KEY` holds it in hexadecimal.
        confirmations: how many blocks to wait for, that of the transaction among them; 0 waits for none.
        budget: what the transaction may cost at most, in the chain's coin.
        wait_s, poll_s: for how long to wait for a block, and how often to ask.
    """

    kind: ClassVar[str] = "evm"

    def __init__(
        self,
        *,
        rpc: str,
        chain: str,
        key: str | None = None,
        confirmations: str = "1",
        budget: str = _BUDGET,
        wait_s: float = _WAIT_S,
        poll_s: float = _POLL_S,
    ) -> None:
        self._node = Node(rpc)
        self._chain = _whole("chain", chain)
        self._key = key
        self._confirmations = _whole("confirmations", confirmations)
        self._budget_wei = _wei(budget)
        self._wait_s = wait_s
        self._poll_s = poll_s

    def anchor(self, checkpoint: bytes) -> dict[str, Any]:
        """Send the checkpoint's digest, and wait until enough blocks have it.

        Returns:
            The evidence; where the time was too short, or somebody interrupts the waiting, that of a
            transaction that was sent and still waits for its block: `upgrade` makes it final.

        Raises:
            RemoteError: the node refuses, is of another chain, or wants more than the budget.
            KeyUnusableError: there is no key, or others may read it.
        """
        account = _account(self._key)
        self._check_chain(self._chain)
        raw = self._send(account, digest_bytes(checkpoint))
        evidence = {"chain": self._chain, "transaction": spelled(raw)}
        until = time.monotonic() + self._wait_s
        try:
            while self._confirmations and time.monotonic() < until:
                found = self.upgrade(evidence, checkpoint)
                if found is not None:
                    return found
                time.sleep(self._poll_s)
        except (KeyboardInterrupt, RemoteError):
            # It is sent and costs money by now: whatever ends the waiting, its evidence is kept.
            return evidence
        return evidence

    def upgrade(self, evidence: Mapping[str, Any], checkpoint: bytes) -> dict[str, Any] | None:
        """Find the block that has the transaction, once enough blocks stand behind it; None before that.

        Raises:
            RemoteError: the node is of another chain, or tells nonsense, or the transaction was replaced.
        """
        raw = bytes_of(evidence, "transaction")
        sent = _carried(evidence, raw, checkpoint)
        self._check_chain(sent.chain)
        used = self._node.number("eth_getTransactionCount", _sender(raw), "latest")
        receipt = self._node.object("eth_getTransactionReceipt", spelled_hex(sent.digest))
        if receipt is None or receipt.get("blockHash") is None:
            if used > sent.nonce:
                raise RemoteError(
                    f"{self._node.name}: another transaction took the place of 0x{sent.digest.hex()}",
                    remedy="Delete the record of this anchor, and anchor again.",
                )
            return None
        head = self._node.number("eth_blockNumber")
        depth = head - self._node.number_in("eth_getTransactionReceipt", receipt.get("blockNumber")) + 1
        if depth < max(self._confirmations, 1):
            return None
        block = self._node.object("eth_getBlockByHash", receipt["blockHash"], True)
        if block is None:
            return None
        found = prove_included(self._node, block, raw)
        return {
            **evidence,
            "header": spelled(found.header),
            "place": found.place,
            "proof": [spelled(each) for each in found.proof],
        }

    def confirm(self, evidence: Mapping[str, Any], checkpoint: bytes) -> Anchored:
        """Ask the node whether the transaction's block is in the chain still.

        Raises:
            EvidenceError: it isn't: the chain was reorganised, or never had it.
            RemoteError: the node is of another chain, or tells nonsense.
        """
        found = self.check(evidence, checkpoint, Trust())
        if not found.is_final:
            return found
        block = _included(evidence)
        self._check_chain(number_of(evidence, "chain"))
        head = self._node.number("eth_blockNumber")
        there = self._node.object("eth_getBlockByNumber", spelled_hex(block.number), False)
        if there is None:
            raise EvidenceError(
                f"{_named(block)}: the chain ends at block {head:,}, as {self._node.name} has it",
                remedy="Ask a node that is up to date; if this one is, the chain was reorganised.",
            )
        if there.get("hash") != spelled_hex(block.digest):
            raise EvidenceError(
                f"{_named(block)} is no longer in the chain, as {self._node.name} has it",
                remedy="The chain was reorganised: delete the record of this anchor, and anchor again.",
            )
        deep = f"{head - block.number} blocks deep"
        return Anchored(
            at=block.made_at,
            by=f"{_named(block)} of chain {number_of(evidence, 'chain')}",
            rests_on=f"the word of {self._node.name} that it is in the chain, {deep}",
            is_trusted=True,
        )

    @staticmethod
    def check(evidence: Mapping[str, Any], checkpoint: bytes, trust: Trust) -> Anchored:
        """Check that a transaction carries a checkpoint, and that a block has it.

        Args:
            evidence: what `anchor` or `upgrade` gave.
            checkpoint: what it carries the digest of.
            trust: `blocks`, the digests (0x...) of blocks that the reader knows to be in the chain.

        Raises:
            EvidenceError: it carries something else, or is in no block, or in another.
        """
        blocks = [each.lower() for each in trust.texts("blocks")]
        carried = _carried(evidence, bytes_of(evidence, "transaction"), checkpoint)
        called = f"transaction 0x{carried.digest.hex()} of chain {carried.chain}"
        if "header" not in evidence:
            return Anchored(
                at=None,
                by=called,
                rests_on="nothing yet: it waits for its block; whence anchor evm --upgrade looks for it",
                is_trusted=False,
                is_final=False,
            )
        block = _included(evidence)
        if spelled_hex(block.digest) not in blocks:
            return Anchored(
                at=None,
                by=f"{called}, in a {_named(block)}",
                rests_on="nothing yet: whether the chain has this block is to be looked up, or a node asked",
                is_trusted=False,
            )
        return Anchored(
            at=block.made_at,
            by=f"{_named(block)} of chain {carried.chain}",
            rests_on="the validators of that chain, and that this block is in it, as the reader says",
            is_trusted=True,
        )

    @staticmethod
    def export(evidence: Mapping[str, Any]) -> dict[str, bytes]:
        """Write the transaction's bytes, in hexadecimal as nodes and explorers take it."""
        return {".transaction": spelled_hex(bytes_of(evidence, "transaction")).encode() + b"\n"}

    def _check_chain(self, wanted: int) -> None:
        """Whatever a node is asked, it must be one of the chain that is meant."""
        if wanted != self._chain:
            raise InputError(f"the anchor is in chain {wanted}, and chain {self._chain} was named")
        found = self._node.number("eth_chainId")
        if found != wanted:
            raise RemoteError(
                f"{self._node.name}: is of chain {found}, wanted {wanted}", remedy="Name another node."
            )

    def _send(self, account: LocalAccount, digest: bytes) -> bytes:
        """Sign and send; where somebody else used the account's next number first, with the one after it."""
        node = self._node
        fees = self._fees(account.address, digest)
        for attempt in range(_TRIES):
            nonce = node.number("eth_getTransactionCount", account.address, "pending")
            signed = account.sign_transaction(
                fees
                | {
                    "type": 2,
                    "chainId": self._chain,
                    "nonce": nonce,
                    "to": account.address,
                    "value": 0,
                    "data": digest,
                }
            )
            raw, called = bytes(signed.raw_transaction), spelled_hex(bytes(signed.hash))
            try:
                answer = node.ask("eth_sendRawTransaction", spelled_hex(raw))
                if answer != called:
                    raise node.nonsense("eth_sendRawTransaction", answer)
            except RemoteError:
                # An answer may be lost on its way, and two who say the same send the same bytes.
                if node.object("eth_getTransactionByHash", called) is not None:
                    return raw
                is_taken = node.number("eth_getTransactionCount", account.address, "pending") > nonce
                if not is_taken or attempt == _TRIES - 1:
                    raise
            else:
                return raw
        raise AssertionError("the last attempt returns or raises")

    def _fees(self, address: str, digest: bytes) -> dict[str, int]:
        """Offer what the next blocks may ask for (EIP-1559), within the budget."""
        node = self._node
        latest = node.object("eth_getBlockByNumber", "latest", False)
        if latest is None or latest.get("baseFeePerGas") is None:
            raise RemoteError(
                f"{node.name}: blocks without a base fee (EIP-1559)", remedy="Take another chain."
            )
        tip = node.number("eth_maxPriorityFeePerGas")
        most = 2 * node.number_in("eth_getBlockByNumber", latest["baseFeePerGas"]) + tip
        call = {"from": address, "to": address, "value": "0x0", "data": spelled_hex(digest)}
        gas = node.number("eth_estimateGas", call)
        gas += gas // _GAS_SPARE
        if gas * most > self._budget_wei:
            raise RemoteError(
                f"{node.name}: the transaction may cost {_coins(gas * most)}, "
                f"the budget is {_coins(self._budget_wei)}",
                remedy="Wait until the chain is cheaper, or raise the budget.",
            )
        return {"gas": gas, "maxFeePerGas": most, "maxPriorityFeePerGas": tip}


def _carried(evidence: Mapping[str, Any], raw: bytes, checkpoint: bytes) -> Carried:
    """Check that a transaction carries a checkpoint's digest, on the chain that the evidence says."""
    carried = read_transaction(raw)
    if carried.data != digest_bytes(checkpoint):
        raise EvidenceError("the transaction carries something else than this checkpoint")
    if carried.chain != number_of(evidence, "chain"):
        raise EvidenceError(f"the transaction is for chain {carried.chain}, and the evidence names another")
    return carried


def _included(evidence: Mapping[str, Any]) -> Block:
    proof = evidence.get("proof")
    if not isinstance(proof, list):
        raise EvidenceError("evidence: proof is no list")
    found = Inclusion(
        header=bytes_of(evidence, "header"),
        place=number_of(evidence, "place"),
        proof=tuple(bytes_of({"proof": each}, "proof") for each in proof),
    )
    return check_included(found, bytes_of(evidence, "transaction"))


def _sender(raw: bytes) -> str:
    """Who signed a transaction."""
    try:
        return str(Account.recover_transaction(raw))
    except Exception as error:  # nothing but the package is called, and it has no error of its own for all
        raise EvidenceError(f"evidence: nobody signed the transaction ({error!s:.200})") from error


def _account(path: str | None) -> LocalAccount:
    """Read the private key; no message has anything of it."""
    where = path or "WHENCE_EVM_PRIVATE_KEY"
    text = _key_file(pathlib.Path(path)) if path else os.environ.get("WHENCE_EVM_PRIVATE_KEY", "")
    if not text.strip():
        raise KeyUnusableError(
            f"{where}: no key",
            remedy="Name a key's file with --key, or set WHENCE_EVM_PRIVATE_KEY to one in hexadecimal.",
        )
    try:
        if text.lstrip().startswith("{"):
            account = Account.from_key(Account.decrypt(text, os.environ.get("WHENCE_EVM_PASSPHRASE", "")))
        else:
            account = Account.from_key(bytes.fromhex(text.strip().removeprefix("0x")))
    except Exception:  # whatever the package says may have the key in it
        raise KeyUnusableError(
            f"{where}: no private key of an account, or another passphrase",
            remedy="64 hexadecimal digits, or a key store with its passphrase in WHENCE_EVM_PASSPHRASE.",
        ) from None
    return account


def _key_file(path: pathlib.Path) -> str:
    with explained_reading(path), path.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        text = file.read(_KEY_LIMIT).decode("ascii", "replace")
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyUnusableError(f"{path}: others may read the key", remedy=f"Type: chmod 600 {path}")
    return text


def _named(block: Block) -> str:
    return f"block {block.number:,} 0x{block.digest.hex()}"


def _coins(wei: int) -> str:
    return f"{decimal.Decimal(wei) / _COIN:f}"


def _wei(budget: str) -> int:
    try:
        wei = int(decimal.Decimal(budget) * _COIN)
    except (decimal.DecimalException, ValueError, OverflowError):
        wei = 0
    if wei <= 0:
        raise InputError(f"budget is {budget!r:.40}, wanted an amount of coins", remedy="For example 0.01.")
    return wei


def _whole(name: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise InputError(f"{name} is {text!r:.40}, wanted a whole number")
    return int(text)
