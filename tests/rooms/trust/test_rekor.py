"""Rekor v2 against a log in memory that is built from the standards alone, and an entry of Sigstore's own."""

from __future__ import annotations

import base64
import hashlib
import json
import pathlib
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.rooms.trust.answering import Server, answering
from tests.rooms.trust.logs import MadeLog, make_log
from tests.rooms.trust.rekorlogs import ORIGIN, RekorLog, path_to, root_of, spell
from whence.errors import EvidenceError, InputError, KeyUnusableError, RemoteError
from whence.ledger import (
    Cosigner,
    SigningKey,
    check_inclusion,
    check_note,
    parse_checkpoint,
    parse_note,
)
from whence.trust import Trust, find_kind
from whence.trust.rekor import Rekor, _logs_of

STAGING = pathlib.Path(__file__).parents[2] / "data" / "rekor-v2-staging.json"


@pytest.fixture
def rekor() -> RekorLog:
    return RekorLog()


@pytest.fixture
def server(rekor: RekorLog) -> Iterator[Server]:
    with answering(rekor.respond) as found:
        yield found


@pytest.fixture
def log(tmp_path: pathlib.Path) -> MadeLog:
    return make_log(tmp_path / "log")


@pytest.fixture
def evidence(server: Server, log: MadeLog) -> dict[str, Any]:
    return Rekor(url=server.address).anchor(log.checkpoint())


def trusting(rekor: RekorLog, *witnesses: str) -> Trust:
    return Trust(settings={"logs": [rekor.vkey], "witnesses": list(witnesses)})


