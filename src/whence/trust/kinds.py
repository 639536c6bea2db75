"""What an anchor of any kind is: its interface, what it proves, whom the reader trusts; the kinds there are.

A kind is one module with one class. Making an anchor may use the network; checking one never does: all that
it needs lies in the evidence, a JSON object whose bytes are spelled in base64. What has to be believed beyond
the evidence (a key, a certificate, a repository) is named by the reader's `Trust`, never by the evidence.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import importlib
import pathlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar, cast

from whence.errors import EvidenceError, InputError
from whence.store import explained_reading

_Taken = TypeVar("_Taken")


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchored:
    """What an anchor proves: the checkpoint existed at a time, says somebody.

    Args:
        at: when at the latest; None where the evidence isn't final yet, or tells no time.
        by: who says so, for people: `the authority CN=…`, `Bitcoin block 840,000`.
        rests_on: what has to be believed for it, one sentence.
        is_trusted: whether that is something that the reader named as trusted, or that needs no trust.
        is_final: whether nothing is still awaited.
    """

    at: dt.datetime | None
    by: str
    rests_on: str
    is_trusted: bool
    is_final: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What the reader trusts of one kind.

    Args:
        settings: by name, as the kind's own page tells.
        folder: where the files lie that settings name.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    folder: pathlib.Path = pathlib.Path()

    def texts(self, name: str) -> list[str]:
        """List the texts that a setting names; none where it isn't there.

        Raises:
            InputError: it is something else than a text or a list of texts.
        """
        found = self.settings.get(name, [])
        listed = [found] if isinstance(found, str) else found
        if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
            raise InputError(f"trust: {name} is {found!r:.80}, wanted a text or a list of texts")
        return listed

    def files(self, name: str) -> list[bytes]:
        """Read the files that a setting names.

        Raises:
            InputError: it is something else than a text or a list of texts.
            NotFoundError, StoreError: one can't be read.
        """
        found = []
        for each in self.texts(name):
            path = self.folder / each
            with explained_reading(path):
                found.append(path.read_bytes())
        return found

    def number(self, name: str, default: int) -> int:
        """Take a whole number; raises `InputError` where the setting is something else."""
        found = self.settings.get(name, default)
        if type(found) is not int:
            raise InputError(f"trust: {name} is {found!r:.80}, wanted a whole number")
        return found


def read_trust(path: pathlib.Path) -> dict[str, Trust]:
    """Read a file in which a reader says whom he trusts: TOML, a table for each kind.

    Raises:
        InputError: it isn't TOML, or has something beside tables of known kinds.
        NotFoundError, StoreError: it can't be read.
    """
    with explained_reading(path):
        data = path.read_bytes()
    try:
        tables = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not TOML ({error})", remedy="docs/how-to/anchor.md shows one.") from error
    for name, table in tables.items():
        if name not in KINDS or not isinstance(table, dict):
            raise InputError(
                f"{path}: [{name:.60}] is no kind of anchor", remedy=f"The kinds are {', '.join(KINDS)}."
            )
    return {name: Trust(settings=table, folder=path.parent) for name, table in tables.items()}


class Kind(Protocol):
    """One kind of anchor; its class takes the options of its row in `KINDS` by keyword.

    One that may be asked twice for the same checkpoint, since it takes what is there already, says so by
    `repeats = True`; others are asked once.
    """

    kind: ClassVar[str]

    def anchor(self, checkpoint: bytes) -> dict[str, Any]:
        """Have a checkpoint attested; may use the network.

        Args:
            checkpoint: the signed checkpoint, as its file has it.

        Returns:
            The evidence: a JSON object of texts, whole numbers, lists and objects.

        Raises:
            RemoteError: whoever should attest it doesn't, or not as the protocol says.
            InputError: the options can't be.
        """

    @staticmethod
    def check(evidence: Mapping[str, Any], checkpoint: bytes, trust: Trust) -> Anchored:
        """Check that evidence is about a checkpoint, offline.

        Raises:
            EvidenceError: it isn't, or not whole.
            InputError: the trust can't be read as this kind reads it.
        """

    @staticmethod
    def export(evidence: Mapping[str, Any]) -> dict[str, bytes]:
        """Write evidence as other people's tools take it: files by the ending of their name."""


class Upgradable(Kind, Protocol):
    """A kind whose anchors become final later."""

    def upgrade(self, evidence: Mapping[str, Any], checkpoint: bytes) -> dict[str, Any] | None:
        """Ask whether an anchor can be made final by now; the evidence then, None where it can't yet.

        Raises:
            RemoteError: nobody of those who should know answers as the protocol says.
        """


