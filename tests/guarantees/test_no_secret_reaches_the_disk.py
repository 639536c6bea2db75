"""No secret reaches the disk: 300 and more, drawn anew, of 30 kinds, in a dozen places."""

from __future__ import annotations

import base64
import json
import os
import pathlib
import random
import sqlite3
import string
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

import whence as wh
from whence.capture.secrets import redact, redact_tree

SOURCE = pathlib.Path(wh.__file__).parents[1]
WORD = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
draw = random.Random(int.from_bytes(os.urandom(8), "big"))


def drawn(count: int, signs: str = WORD) -> str:
    return "".join(draw.choices(signs, k=count))


def pem(kind: str) -> str:
    lines = "\n".join(drawn(64, WORD + "+/") for _ in range(6))
    return f"-----BEGIN {kind}PRIVATE KEY-----\n{lines}\n-----END {kind}PRIVATE KEY-----"


def login() -> str:
    return base64.b64encode(f"{drawn(6)}:{drawn(14)}".encode()).decode()


@dataclass(frozen=True)
class Secret:
    """A secret as it stands in text under its usual name, and what of it must be nowhere."""

    name: str
    value: str
    cores: tuple[str, ...] = field(default=())

    @property
    def parts(self) -> tuple[str, ...]:
        return self.cores or (self.value,)


def _of_pem(name: str, kind: str) -> Secret:
    text = pem(kind)
    return Secret(name, text, tuple(line for line in text.split("\n") if not line.startswith("-----")))


def _with_core(name: str, before: str, core: str, after: str = "") -> Secret:
    return Secret(name, before + core + after, (core,))


KINDS: dict[str, Callable[[], Secret]] = {
    "AWS key id": lambda: Secret("AWS_ACCESS_KEY_ID", "AKIA" + drawn(16, string.ascii_uppercase + "234567")),
    "AWS secret": lambda: Secret("AWS_SECRET_ACCESS_KEY", drawn(40, WORD + "+/")),
    "GCP service account": lambda: _of_pem("private_key", ""),
    "Azure storage": lambda: _with_core("azure", "AccountName=a;AccountKey=", drawn(86), "=="),
    "Azure client secret": lambda: Secret("AZURE_CLIENT_SECRET", f"{drawn(3)}8Q~{drawn(34)}"),
    "GitHub": lambda: Secret("GITHUB_TOKEN", "ghp_" + drawn(36)),
    "GitHub fine-grained": lambda: Secret("GH_PAT", f"github_pat_{drawn(22)}_{drawn(59)}"),
    "GitLab": lambda: Secret("CI_JOB", "glpat-" + drawn(20)),
    "Hugging Face": lambda: Secret("hub", "hf_" + drawn(34)),
    "OpenAI": lambda: Secret("openai", f"sk-proj-{drawn(48)}"),
    "Anthropic": lambda: Secret("anthropic", f"sk-ant-api03-{drawn(40)}-{drawn(40)}AA"),
    "Slack": lambda: Secret("slack", f"xoxb-{drawn(12, string.digits)}-{drawn(24)}"),
    "Slack webhook": lambda: _with_core("hook", "https://hooks.slack.com/services/T0/B0/", drawn(24)),
    "Stripe": lambda: Secret("stripe", "sk_live_" + drawn(24)),
    "npm": lambda: Secret("npm", "npm_" + drawn(36)),
    "PyPI": lambda: Secret("pypi", "pypi-AgEIcHlwaS5vcmc" + drawn(60)),
    "JWT": lambda: Secret("jwt", f"eyJhbGciOiJIUzI1NiJ9.eyJ{drawn(40)}.{drawn(43)}"),
    "PEM": lambda: _of_pem("pem", "RSA "),
    "SSH": lambda: _of_pem("deploy", "OPENSSH "),
    "database address": lambda: _with_core("db", "postgresql+psycopg://reader:", drawn(18), "@db.org:5432/x"),
    "basic auth": lambda: _with_core("header", "Authorization: Basic ", login()),
    "cookie": lambda: _with_core("header", "Cookie: theme=dark; sessionid=", drawn(32)),
    "W&B": lambda: Secret("WANDB_API_KEY", drawn(40, HEX)),
    "Databricks": lambda: Secret("dbx", "dapi" + drawn(32, HEX)),
    "SendGrid": lambda: Secret("mail", f"SG.{drawn(22)}.{drawn(43)}"),
    "Twilio": lambda: Secret("TWILIO_AUTH_TOKEN", drawn(32, HEX)),
    "Google": lambda: Secret("maps", "AIza" + drawn(35)),
    "Docker": lambda: Secret("auth", login()),
    "netrc": lambda: _with_core("netrc", f"machine {drawn(5)}.org login someone password ", drawn(20)),
    "generic key": lambda: Secret("SERVICE_KEY", drawn(32)),
    "generic password": lambda: Secret("db_password", drawn(14)),
}  # fmt: skip