def changed(evidence: dict[str, Any], change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The same evidence with another entry."""
    entry = json.loads(evidence["entry"])
    change(entry)
    return {"entry": json.dumps(entry)}


def test_the_log_has_the_digest_and_nothing_else_of_the_checkpoint(
    server: Server, rekor: RekorLog, log: MadeLog, evidence: dict[str, Any]
) -> None:
    ((method, path, body, headers),) = server.asked
    assert (method, path, headers["Content-Type"]) == ("POST", "/api/v2/log/entries", "application/json")
    digest = spell(hashlib.sha256(log.checkpoint()).digest())
    assert json.loads(body)["hashedRekordRequestV002"]["digest"] == digest
    assert log.origin.encode() not in body
    found = Rekor.check(evidence, log.checkpoint(), trusting(rekor))
    assert found.is_trusted
    assert found.at is None
    assert found.by == f"entry 6 of the log {ORIGIN}"


def test_a_log_whose_key_nobody_named_vouches_for_nothing(log: MadeLog, evidence: dict[str, Any]) -> None:
    for trust in (Trust(), trusting(RekorLog()), Trust(settings={"logs": [log.vkey]})):
        if trust.settings.get("logs") == [log.vkey] or not trust.settings:
            found = Rekor.check(evidence, log.checkpoint(), trust)
            assert not found.is_trusted
            assert "calls itself" in found.by
        else:
            with pytest.raises(EvidenceError, match="no signature by a trusted key"):
                Rekor.check(evidence, log.checkpoint(), trust)


def test_sigstores_own_file_names_the_log(
    rekor: RekorLog, log: MadeLog, evidence: dict[str, Any], tmp_path: pathlib.Path
) -> None:
    (tmp_path / "trusted_root.json").write_bytes(rekor.trusted_root)
    trust = Trust(settings={"roots": "trusted_root.json"}, folder=tmp_path)
    assert Rekor.check(evidence, log.checkpoint(), trust).is_trusted
    (tmp_path / "trusted_root.json").write_bytes(b"{}")
    with pytest.raises(InputError, match="no TrustedRoot"):
        Rekor.check(evidence, log.checkpoint(), trust)


def test_a_witness_that_is_named_tells_the_time(
    rekor: RekorLog, log: MadeLog, evidence: dict[str, Any]
) -> None:
    witness = Cosigner(SigningKey(bytes(31) + b"w"), "witness.example.org")
    other = Cosigner(SigningKey(bytes(31) + b"o"), "other.example.org")

    def cosign(entry: dict[str, Any]) -> None:
        checkpoint = entry["inclusionProof"]["checkpoint"]
        note = parse_note(checkpoint["envelope"].encode())
        said = parse_checkpoint(note.text)
        lines = [witness.cosign(said, time_s=1_800_000_000), other.cosign(said, time_s=1_700_000_000)]
        checkpoint["envelope"] = note.signed(*lines).encode().decode()

    cosigned = changed(evidence, cosign)
    found = Rekor.check(cosigned, log.checkpoint(), trusting(rekor, witness.vkey))
    assert found.at is not None
    assert (found.at.timestamp(), found.by) == (
        1_800_000_000,
        f"entry 6 of the log {ORIGIN}, witnessed by witness.example.org",
    )
    assert Rekor.check(cosigned, log.checkpoint(), trusting(rekor)).at is None
    forger = Cosigner(SigningKey(bytes(31) + b"f"), "witness.example.org")

    def forge(entry: dict[str, Any]) -> None:
        checkpoint = entry["inclusionProof"]["checkpoint"]
        note = parse_note(checkpoint["envelope"].encode())
        line = replace(
            forger.cosign(parse_checkpoint(note.text), time_s=1_600_000_000), key_id=witness.verifier.key_id
        )
        checkpoint["envelope"] = note.signed(line).encode().decode()

    assert Rekor.check(changed(evidence, forge), log.checkpoint(), trusting(rekor, witness.vkey)).at is None
    assert Rekor.check(evidence, log.checkpoint(), trusting(rekor, witness.vkey)).at is None


def test_every_size_of_a_log_proves_its_last_entry(tmp_path: pathlib.Path, log: MadeLog) -> None:
    for size in range(20):
        rekor = RekorLog(leaves=[b"%d" % number for number in range(size)])
        with answering(rekor.respond) as server:
            evidence = Rekor(url=server.address).anchor(log.checkpoint())
        assert Rekor.check(evidence, log.checkpoint(), trusting(rekor)).by.startswith(f"entry {size} of")


class TestTheKeyOfAnEntry:
    """A file with an ECDSA P-256 key, or a key made for the entry."""

    def make(self, tmp_path: pathlib.Path, curve: str = "prime256v1") -> pathlib.Path:
        path = tmp_path / "rekor.pem"
        subprocess.run(["openssl", "ecparam", "-name", curve, "-genkey", "-noout", "-out", path], check=True)
        return path

    def test_openssl_finds_the_signature_good(
        self, server: Server, log: MadeLog, tmp_path: pathlib.Path
    ) -> None:
        evidence = Rekor(url=server.address, key=str(self.make(tmp_path))).anchor(log.checkpoint())
        files = Rekor.export(evidence)
        (tmp_path / "pub").write_bytes(files[".pub"])
        (tmp_path / "checkpoint").write_bytes(log.checkpoint())
        bundle = json.loads(files[".sigstore.json"])
        (tmp_path / "sig").write_bytes(base64.b64decode(bundle["messageSignature"]["signature"]))
        command = ["openssl", "dgst", "-sha256", "-verify", "pub", "-signature", "sig", "checkpoint"]
        assert b"Verified OK" in subprocess.run(command, cwd=tmp_path, check=True, capture_output=True).stdout
        command = ["openssl", "ec", "-in", "rekor.pem", "-pubout"]
        public = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True).stdout
        assert public.split() == files[".pub"].split()

    def test_without_one_each_entry_has_its_own(self, server: Server, log: MadeLog) -> None:
        keys = {Rekor.export(Rekor(url=server.address).anchor(log.checkpoint()))[".pub"] for _ in range(2)}
        assert len(keys) == 2

    def test_another_kind_of_key_is_refused(
        self, server: Server, log: MadeLog, tmp_path: pathlib.Path
    ) -> None:
        path = self.make(tmp_path, "secp384r1")
        for content in (path.read_bytes(), b"?", log.checkpoint()):
            path.write_bytes(content)
            with pytest.raises(KeyUnusableError, match=r"(?s)rekor\.pem.*openssl ecparam"):
                Rekor(url=server.address, key=str(path)).anchor(log.checkpoint())
        assert not server.asked


class TestAnEntryIsRefused:
    """Whatever isn't exactly an entry of exactly this checkpoint that exactly this log has."""

    def test_another_checkpoint(self, rekor: RekorLog, log: MadeLog, evidence: dict[str, Any]) -> None:
        with pytest.raises(EvidenceError, match="about something else"):
            Rekor.check(evidence, log.grow("one more"), trusting(rekor))

    @pytest.mark.parametrize("part", ["envelope", "body", "first hash", "last hash"])
    def test_every_flipped_bit(
        self, rekor: RekorLog, log: MadeLog, evidence: dict[str, Any], part: str
    ) -> None:
        """A log of another name is nobody's log; whatever else is flipped is an error."""
        entry = json.loads(evidence["entry"])
        proof = entry["inclusionProof"]
        path = [base64.b64decode(each) for each in proof["hashes"]]
        data = {
            "envelope": proof["checkpoint"]["envelope"].encode(),
            "body": base64.b64decode(entry["canonicalizedBody"]),
            "first hash": path[0],
            "last hash": path[-1],
        }[part]
        others = 0
        for bit in range(len(data) * 8):
            flipped = bytearray(data)
            flipped[bit // 8] ^= 1 << bit % 8
            if part == "envelope":
                try:
                    proof["checkpoint"]["envelope"] = flipped.decode()
                except UnicodeDecodeError:  # nothing that evidence can hold
                    continue
            elif part == "body":
                entry["canonicalizedBody"] = spell(bytes(flipped))
            else:
                place = 0 if part == "first hash" else -1
                proof["hashes"][place] = spell(bytes(flipped))
            try:
                found = Rekor.check({"entry": json.dumps(entry)}, log.checkpoint(), trusting(rekor))
            except EvidenceError:
                continue
            assert bit // 8 < len(ORIGIN)
            assert part == "envelope"
            assert not found.is_trusted
            others += 1
        assert others <= len(ORIGIN) * 8

    @pytest.mark.parametrize(
        "change",
        [
            lambda entry: entry.update(logIndex="5"),
            lambda entry: entry.update(logIndex="7"),
            lambda entry: entry.update(logIndex="06"),
            lambda entry: entry.update(logIndex=-1),
            lambda entry: entry.update(logIndex=6.0),
            lambda entry: entry.update(logIndex=True),
            lambda entry: entry.pop("logIndex"),
            lambda entry: entry.pop("inclusionProof"),
            lambda entry: entry.update(inclusionProof=[]),
            lambda entry: entry["inclusionProof"].update(hashes=[]),
            lambda entry: entry["inclusionProof"].update(hashes="abc"),
            lambda entry: entry["inclusionProof"]["hashes"].append(spell(bytes(32))),
            lambda entry: entry["inclusionProof"]["hashes"].reverse(),
            lambda entry: entry["inclusionProof"].update(checkpoint=None),
            lambda entry: entry["inclusionProof"]["checkpoint"].update(envelope="x"),
            lambda entry: entry.update(canonicalizedBody="!"),
            lambda entry: entry.update(canonicalizedBody=spell(b"{}")),
            lambda entry: entry["kindVersion"].update(kind="dsse"),
            lambda entry: entry["kindVersion"].update(version="0.0.1"),
            lambda entry: entry.clear(),
        ],
    )
    def test_other_fields(
        self,
        rekor: RekorLog,
        log: MadeLog,
        evidence: dict[str, Any],
        change: Callable[[dict[str, Any]], object],
    ) -> None:
        with pytest.raises(EvidenceError):
            Rekor.check(changed(evidence, change), log.checkpoint(), trusting(rekor))

    @pytest.mark.parametrize("text", ["", "[]", "null", "[" * 100_000, '{"logIndex": NaN}', "3"])
    def test_other_texts(self, rekor: RekorLog, log: MadeLog, text: str) -> None:
        with pytest.raises(EvidenceError):
            Rekor.check({"entry": text}, log.checkpoint(), trusting(rekor))

    def test_what_the_proof_says_of_root_and_size_beside_the_checkpoint_counts_for_nothing(
        self, rekor: RekorLog, log: MadeLog, evidence: dict[str, Any]
    ) -> None:
        """A tree of the attacker's own, with the true checkpoint beside it."""

        def forge(entry: dict[str, Any]) -> None:
            leaves = [base64.b64decode(entry["canonicalizedBody"]), b"x"]
            proof = entry["inclusionProof"]
            proof.update(rootHash=spell(root_of(leaves)), treeSize="2", logIndex="0")
            proof.update(hashes=[spell(each) for each in path_to(0, leaves)])
            entry["logIndex"] = "0"

        with pytest.raises(EvidenceError):
            Rekor.check(changed(evidence, forge), log.checkpoint(), trusting(rekor))

    @pytest.mark.parametrize(
        ("algorithm", "details"),
        [("SHA2_384", "PKIX_ECDSA_P256_SHA_256"), ("SHA2_256", "PKIX_ECDSA_P384_SHA_384")],
    )
    def test_an_entry_of_other_algorithms(
        self, rekor: RekorLog, log: MadeLog, evidence: dict[str, Any], algorithm: str, details: str
    ) -> None:
        body = json.loads(base64.b64decode(json.loads(evidence["entry"])["canonicalizedBody"]))
        said = body["spec"]["hashedRekordV002"]
        said["data"]["algorithm"] = algorithm
        said["signature"]["verifier"]["keyDetails"] = details
        rekor.leaves.append(json.dumps(body).encode())
        entry = {"entry": json.dumps(rekor.entry(len(rekor.leaves) - 1))}
        with pytest.raises(EvidenceError, match="other algorithms"):
            Rekor.check(entry, log.checkpoint(), trusting(rekor))

    def test_an_entry_with_another_kind_of_key(self, rekor: RekorLog, log: MadeLog) -> None:
        key = ec.generate_private_key(ec.SECP384R1())
        der = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        verifier = {"publicKey": {"rawBytes": spell(der)}, "keyDetails": "PKIX_ECDSA_P256_SHA_256"}
        signature = key.sign(log.checkpoint(), ec.ECDSA(hashes.SHA256()))
        said = {
            "digest": spell(hashlib.sha256(log.checkpoint()).digest()),
            "signature": {"content": spell(signature), "verifier": verifier},
        }
        with pytest.raises(EvidenceError, match="isn't an ECDSA P-256 key"):
            Rekor.check({"entry": json.dumps(rekor.enter(said))}, log.checkpoint(), trusting(rekor))

    def test_bytes_in_another_spelling(self, rekor: RekorLog, log: MadeLog, evidence: dict[str, Any]) -> None:
        """The last sign of a hash's base 64 has bits that are read by nobody."""

        def respell(entry: dict[str, Any]) -> None:
            first = entry["inclusionProof"]["hashes"][0]
            letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
            entry["inclusionProof"]["hashes"][0] = f"{first[:-2]}{letters[letters.index(first[-2]) + 1]}="

        with pytest.raises(EvidenceError, match="another spelling"):
            Rekor.check(changed(evidence, respell), log.checkpoint(), trusting(rekor))

    def test_an_entry_that_its_key_did_not_sign(self, rekor: RekorLog, log: MadeLog) -> None:
        other = RekorLog()
        with answering(other.respond) as server:
            good = json.loads(Rekor(url=server.address).anchor(log.checkpoint())["entry"])
            bad = json.loads(Rekor(url=server.address).anchor(log.checkpoint())["entry"])
        body, another = (json.loads(base64.b64decode(each["canonicalizedBody"])) for each in (good, bad))
        said = body["spec"]["hashedRekordV002"]
        said["signature"]["content"] = another["spec"]["hashedRekordV002"]["signature"]["content"]
        entry = rekor.enter({"digest": said["data"]["digest"], "signature": said["signature"]})
        with pytest.raises(EvidenceError, match="isn't signed by its own key"):
            Rekor.check({"entry": json.dumps(entry)}, log.checkpoint(), trusting(rekor))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((500, b'{"code":13,"message":"the sky fell"}'), "status 500.*the sky fell"),
        ((400, b""), "status 400"),
        ((301, b""), "status 301"),
        ((200, b""), "proves nothing"),
        ((200, b"<html>"), "proves nothing"),
        ((201, b"{}"), "proves nothing"),
        ((200, b"\xff\xfe"), "proves nothing"),
        ((200, bytes(2 << 20)), "more than 1,048,576 bytes"),
    ],
)
def test_a_server_that_answers_nonsense_is_an_error_that_says_so(
    server: Server, rekor: RekorLog, log: MadeLog, answer: tuple[int, bytes], said: str
) -> None:
    rekor.answer = answer
    with pytest.raises(RemoteError, match=f"(?s){said}"):
        Rekor(url=server.address).anchor(log.checkpoint())


