"""Again: make a delivered sample once more and compare it with the recorded digest.

whence replay ADDRESS makes one. Of a pass, RUN@EPOCH, or of some of its outputs, RUN@EPOCH:10-19, each is
made again; with whence replay RUN --sample N --verify it is N of a run's delivered samples, chosen at random
over all its passes. The exit code is 1 where one differs, and where nothing could be compared. The functions
are loaded from their files, and what they print goes to standard error. With --code recorded they are those
that were stored with the run: verified by their digests, and in modules of their own.

--out keeps the sample: .npy and .npz hold arrays; .png a 2-d or 3-d array (bool as black and white, floats
in [0, 1] times 255, other ranges stretched from the least to the most); .json anything else.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import secrets
import sys
from typing import Any

from whence.cli.home import home_of
from whence.cli.keeping import check_suffix, keep_sample
from whence.cli.page import Block, Cell, Grid, Line, Section, Words, dim, facts, name, strong, try_next
from whence.cli.place import asked_workspace
from whence.cli.sampling import random_addresses
from whence.cli.screen import Screen
from whence.cli.wording import count_of
from whence.errors import InputError, WhenceError
from whence.query import (
    Address,
    Difference,
    Replay,
    Replayer,
    delivered_addresses,
    parse_address,
    parse_range,
)
from whence.workspace import Run, Workspace

_SAMPLE = 100
_DIFFERING_SHOWN = 10
_SAY_EVERY = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to make again, and what to do with it."""
    parser.add_argument(
        "what",
        metavar="ADDRESS|RUN",
        help="a sample's, a batch's or a pass's address, or a range of outputs; with --sample a run",
    )
    parser.add_argument("--out", metavar="FILE", help="keep the sample: .npy .npz .png .json")
    parser.add_argument("--field", metavar="NAME", help="which array of the sample .npy or .png keeps")
    parser.add_argument(
        "--root", action="append", default=[], metavar="SOURCE=FOLDER", help="where a source's files are now"
    )
    parser.add_argument(
        "--code",
        choices=["today", "recorded"],
        default="today",
        help="which code to run: as the files are now (default), or as it was stored with the run",
    )
    many = parser.add_argument_group("many samples of a run")
    many.add_argument("--sample", type=int, metavar="N", help=f"how many (default: {_SAMPLE})")
    many.add_argument("--verify", action="store_true", help="compare each with its recorded digest")
    many.add_argument("--seed", type=int, metavar="S", help="which; the same seed chooses the same samples")


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Make one, or many."""
    roots = parse_roots(arguments.root)
    workspace = asked_workspace(arguments)
    many = arguments.sample is not None or (arguments.verify and "@" not in arguments.what)
    if many:
        if "@" in arguments.what or arguments.out is not None:
            raise InputError(
                "--sample takes a run, and keeps no file",
                remedy="Write whence replay RUN --sample 200 --verify",
            )
        asked = workspace.run(arguments.what)
        with contextlib.chdir(home_of(asked, workspace, elsewhere=roots)):
            return _replay_many(asked, roots, arguments, screen)
    some = parse_range(arguments.what)
    if some is not None:
        return _replay_range(some, arguments, screen, roots, workspace)
    address = parse_address(arguments.what)
    if arguments.out is not None:
        check_suffix(pathlib.Path(arguments.out))
    asked = workspace.run(address.run)
    with contextlib.chdir(home_of(asked, workspace, elsewhere=roots)), contextlib.redirect_stdout(sys.stderr):
        replayed = asked.replayer(roots=roots, code=arguments.code).replay(address)
    value = replayed.to_json()
    if arguments.out is not None:
        path = pathlib.Path(arguments.out)
        keep_sample(replayed.value, path, field=arguments.field)
        value["out"] = str(path)
    screen.show(value, page)
    return 0 if replayed.equal else 1


def _replay_range(
    some: tuple[Address, int, int | None],
    arguments: argparse.Namespace,
    screen: Screen,
    roots: dict[str, str],
    workspace: Workspace,
) -> int:
    if arguments.out is not None:
        raise InputError("--out keeps one sample or batch", remedy="Give the address of one.")
    within, first, stop = some
    asked = workspace.run(within.run)
    addresses = list(delivered_addresses(asked.record, within, first, stop))
    with contextlib.chdir(home_of(asked, workspace, elsewhere=roots)):
        return _replay_all(asked, addresses, f"{addresses[0]} to {addresses[-1]}", roots, arguments, screen)


def parse_roots(given: list[str]) -> dict[str, str]:
    """Read `SOURCE=FOLDER` pairs; raises `InputError`."""
    roots = {}
    for pair in given:
        source, sign, folder = pair.partition("=")
        if not sign or not source or not folder:
            raise InputError(
                f"--root {pair!r:.80}: wanted SOURCE=FOLDER",
                remedy="Write for example: --root mnist=/data/mnist",
            )
        roots[source] = os.path.abspath(folder)
    return roots


def page(value: dict[str, Any]) -> list[Block]:
    """The verdict on one sample, and what isn't as it was."""
    if value["equal"]:
        verdict = (Words("✓ ", "good"), strong("Made again, equal to what was delivered."))
    elif value["equal"] is None:
        verdict = (Words("· ", "doubt"), strong("Made again, but not compared: no digest was recorded."))
    else:
        verdict = (Words("✗ ", "bad"), strong("Made again, and it differs from what was delivered."))
    pairs = [("sample", name(value["address"])), ("digest", value["digest"])]
    if value["equal"] is not True:
        pairs.append(("recorded", value["recorded"] or "none"))
    if "out" in value:
        pairs.append(("kept in", name(value["out"])))
    blocks: list[Block] = [Line(words=verdict), facts([(label, each) for label, each in pairs])]
    if value["differences"]:
        blocks += [
            Section(title="not as it was"),
            Grid(rows=[[Words(each["cause"], "doubt"), each["what"]] for each in value["differences"]]),
        ]
    return [*blocks, *try_next([(f"whence trace {value['address']}", "where it came from")])]


