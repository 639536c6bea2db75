"""Policies: which logs are known, and which witnesses must have cosigned before a checkpoint counts.

Names are octets; they are kept as text in which every foreign octet has its own place, so that two names
are the same only if their octets are.
Source: C2SP tlog-policy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from whence.errors import InputError, SignatureError, WhenceError
from whence.ledger.checkpoints import Checkpoint, parse_checkpoint
from whence.ledger.cosignatures import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, time_of
from whence.ledger.keys import ED25519
from whence.ledger.notes import Note, Verifier, check_note, parse_note
from whence.ledger.vkeys import parse_vkey

MAX_POLICY_BYTES = 1_000_000

NONE = "none"

_SPACE = re.compile("[ \t]+")
_FOREIGN = re.compile(rb"[^\t\n\x20-\x7e\x80-\xff]")
_LOG_TYPES = (ED25519, COSIGNATURE_MLDSA44)
_WITNESS_TYPES = (COSIGNATURE_ED25519, COSIGNATURE_MLDSA44)
_PROBLEM_LIMIT = 10


@dataclass(frozen=True, slots=True)
class KnownLog:
    """A log that the policy knows: its key, whose name is its origin, and where it may be reached."""

    verifier: Verifier
    url: str = ""


@dataclass(frozen=True, slots=True)
class KnownWitness:
    """A witness that the policy knows, by the name that it has in the policy."""

    name: str
    verifier: Verifier
    url: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Witnesses and groups, of which `least` must have cosigned."""

    name: str
    least: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """How a checkpoint meets a policy.

    Args:
        checkpoint: what is vouched for.
        logs: the keys of the log that signed it.
        times_s: the witnesses of the policy that cosigned it, by name, and when they say they did.
    """

    checkpoint: Checkpoint
    logs: tuple[str, ...]
    times_s: dict[str, int]


@dataclass(frozen=True, slots=True)
class Policy:
    """Known logs, known witnesses, groups in the order of definition, and what the quorum is."""

    logs: tuple[KnownLog, ...]
    witnesses: tuple[KnownWitness, ...]
    groups: tuple[Group, ...]
    quorum: str

    def met_by(self, data: bytes | Note, *, logs: Iterable[Verifier] = ()) -> Met:
        """Check that a checkpoint is signed by a known log and cosigned by the quorum.

        Args:
            data: the signed checkpoint.
            logs: keys of logs that are known otherwise than by the policy.

        Raises:
            SignatureError: it isn't; the message says which witnesses are missing from which group.
        """
        note = data if isinstance(data, Note) else parse_note(data)
        checkpoint = parse_checkpoint(note.text)
        trusted = dict.fromkeys((*(log.verifier for log in self.logs), *logs))
        known = [verifier for verifier in trusted if verifier.name == checkpoint.origin]
        if not known:
            raise SignatureError(
                f"policy: no log of the origin {checkpoint.origin!r} is known",
                remedy="Add a line with its key: log <vkey>",
            )
        _, signed = check_note(note, (*known, *(witness.verifier for witness in self.witnesses)))
        by_log = [verifier for verifier in known if verifier in signed]
        if not by_log:
            raise SignatureError(
                f"policy: not signed by the log {checkpoint.origin!r} that it is said to be of"
            )
        times_s = {
            witness.name: _time_in(note, witness.verifier)
            for witness in self.witnesses
            if witness.verifier in signed
        }
        self._check_quorum(set(times_s))
        return Met(checkpoint=checkpoint, logs=tuple(each.vkey for each in by_log), times_s=times_s)

    def _check_quorum(self, cosigned: set[str]) -> None:
        """Check that those that cosigned are a quorum; groups only know what stands before them."""
        reached = {NONE, *cosigned}
        missing: list[str] = []
        for group in self.groups:
            found = reached.intersection(group.members)
            if len(found) >= group.least:
                reached.add(group.name)
            else:
                absent = [name for name in group.members if name not in found]
                missing.append(f"{group.name} has {len(found)} of {group.least}, without {', '.join(absent)}")
        if self.quorum not in reached:
            without = f" ({'; '.join(missing)})" if missing else ""
            raise SignatureError(
                _shown(f"policy: the quorum {self.quorum} has not cosigned{without}"),
                remedy="Let the witnesses cosign this checkpoint, then verify again.",
            )


def _time_in(note: Note, verifier: Verifier) -> int:
    identity = (verifier.name, verifier.key_id)
    return next(time_of(each) or 0 for each in note.signatures if (each.name, each.key_id) == identity)


