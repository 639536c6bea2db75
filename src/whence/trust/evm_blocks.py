"""Blocks of Ethereum-like chains: that a transaction is in one, by the root that the block's header names.

The transactions of a block are the leaves of a Merkle-Patricia trie, by their places; its root stands in the
header, and the digest of the header is what a block is called. A node tells headers and transactions taken
apart, as JSON; put together again they have the digest that they are called by, or the node is wrong, or the
chain has fields that aren't known here: then the node is asked for the bytes.

Source: Ethereum's yellow paper, 4.3 and appendix D; EIP-2718, -2930, -1559, -4844, -7702 for transactions,
EIP-1559, -4895, -4844, -4788, -7685 for headers. RLP and trie are the packages `rlp` and `trie`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, NamedTuple

from whence.errors import EvidenceError, MissingExtraError, RemoteError
from whence.trust.evm_node import Node, data, quantity, spelled_hex

try:
    import rlp
    from eth_utils import keccak
    from trie import HexaryTrie
except ModuleNotFoundError as error:
    if error.name not in ("eth_utils", "rlp", "trie"):
        raise
    raise MissingExtraError(error.name, extra="evm", need="an anchor in an EVM chain") from error

_NUMBERS_OF_HEADER = "difficulty number gasLimit gasUsed timestamp baseFeePerGas blobGasUsed excessBlobGas"
_FIELDS_OF_HEADER = """
    parentHash sha3Uncles miner stateRoot transactionsRoot receiptsRoot logsBloom difficulty number gasLimit
    gasUsed timestamp extraData mixHash nonce
    baseFeePerGas withdrawalsRoot blobGasUsed excessBlobGas parentBeaconBlockRoot requestsHash
