"""OpenTimestamps: the digest of a checkpoint, aggregated by calendars into a block of Bitcoin.

A calendar answers at once with a promise and hours later with the path to a block's Merkle root; then the
header of that block is fetched too, so that the evidence can be checked offline. It rests on the header's own
work: whoever wants to forge one has to spend as much as a block of Bitcoin costs. A reader who follows the
chain himself names the hashes of blocks that are in it.

    proof   = the file that `ots` reads: base64 of a detached timestamp of the signed checkpoint's bytes
    headers = by height, base64 of the 80 bytes of a block's header

The format is read and computed by the package `opentimestamps`; a proof that it would spell otherwise is
refused. Sources: python-opentimestamps (the format), the calendars' protocol as its client speaks it,
Bitcoin's developer reference ("Block Headers", "Target nBits"), Esplora's HTTP API for headers.
"""

from __future__ import annotations

import datetime as dt
import re
import secrets
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from whence.errors import EvidenceError, InputError, MissingExtraError, RemoteError
from whence.trust.kinds import Anchored, Trust, bytes_of, spelled
from whence.trust.web import Answer, ask
from whence.vocab import digest_bytes

try:
    from opentimestamps.calendar import DEFAULT_AGGREGATORS, DEFAULT_CALENDAR_WHITELIST
    from opentimestamps.core.notary import BitcoinBlockHeaderAttestation, PendingAttestation
    from opentimestamps.core.op import OpAppend, OpSHA256
    from opentimestamps.core.serialize import (
        BytesDeserializationContext,
        BytesSerializationContext,
        DeserializationError,
    )
    from opentimestamps.core.timestamp import DetachedTimestampFile, Timestamp
except ModuleNotFoundError as error:
    if not (error.name or "").startswith(("opentimestamps", "bitcoin", "Cryptodome")):
        raise
    raise MissingExtraError(
        "opentimestamps", extra="opentimestamps", need="an anchor in Bitcoin's chain"
    ) from error

WORK_BITS = 75
"""How many bits of work a header must show where no block is named; every block since 2020 shows more."""

_EXPLORER = "https://blockstream.info/api"
_ANSWER_LIMIT = 10_000  # the client's own
_PROOF_LIMIT = 1 << 20
_HEADER_BYTES = 80
_NONCE_BYTES = 16
_LEAST_CALENDARS = 2
_MEDIA_TYPE = "application/vnd.opentimestamps.v1"
_HASH = re.compile(r"[0-9a-f]{64}")