def parse_policy(data: bytes | str) -> Policy:
    """Read a policy file.

    Raises:
        InputError: it is none; the message names each line that is wrong.
    """
    raw = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
    if len(raw) > MAX_POLICY_BYTES:
        raise InputError(f"policy: {len(raw)} bytes, more than {MAX_POLICY_BYTES}")
    foreign = _FOREIGN.search(raw)
    if foreign:
        raise InputError(
            f"policy: byte {foreign.start()} is 0x{raw[foreign.start()]:02x}, a control character",
            remedy="Write tabs, newlines and printable characters only; lines end with a newline alone.",
        )
    if raw and not raw.endswith(b"\n"):
        raise InputError(
            "policy: the last line doesn't end with a newline; was the file cut?",
            remedy="See that the file is whole, and end its last line as the others.",
        )
    reading = _Reading()
    for number, line in enumerate(raw.decode("utf-8", "surrogateescape").split("\n"), 1):
        reading.take(number, line)
    return reading.policy()


@dataclass(slots=True)
class _Reading:
    """What has been read of a policy so far."""

    logs: list[KnownLog] = field(default_factory=list)
    witnesses: list[KnownWitness] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    quorum: str = ""
    line_by_name: dict[str, int] = field(default_factory=dict)
    line_by_member: dict[str, int] = field(default_factory=dict)
    line_by_key: dict[tuple[str, bytes], int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    number: int = 0

    def take(self, number: int, line: str) -> None:
        """Read a line, or note what is wrong with it."""
        items = [item for item in _SPACE.split(line) if item]
        if not items or items[0].startswith("#"):
            return
        self.number = number
        kinds: dict[str, Callable[[list[str]], None]] = {
            "log": self._log,
            "witness": self._witness,
            "group": self._group,
            "quorum": self._quorum,
        }
        try:
            if items[0] not in kinds:
                raise InputError(f"{items[0][:40]!r} is not log, witness, group or quorum")
            kinds[items[0]](items[1:])
        except WhenceError as error:
            self.problems.append(_shown(f"line {number}: {error.message}"))

    def policy(self) -> Policy:
        """Return the policy, or raise with everything that was wrong."""
        if not self.quorum and not self.problems:
            self.problems.append("no quorum line; `quorum none` asks for no witness")
        if self.problems:
            more = len(self.problems) - _PROBLEM_LIMIT
            shown = [*self.problems[:_PROBLEM_LIMIT], *([f"and {more} more"] if more > 0 else [])]
            raise InputError(
                f"policy: {'; '.join(shown)}",
                remedy="Correct these lines; c2sp.org/tlog-policy tells what may stand there.",
            )
        return Policy(tuple(self.logs), tuple(self.witnesses), tuple(self.groups), self.quorum)

    def _log(self, items: list[str]) -> None:
        if not 1 <= len(items) <= 2:
            raise InputError("a log is: log <vkey> [<url>]")
        self.logs.append(KnownLog(self._key("log", items[0], _LOG_TYPES), *items[1:]))

    def _witness(self, items: list[str]) -> None:
        if not 2 <= len(items) <= 3:
            raise InputError("a witness is: witness <name> <vkey> [<url>]")
        verifier = self._key("witness", items[1], _WITNESS_TYPES)
        self._define(items[0])
        self.witnesses.append(KnownWitness(items[0], verifier, *items[2:]))

    def _group(self, items: list[str]) -> None:
        if len(items) < 3:
            raise InputError("a group is: group <name> all|any|<count> <member>...")
        name, count, *members = items
        by_word = {"all": len(members), "any": 1}
        numbers = {str(number): number for number in range(1, len(members) + 1)}
        least = (by_word | numbers).get(count)
        if least is None:
            raise InputError(f"{count[:40]!r} is not all, any or a number from 1 to {len(members)}")
        for member in members:
            self._check_defined(member)
            if member in self.line_by_member:
                raise InputError(f"{member!r} is a member already, in line {self.line_by_member[member]}")
            self.line_by_member[member] = self.number
        self._define(name)
        self.groups.append(Group(name, least, tuple(members)))

    def _quorum(self, items: list[str]) -> None:
        if len(items) != 1:
            raise InputError("the quorum is: quorum <name>")
        if self.quorum:
            raise InputError("a second quorum")
        if items[0] != NONE:
            self._check_defined(items[0])
        self.quorum = items[0]

    def _key(self, role: str, vkey: str, types: tuple[int, ...]) -> Verifier:
        verifier = parse_vkey(vkey)
        if verifier.algorithm not in types:
            wanted = " or ".join(f"0x{kind:02x}" for kind in types)
            raise InputError(
                f"the key of {verifier.name!r} makes signatures of type 0x{verifier.algorithm:02x}, "
                f"and a {role} makes {wanted}"
            )
        other = self.line_by_key.setdefault((role, verifier.public), self.number)
        if other != self.number:
            raise InputError(f"the key of {verifier.name!r} is the one of line {other}")
        return verifier

    def _define(self, name: str) -> None:
        if name == NONE:
            raise InputError(f"the name {NONE!r} means that no witness is asked for")
        if name in self.line_by_name:
            raise InputError(f"{name!r} is defined already, in line {self.line_by_name[name]}")
        self.line_by_name[name] = self.number

    def _check_defined(self, name: str) -> None:
        if name not in self.line_by_name:
            raise InputError(f"{name!r} is not defined in a line before")


def _shown(text: str) -> str:
    """Return the text in a form that any terminal and file takes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