def as_text(secret: Secret) -> str:
    """As it stands in a configuration, a log or a message."""
    return f"{secret.name}={secret.value}" if "\n" not in secret.value else f"{secret.name}: {secret.value}"


PLACES = (
    "env",
    "argv",
    "params",
    "tags",
    "note",
    "diff",
    "code",
    "op",
    "traceback",
    "command",
    "title",
    "config",
)

SCRIPT = """
import json, os, pathlib, subprocess, sys
import whence as wh
from pipeline import make_functions, fail

planted = json.loads(pathlib.Path(os.environ["PLANTED"]).read_text())

def each(place):
    return planted[place].items()

params = {"nested": {kind: {one["name"]: one["value"]} for kind, one in each("params")}, "lr": 0.1}
tags = {f"{number} {one['name']}": one["value"] for number, (kind, one) in enumerate(each("tags"))}
title = " ".join(one["text"] for kind, one in each("title"))
with wh.start_run(title, params=params, tags=tags) as run:
    for kind, one in each("note"):
        run.log_note(f"we used {one['text']} for this")
    for kind, one in each("config"):
        command = ["--" + one["name"], one["value"]]
        run.log_params({f"config {kind}": [{"env": {one["name"]: one["value"].encode()}}, command]})
    for kind, one in each("command"):
        subprocess.run([sys.executable, "-c", "pass", "--" + one["name"], one["value"]], check=True)
        subprocess.run(f"true {one['text']!r}", shell=True, check=True)
    functions = make_functions()
    for number, (kind, one) in enumerate(each("op")):
        stream = wh.from_items(range(4), name=f"numbers {number}")
        fn = functions[number % len(functions)]
        stream.map(fn, **{one["name"]: one["value"]}).map(functions[0]).collect()
for kind, one in each("traceback"):
    try:
        with wh.start_run("fails") as run:
            fail(one["text"])
    except ValueError:
        pass
"""

PIPELINE = """
{constants}

def make_functions():
    {cells}
    def first(x, **params):
        return (x, {names})
    def second(x, {defaults}, **params):
        return (x, {cell_names})
    return [first, second]

def fail(text):
    raise ValueError(text)
"""


def _pipeline(secrets: dict[str, Secret]) -> str:
    ones = list(secrets.values())
    names = [f"{''.join(c if c.isalnum() else '_' for c in one.name)}" for one in ones]
    third = len(ones) // 3
    constants = [f"C{at}_{names[at]} = {ones[at].value!r}" for at in range(third)]
    cells = [f"c{at}_{names[at]} = {ones[at].value!r}" for at in range(third, 2 * third)]
    defaults = [f"d{at}_{names[at]}={ones[at].value!r}" for at in range(2 * third, len(ones))]
    return PIPELINE.format(
        constants="\n".join(constants),
        cells="\n    ".join(cells),
        defaults=", ".join(defaults),
        names=", ".join(f"C{at}_{names[at]}" for at in range(third)),
        cell_names=", ".join(f"c{at}_{names[at]}" for at in range(third, 2 * third)),
    )


def test_no_secret_reaches_the_disk(tmp_path: pathlib.Path) -> None:
    secrets = {place: {kind: make() for kind, make in KINDS.items()} for place in PLACES}
    assert sum(map(len, secrets.values())) >= 300
    _plant(tmp_path, secrets)
    home = tmp_path / "work/.whence"
    name = wh.open(home).runs()[-1].name
    for verb in (["runs"], ["show", name], ["report", name, "--out", str(tmp_path / "page.html")]):
        command = [sys.executable, "-m", "whence", *verb]
        done = subprocess.run(command, env=_environment(tmp_path), check=False, capture_output=True)
        assert done.returncode == 0, done.stderr[-3000:]
    found = dict(_contents(home)) | {"page": (tmp_path / "page.html").read_bytes()}
    assert len(found) > 20
    assert any(b"[redacted]" in data for data in found.values())
    leaked = sorted(
        f"{kind} in {place}: {path}"
        for place, ones in secrets.items()
        for kind, one in ones.items()
        for core in one.parts
        for path, data in found.items()
        if any(form in data for form in _spelled(core))
    )
    assert leaked == [], leaked[:20]


