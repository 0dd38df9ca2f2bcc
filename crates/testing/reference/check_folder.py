#!/usr/bin/env python3
"""Loads a folder that this program wrote into transformers and compares the answers.

    python3 -m venv /tmp/reference && /tmp/reference/bin/pip install torch transformers
    /tmp/reference/bin/python check_folder.py PROGRAM FOLDER TEXTS.txt

PROGRAM is `tinybert-compress`, FOLDER a classifier of any family (one label or any number), TEXTS.txt has a text per
line. Prints the largest difference of a probability and ends with 1 if it is above 1e-4, or if the number of tokens
differs. """

import json
import subprocess
import sys

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer


def main(program, folder, texts):
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with open(texts, "rb") as text:
        answers = subprocess.run(
            [program, "run", "--model", folder, "--json", "--quiet"], stdin=text, capture_output=True, check=True
        ).stdout
    largest, faults = 0.0, 0
    for line in answers.decode().splitlines():
        answer = json.loads(line)
        encoded = tokenizer(answer["text"], return_tensors="pt")
        # Families without segment types take none.
        encoded.pop("token_type_ids", None)
        faults += encoded["input_ids"].shape[1] != answer["tokens"]
        with torch.no_grad():
            logits = model(**encoded).logits[0]
        any_number = model.config.problem_type == "multi_label_classification"
        theirs = (logits.sigmoid() if any_number else logits.softmax(-1)).tolist()
        ours = [answer["probabilities"][model.config.id2label[at]] for at in range(len(theirs))]
        largest = max([largest, *(abs(a - b) for a, b in zip(ours, theirs))])
    print(f"largest difference of a probability: {largest:.1e}; texts of another length: {faults}")
    return int(largest > 1e-4 or faults > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
