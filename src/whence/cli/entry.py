"""The entry: finds the verb, imports that command only, and turns errors into words and exit codes."""

from __future__ import annotations

import argparse
import difflib
import importlib
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from whence.cli.screen import Screen, fold_stdout, visible
from whence.cli.verbs import VERB_BY_NAME, help_text
from whence.errors import InputError, WhenceError

INTERRUPTED = 130
PIPE_CLOSED = 141
BUG = 70


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: the arguments after the program's name; the process's own by default.

    Returns:
        The exit code: 0 holds, 1 evidence doesn't hold, 2 input, 3 not found, 4 store, 70 a bug;
        130 after Ctrl-C and 141 where the reader of a pipe has gone, as shells have it.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    screen = Screen(as_json="--json" in arguments)
    try:
        return _guarded(arguments, screen)
    except BrokenPipeError:
        fold_stdout()
        return PIPE_CLOSED
    except KeyboardInterrupt:
        screen.say("whence: interrupted")
        return INTERRUPTED


def _guarded(arguments: list[str], screen: Screen) -> int:
    try:
        return _run(arguments, screen)
    except WhenceError as error:
        return _explain(error, screen)
    except (BrokenPipeError, KeyboardInterrupt):
        raise
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        screen.say("whence: this is a mistake of ours, not of yours; please report it with the lines above")
        if screen.as_json:
            what = f"{type(error).__name__}: {error}"
            screen.write_json({"error": {"code": "bug", "message": what, "remedy": "Please report it."}})
        return BUG


def _run(arguments: list[str], screen: Screen) -> int:
    leading, verb, rest = _split(arguments)
    if verb == "help":
        verb, rest = (rest[0], ["--help"]) if rest else (None, ["--help"])
        leading = []
    if verb is None:
        return _front_page(leading, screen)
    if verb not in VERB_BY_NAME:
        near = difflib.get_close_matches(verb, VERB_BY_NAME, n=1)
        meant = f"Did you mean {near[0]!r}? " if near else ""
        raise InputError(f"no verb {verb!r:.60}", remedy=f"{meant}whence --help lists the verbs.")
    command = importlib.import_module(f"whence.cli.{verb}")
    parser = _Parser(
        prog=f"whence {verb}", description=command.__doc__, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    command.add_arguments(parser)
    common = parser.add_argument_group("common options")
    common.add_argument(
        "-w",
        "--workspace",
        metavar="PATH",
        help="the workspace (default: WHENCE_HOME, else the nearest .whence upward)",
    )
    common.add_argument("--json", action="store_true", help="a value for programs instead of text for people")
    try:
        parsed = parser.parse_args(leading + _with_signs(rest, getattr(command, "SIGNED", ())))
    except SystemExit as done:  # only --help leaves this way
        return int(done.code or 0)
    code: int = command.run(parsed, screen)
    return code


def _front_page(leading: list[str], screen: Screen) -> int:
    if "--version" in leading:
        screen.write(f"whence {importlib.import_module('whence').__version__}\n")
        return 0
    unknown = [each for each in leading if each not in ("-h", "--help", "--json")]
    if unknown:
        raise InputError(
            f"{unknown[0]:.60} and no verb", remedy="Write whence VERB [options]; whence --help lists both."
        )
    screen.write(help_text())
    return 0


def _split(arguments: list[str]) -> tuple[list[str], str | None, list[str]]:
    """Take apart the options before the verb, the verb, and the rest."""
    at = 0
    while at < len(arguments) and arguments[at].startswith("-"):
        at += 2 if arguments[at] in ("-w", "--workspace") else 1
    verb = arguments[at] if at < len(arguments) else None
    return arguments[:at], verb, arguments[at + 1 :]


def _with_signs(arguments: list[str], signed: Sequence[str]) -> list[str]:
    """Tie values to those options whose values may begin with a dash, which argparse takes for an option."""
    tied: list[str] = []
    for argument in arguments:
        if tied and tied[-1] in signed:
            tied[-1] += f"={argument}"
        else:
            tied.append(argument)
    return tied


def _explain(error: WhenceError, screen: Screen) -> int:
    screen.say(f"whence: {visible(error.message)}" + (f"\n  {visible(error.remedy)}" if error.remedy else ""))
    if screen.as_json:
        screen.write_json({"error": {"code": error.code, "message": error.message, "remedy": error.remedy}})
    return error.exit_code


class _Parser(argparse.ArgumentParser):
    """Parses one verb's arguments; a mistake in them is an input error like any other."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse has to say."""
        raise InputError(f"{self.prog}: {message}", remedy=f"{self.prog} --help says what it takes.")
