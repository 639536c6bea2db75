"""Penguins, told apart by their measures: a plain scikit-learn script, with two lines that record it.

Run it with: python examples/sklearn_script.py [TABLE]   It needs pandas and scikit-learn; the table is
the curated one of palmerpenguins (CC0), by default that of the tests. The record goes into .whence.
"""

import pathlib
import sys

import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, classification_report, f1_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import whence as wh

wh.autolog()

TABLE = pathlib.Path(__file__).parents[1] / "tests" / "data" / "penguins.csv"
MEASURES = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]

birds = pd.read_csv(sys.argv[1] if len(sys.argv) > 1 else TABLE).dropna()
X_train, X_test, y_train, y_test = train_test_split(
    birds[[*MEASURES, "island"]], birds["sex"], test_size=0.25, stratify=birds["species"], random_state=7
)

prepared = make_column_transformer((StandardScaler(), MEASURES), (OneHotEncoder(), ["island"]))
search = GridSearchCV(
    make_pipeline(prepared, LogisticRegression(max_iter=1_000)),
    {"logisticregression__C": [0.01, 0.1, 1.0, 10.0, 100.0]},
    cv=5,
)
search.fit(X_train, y_train)

predicted = search.predict(X_test)
print(f"best: {search.best_params_}, {search.best_score_:.4f} in cross-validation")
print(
    f"accuracy {accuracy_score(y_test, predicted):.4f}, f1 {f1_score(y_test, predicted, average='macro'):.4f}"
)
print(classification_report(y_test, predicted))