class Confirmable(Kind, Protocol):
    """A kind that can ask whether what an anchor rests on is still so: a chain may drop its last blocks."""

    def confirm(self, evidence: Mapping[str, Any], checkpoint: bytes) -> Anchored:
        """Ask again, by the network, what the offline check has to take from its reader.

        Raises:
            EvidenceError: it is no longer so, or never was.
            RemoteError: nobody of those who should know answers as the protocol says.
        """


class Option(NamedTuple):
    """An option of making an anchor: a keyword of the kind's class, and `--name` on the command line.

    A flag has no metavar and comes as True; every other option comes as the text that was given, or as the
    list of texts where it may be given several times.
    """

    name: str
    metavar: str
    help: str
    is_required: bool = False
    is_many: bool = False


class KindRow(NamedTuple):
    """A kind, before its module is loaded."""

    module: str
    name: str
    summary: str
    options: tuple[Option, ...] = ()


KINDS = {
    "evm": KindRow(
        "evm",
        "Evm",
        "a transaction on an Ethereum-like chain",
        (
            Option("rpc", "URL", "a node that is asked by JSON-RPC", is_required=True),
            Option("chain", "ID", "the chain's id; a node of another one is refused", is_required=True),
            Option("key", "FILE", "the private key (default: WHENCE_EVM_PRIVATE_KEY has it)"),
            Option("confirmations", "N", "wait for N blocks (default: 1; 0 doesn't wait)"),
            Option("budget", "COINS", "what it may cost at most, in the chain's coin (default: 0.01)"),
        ),
    ),
    "git": KindRow(
        "gits",
        "Git",
        "a tag or a commit in a Git repository",
        (
            Option("repository", "FOLDER", "the repository (default: the one here)"),
            Option("branch", "NAME", "put a commit on this branch instead of a tag"),
            Option("sign", "", "let Git sign it"),
            Option("push", "REMOTE", "push it there; without this nothing is pushed"),
        ),
    ),
    "opentimestamps": KindRow(
        "opentimestamps",
        "OpenTimestamps",
        "a block of Bitcoin, by calendars",
        (
            Option("calendar", "URL", "a calendar (default: those of the ots client)", is_many=True),
            Option("explorer", "URL", "an Esplora API for headers of blocks (default: blockstream.info)"),
        ),
    ),
    "rekor": KindRow(
        "rekor",
        "Rekor",
        "an entry in a Sigstore transparency log",
        (
            Option("url", "URL", "the log's address", is_required=True),
            Option("key", "FILE", "an ECDSA P-256 key that signs the entry (default: a new one)"),
        ),
    ),
    "rfc3161": KindRow(
        "rfc3161",
        "Rfc3161",
        "a time stamp of an authority (RFC 3161)",
        (Option("url", "URL", "where the authority takes requests", is_required=True),),
    ),
    "witness": KindRow("witness_kind", "Cosigned", "cosignatures of witnesses, made by whence witness ask"),
}
"""The kinds by name; a module is loaded when its kind is used."""


def find_kind(name: str) -> type[Kind]:
    """Find a kind by its name, loading its module.

    Raises:
        InputError: there is none of that name.
        MissingExtraError: it needs a package that isn't installed.
    """
    row = KINDS.get(name)
    if row is None:
        raise InputError(
            f"no kind of anchor is called {name!r:.60}", remedy=f"The kinds are {', '.join(KINDS)}."
        )
    return cast(type[Kind], getattr(importlib.import_module(f"whence.trust.{row.module}"), row.name))


def spelled(data: bytes) -> str:
    """Spell bytes as evidence has them."""
    return base64.b64encode(data).decode()


def bytes_of(evidence: Mapping[str, Any], name: str) -> bytes:
    """Take bytes out of evidence; raises `EvidenceError` where they aren't there in the one spelling."""
    text = text_of(evidence, name)
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise EvidenceError(f"evidence: {name} isn't base64 ({error})") from error
    if spelled(data) != text:
        raise EvidenceError(f"evidence: {name} is base64 in another spelling than the usual one")
    return data


def text_of(evidence: Mapping[str, Any], name: str) -> str:
    """Take a text out of evidence; raises `EvidenceError` where there is none of that name."""
    return _taken(evidence, name, str)


def number_of(evidence: Mapping[str, Any], name: str) -> int:
    """Take a whole number out of evidence; raises `EvidenceError` where there is none of that name."""
    return _taken(evidence, name, int)


def _taken(evidence: Mapping[str, Any], name: str, wanted: type[_Taken]) -> _Taken:
    found = evidence.get(name)
    if type(found) is not wanted:  # no subclass: True is no number
        raise EvidenceError(f"evidence: {name} is {found!r:.60}, wanted {wanted.__name__}")
    return found
