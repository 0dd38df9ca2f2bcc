"""Reference values for the scores of each label: scikit-learn 1.9.1, seqeval 1.2.2, numpy 2.4.6.

    python reports.py > reports.json

The answers are those of metrics.json, label_sets.json and entities.json, and a few in which labels do not occur, so that
this file has their reports alone, in the same order.
"""

import json
import pathlib
import warnings

import numpy
from seqeval.metrics import classification_report as entity_report
from sklearn.metrics import classification_report, confusion_matrix

warnings.simplefilter("ignore")  # Scores that are undefined are 0.
HERE = pathlib.Path(__file__).parent


def read(name):
    return json.loads((HERE / name).read_text())


def plain(report):
    if isinstance(report, dict):
        return {name: plain(value) for name, value in report.items()}
    return float(report)


classes = []
known = [case for case in read("metrics.json") if case["kind"] == "classes"]
rare = [{"predictions": [0, 4, 4, 2, 0, 0], "targets": [0, 4, 2, 2, 0, 6]}, {"predictions": [3], "targets": [3]}]
for case in known + rare:
    targets, predictions = case["targets"], case["predictions"]
    occurring = sorted(set(targets) | set(predictions))
    report = classification_report(targets, predictions, target_names=[f"class {c}" for c in occurring], output_dict=True)
    classes.append({"predictions": predictions, "targets": targets, "report": plain(report), "labels": occurring,
                    "confusion": confusion_matrix(targets, predictions).tolist()})

label_sets = []
never = [{"labels": 4, "predictions": [[0], [], [0, 2], [2]], "targets": [[0], [], [0, 1], []]},
         {"labels": 2, "predictions": [[0], [], [1]], "targets": [[], [], []]}]
for case in [case for case in read("label_sets.json") if case["labels"] > 1] + never:
    def rows(sets):
        return numpy.array([[label in s for label in range(case["labels"])] for s in sets])
    report = classification_report(rows(case["targets"]), rows(case["predictions"]), output_dict=True,
                                   target_names=[f"label {n}" for n in range(case["labels"])])
    label_sets.append({name: case[name] for name in ["labels", "predictions", "targets"]} | {"report": plain(report)})

# seqeval refuses a case without any entity. It counts the support as numpy integers.
entities = [plain(entity_report(case["targets"], case["predictions"], output_dict=True))
            for case in read("entities.json") if any(tag != "O" for tags in case["targets"] for tag in tags)]
print("{" + ",\n".join(f'"{name}": [\n' + ",\n".join(json.dumps(case) for case in cases) + "\n]"
                       for name, cases in [("classes", classes), ("label_sets", label_sets), ("entities", entities)]) + "}")