"""
_HEADER = _FIELDS_OF_HEADER.split()
_OLDEST = 15
"""So many fields every header has; forks added the others, each behind those before it."""
_NUMBERS = frozenset(_NUMBERS_OF_HEADER.split())
_ROOT, _NUMBER, _TIMESTAMP = (_HEADER.index(name) for name in ("transactionsRoot", "number", "timestamp"))

_FEES = "maxPriorityFeePerGas maxFeePerGas"
_CALL = "gas to value input"
_SIGNED = "yParity r s"
_TRANSACTIONS = {
    0: f"nonce gasPrice {_CALL} v r s",
    1: f"chainId nonce gasPrice {_CALL} accessList {_SIGNED}",
    2: f"chainId nonce {_FEES} {_CALL} accessList {_SIGNED}",
    3: f"chainId nonce {_FEES} {_CALL} accessList maxFeePerBlobGas blobVersionedHashes {_SIGNED}",
    4: f"chainId nonce {_FEES} {_CALL} accessList authorizationList {_SIGNED}",
}
"""The fields of a transaction, in their order, by its type."""
_CHAIN, _NONCE, _DATA = (_TRANSACTIONS[2].split().index(name) for name in ("chainId", "nonce", "input"))


class Block(NamedTuple):
    """What a header says of its block."""

    digest: bytes
    number: int
    made_at: dt.datetime
    transactions_root: bytes


class Carried(NamedTuple):
    """What a transaction says that matters here."""

    digest: bytes
    chain: int
    nonce: int
    data: bytes


class Inclusion(NamedTuple):
    """Where a transaction is: the header of its block, its place in it, and the nodes that lead to it."""

    header: bytes
    place: int
    proof: tuple[bytes, ...]


def read_header(header: bytes) -> Block:
    """Read a header's bytes; raises `EvidenceError` where they are none."""
    fields = _list(header, "header")
    if len(fields) < _OLDEST or not all(isinstance(each, bytes) for each in fields):
        raise EvidenceError("evidence: the header is none of a block")
    number, seconds = (int.from_bytes(fields[each], "big") for each in (_NUMBER, _TIMESTAMP))
    try:
        made_at = dt.datetime.fromtimestamp(seconds, dt.UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise EvidenceError(f"evidence: the block is of second {seconds}") from error
    return Block(digest=keccak(header), number=number, made_at=made_at, transactions_root=fields[_ROOT])


def read_transaction(raw: bytes) -> Carried:
    """Read the bytes of a transaction of type 2; raises `EvidenceError` where they are none."""
    fields = _list(raw[1:], "transaction") if raw[:1] == b"\x02" else []
    wanted = len(_TRANSACTIONS[2].split())
    if len(fields) != wanted or not all(isinstance(fields[each], bytes) for each in (_CHAIN, _NONCE, _DATA)):
        raise EvidenceError("evidence: the transaction is none of the kind that carries a checkpoint")
    chain, nonce = (int.from_bytes(fields[each], "big") for each in (_CHAIN, _NONCE))
    return Carried(digest=keccak(raw), chain=chain, nonce=nonce, data=fields[_DATA])


def check_included(found: Inclusion, transaction: bytes) -> Block:
    """Check that a transaction is in the block of a header, at its place; the block.

    Raises:
        EvidenceError: the nodes don't lead from the header to it.
    """
    block = read_header(found.header)
    nodes = [_list(each, "proof") for each in found.proof]
    try:
        reached = HexaryTrie.get_from_proof(block.transactions_root, rlp.encode(found.place), nodes)
    except Exception as error:  # nothing but the package is called, and it has no error of its own for all
        raise EvidenceError(f"evidence: the proof leads nowhere ({error!s:.200})") from error
    if reached != transaction:
        raise EvidenceError("evidence: the proof leads to another transaction, or to none")
    return block


def prove_included(node: Node, block: dict[str, Any], transaction: bytes) -> Inclusion:
    """Put a block together as the node tells it, and prove that a transaction is in it.

    Raises:
        RemoteError: what the node tells isn't the block that it is called, or the transaction isn't in it.
    """
    try:
        called = data(block["hash"])
        listed = [(data(each["hash"]), each) for each in block["transactions"]]
    except (KeyError, TypeError, ValueError) as error:
        raise node.nonsense("eth_getBlockByHash", block) from error
    header = _checked(_header_of(block), called) or _asked(node, called, "debug_getRawHeader", called)
    trie, index = HexaryTrie({}), -1
    for place, (digest, told) in enumerate(listed):
        raw = _checked(_transaction_of(told), digest) or _asked(
            node, digest, "eth_getRawTransactionByBlockHashAndIndex", called, place
        )
        trie[rlp.encode(place)] = raw
        index = place if raw == transaction else index
    if index < 0:
        raise RemoteError(f"{node.name}: says that the transaction is in block 0x{called.hex()}; it isn't")
    found = Inclusion(
        header=header,
        place=index,
        proof=tuple(rlp.encode(each) for each in trie.get_proof(rlp.encode(index))),
    )
    try:
        check_included(found, transaction)
    except EvidenceError as error:
        raise RemoteError(f"{node.name}: tells other transactions than the block has ({error})") from error
    return found


def _checked(found: bytes | None, digest: bytes) -> bytes | None:
    return found if found is not None and keccak(found) == digest else None


def _asked(node: Node, digest: bytes, method: str, *parameters: bytes | int) -> bytes:
    """Ask for bytes that couldn't be put together, and check that they are what was asked for."""
    remedy = "Ask a node that tells the bytes of headers and transactions."
    try:
        raw = data(node.ask(method, *map(spelled_hex, parameters)))
    except (RemoteError, ValueError) as error:
        raise RemoteError(
            f"{node.name}: 0x{digest.hex()} has fields that aren't known here, and {error!s:.300}",
            remedy=remedy,
        ) from error
    if keccak(raw) != digest:
        raise RemoteError(f"{node.name}: {method}: not 0x{digest.hex()}", remedy=remedy)
    return raw


def _header_of(block: dict[str, Any]) -> bytes | None:
    """Put a header together; None where it can't be."""
    names = [name for place, name in enumerate(_HEADER) if place < _OLDEST or block.get(name)]
    try:
        return bytes(rlp.encode([(_number if name in _NUMBERS else data)(block[name]) for name in names]))
    except (KeyError, ValueError):
        return None


def _transaction_of(told: dict[str, Any]) -> bytes | None:
    """Put a transaction together; None where it can't be."""
    try:
        kind = quantity(told.get("type", "0x0"))
        fields = [_field(told, name) for name in _TRANSACTIONS[kind].split()]
    except (KeyError, TypeError, ValueError):
        return None
    return (bytes([kind]) if kind else b"") + bytes(rlp.encode(fields))


def _field(told: dict[str, Any], name: str) -> Any:
    if name == "to":
        return b"" if told["to"] is None else data(told["to"])
    if name == "input":
        return data(told["input"])
    if name == "yParity":
        return _number(told.get("yParity", told.get("v")))
    if name == "accessList":
        return [[data(each["address"]), [*map(data, each["storageKeys"])]] for each in told[name]]
    if name == "blobVersionedHashes":
        return [*map(data, told[name])]
    if name == "authorizationList":
        return [
            [
                _number(each["chainId"]),
                data(each["address"]),
                *(_number(each[part]) for part in ("nonce", "yParity", "r", "s")),
            ]
            for each in told[name]
        ]
    return _number(told[name])


def _number(value: Any) -> bytes:
    number = quantity(value)
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _list(raw: bytes, what: str) -> Sequence[Any]:
    try:
        found = rlp.decode(raw)
    except (rlp.exceptions.RLPException, RecursionError, TypeError, ValueError) as error:
        raise EvidenceError(f"evidence: the {what} isn't RLP ({error!s:.200})") from error
    if not isinstance(found, Sequence) or isinstance(found, bytes):
        raise EvidenceError(f"evidence: the {what} is no list of RLP")
    return found