def many_page(value: dict[str, Any]) -> list[Block]:
    """The verdict on many samples."""
    checked, equal, differing = value["checked"], value["equal"], value["differing"]
    if not checked:
        verdict = (Words("✗ ", "bad"), strong("Nothing could be compared."))
    elif differing:
        verdict = (
            Words("✗ ", "bad"),
            strong(f"{count_of(len(differing), 'sample')} of {checked + value['failed']:,} differ."),
        )
    else:
        verdict = (Words("✓ ", "good"), strong(f"{equal:,} of {checked:,} equal to what was delivered."))
    blocks: list[Block] = [Line(words=(*verdict, dim(f"  {value['asked']}")))]
    if value["unrecorded"]:
        blocks.append(
            Line(
                words=Words(f"{count_of(value['unrecorded'], 'more')} had no recorded digest", "doubt"),
                indent=2,
            )
        )
    if value["causes"]:
        rows: list[list[Cell]] = [
            [Words(each["cause"], "doubt"), each["what"], dim(_counts(each))] for each in value["causes"]
        ]
        blocks += [Section(title="not as it was"), Grid(rows=rows)]
    if differing:
        shown = differing[:_DIFFERING_SHOWN]
        everywhere = {each["what"] for each in value["causes"] if each["samples"] == _made(value)}
        rows = [[name(each["address"]), _why(each, everywhere)] for each in shown]
        blocks += [Section(title="differing"), Grid(rows=rows)]
        if len(differing) > len(shown):
            blocks.append(
                Line(words=dim(f"and {len(differing) - len(shown):,} more; --json lists all"), indent=2)
            )
    return blocks


def _made(value: dict[str, Any]) -> int:
    return int(value["checked"] + value["unrecorded"])


def _counts(cause: dict[str, Any]) -> str:
    if not cause["differing"]:
        return f"{count_of(cause['samples'], 'sample')}, equal all the same"
    return f"{cause['differing']:,} of {count_of(cause['samples'], 'sample')} differ"


def _why(each: dict[str, Any], everywhere: set[str]) -> str:
    """Why a sample differs, but for what is told of all of them."""
    own = "; ".join(found["what"] for found in each["differences"] if found["what"] not in everywhere)
    return each["problem"] or own or ("" if everywhere else "no cause is visible from here")


def _replay_many(run: Run, roots: dict[str, str], arguments: argparse.Namespace, screen: Screen) -> int:
    wanted = _SAMPLE if arguments.sample is None else arguments.sample
    if wanted < 1:
        raise InputError(f"--sample {wanted}: wanted 1 or more", remedy=f"Leave it out for {_SAMPLE}.")
    seed = secrets.randbits(32) if arguments.seed is None else arguments.seed
    addresses = random_addresses(run, wanted, seed)
    return _replay_all(run, addresses, f"{run.name}, seed {seed}", roots, arguments, screen, seed=seed)


def _replay_all(
    run: Run,
    addresses: list[Address],
    asked: str,
    roots: dict[str, str],
    arguments: argparse.Namespace,
    screen: Screen,
    *,
    seed: int | None = None,
) -> int:
    value: dict[str, Any] = {
        "run": run.name,
        "asked": asked,
        "checked": 0,
        "equal": 0,
        "differing": [],
        "unrecorded": 0,
        "failed": 0,
        "causes": [],
    }
    tally: dict[Difference, list[int]] = {}
    first_error: WhenceError | None = None
    replayer = run.replayer(roots=roots, code=arguments.code)
    for count, address in enumerate(addresses):
        if count % _SAY_EVERY == 0:
            screen.progress(f"replaying {count:,} of {len(addresses):,}")
        outcome = _outcome(replayer, address)
        if isinstance(outcome, Replay):
            _tally(value, tally, outcome)
            continue
        first_error = first_error or outcome
        value["failed"] += 1
        value["differing"].append(
            {
                "address": str(address),
                "digest": None,
                "recorded": None,
                "differences": [],
                "problem": outcome.message,
            }
        )
    screen.progress("")
    if first_error is not None and value["failed"] == len(addresses):
        raise first_error  # one cause for all: say it once
    value["causes"] = [
        each.to_json() | {"samples": samples, "differing": differing}
        for each, (samples, differing) in sorted(
            tally.items(), key=lambda found: (-found[1][1], found[0].cause)
        )
    ]
    screen.show(value | {"seed": seed}, many_page)
    return 0 if value["checked"] and not value["differing"] else 1


def _outcome(replayer: Replayer, address: Address) -> Replay | WhenceError:
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return replayer.replay(address)
    except WhenceError as error:
        return error


def _tally(value: dict[str, Any], tally: dict[Difference, list[int]], replayed: Replay) -> None:
    for difference in replayed.differences:
        counts = tally.setdefault(difference, [0, 0])
        counts[0] += 1
        counts[1] += replayed.equal is False
    if replayed.equal is None:
        value["unrecorded"] += 1
        return
    value["checked"] += 1
    value["equal"] += replayed.equal
    if not replayed.equal:
        said = replayed.to_json()
        del said["equal"]
        value["differing"].append(said | {"problem": ""})
