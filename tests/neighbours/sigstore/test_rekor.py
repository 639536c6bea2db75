"""Sigstore's own client: it posts to the log that our tests are made against, and checks our entries."""

from __future__ import annotations

import base64
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest

sigstore = pytest.importorskip("sigstore", reason="run by `make test-neighbours`")

from sigstore._internal.merkle import verify_merkle_inclusion  # noqa: E402
from sigstore._internal.rekor.checkpoint import verify_checkpoint  # noqa: E402
from sigstore._internal.rekor.client_v2 import RekorV2Client  # noqa: E402
from sigstore.errors import VerificationError  # noqa: E402
from sigstore.models import TransparencyLogEntry, TrustedRoot  # noqa: E402
from sigstore_models.bundle.v1 import Bundle  # noqa: E402
from sigstore_models.rekor.v1 import TransparencyLogEntry as Inner  # noqa: E402

from tests.rooms.trust.answering import Server, answering  # noqa: E402
from tests.rooms.trust.logs import MadeLog, make_log  # noqa: E402
from tests.rooms.trust.rekorlogs import RekorLog  # noqa: E402
from whence.trust.rekor import Rekor  # noqa: E402


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


def keyring_of(rekor: RekorLog, folder: pathlib.Path) -> Any:
    """The log's key as Sigstore reads it."""
    root = json.loads(rekor.trusted_root)
    root |= {"certificateAuthorities": [], "ctlogs": [], "timestampAuthorities": []}
    root["tlogs"][0]["publicKey"]["validFor"] = {"start": "2021-01-12T11:53:27Z"}
    (folder / "root.json").write_text(json.dumps(root))
    return TrustedRoot.from_file(str(folder / "root.json")).rekor_keyring("verify")


def test_sigstore_proves_our_entry(
    server: Server, rekor: RekorLog, log: MadeLog, tmp_path: pathlib.Path
) -> None:
    evidence = Rekor(url=server.address).anchor(log.checkpoint())
    entry = TransparencyLogEntry(Inner.from_dict(json.loads(evidence["entry"])))
    verify_merkle_inclusion(entry)
    verify_checkpoint(keyring_of(rekor, tmp_path), entry)
    with pytest.raises(VerificationError):
        verify_checkpoint(keyring_of(RekorLog(), tmp_path), entry)


def test_sigstore_reads_our_bundle(server: Server, log: MadeLog) -> None:
    evidence = Rekor(url=server.address).anchor(log.checkpoint())
    bundle = Bundle.from_json(Rekor.export(evidence)[".sigstore.json"])
    assert bundle.verification_material.tlog_entries[0].log_index == 6
    assert bundle.to_dict()["messageSignature"]["messageDigest"]["algorithm"] == "SHA2_256"


def test_sigstores_client_and_ours_say_the_same_to_a_log(server: Server, log: MadeLog) -> None:
    """Its client is given our request; the log that our tests are made against takes it from there too."""
    Rekor(url=server.address).anchor(log.checkpoint())
    ours = server.asked[0]
    entered = RekorV2Client(server.address).create_entry(json.loads(ours[2]))
    theirs = server.asked[1]
    assert (ours[0], ours[1], json.loads(ours[2])) == (theirs[0], theirs[1], json.loads(theirs[2]))
    assert entered._inner.log_index == 7
    verify_merkle_inclusion(entered)
    said = json.loads(base64.b64decode(entered._inner.to_dict()["canonicalizedBody"]))
    assert said["spec"]["hashedRekordV002"]["data"]["algorithm"] == "SHA2_256"
