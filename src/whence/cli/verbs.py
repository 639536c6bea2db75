"""The table of verbs: what there is, in which group, in how many words; loads no command."""

from __future__ import annotations

from typing import NamedTuple


class Verb(NamedTuple):
    """A command: its name, its group, one line about it, and how it is written."""

    name: str
    group: str
    summary: str
    usage: str


VERBS = (
    Verb("demo", "start", "train on real images, then ask the record about it", "whence demo [--dir DIR]"),
    Verb("init", "start", "make the workspace here", "whence init"),
    Verb("doctor", "start", "check what whence needs, and say how to get it", "whence doctor"),
    Verb("status", "look", "the workspace, its size and its newest runs", "whence status"),
    Verb("runs", "look", "list the runs, newest first or sorted", "whence runs [--where CONDITION]"),
    Verb("search", "look", "find the runs that mention some words", "whence search TEXT"),
    Verb("show", "look", "one run, model or dataset, in full", "whence show [RUN|MODEL|DATASET]"),
    Verb("trace", "look", "whence: the rows behind a sample, or a model", "whence trace ADDRESS|MODEL"),
    Verb("impact", "look", "whither: where a file or a row went", "whence impact ORIGIN [--rows ROWS]"),
    Verb(
        "replay", "look", "again: make a sample once more and compare", "whence replay RUN@EPOCH:BATCH.ITEM"
    ),
    Verb("plot", "look", "metrics as curves in the terminal", "whence plot [RUN...] [--metric KEY]"),
    Verb("diff", "look", "what differs between two runs or datasets", "whence diff BEFORE [AFTER]"),
    Verb("datasets", "data", "list the datasets, or the versions of one", "whence datasets [NAME]"),
    Verb("leaks", "data", "check that two splits have nothing in common", "whence leaks A B [--by COLUMN]"),
    Verb("models", "models", "list the models, or the versions of one", "whence models [NAME]"),
    Verb("alias", "models", "give an alias to a version, or take it away", "whence alias MODEL ALIAS"),
    Verb("stage", "models", "bring a version to a stage", "whence stage MODEL STAGE [--note TEXT]"),
    Verb("get", "models", "copy a model, dataset or artifact out, checked", "whence get WHAT [--out PATH]"),
    Verb("seal", "trust", "log what ended and isn't in the ledger yet", "whence seal"),
    Verb("log", "trust", "list what is in the ledger, newest first", "whence log [--kind KIND]"),
    Verb("prove", "trust", "write the receipt of a run, model or artifact", "whence prove WHAT [--out FILE]"),
    Verb(
        "verify",
        "trust",
        "check that the record is what was recorded",
        "whence verify [WORKSPACE|RECEIPT|BACKUP]",
    ),
    Verb("key", "trust", "the keys that sign the ledger; replace them", "whence key [rotate|export]"),
    Verb("anchor", "trust", "have somebody outside attest the ledger", "whence anchor KIND [options]"),
    Verb("anchors", "trust", "list what others attested, checked offline", "whence anchors [--check]"),
    Verb("witness", "trust", "have others cosign the ledger, or cosign for others", "whence witness ACTION"),
    Verb(
        "report",
        "documents",
        "write a run, or a comparison, as one page",
        "whence report RUN... [--out FILE]",
    ),
    Verb("sync", "keep", "copy from another workspace what is lacking", "whence sync SRC [DST]"),
    Verb("backup", "keep", "write the workspace to one file, as it stands", "whence backup FILE|FOLDER"),
    Verb("restore", "keep", "make a workspace of a backup, checked", "whence restore FILE [DIR]"),
    Verb("gc", "keep", "find what nobody needs any more; delete it", "whence gc [--delete]"),
    Verb("rebuild", "keep", "make the catalog anew from the journals", "whence rebuild"),
)

VERB_BY_NAME = {verb.name: verb for verb in VERBS}


def help_text() -> str:
    """Write the page that `whence --help` prints."""
    lines = ["whence: know whence your model came", "", "usage: whence VERB [options]"]
    group = ""
    for verb in VERBS:
        if verb.group != group:
            group = verb.group
            lines += ["", group]
        lines.append(f"  {verb.name:<9} {verb.summary}")
    lines += [
        "",
        "options",
        "  -w, --workspace PATH   the workspace; default: WHENCE_HOME, else the nearest .whence upward",
        "  --json                 a value for programs instead of text for people",
        "  -h, --help             this page; whence VERB --help tells of one verb",
        "  --version              the version",
        "",
        "A sample's address is RUN@EPOCH:BATCH.ITEM, for example quiet-otter-17@2:17.5",
        "Exit codes: 0 it holds, 1 evidence doesn't hold, 2 input, 3 not found, 4 store, 70 a bug",
    ]
    return "\n".join(lines) + "\n"
