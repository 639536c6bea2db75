"""Train a small classifier on real images, then ask its record whence, whither and again.

It unpacks the images into a folder, plants a few defects among them, records a run, and writes a report.
"""

from __future__ import annotations

import argparse
import pathlib

from whence.cli.screen import Screen
from whence.demo import run_demo


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to."""
    parser.add_argument(
        "--dir", metavar="DIR", default="whence-demo", help="the folder it works in (default: whence-demo)"
    )


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Run it; it speaks for itself."""
    return run_demo(pathlib.Path(arguments.dir), as_json=screen.as_json)
