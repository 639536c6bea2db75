"""Penguins, from a table to a model of their sex: groups, a join, a split, imputation, and whence it came.

Run it with: python examples/penguins.py [TABLE]   It needs scikit-learn; the table is the raw one of
palmerpenguins (CC0), by default that of the tests. The record goes into .whence, where it is run.
"""

import pathlib
import sys

import numpy as np
from sklearn.linear_model import LogisticRegression

import whence as wh

MEASURES = ["bill_length", "bill_depth", "flipper_length", "mass", "nitrogen"]
TABLE = pathlib.Path(__file__).parents[1] / "tests" / "data" / "penguins_raw.csv"
FACTS = [*MEASURES, "colony_mass", "colony_size"]


def sexed(bird):
    return bird["sex"] is not None


def nest(bird):  # a nest's pair stays together
    return f"{bird['study']} {bird['individual'].split('A')[0]}"


raw = wh.from_csv(sys.argv[1] if len(sys.argv) > 1 else TABLE, name="birds", missing=["", "NA"])
birds = raw.rename(
    {
        "studyName": "study",
        "Island": "island",
        "Individual ID": "individual",
        "Culmen Length (mm)": "bill_length",
        "Culmen Depth (mm)": "bill_depth",
        "Flipper Length (mm)": "flipper_length",
        "Body Mass (g)": "mass",
        "Delta 15 N (o/oo)": "nitrogen",
        "Sex": "sex",
    }
).select("study", "island", "individual", "sex", *MEASURES)

colonies = birds.group_by(["study", "island"]).aggregate(
    colony_mass=("mass", "mean"), colony_size=("individual", "count")
)
parts = birds.filter(sexed, reason="sex unknown").split({"train": 0.8, "test": 0.2}, seed=7, by=nest)

means = dict.fromkeys(MEASURES, "mean")
told = {
    name: part.fill_missing(means, fit=parts["train"]).join(colonies, on=["study", "island"])
    for name, part in parts.items()
}
train = told["train"].normalize(*FACTS).batch(400).named("train")
test = told["test"].normalize(*FACTS, fit=told["train"]).batch(400).named("test")


def matrix(batch):
    return np.column_stack([batch[name].astype(float) for name in FACTS])


with wh.start_run("penguins") as run:
    model = LogisticRegression()
    for batch in train:
        model.fit(matrix(batch), batch["sex"])
    for batch in test:
        predicted = model.predict(matrix(batch))
        accuracy = float((predicted == batch["sex"]).mean())
    run.log_metric("accuracy", accuracy)
    run.log_model("sex", model.coef_.tobytes())

print(f"{accuracy:.0%} of {len(predicted)} held-out birds are sexed right")

trace = run.trace(epoch=0, batch=0, item=3, stream="test")
rows = [origin.row for origin in trace.origins]
print(f"\nprediction 3 ({predicted[3]}) was made of {len(rows)} rows: one bird and its colony's averages")
print(f"  rows {rows[0]} to {rows[-1]} of {trace.origins[0].path}")

row = 1
impact = wh.open().impact("birds", rows=[row])
print(f"\nrow {row} went into {impact.count} samples, and into what was learned:")
for fit in impact.fits:
    if fit.stream == "train" and fit.op.startswith("fill_missing"):
        print(f"  {fit.field}: {fit.values} of {fit.count} birds")
