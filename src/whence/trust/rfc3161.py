"""RFC 3161: an authority signs that it saw a digest at a time.

What is stamped is the SHA-256 of the signed checkpoint, byte for byte as the record has it; what is kept is
the whole response, with the certificates that were asked for, and the nonce of the request. Certificates are
judged at the time of the stamp, so that a stamp outlives its certificate; whether one was revoked isn't
asked, since that needs the network. Signature and chain are verified by OpenSSL, inside `rfc3161-client`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from whence.errors import EvidenceError, InputError, MissingExtraError, RemoteError
from whence.trust.kinds import Anchored, Trust, bytes_of, spelled, text_of
from whence.trust.web import TIMEOUT_S, ask
from whence.vocab import digest_bytes

try:
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID
    from rfc3161_client import (
        HashAlgorithm,
        PKIStatus,
        TimestampRequestBuilder,
        TimeStampResponse,
        VerificationError,
        VerifierBuilder,
        decode_timestamp_response,
    )
except ModuleNotFoundError as error:
    if error.name != "rfc3161_client":
        raise
    raise MissingExtraError("rfc3161-client", extra="timestamps", need="a time stamp") from error

_QUERY, _REPLY = "application/timestamp-query", "application/timestamp-reply"
_SHA256 = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1")
_ASK_ANOTHER = "Check the address, or ask another authority."


class Rfc3161:
    """Time stamps of one authority.

    Args:
        url: where it takes requests over HTTP.
        timeout_s: how long one may take.
    """

    kind: ClassVar[str] = "rfc3161"

    def __init__(self, *, url: str, timeout_s: float = TIMEOUT_S) -> None:
        self._url = url
        self._timeout_s = timeout_s

    def anchor(self, checkpoint: bytes) -> dict[str, Any]:
        """Have the checkpoint's digest stamped, with a nonce, and the certificates sent along.

        Raises:
            RemoteError: the authority doesn't answer, refuses, or stamps something else.
        """
        builder = TimestampRequestBuilder().data(checkpoint).hash_algorithm(HashAlgorithm.SHA256)
        request = builder.nonce(nonce=True).cert_request(cert_request=True).build()
        answer = ask(
            self._url, body=request.as_bytes(), headers={"Content-Type": _QUERY}, timeout_s=self._timeout_s
        )
        if answer.status != 200 or answer.media_type != _REPLY:
            said = f"status {answer.status}, {answer.media_type or 'no media type'}"
            raise RemoteError(f"{self._url}: {said:.200}; wanted 200, {_REPLY}", remedy=_ASK_ANOTHER)
        evidence = {"nonce": str(request.nonce), "response": spelled(answer.body)}
        try:
            self.check(evidence, checkpoint, Trust())
        except EvidenceError as error:
            raise RemoteError(f"{self._url}: {error.message}", remedy=_ASK_ANOTHER) from error
        return evidence

    @staticmethod
    def check(evidence: Mapping[str, Any], checkpoint: bytes, trust: Trust) -> Anchored:
        """Check a stamp: digest, nonce and the certificate's purpose; with its root, signature and chain.

        Args:
            evidence: what `anchor` gave.
            checkpoint: what was stamped.
            trust: `roots`, files of certificates (PEM), those between among them; `policies`, where only
                stamps under these are accepted.

        Raises:
            EvidenceError: the stamp is about something else, or isn't what a named root leads to.
            InputError: a file of roots has none.
        """
        roots = [each for data in trust.files("roots") for each in _certificates(data)]
        policies = trust.texts("policies")
        with _explained("no time stamp that can be read"):
            response = decode_timestamp_response(_in_order(bytes_of(evidence, "response")))
            _check_said(response, _nonce(evidence), digest_bytes(checkpoint), policies)
            sent = [x509.load_der_x509_certificate(each) for each in response.signed_data.certificates]
            signer = _signer(response, sent).subject.rfc4514_string()
            leads_to = {each.issuer for each in sent}
        named = [each.subject.rfc4514_string() for each in roots if each.subject in leads_to]
        if not named:
            return Anchored(
                at=None,
                by=f"an authority that calls itself {signer:.200}",
                rests_on="nothing yet: no root named as trusted leads to it, so its signature isn't verified",
                is_trusted=False,
            )
        _check_signed(response, checkpoint, roots)
        info = response.tst_info
        return Anchored(
            at=info.gen_time + _accuracy(response),
            by=f"the authority {signer:.200}, its stamp {info.serial_number:x}",
            rests_on=f"the key and the clock of {signer:.200}, which {' and '.join(named):.200} certifies",
            is_trusted=True,
        )

    @staticmethod
    def export(evidence: Mapping[str, Any]) -> dict[str, bytes]:
        """Write the response as `openssl ts -verify -in` takes it."""
        return {".tsr": bytes_of(evidence, "response")}


def _check_said(response: TimeStampResponse, nonce: int, digest: bytes, policies: list[str]) -> None:
    """Check what the response says, whoever signed it.

    Source: RFC 3161, 2.2 and 2.4.2: the requester SHALL verify what was stamped, and the nonce.
    """
    if response.status != PKIStatus.GRANTED:
        said = "; ".join(response.status_string) or f"status {response.status}"
        raise EvidenceError(f"the authority refused ({said:.300})")
    info = response.tst_info
    imprint = info.message_imprint
    if imprint.hash_algorithm != _SHA256 or imprint.message != digest:
        raise EvidenceError("the time stamp is about something else than this checkpoint")
    if info.nonce != nonce:
        raise EvidenceError(f"the time stamp has the nonce {info.nonce}, and {nonce} was asked for")
    if policies and info.policy.dotted_string not in policies:
        raise EvidenceError(
            f"the time stamp is under the policy {info.policy.dotted_string}, not a named one"
        )


def _signer(response: TimeStampResponse, sent: list[x509.Certificate]) -> x509.Certificate:
    """Find the certificate that signed, and check what it is for.

    Source: RFC 3161, 2.3: the key is for time stamps exclusively, and the certificate says so, critically.
    """
    infos = response.signed_data.signer_infos
    signed_by = {(each.issuer, each.serial_number) for each in infos}
    found = [each for each in sent if (each.issuer, each.serial_number) in signed_by]
    if len(infos) != 1 or len(found) != 1:
        raise EvidenceError(f"the time stamp has {len(infos)} signers and {len(found)} of their certificates")
    signer = found[0]
    purposes = [
        (each.critical, list(each.value))
        for each in signer.extensions
        if isinstance(each.value, x509.ExtendedKeyUsage)
    ]
    is_issuer = any(
        each.value.ca for each in signer.extensions if isinstance(each.value, x509.BasicConstraints)
    )
    if is_issuer or purposes != [(True, [ExtendedKeyUsageOID.TIME_STAMPING])]:
        raise EvidenceError("the signer's certificate isn't one for time stamps only")
    return signer


def _check_signed(response: TimeStampResponse, checkpoint: bytes, named: list[x509.Certificate]) -> None:
    """Check signature and chain, at the time that the stamp says."""
    with _explained("the time stamp doesn't hold"):
        # Of those named, OpenSSL ends a chain only at what is certified by itself.
        VerifierBuilder(roots=named).build().verify_message(response, checkpoint)


def _accuracy(response: TimeStampResponse) -> dt.timedelta:
    """How much later than it says the stamp may have been made, as the authority says itself."""
    said = response.tst_info.accuracy
    if said is None:
        return dt.timedelta()
    seconds, millis, micros = said.seconds or 0, said.millis or 0, said.micros or 0
    return dt.timedelta(seconds=seconds, milliseconds=millis, microseconds=micros)


def _certificates(data: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError as error:
        raise InputError(f"trust: roots names a file without certificates in PEM ({error!s:.200})") from error


def _nonce(evidence: Mapping[str, Any]) -> int:
    text = text_of(evidence, "nonce")
    if not (text.isascii() and text.isdigit() and len(text) <= 40):
        raise EvidenceError("evidence: nonce isn't a number")
    return int(text)


@contextlib.contextmanager
def _explained(problem: str) -> Iterator[None]:
    """Let no error of the two packages out: what was read is evidence, and it is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what another version will refuse in a certificate
            yield
    except (
        LookupError,  # an ASN.1 tag that `cryptography` knows no text of
        ValueError,
        VerificationError,
        x509.DuplicateExtension,
        x509.InvalidVersion,
        x509.UnsupportedGeneralNameType,
    ) as error:
        raise EvidenceError(f"{problem} ({error!s:.300})") from error