def _environment(folder: pathlib.Path) -> dict[str, str]:
    return os.environ | {
        "PYTHONPATH": os.pathsep.join([str(SOURCE), str(folder / "work")]),
        "PLANTED": str(folder / "planted.json"),
        "WHENCE_HOME": str(folder / "work/.whence"),
        "GIT_CONFIG_GLOBAL": os.devnull,
    }


def _plant(folder: pathlib.Path, secrets: dict[str, dict[str, Secret]]) -> None:
    work = folder / "work"
    work.mkdir()
    told = {
        place: {
            kind: {"name": one.name, "value": one.value, "text": as_text(one)} for kind, one in each.items()
        }
        for place, each in secrets.items()
    }
    (folder / "planted.json").write_text(json.dumps(told))
    (work / "train.py").write_text(SCRIPT)
    (work / "pipeline.py").write_text("")
    (work / "settings.ini").write_text("")
    named = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    token = secrets["diff"]["GitHub"].value
    for command in (
        ["init", "-q"],
        ["add", "train.py", "pipeline.py", "settings.ini"],
        ["commit", "-q", "-m", "x"],
        ["remote", "add", "origin", f"https://{token}:x-oauth-basic@github.com/a/b.git"],
    ):
        subprocess.run(["git", *named, *command], cwd=work, check=True)
    (work / "pipeline.py").write_text(_pipeline(secrets["code"]))
    lines = [as_text(one) for one in secrets["diff"].values()]
    lines += [json.dumps({one.name: one.value}) for one in secrets["diff"].values()]
    lines += [f"{one.name} = {one.value!r}" for one in secrets["diff"].values()]
    (work / "settings.ini").write_text("\n".join(lines))
    environment = _environment(folder)
    for number, one in enumerate(secrets["env"].values()):
        environment[f"WHENCE_{number}_{one.name}"] = one.value
    arguments = [each for one in secrets["argv"].values() for each in (f"--{one.name}", one.value)]
    arguments += [as_text(one) for one in secrets["argv"].values()]
    done = subprocess.run(
        [sys.executable, "train.py", *arguments],
        cwd=work, env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]


def _spelled(core: str) -> Iterator[bytes]:
    """A secret as bytes, as hexadecimal, and in base64 wherever it begins in what was spelled."""
    raw = core.encode()
    yield raw
    yield raw.hex().encode()
    yield core.encode("utf-16-le")
    for skipped in range(3):
        whole = base64.b64encode(b"x" * skipped + raw)
        yield whole[4 if skipped else 0 : -4]


def _contents(home: pathlib.Path) -> Iterator[tuple[str, bytes]]:
    """Every file of the workspace, and everything in it that was compressed; the catalog's tables as text."""
    for path in sorted(home.rglob("*")):
        if not path.is_file():
            continue
        data = path.read_bytes()
        yield str(path.relative_to(home)), data
        for number, inner in enumerate(_decompressed(data)):
            yield f"{path.relative_to(home)} part {number}", inner
        if path.suffix == ".sqlite":
            rows = "\n".join(sqlite3.connect(path).iterdump())
            yield f"{path.name} rows", rows.encode("utf-8", "surrogatepass")


