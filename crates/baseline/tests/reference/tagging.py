#!/usr/bin/env python3
"""Reference values from scikit-learn for words with tags: a maximum-entropy Markov model of some sentences.

    pip install scikit-learn
    python tagging.py > tagging.json

The features of a word are the words around it, two pairs, prefixes, suffixes and its shape, those of at least two
words, and always the tag of the word before. The model minimises the sum of the cross-entropies plus half the penalty
times the squares of the weights: scikit-learn's C is the inverse of the penalty. The most likely tags of a sentence are
those with the largest product of probabilities among all sequences. Made with scikit-learn 1.9.1.
"""

import json
import re
from collections import Counter

import numpy
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression

PENALTY = 0.25
LABELS = ["O", "B-city", "I-city", "B-time", "I-time"]
TRAIN = """
weather in Oslo/B-city at 19:30/B-time
weather in New/B-city York/I-city City/I-city tomorrow/B-time
will it rain in new/B-city york/I-city at noon/B-time
will it rain tomorrow/B-time at noon/I-time in oslo/B-city
snow in Yorkton/B-city on May/B-time 2/I-time
rain on may/B-time 12/I-time in Newport/B-city
may it snow in Port/B-city Louis/I-city today/B-time
New/B-city Orleans/I-city weather today/B-time at 7:15/I-time
will New/B-city Orleans/I-city be warm tomorrow/B-time
it may be warm in Osaka/B-city
"""
NEW = """
rain in New Bern tomorrow at 8:45
may it be warm in Newtown on May 12
Oslo
will it snow in port louis at noon today
"""


def sentences(text):
    return [line.split() for line in text.strip().splitlines()]


def shape(word):
    return re.sub("[0-9]+", "0", re.sub("[a-z]+", "a", re.sub("[A-Z]+", "A", word)))


def features(words, at):
    lower = [word.lower() for word in words]

    def near(distance):
        place = at + distance
        return lower[place] if 0 <= place < len(lower) else ""

    found = [f"word {distance}: {near(distance)}" for distance in range(-2, 3)]
    found += [f"pair {distance}: {near(distance)} {near(distance + 1)}" for distance in (-1, 0)]
    for length in (2, 3, 4):
        if len(lower[at]) > length:
            found += [f"prefix {lower[at][:length]}", f"suffix {lower[at][-length:]}"]
    return found + [f"shape {shape(words[at])}"]


words, tags = [], []
for sentence in sentences(TRAIN):
    pairs = [word.split("/") if "/" in word else (word, "O") for word in sentence]
    words.append([word for word, _ in pairs])
    tags.append([LABELS.index(tag) for _, tag in pairs])
rows = [features(sentence, at) for sentence in words for at in range(len(sentence))]
count = Counter(feature for row in rows for feature in row)
known = {feature for feature, number in count.items() if number > 1}
vectorizer = DictVectorizer(sparse=False).fit([{feature: 1 for feature in known}])
START = len(LABELS)


def matrix(rows, before):
    hashed = vectorizer.transform([{feature: 1 for feature in row} for row in rows])
    return numpy.hstack([hashed, numpy.eye(START + 1)[before]])


before = [tag for sentence in tags for tag in [START] + sentence[:-1]]
model = LogisticRegression(C=1 / PENALTY, tol=1e-10, max_iter=10000)
model.fit(matrix(rows, before), numpy.concatenate(tags))


def log_probabilities(sentence):
    """[words, tags before and the start, tags]"""
    rows = [features(sentence, at) for at in range(len(sentence))]
    found = [model.predict_log_proba(matrix(rows, [tag] * len(rows))) for tag in range(START + 1)]
    return numpy.stack(found, axis=1)


def most_likely(sentence):
    """The best of all sequences, each of which is looked at."""
    table = log_probabilities(sentence)
    sums = table[0, START]
    for of_word in table[1:]:
        # One axis for each word so far; the last one is that of the tag before.
        sums = sums[..., None] + of_word[:START]
    return [int(tag) for tag in numpy.unravel_index(sums.argmax(), sums.shape)]


print(
    json.dumps(
        {
            "penalty": PENALTY,
            "labels": LABELS,
            "train": [" ".join(sentence) for sentence in words],
            "tags": tags,
            # The number of features of each word that at least two words have.
            "features": [sum(feature in known for feature in row) for row in rows],
            "probabilities": numpy.exp(model.predict_log_proba(matrix(rows, before))).round(9).tolist(),
            # The weights of the tag before, [tags before and the start, tags].
            "transitions": model.coef_[:, -(START + 1) :].T.round(9).tolist(),
            "new": [" ".join(sentence) for sentence in sentences(NEW)],
            "most_likely": [most_likely(sentence) for sentence in sentences(NEW)],
        }
    )
)