def _in_order(data: bytes) -> bytes:
    """Put the certificates of a response into DER's order, which the parser insists on.

    OpenSSL's authority sends them as they were given to it. They are no part of what is signed.
    """
    inside = slice(0, len(data))
    for tag, index in _TO_CERTIFICATES:
        elements = list(_elements(data, inside))
        if index >= len(elements) or data[elements[index][0].start] != tag:
            return data
        inside = elements[index][1]
    ordered = b"".join(sorted(data[whole] for whole, _content in _elements(data, inside)))
    return data[: inside.start] + ordered + data[inside.start + len(ordered) :]


_TO_CERTIFICATES = (
    (0x30, 0),  # TimeStampResp
    (0x30, 1),  # timeStampToken, a ContentInfo
    (0xA0, 1),  # its content
    (0x30, 0),  # SignedData
    (0xA0, 3),  # certificates
)
"""The way from a response to its certificates: tag and place of each element inside the one before."""


def _elements(data: bytes, inside: slice) -> Iterator[tuple[slice, slice]]:
    """List the elements of DER in a part of it, each as a whole and its content; stops at what is none."""
    start = inside.start
    while start + 2 <= inside.stop:
        length, content = data[start + 1], start + 2
        if length & 0x80:
            content += length & 0x7F
            length = int.from_bytes(data[start + 2 : content])
        end = content + length
        if end > inside.stop:
            return
        yield slice(start, end), slice(content, end)
        start = end
