"""A node of an Ethereum-like chain, asked by JSON-RPC; nothing that it says is believed without a check.

Its address may hold a key of whoever runs it (`https://host/v3/KEY`), so that only the host is ever told.
"""

from __future__ import annotations

import json
import urllib.parse
from typing import Any

from whence.errors import RemoteError
from whence.trust.web import TIMEOUT_S, ask

_ANSWER_LIMIT = 64 << 20
"""A full block, spelled in JSON, has some megabytes; this is several times the largest that is allowed."""


class Node:
    """One node.

    Args:
        url: where it takes JSON-RPC over HTTP.
        timeout_s: how long one answer may take.
    """

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self.name = _host_of(url)
        self._count = 0

    def ask(self, method: str, *parameters: Any) -> Any:
        """Ask for one thing.

        Raises:
            RemoteError: no answer, one that isn't JSON-RPC, or a refusal; the message says the node's words.
        """
        self._count += 1
        question = {"jsonrpc": "2.0", "id": self._count, "method": method, "params": parameters}
        try:
            answer = ask(
                self._url,
                body=json.dumps(question).encode(),
                headers={"Content-Type": "application/json"},
                timeout_s=self._timeout_s,
                limit=_ANSWER_LIMIT,
            )
        except RemoteError as error:
            raise RemoteError(error.message.replace(self._url, self.name), remedy=error.remedy) from None
        try:
            value = json.loads(answer.body)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict) or value.get("id") != self._count:
            raise RemoteError(
                f"{self.name}: {method}: status {answer.status}, no JSON-RPC", remedy="Check the address."
            )
        if "result" not in value or value.get("error") is not None:
            said = value.get("error")
            words = said.get("message") if isinstance(said, dict) else said
            raise RemoteError(f"{self.name}: {method}: refused ({words!s:.300})")
        return value["result"]

    def number(self, method: str, *parameters: Any) -> int:
        """Ask for a whole number."""
        return self.number_in(method, self.ask(method, *parameters))

    def object(self, method: str, *parameters: Any) -> dict[str, Any] | None:
        """Ask for an object; None where the node knows of none."""
        found = self.ask(method, *parameters)
        if found is not None and not isinstance(found, dict):
            raise self.nonsense(method, found)
        return found

    def number_in(self, method: str, value: Any) -> int:
        """Read a number as JSON-RPC spells it: hexadecimal behind 0x."""
        try:
            return quantity(value)
        except ValueError as error:
            raise self.nonsense(method, value) from error

    def nonsense(self, method: str, value: Any) -> RemoteError:
        """What to raise where an answer isn't what the method gives."""
        return RemoteError(
            f"{self.name}: {method}: answers {value!r:.80}", remedy="Check the address, or ask another node."
        )


def _host_of(url: str) -> str:
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        return "the node"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def quantity(value: Any) -> int:
    """Read a number as JSON-RPC spells it; raises `ValueError` where it is none."""
    if not isinstance(value, str) or value[:2] != "0x" or not value[2:].isalnum():
        raise ValueError(f"{value!r:.80} is no number of JSON-RPC")
    return int(value[2:], 16)


def data(value: Any) -> bytes:
    """Read bytes as JSON-RPC spells them; raises `ValueError` where they are none."""
    if not isinstance(value, str) or value[:2] != "0x":
        raise ValueError(f"{value!r:.80} are no bytes of JSON-RPC")
    return bytes.fromhex(value[2:])


def spelled_hex(value: bytes | int) -> str:
    """Spell bytes or a number as JSON-RPC does."""
    return hex(value) if isinstance(value, int) else "0x" + value.hex()
