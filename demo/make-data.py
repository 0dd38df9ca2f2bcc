#!/usr/bin/env python3
"""Makes demo/clinc150 from CLINC150's data_full.json, which https://github.com/clinc/oos-eval has under data/.

    demo/make-data.py data_full.json

The sentences of each of the 150 intents keep their order: neighbours were often written by one person and are alike.
So the sentences that keep their labels are drawn at random. The test set is CLINC150's own, in scope.
"""

import json
import pathlib
import random
import sys

LABELLED, DEV = 5, 2  # sentences per intent

splits = json.loads(pathlib.Path(sys.argv[1]).read_text())
draw = random.Random(0)


def by_intent(split):
    sentences = {}
    for text, intent in splits[split]:
        sentences.setdefault(intent, []).append(text)
    return sentences


def write(name, rows):
    path = pathlib.Path(__file__).parent / "clinc150" / f"{name}.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def chosen(sentences, count):
    """So many sentences of each intent, with their labels."""
    drawn = {intent: draw.sample(sentences[intent], count) for intent in sorted(sentences)}
    return [{"text": text, "label": intent} for intent, texts in drawn.items() for text in texts]


train = chosen(by_intent("train"), LABELLED)
# A few sentences are in two sets.
known = {row["text"] for row in train} | {text for split in ("val", "test") for text, _ in splits[split]}
write("train", train)
write("unlabelled", [{"text": text} for text, _ in splits["train"] if text not in known])
write("dev", chosen(by_intent("val"), DEV))
write("test", [{"text": text, "label": intent} for text, intent in splits["test"]])
