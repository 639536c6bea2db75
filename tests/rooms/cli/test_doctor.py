"""whence doctor: what it looks for is found, and nothing that isn't so."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import time
from typing import Any

import pytest

import whence as wh
from tests.rooms.cli.commands import Place, ask, environment_of
from whence.cli.surroundings import filesystem_of

MOUNTS = r"""22 28 0:20 / /sys rw shared:7 - sysfs sysfs rw
28 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 28 0:40 / /mnt/data rw shared:3 - nfs4 server:/export rw
31 30 0:41 / /mnt/data/local rw - xfs /dev/sdb rw
32 28 0:42 / /mnt/with\040space rw master:4 - fuse.sshfs me@host: rw
"""


def checks(folder: pathlib.Path) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in ask("doctor", "--json", cwd=folder).value["checks"]}


def test_a_sound_workspace_is_well(own_place: Place) -> None:
    done = ask("doctor", "--json", cwd=own_place.folder)
    assert (done.code, done.value["usable"], done.value["well"]) == (0, True, True)
    found = checks(own_place.folder)
    assert {found[name]["state"] for name in ("access", "all", "file locks", "clock", "leftovers")} == {"ok"}


def test_a_lost_run_and_one_of_which_nobody_knows_are_named_with_what_to_do(own_place: Place) -> None:
    code = "import os, whence as wh\nrun = wh.start_run('dies')\nos.kill(os.getpid(), 9)\n"
    subprocess.run([sys.executable, "-c", code], cwd=own_place.folder, env=environment_of(), check=False)
    runs = own_place.folder / ".whence" / "runs"
    lost = wh.open(own_place.folder).run()
    other = lost.id[:-1] + ("Y" if lost.id.endswith("X") else "X")
    shutil.copytree(runs / lost.id, runs / other)
    lease = runs / other / "lease"
    lease.write_text(lease.read_text().replace('"host":"', '"host":"another '))
    done = ask("doctor", cwd=own_place.folder)
    assert done.code == 1
    found = checks(own_place.folder)
    assert (found["lost"]["state"], found["unknown"]["state"]) == ("doubt", "doubt")
    assert lost.name in found["lost"]["found"]
    assert "is gone" in found["lost"]["found"]
    assert "resume=" in found["lost"]["remedy"]
    assert "another machine" in found["unknown"]["found"]


def test_leftovers_are_counted_and_left(own_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    part = own_place.folder / ".whence" / "objects" / ".incoming-1"
    part.parent.mkdir(exist_ok=True)
    part.write_bytes(b"half")
    monkeypatch.setattr("whence.store.tidying.time.time", lambda: os.stat(part).st_ctime + 7_200)
    found = checks(own_place.folder)["leftovers"]
    assert (found["state"], found["remedy"], part.exists()) == ("missing", "whence gc", True)


def test_a_clock_apart_a_missing_lock_and_a_network_are_doubted(
    own_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time
    monkeypatch.setattr("whence.cli.surroundings.time.time", lambda: real() - 100)
    monkeypatch.setattr("whence.cli.surroundings._locks", lambda _: False)
    monkeypatch.setattr("whence.cli.surroundings.filesystem_of", lambda _: "nfs4")
    found = checks(own_place.folder)
    assert [found[name]["state"] for name in ("clock", "file locks", "file system")] == ["doubt"] * 3
    assert "from that of the disk" in found["clock"]["found"]
    assert ask("doctor", cwd=own_place.folder).code == 1


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_what_cannot_be_read_is_named(own_place: Place) -> None:
    journal = next((own_place.folder / ".whence" / "runs").glob("*/journal"))
    journal.chmod(0)
    found = checks(own_place.folder)["access"]
    assert (found["state"], str(journal) in found["remedy"]) == ("doubt", True)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"), ("/home/x", "ext4"), ("/mnt/data", "nfs4"), ("/mnt/data/x/y", "nfs4"),
        ("/mnt/database", "ext4"), ("/mnt/data/local/x", "xfs"), ("/mnt/with space/x", "fuse.sshfs"),
    ],
)  # fmt: skip
def test_the_file_system_is_that_of_the_nearest_mount(tmp_path: pathlib.Path, path: str, kind: str) -> None:
    (tmp_path / "mounts").write_text(MOUNTS)
    assert filesystem_of(pathlib.Path(path), str(tmp_path / "mounts")) == kind
    assert filesystem_of(pathlib.Path(path), str(tmp_path / "nothing")) == ""
