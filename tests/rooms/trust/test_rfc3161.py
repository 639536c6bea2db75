"""Time stamps: ours by OpenSSL's authority, and ours before OpenSSL's verifier; what must not pass."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import pathlib
import random
import re
import shutil
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

import whence as wh
from whence.cli import main
from whence.errors import EvidenceError, InputError, RemoteError
from whence.ledger import EMPTY_ROOT, Checkpoint, Note, SigningKey
from whence.trust import Anchored, Trust, bytes_of, spelled
from whence.trust.rfc3161 import Rfc3161

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="OpenSSL's authority is what judges")

_OPENING = ["cms", "-verify", "-noverify", "-inform", "DER"]
_SIGNING = ["cms", "-sign", "-binary", "-nodetach", "-cades", "-outform", "DER", "-md", "sha256"]
_SIGNING += ["-econtent_type", "1.2.840.113549.1.9.16.1.4"]

STAMPS = ExtendedKeyUsageOID.TIME_STAMPING
CODE = ExtendedKeyUsageOID.CODE_SIGNING
NOW = dt.datetime.now(dt.UTC)


def openssl(*words: object, folder: pathlib.Path, holds: bool = True) -> str:
    """Run OpenSSL; what it printed."""
    done = subprocess.run(
        ["openssl", *map(str, words)], cwd=folder, check=False, capture_output=True, text=True
    )
    assert (done.returncode == 0) is holds, done.stderr
    return done.stdout


def signed_checkpoint(size: int = 0) -> bytes:
    """A checkpoint as a log has it."""
    key = SigningKey(bytes(32)).signer("whence.invalid/2026-abcdefghij")
    text = Checkpoint(origin=key.name, size=size, root=EMPTY_ROOT if not size else bytes(32)).text
    return Note(text=text, signatures=(key.sign(text),)).encode()


CHECKPOINT = signed_checkpoint()


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A certificate and its key, as files of PEM."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    path: pathlib.Path


def party(
    folder: pathlib.Path,
    name: str,
    issuer: Party | None = None,
    *,
    is_issuer: bool = False,
    purposes: tuple[ObjectIdentifier, ...] = (),
    is_critical: bool = True,
    first: dt.datetime = NOW - dt.timedelta(days=9),
    last: dt.datetime = NOW + dt.timedelta(days=9),
) -> Party:
    """Make a certificate."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(first)
        .not_valid_after(last)
        .add_extension(x509.BasicConstraints(is_issuer, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if issuer:
        of_issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
        builder = builder.add_extension(of_issuer, critical=False)
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=is_critical)
    certificate = builder.sign(issuer.key if issuer else key, hashes.SHA256())
    path = folder / f"{name}-{certificate.serial_number:x}.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    path.with_suffix(".key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return Party(certificate=certificate, key=key, path=path)


class Authority:
    """OpenSSL's authority behind HTTP on this machine."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.root = party(folder, "root", is_issuer=True)
        self.signer = party(folder, "stamper", self.root, purposes=(STAMPS,))
        (folder / "serial").write_text("01")
        self.queries: list[bytes] = []
        self.answered: Callable[[bytes], tuple[int, str, bytes]] = self.by_openssl
        authority = self

        class Answering(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                query = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.headers["Content-Type"] == "application/timestamp-query"
                authority.queries.append(query)
                status, media_type, body = authority.answered(query)
                self.send_response(status)
                self.send_header("Content-Type", media_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Answering)
        self.url = f"http://127.0.0.1:{self.server.server_port}/tsr"

    def response(
        self, query: bytes, *, signer: Party | None = None, more: Party | None = None, digests: str = "sha256"
    ) -> bytes:
        """What OpenSSL replies."""
        signer = signer or self.signer
        (self.folder / "query").write_bytes(query)
        lines = f"""
            [tsa]\ndefault_tsa=this\n[this]\nserial={self.folder}/serial\nsigner_cert={signer.path}
            signer_key={signer.path.with_suffix(".key")}\nsigner_digest=sha256\ndefault_policy=1.2.3.4
            digests={digests}\naccuracy=secs:1,millisecs:500\ness_cert_id_alg=sha256
            {f"certs={more.path}" if more else ""}"""
        (self.folder / "tsa.cnf").write_text(re.sub(r"\n\s+", "\n", lines))
        openssl(
            "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query", "-out", "reply", folder=self.folder
        )
        return (self.folder / "reply").read_bytes()

    def by_openssl(self, query: bytes) -> tuple[int, str, bytes]:
        """An honest answer."""
        return 200, "application/timestamp-reply", self.response(query)

    def resigned(self, response: bytes, *signers: Party, at: bytes = b"") -> bytes:
        """The same stamp, signed by anybody with any certificate, as no authority would."""
        folder = self.folder
        (folder / "reply").write_bytes(response)
        openssl("ts", "-reply", "-in", "reply", "-token_out", "-out", "token", folder=folder)
        openssl(*_OPENING, "-in", "token", "-out", "info", folder=folder)
        info = (folder / "info").read_bytes()
        (folder / "info").write_bytes(re.sub(rb"20\d{12}Z", at, info) if at else info)
        keys = [(each.path, each.path.with_suffix(".key")) for each in signers]
        by = [word for path, key in keys for word in ("-signer", path, "-inkey", key)]
        openssl(*_SIGNING, "-in", "info", "-out", "token", *by, folder=folder)
        inside = bytes([0x30, 3, 2, 1, 0]) + (folder / "token").read_bytes()
        return b"\x30\x82" + len(inside).to_bytes(2, "big") + inside

    def trust(self, *paths: pathlib.Path, **settings: Any) -> Trust:
        """Whom the reader trusts: the root, where no others are named."""
        roots = [str(each) for each in paths or (self.root.path,)]
        return Trust(settings={"roots": roots} | settings)

    def stamped(self, checkpoint: bytes = CHECKPOINT) -> dict[str, Any]:
        """Evidence by way of HTTP."""
        return Rfc3161(url=self.url).anchor(checkpoint)


@pytest.fixture(scope="module")
def _authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    thread = threading.Thread(target=authority.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield authority
    authority.server.shutdown()
    authority.server.server_close()
    thread.join()


@pytest.fixture
def authority(_authority: Authority) -> Authority:
    """The authority, honest again."""
    _authority.answered = _authority.by_openssl
    return _authority


class TestBothWays:
    def test_what_openssl_stamps_we_verify(self, authority: Authority) -> None:
        evidence = authority.stamped()
        found = Rfc3161.check(evidence, CHECKPOINT, authority.trust())
        (authority.folder / "ours.tsr").write_bytes(bytes_of(evidence, "response"))
        said = openssl("ts", "-reply", "-in", "ours.tsr", "-text", folder=authority.folder)
        line = re.search(r"Time stamp: (.*) GMT", said)
        assert line is not None
        stamped_at = dt.datetime.strptime(line[1], "%b %d %H:%M:%S %Y").replace(tzinfo=dt.UTC)
        assert found.is_trusted
        assert found.is_final
        assert found.at == stamped_at + dt.timedelta(seconds=1.5)  # as exact as it says it is
        assert found.by.startswith("the authority CN=stamper")
        assert "CN=root" in found.rests_on

    def test_what_we_keep_openssl_verifies(self, authority: Authority) -> None:
        ((ending, data),) = Rfc3161.export(authority.stamped()).items()
        assert ending == ".tsr"
        (authority.folder / "ours.tsr").write_bytes(data)
        (authority.folder / "checkpoint").write_bytes(CHECKPOINT)
        (authority.folder / "another").write_bytes(signed_checkpoint(1))
        verify = ["ts", "-verify", "-in", "ours.tsr", "-CAfile", authority.root.path, "-data"]
        openssl(*verify, "checkpoint", folder=authority.folder)
        openssl(*verify, "another", folder=authority.folder, holds=False)

    def test_openssl_finds_our_nonce_in_its_answer_and_what_we_asked_for(self, authority: Authority) -> None:
        evidence = authority.stamped()
        (authority.folder / "ours.tsq").write_bytes(authority.queries[-1])
        (authority.folder / "ours.tsr").write_bytes(bytes_of(evidence, "response"))
        asked = openssl("ts", "-query", "-in", "ours.tsq", "-text", folder=authority.folder)
        assert "Hash Algorithm: sha256" in asked
        assert f"Nonce: 0x{int(evidence['nonce']):016X}" in asked
        assert "Certificate required: yes" in asked
        verify = ["ts", "-verify", "-queryfile", "ours.tsq", "-in", "ours.tsr", "-CAfile"]
        openssl(*verify, authority.root.path, folder=authority.folder)

    def test_no_two_requests_have_the_same_nonce(self, authority: Authority) -> None:
        assert len({authority.stamped()["nonce"] for _ in range(5)}) == 5


class TestWho:
    def test_without_a_root_nobody_is_verified(self, authority: Authority) -> None:
        found = Rfc3161.check(authority.stamped(), CHECKPOINT, Trust())
        assert (found.is_trusted, found.at) == (False, None)
        assert "calls itself CN=stamper" in found.by

    def test_another_root_leads_to_nobody(self, authority: Authority) -> None:
        another = party(authority.folder, "another", is_issuer=True)
        found = Rfc3161.check(authority.stamped(), CHECKPOINT, authority.trust(another.path))
        assert (found.is_trusted, found.at) == (False, None)

    def test_a_root_of_the_same_name_is_another(self, authority: Authority) -> None:
        impostor = party(authority.folder, "root", is_issuer=True)
        evidence = authority.stamped()
        with pytest.raises(EvidenceError, match="doesn't hold"):
            Rfc3161.check(evidence, CHECKPOINT, authority.trust(impostor.path))
        assert Rfc3161.check(
            evidence, CHECKPOINT, authority.trust(impostor.path, authority.root.path)
        ).is_trusted

    @pytest.mark.parametrize("name", ["a", "a certificate that is longer than the one that certifies it"])
    def test_a_chain_is_followed_in_whatever_order_it_was_sent(self, authority: Authority, name: str) -> None:
        between = party(authority.folder, "between", authority.root, is_issuer=True)
        signer = party(authority.folder, name, between, purposes=(STAMPS,))

        def answered(query: bytes) -> tuple[int, str, bytes]:
            response = authority.response(query, signer=signer, more=between)
            return 200, "application/timestamp-reply", response

        authority.answered = answered
        assert Rfc3161.check(authority.stamped(), CHECKPOINT, authority.trust()).is_trusted

    def test_a_link_that_was_not_sent_may_be_named(self, authority: Authority) -> None:
        between = party(authority.folder, "between", authority.root, is_issuer=True)
        signer = party(authority.folder, "short", between, purposes=(STAMPS,))
        query = self.query(authority)
        response = authority.response(query, signer=signer)
        evidence = self.evidence(authority, response)
        assert not Rfc3161.check(evidence, CHECKPOINT, authority.trust()).is_trusted
        both = authority.trust(authority.root.path, between.path)
        assert Rfc3161.check(evidence, CHECKPOINT, both).is_trusted
        with pytest.raises(EvidenceError, match="doesn't hold"):  # a link is no end
            Rfc3161.check(evidence, CHECKPOINT, authority.trust(between.path))

    def test_only_named_policies_are_accepted(self, authority: Authority) -> None:
        evidence = authority.stamped()
        assert Rfc3161.check(evidence, CHECKPOINT, authority.trust(policies=["9.9", "1.2.3.4"])).is_trusted
        with pytest.raises(EvidenceError, match=r"policy 1\.2\.3\.4"):
            Rfc3161.check(evidence, CHECKPOINT, authority.trust(policies="1.2.3.5"))

    def test_a_file_without_certificates_is_named(self, authority: Authority, tmp_path: pathlib.Path) -> None:
        (tmp_path / "roots.pem").write_text("nothing")
        with pytest.raises(InputError, match="without certificates"):
            Rfc3161.check(authority.stamped(), CHECKPOINT, authority.trust(tmp_path / "roots.pem"))

    @staticmethod
    def query(authority: Authority) -> bytes:
        authority.stamped()
        return authority.queries[-1]

    @staticmethod
    def evidence(authority: Authority, response: bytes) -> dict[str, Any]:
        """Evidence of a response to the newest query."""
        (authority.folder / "q").write_bytes(authority.queries[-1])
        said = openssl("ts", "-query", "-in", "q", "-text", folder=authority.folder)
        nonce = re.search(r"Nonce: 0x([0-9A-F]+)", said)
        assert nonce is not None
        return {"nonce": str(int(nonce[1], 16)), "response": spelled(response)}


class TestCertificates:
    """RFC 3161, 2.3: a key for time stamps exclusively, whose certificate has one critical purpose."""

    def checked(self, authority: Authority, signer: Party, *, at: bytes = b"") -> Anchored:
        """What becomes of a stamp that anybody signed."""
        evidence = authority.stamped()
        response = authority.resigned(bytes_of(evidence, "response"), signer, at=at)
        return Rfc3161.check(evidence | {"response": spelled(response)}, CHECKPOINT, authority.trust())

    def test_a_signer_who_is_what_he_must_be_passes(self, authority: Authority) -> None:
        assert self.checked(authority, authority.signer).is_trusted

    @pytest.mark.parametrize("purposes", [(CODE,), (STAMPS, CODE), (CODE, STAMPS), ()])
    def test_a_certificate_for_something_else_is_refused(
        self, authority: Authority, purposes: tuple[ObjectIdentifier, ...]
    ) -> None:
        signer = party(authority.folder, "other-purpose", authority.root, purposes=purposes)
        with pytest.raises(EvidenceError, match="for time stamps only"):
            self.checked(authority, signer)

    def test_a_purpose_that_may_be_overlooked_is_refused(self, authority: Authority) -> None:
        signer = party(authority.folder, "lax", authority.root, purposes=(STAMPS,), is_critical=False)
        with pytest.raises(EvidenceError, match="for time stamps only"):
            self.checked(authority, signer)

    def test_an_issuer_of_certificates_is_no_signer_of_stamps(self, authority: Authority) -> None:
        signer = party(authority.folder, "issuer", authority.root, purposes=(STAMPS,), is_issuer=True)
        with pytest.raises(EvidenceError, match="for time stamps only"):
            self.checked(authority, signer)

    @pytest.mark.parametrize("days", [(-9, -1), (1, 9)])
    def test_a_certificate_that_was_not_valid_then_is_refused(
        self, authority: Authority, days: tuple[int, int]
    ) -> None:
        first, last = (NOW + dt.timedelta(days=each) for each in days)
        signer = party(
            authority.folder, "expired", authority.root, purposes=(STAMPS,), first=first, last=last
        )
        with pytest.raises(EvidenceError, match="doesn't hold"):
            self.checked(authority, signer)

    def test_a_stamp_outlives_its_certificate(self, authority: Authority) -> None:
        then, later = (dt.datetime(year, 1, 1, tzinfo=dt.UTC) for year in (2019, 2021))
        root = party(authority.folder, "old-root", is_issuer=True, first=then, last=later)
        signer = party(authority.folder, "old", root, purposes=(STAMPS,), first=then, last=later)
        evidence = authority.stamped()
        response = authority.resigned(bytes_of(evidence, "response"), signer, at=b"20200229120000Z")
        evidence = evidence | {"response": spelled(response)}
        found = Rfc3161.check(evidence, CHECKPOINT, authority.trust(root.path))
        assert found.at == dt.datetime(2020, 2, 29, 12, 0, 1, 500_000, tzinfo=dt.UTC)
        assert found.is_trusted


class TestRefused:
    def test_a_stamp_of_another_checkpoint(self, authority: Authority) -> None:
        evidence = authority.stamped()
        for trust in (Trust(), authority.trust()):
            with pytest.raises(EvidenceError, match="something else than this checkpoint"):
                Rfc3161.check(evidence, signed_checkpoint(1), trust)

    def test_a_digest_of_another_kind_that_has_the_same_bytes(self, authority: Authority) -> None:
        digest = hashlib.sha256(CHECKPOINT).hexdigest()
        openssl("ts", "-query", "-digest", digest, "-sha3-256", "-cert", "-out", "q", folder=authority.folder)
        query = (authority.folder / "q").read_bytes()
        authority.queries.append(query)
        evidence = TestWho.evidence(authority, authority.response(query, digests="sha3-256"))
        with pytest.raises(EvidenceError, match="something else than this checkpoint"):
            Rfc3161.check(evidence, CHECKPOINT, Trust())

    def test_a_stamp_that_two_signed(self, authority: Authority) -> None:
        """Which of the two is the authority would be anybody's choice."""
        evidence = authority.stamped()
        response = authority.resigned(bytes_of(evidence, "response"), authority.signer, authority.root)
        with pytest.raises(EvidenceError, match="2 signers"):
            Rfc3161.check(evidence | {"response": spelled(response)}, CHECKPOINT, authority.trust())

    def test_another_nonce(self, authority: Authority) -> None:
        evidence = authority.stamped()
        evidence["nonce"] = str(int(evidence["nonce"]) ^ 1)
        with pytest.raises(EvidenceError, match="nonce"):
            Rfc3161.check(evidence, CHECKPOINT, authority.trust())

    @pytest.mark.parametrize("nonce", ["", "-1", "0x1", "1 ", "٣", "1" * 41])
    def test_a_nonce_that_is_none(self, authority: Authority, nonce: str) -> None:
        with pytest.raises(EvidenceError, match="nonce"):
            Rfc3161.check(authority.stamped() | {"nonce": nonce}, CHECKPOINT, Trust())

    def test_every_flipped_byte_is_refused_or_says_the_same(self, authority: Authority) -> None:
        """A few bits, of versions and names of algorithms, are outside of what is signed."""
        evidence = authority.stamped()
        data = bytes_of(evidence, "response")
        trust = authority.trust()
        honest = Rfc3161.check(evidence, CHECKPOINT, trust)
        chance = random.Random(3161)
        accepted = 0
        for place in range(len(data)):
            flipped = bytearray(data)
            flipped[place] ^= 1 << chance.randrange(8)
            try:
                found = Rfc3161.check(evidence | {"response": spelled(bytes(flipped))}, CHECKPOINT, trust)
            except EvidenceError:
                continue
            accepted += found == honest
            assert found == honest or not found.is_trusted
        assert accepted < 20

    def test_what_is_cut_or_has_more_is_no_response(self, authority: Authority) -> None:
        evidence = authority.stamped()
        data = bytes_of(evidence, "response")
        for other in (
            b"",
            b"0",
            b"\x30\x80",
            data[:-1],
            data + b"\x00",
            data[:40],
            b"\x30\xff" * 9,
            bytes(99),
        ):
            with pytest.raises(EvidenceError, match="no time stamp"):
                Rfc3161.check(evidence | {"response": spelled(other)}, CHECKPOINT, authority.trust())


class TestServers:
    def answering(self, authority: Authority, status: int, media_type: str, body: bytes) -> None:
        authority.answered = lambda query: (status, media_type, body)

    def test_a_stamp_of_yesterday_is_not_taken_for_one_of_today(self, authority: Authority) -> None:
        old = bytes_of(authority.stamped(), "response")
        self.answering(authority, 200, "application/timestamp-reply", old)
        with pytest.raises(RemoteError, match="nonce"):
            authority.stamped()

    def test_a_refusal_says_why(self, authority: Authority) -> None:
        def answered(query: bytes) -> tuple[int, str, bytes]:
            return 200, "application/timestamp-reply", authority.response(query, digests="sha512")

        authority.answered = answered
        with pytest.raises(RemoteError, match=r"refused .*digest algorithm is not supported"):
            authority.stamped()

    @pytest.mark.parametrize(
        ("status", "media_type", "body"),
        [
            (500, "application/timestamp-reply", b""),
            (302, "text/html", b""),
            (200, "text/html", b"<html>"),
            (200, "application/timestamp-reply", b""),
            (200, "application/timestamp-reply", b"<html>"),
            (200, "application/timestamp-reply", bytes(2 << 20)),
        ],
    )
    def test_nonsense_is_nobodys_stamp(
        self, authority: Authority, status: int, media_type: str, body: bytes
    ) -> None:
        self.answering(authority, status, media_type, body)
        with pytest.raises(RemoteError, match=re.escape(authority.url)):
            authority.stamped()

    @pytest.mark.parametrize(("status", "media_type"), [(500, "timestamp-reply"), (200, "octet-stream")])
    def test_an_answer_that_calls_itself_something_else_is_none(
        self, authority: Authority, status: int, media_type: str
    ) -> None:
        authority.answered = lambda query: (status, f"application/{media_type}", authority.response(query))
        with pytest.raises(RemoteError, match="wanted 200, application/timestamp-reply"):
            authority.stamped()

    def test_nobody_there_is_said(self) -> None:
        with pytest.raises(RemoteError):
            Rfc3161(url="http://127.0.0.1:9/").anchor(CHECKPOINT)


def test_from_the_command_line_to_openssl(
    authority: Authority,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A run is logged, its checkpoint stamped, checked with a named root, and verified by OpenSSL alone."""

    def said(*words: str, code: int = 0) -> Any:
        capsys.readouterr()
        assert main([*words, "--json"]) == code
        return json.loads(capsys.readouterr().out)

    monkeypatch.setenv("WHENCE_HOME", str(tmp_path / "home"))
    with wh.start_run("stamped") as run:
        run.log_metric("loss", 0.5)
    (made,) = said("anchor", "rfc3161", "--url", authority.url)["anchors"]
    assert made["new"]
    (listed,) = said("anchors", "--check", code=1)["anchors"]
    assert (listed["trusted"], listed["when"]) == (False, None)
    trust = authority.folder / "trust.toml"
    trust.write_text(f'[rfc3161]\nroots = "{authority.root.path.name}"\npolicies = ["1.2.3.4"]\n')
    out = tmp_path / "out"
    checked = said("anchors", "--check", "--trust", str(trust), "--export", str(out))
    (listed,) = checked["anchors"]
    assert (listed["state"], listed["trusted"], listed["runs"]) == ("holds", True, 1)
    (folder,) = out.iterdir()
    verify = ["ts", "-verify", "-data", "checkpoint", "-in", "checkpoint.tsr", "-CAfile"]
    openssl(*verify, authority.root.path, folder=folder)
    (folder / "checkpoint").write_bytes((folder / "checkpoint").read_bytes().replace(b"\n", b"\r\n", 1))
    openssl(*verify, authority.root.path, folder=folder, holds=False)


def test_without_the_package_its_command_is_named() -> None:
    script = """
        import sys; sys.modules["rfc3161_client"] = None
        from whence.trust import find_kind
        try: find_kind("rfc3161")
        except ImportError as error: print(error.code, error.remedy)
    """
    words = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    assert done.stdout == "missing-extra Install it with: pip install 'whence[timestamps]'\n"
