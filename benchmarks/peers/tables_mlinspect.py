"""mlinspect's row lineage over four operators, beside pandas without it; in an environment of its own.

mlinspect's release on PyPI wants Python 3.8 and pandas 1.1.4, so `whence` can't stand in the same
process: what both take is compared through pandas, which is measured beside each of them.

    python benchmarks/peers/tables_mlinspect.py [--rows 100000] [--rounds 3]

One line of JSON: the CPU seconds of each operator with row lineage, and of the same without.
"""

import argparse
import json
import os
import sys
import tempfile
import time

import numpy as np
import pandas as pd
from mlinspect import PipelineInspector
from mlinspect.inspections import RowLineage

STEPS = {
    "filter": "found = rows[rows['x'] > 333]",
    "projection": "found = rows[['k', 'x']]",
    "join": "found = rows.merge(groups, on='k')",
    "group_by": "found = rows.groupby('k').agg(mean_y=('y', 'mean'))",
}
READ = """
import os
import pandas as pd
rows = pd.read_csv({rows!r})
groups = pd.read_csv({groups!r})
"""


def write_tables(folder, count):
    """A table of rows and one of groups."""
    generator = np.random.default_rng(7)
    rows = pd.DataFrame(
        {"k": generator.integers(0, 1000, count), "x": np.arange(count), "y": generator.random(count)}
    )
    groups = pd.DataFrame({"k": np.arange(1000), "name": ["group " + str(number) for number in range(1000)]})
    paths = [os.path.join(folder, name) for name in ("rows.csv", "groups.csv")]
    rows.to_csv(paths[0], index=False)
    groups.to_csv(paths[1], index=False)
    return paths


def inspected(code):
    """CPU seconds of a pipeline with row lineage."""
    began = time.process_time()
    PipelineInspector.on_pipeline_from_string(code).add_required_inspection(RowLineage(10)).execute()
    return time.process_time() - began


def plain(code):
    """CPU seconds of the same without."""
    began = time.process_time()
    exec(compile(code, "pipeline", "exec"), {})
    return time.process_time() - began


def main():
    """Measure each operator."""
    parser = argparse.ArgumentParser(description="mlinspect's row lineage")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    found = {"rows": options.rows, "pandas": pd.__version__, "steps": {}}
    with tempfile.TemporaryDirectory() as folder:
        rows, groups = write_tables(folder, options.rows)
        read = READ.format(rows=rows, groups=groups)
        for name, step in STEPS.items():
            times = {"lineage": [], "plain": []}
            for _ in range(options.rounds):
                # the reading is taken off both: what is compared is the operator
                times["lineage"].append(inspected(read + step) - inspected(read))
                times["plain"].append(plain(read + step) - plain(read))
            found["steps"][name] = {kind: sorted(each)[len(each) // 2] for kind, each in times.items()}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