class OpenTimestamps:
    """A timestamp by calendars, which becomes one by Bitcoin.

    Args:
        calendar: the calendars' addresses; by default those of the `ots` client.
        explorer: the address of an Esplora API, which gives the headers of blocks.
    """

    kind: ClassVar[str] = "opentimestamps"

    def __init__(self, *, calendar: Sequence[str] = (), explorer: str = _EXPLORER) -> None:
        self._calendars = [each.rstrip("/") for each in calendar or DEFAULT_AGGREGATORS]
        self._explorer = explorer.rstrip("/")

    def anchor(self, checkpoint: bytes) -> dict[str, Any]:
        """Ask the calendars, and keep what they promise.

        Raises:
            RemoteError: fewer than two promise anything, or the only one that was named doesn't.
        """
        proof = DetachedTimestampFile(OpSHA256(), Timestamp(digest_bytes(checkpoint)))
        # without a nonce a calendar could tell who else knows this digest
        nonce = secrets.token_bytes(_NONCE_BYTES)
        stamp = proof.timestamp.ops.add(OpAppend(nonce)).ops.add(OpSHA256())
        problems = []
        for calendar in self._calendars:
            try:
                answer = self._ask(f"{calendar}/digest", body=stamp.msg)
                promised = _parsed(answer.body, stamp.msg, calendar)
                if not any(self._may_ask(each) for _, each in _pending(promised)):
                    raise EvidenceError(f"{calendar}: promises by another calendar that nobody named")
                stamp.merge(promised)
            except (RemoteError, EvidenceError) as error:
                problems.append(error.message)
        wanted = min(_LEAST_CALENDARS, len(self._calendars))
        if len(self._calendars) - len(problems) < wanted:
            raise RemoteError(
                f"too few calendars answer, {wanted} must: {'; '.join(problems)}",
                remedy="Try again later, or name other calendars with --calendar.",
            )
        return {"headers": {}, "proof": spelled(_encoded(proof))}

    def upgrade(self, evidence: Mapping[str, Any], checkpoint: bytes) -> dict[str, Any] | None:
        """Ask the calendars that promised for the path to a block, and an explorer for its header.

        Only calendars that were named, or that the `ots` client knows, are asked: an address in a record may
        be anybody's.
        """
        proof = _proof_of(evidence, checkpoint)
        headers = dict(_headers_of(evidence))
        problems: list[str] = []
        if headers:
            return None
        for stamp, calendar in list(_pending(proof.timestamp)):
            try:
                self._complete(stamp, calendar)
            except (RemoteError, EvidenceError, InputError) as error:
                problems.append(error.message)
        for height, root in _heights(proof):
            try:
                headers[height] = self._header(height, root)
            except RemoteError as error:
                problems.append(error.message)
        if not headers:
            if problems:
                raise RemoteError("; ".join(problems), remedy="Try again later.")
            return None
        upgraded = {
            **evidence,
            "headers": {str(height): spelled(header) for height, header in sorted(headers.items())},
            "proof": spelled(_encoded(proof)),
        }
        self.check(upgraded, checkpoint, Trust())
        return upgraded

    @staticmethod
    def check(evidence: Mapping[str, Any], checkpoint: bytes, trust: Trust) -> Anchored:
        """Check the path from a checkpoint to a block's header, and the header's work.

        Args:
            evidence: what `anchor` or `upgrade` gave.
            checkpoint: the signed checkpoint.
            trust: `blocks`, hashes of blocks that are in the chain, as explorers show them: no other counts;
                `work_bits`, how much work a header must show without them, 75 where it isn't named.
        """
        proof = _proof_of(evidence, checkpoint)
        blocks = _blocks(proof, _headers_of(evidence))
        if not blocks:
            return _promised(proof)
        least = trust.number("work_bits", WORK_BITS)
        known = [each.lower() for each in trust.texts("blocks")]
        good = [each for each in blocks if (each.hash in known if known else each.work_bits >= least)]
        is_trusted, block = bool(good), min(good or blocks)
        if known:
            words = "which you know to be in the chain" if is_trusted else "which isn't one that you named"
            rests_on = f"the block {block.hash}, {words}"
        else:
            rests_on = (
                f"2^{block.work_bits} hashes, the work to forge its header; its time, true to two hours"
            )
            if not is_trusted:
                rests_on += f"; a block of Bitcoin takes more than 2^{least}"
        by = f"Bitcoin block {block.height} ({block.hash})"
        return Anchored(at=block.at, by=by, rests_on=rests_on, is_trusted=is_trusted)

    @staticmethod
    def export(evidence: Mapping[str, Any]) -> dict[str, bytes]:
        """The proof, for `ots info` and `ots verify`."""
        return {".ots": bytes_of(evidence, "proof")}

    def _may_ask(self, calendar: str) -> bool:
        return calendar.rstrip("/") in self._calendars or calendar in DEFAULT_CALENDAR_WHITELIST

    def _complete(self, stamp: Any, calendar: str) -> None:
        if not self._may_ask(calendar):
            raise EvidenceError(f"{calendar}: not asked, since nobody named this calendar")
        answer = self._ask(f"{calendar}/timestamp/{stamp.msg.hex()}", none_yet=True)
        if answer.status == 200:
            stamp.merge(_parsed(answer.body, stamp.msg, calendar))

    def _header(self, height: int, root: bytes) -> bytes:
        name = self._ask(f"{self._explorer}/block-height/{height}").body.decode("ascii", "replace").strip()
        if not _HASH.fullmatch(name):
            raise RemoteError(f"{self._explorer}: answers with no block's hash for the height {height}")
        spelled_header = self._ask(f"{self._explorer}/block/{name}/header").body.decode("ascii", "replace")
        try:
            header = bytes.fromhex(spelled_header.strip())
            if _Block.of(header, height, root).hash != name:
                raise EvidenceError("it hashes to another block")
        except (ValueError, EvidenceError) as error:
            raise RemoteError(
                f"{self._explorer}: what it gives for block {height} isn't this proof's header ({error})",
                remedy="Name another explorer with --explorer.",
            ) from error
        return header

    def _ask(self, address: str, *, body: bytes | None = None, none_yet: bool = False) -> Answer:
        headers = {"Accept": _MEDIA_TYPE, "User-Agent": "whence"}
        if body is not None:
            headers["Content-Type"] = "application/octet-stream"
        answer = ask(address, body=body, headers=headers, limit=_ANSWER_LIMIT)
        if answer.status != 200 and not (none_yet and answer.status == 404):
            raise RemoteError(f"{address}: answers with status {answer.status}", remedy="Try again later.")
        return answer