def _decompressed(data: bytes) -> Iterator[bytes]:
    for mark in (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"):
        at = data.find(mark)
        while at >= 0:
            try:
                inner = zlib.decompressobj().decompress(data[at:])
            except zlib.error:
                inner = b""
            if inner:
                yield inner
                yield from _decompressed(inner)
            at = data.find(mark, at + 1)


def test_what_is_looked_for_would_be_found(tmp_path: pathlib.Path) -> None:
    secret = drawn(24)
    with wh.start_run("t", workspace=tmp_path) as run:
        run.log_text(secret * 10_000, "content of a person's own")  # which isn't redacted
        run.log_param("encoded", base64.b64encode(f"it is {secret} here".encode()).decode())
        run.log_param("plain", f"it is {secret} here")
    found = list(_contents(tmp_path))
    forms = list(_spelled(secret))
    assert any(forms[0] in data for path, data in found if "payloads" in path)
    assert any(form in data for form in forms[3:] for path, data in found if "payloads" in path)
    assert any(forms[0] in data for path, data in found if "objects" in path)


INNOCENT = [
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "commit 8ac7fe915189d0b53f0c9a2f2cb60b1a8d1a33bd on main",
    "id=550e8400-e29b-41d4-a716-446655440000",
    "key=550e8400-e29b-41d4-a716-446655440000",
    "cache_key=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "01JD3Z9W8X7V6T5R4Q3P2N1M0K quiet-otter-17",
    "max_tokens=4096 min_token=2 num_tokens: 512 tokens_per_second=1834.2 n_tokens=77",
    "tokenizer='bert-base-uncased' token_type_ids eos_token='</s>' pad_token: <pad> special_tokens=['[CLS]']",
    "sort(key=len) sorted(rows, key=lambda row: row['key']) primary_key=customer_number",
    "a basic classification of handwritten digits; the bearer of the ring; basic understanding of networks",
    "The password policy requires rotation. Token embeddings are tied. We keep no secrets here.",
    "cookie cutter shapes, compass=3, bypass=True, monkey=5, turkey: 7, hockey='yes'",
    "def f(key: int, token: str | None = None) -> dict[str, Any]: return self.session.get(key)",
    "password = getpass.getpass()\ntoken = os.environ['HF_TOKEN']\nsecret = read_secret('name')",
    "learning_rate=3e-4 warmup=500 seed=7 hidden_size=1024 activation=gelu optimizer=adamw",
    "s3://bucket/datasets/imagenet/train/n01440764/n01440764_10026.JPEG",
    "https://huggingface.co/datasets/ylecun/mnist/resolve/main/train-00000-of-00001.parquet?download=true",
    "postgresql://localhost:5432/warehouse",
    "python train.py --epochs 3 --tokenizer bpe --key-frames 12 --max-tokens 100 --auth none",
    "monkeypatch.setattr(module, 'token_of_text', fake)",
    "loss: 0.3102, acc: 0.9123, keypoints: 17, sigma=0.5, signal=chirp, design=A, cert=False",
    "checkpoint-12000/model-00001-of-00004.safetensors",
    "d41d8cd98f00b204e9800998ecf8427e  empty.txt",
    "sk-learn pipelines, sk-image, task-oriented-dialogue-systems-and-more",
    "feature_key=petal_length_in_centimetres label_key=species",
]


@pytest.mark.parametrize("text", INNOCENT)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_values_that_are_no_secrets_stay() -> None:
    value = {
        "max_tokens": 4096,
        "tokenizer": "bert-base-uncased",
        "tokens": ["a", "b"],
        "eos_token": "</s>",
        "pad_token_id": 0,
        "keys": ["label", "image"],
        "key": "petal_length",
        "password": None,
        "use_auth": True,
        "seed": 17,
        "signature": {"inputs": [{"name": "x", "dtype": "float32"}]},
        "commit": "8ac7fe915189d0b53f0c9a2f2cb60b1a8d1a33bd",
        "columns": ["password", "age", "token"],
    }
    assert redact_tree(value) == value


def test_values_go_by_the_names_around_them() -> None:
    value = {"db": {"password": "x", "pin": 1234, "host": "h"}, "credentials": {"user": "u", "more": ["k"]}}
    assert redact_tree(value) == {
        "db": {"password": "[redacted]", "pin": "[redacted]", "host": "h"},
        "credentials": {"user": "[redacted]", "more": ["[redacted]"]},
    }


def test_columns_whose_names_say_secret_are_still_cast_and_replayed(tmp_path: pathlib.Path) -> None:
    rows = wh.from_items([{"token": "1", "password": "2"}] * 3, name="rows")
    with wh.start_run("t", workspace=tmp_path) as run:
        made = rows.cast({"token": "int64"}).rename({"password": "pw"}).collect()
    assert made[0] == {"token": 1, "pw": "2"}
    params = {step.op: step.params for step in run.trace(epoch=0, item=1).steps}
    assert any("int64" in repr(each) for each in params.values())
    assert "[redacted]" not in repr(params)
