"""Bad input, what isn't installed: the command that installs it is named, and nothing else needs it."""

from __future__ import annotations

import pytest

from tests.earlier import Earlier, run_python

WITHOUT = """
import sys
sys.modules.update(dict.fromkeys({missing!r}))
import whence as wh
from whence.errors import MissingExtraError
try:
    {act}
except MissingExtraError as error:
    assert isinstance(error, ImportError)
    print(error.message)
    print(error.remedy)
    sys.exit(error.exit_code)
"""

CASES = [
    ("pyarrow", "wh.from_parquet(sys.argv[1] + '/t.parquet')", "pip install 'whence[parquet]'"),
    ("pyarrow", "wh.from_table(object())", "pip install 'whence[parquet]'"),
    ("pyarrow", "wh.from_items([{'a': 1}]).to_arrow()", "pip install 'whence[parquet]'"),
    (
        "pyarrow",
        "wh.from_items([{'a': 1}]).to_parquet('o.parquet')",
        "pip install 'whence[parquet]'",
    ),
    ("pandas", "wh.from_items([{'a': 1}]).to_pandas()", "pip install 'whence[pandas]'"),
    ("torch", "wh.from_items([{'a': 1}]).to_torch()", "pip install 'whence[torch]'"),
    ("torch", "wh.from_items([1]).map(lambda x, rng: rng.torch()).collect()", "pip install 'whence[torch]'"),
    ("lightning", "import whence.integrations.lightning", "pip install 'whence[lightning]'"),
    ("transformers", "import whence.integrations.transformers", "pip install 'whence[transformers]'"),
    ("keras", "import whence.integrations.keras", "pip install 'whence[keras]'"),
]


@pytest.mark.parametrize(("missing", "act", "remedy"), CASES)
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    earlier: Earlier, missing: str, act: str, remedy: str
) -> None:
    (earlier.folder / "t.parquet").write_bytes(b"")
    done = run_python(WITHOUT.format(missing=[missing], act=act), earlier.folder)
    assert done.returncode == 2, done.stderr
    message, said = done.stdout.splitlines()
    assert missing in message
    assert remedy in said
    earlier.check()


def test_the_demo_without_pillow_names_the_command_that_installs_it(earlier: Earlier) -> None:
    code = """
import sys
sys.modules["PIL"] = None
from whence.cli import main
sys.exit(main(["demo", "--dir", sys.argv[1] + "/demo"]))
"""
    done = run_python(code, earlier.folder)
    assert done.returncode == 2, done.stderr
    assert "Pillow" in done.stderr
    assert "pip install" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (earlier.folder / "demo" / "data").exists()


def test_an_import_that_a_users_own_function_lacks_is_an_error_of_that_function(earlier: Earlier) -> None:
    code = """
import sys
sys.modules["PIL"] = None
import whence as wh
from whence.errors import OpError
def decode(line):
    from PIL import Image
    return Image.open(line)
try:
    with wh.start_run("later", workspace=sys.argv[1]):
        wh.from_text(sys.argv[1] + "/lines.txt").map(decode).collect()
except OpError as error:
    print(error.op, type(error.__cause__).__name__)
    sys.exit(error.exit_code)
"""
    done = run_python(code, earlier.folder)
    assert (done.returncode, done.stdout.split()) == (2, ["decode", "ModuleNotFoundError"]), done.stderr
    earlier.check()