class _Block(NamedTuple):
    """A block of Bitcoin as its header tells it."""

    at: dt.datetime
    height: int
    hash: str
    work_bits: int

    @classmethod
    def of(cls, header: bytes, height: int, root: bytes) -> _Block:
        """Read a header, and check that its work is done and that its Merkle root is a proof's result."""
        if len(header) != _HEADER_BYTES:
            raise EvidenceError(f"evidence: a block's header has {_HEADER_BYTES} bytes, not {len(header)}")
        if header[36:68] != root:
            raise EvidenceError(f"evidence: block {height} has another Merkle root than the proof leads to")
        digest = digest_bytes(digest_bytes(header))
        number = int.from_bytes(digest, "little")
        if number > _target(int.from_bytes(header[72:76], "little")):
            raise EvidenceError(f"evidence: the header of block {height} doesn't show the work that it names")
        at = dt.datetime.fromtimestamp(int.from_bytes(header[68:72], "little"), dt.UTC)
        return cls(at, height, digest[::-1].hex(), 256 - number.bit_length())


def _target(bits: int) -> int:
    """Read a target from its compact spelling; 0, which no hash meets, where it is none."""
    exponent, mantissa = bits >> 24, bits & 0x7FFFFF
    if bits & 0x800000:
        return 0
    target = mantissa << 8 * (exponent - 3) if exponent >= 3 else mantissa >> 8 * (3 - exponent)
    return target if target < 1 << 256 else 0


def _proof_of(evidence: Mapping[str, Any], checkpoint: bytes) -> Any:
    """Read a proof, and check that it is one of this checkpoint in the one spelling."""
    data = bytes_of(evidence, "proof")
    if len(data) > _PROOF_LIMIT:
        raise EvidenceError(f"evidence: the proof has {len(data)} bytes, more than {_PROOF_LIMIT}")
    proof = _read(DetachedTimestampFile.deserialize, data, "evidence: the proof")
    if _encoded(proof) != data:
        raise EvidenceError("evidence: the proof isn't in the one spelling that the format has")
    if proof.file_digest != digest_bytes(checkpoint):
        raise EvidenceError("evidence: the proof is about something else than this checkpoint")
    return proof


def _parsed(data: bytes, message: bytes, calendar: str) -> Any:
    """Read what a calendar answers about a message."""

    def read(context: Any) -> Any:
        stamp = Timestamp.deserialize(context, message)
        context.assert_eof()
        return stamp

    return _read(read, data, f"{calendar}: what it answers")


def _read(read: Callable[[Any], Any], data: bytes, what: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PendingDeprecationWarning)  # of an operation that nobody uses
            return read(BytesDeserializationContext(data))
    except (DeserializationError, ValueError, RecursionError) as error:
        raise EvidenceError(f"{what} isn't OpenTimestamps ({error or type(error).__name__})") from error


def _encoded(stamp: Any) -> bytes:
    context = BytesSerializationContext()
    stamp.serialize(context)
    data: bytes = context.getbytes()
    return data


def _headers_of(evidence: Mapping[str, Any]) -> dict[int, bytes]:
    found = evidence.get("headers")
    if not isinstance(found, dict):
        raise EvidenceError("evidence: no headers by height")
    headers = {}
    for height in found:
        if not re.fullmatch(r"0|[1-9][0-9]{0,8}", height):
            raise EvidenceError(f"evidence: {height!r:.60} is no height of a block")
        headers[int(height)] = bytes_of(found, height)
    return headers


def _heights(proof: Any) -> list[tuple[int, bytes]]:
    """List the blocks that a proof leads to: height, and the Merkle root that it must have."""
    return [
        (attestation.height, message)
        for message, attestation in proof.timestamp.all_attestations()
        if isinstance(attestation, BitcoinBlockHeaderAttestation)
    ]


def _blocks(proof: Any, headers: Mapping[int, bytes]) -> list[_Block]:
    """List the blocks that a proof leads to and whose headers are here, all checked.

    Raises:
        EvidenceError: there are headers, and none is the one that the proof needs.
    """
    found, problems = [], []
    for height, root in _heights(proof):
        if height in headers:
            try:
                found.append(_Block.of(headers[height], height, root))
            except EvidenceError as error:
                problems.append(error)
    if headers and not found:
        raise problems[0] if problems else EvidenceError("evidence: the proof needs none of the headers")
    return found


def _promised(proof: Any) -> Anchored:
    calendars = ", ".join(sorted({calendar for _, calendar in _pending(proof.timestamp)}))
    if not calendars and not _heights(proof):
        raise EvidenceError("evidence: the proof leads to no block, and to no calendar")
    return Anchored(
        at=None,
        by=f"promised by {calendars}" if calendars else "a block whose header isn't here yet",
        rests_on="the promise of the calendars; whence anchor opentimestamps --upgrade asks for the block",
        is_trusted=False,
        is_final=False,
    )


def _pending(stamp: Any) -> Iterator[tuple[Any, str]]:
    """Walk to the places of a proof where a calendar promises more."""
    for attestation in stamp.attestations:
        if isinstance(attestation, PendingAttestation):
            yield stamp, attestation.uri
    for following in stamp.ops.values():
        yield from _pending(following)