def test_an_answer_about_somebody_elses_entry_is_refused(
    server: Server, rekor: RekorLog, log: MadeLog, evidence: dict[str, Any]
) -> None:
    rekor.answer = (201, evidence["entry"].encode())
    with pytest.raises(RemoteError, match="about something else"):
        Rekor(url=server.address).anchor(log.grow("one more"))


def test_an_entry_of_sigstores_own_log_is_proved_by_the_same_code() -> None:
    """Entry 645 of the staging log, as sigstore-python keeps it, and the file about its key."""
    found = json.loads(STAGING.read_text())
    entry, (verifier,) = found["entry"], _logs_of(json.dumps(found["trusted_root"]).encode())
    note, _ = check_note(entry["inclusionProof"]["checkpoint"]["envelope"].encode(), [verifier])
    assert verifier.key_id.to_bytes(4, "big") == base64.b64decode(entry["logId"]["keyId"])[:4]
    said = parse_checkpoint(note.text)
    assert (said.origin, said.size) == ("log2025-alpha1.rekor.sigstage.dev", 646)
    path = [base64.b64decode(each) for each in entry["inclusionProof"]["hashes"]]
    leaf = base64.b64decode(found["leaf"])
    check_inclusion(path, index=int(entry["logIndex"]), size=said.size, leaf=leaf, root=said.root)
    with pytest.raises(EvidenceError):
        check_inclusion(path, index=int(entry["logIndex"]) - 1, size=said.size, leaf=leaf, root=said.root)


def test_it_is_found_by_its_name() -> None:
    assert find_kind("rekor") is Rekor
