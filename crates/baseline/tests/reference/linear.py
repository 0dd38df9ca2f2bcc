#!/usr/bin/env python3
"""Reference values from scikit-learn: features of texts, and linear models on a small matrix.

    pip install scikit-learn
    python linear.py > linear.json

The features are tf-idf of word and character n-grams, each kind of n-gram scaled to length 1: of few texts all n-grams,
of many texts those of at least two. Many texts are the few, and behind them one text again and again.
The models minimise the sum of the losses plus half the penalty times the squares of the weights, without a penalty of
the bias: scikit-learn's C is the inverse of the penalty, and its Ridge has the penalty as alpha and twice the loss.
Made with scikit-learn 1.9.1.
"""

import json
import re

import numpy
from scipy.special import expit, logsumexp
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge

texts = [
    "Play some jazz, don't stop the music!",
    "play the music of Björk and stop",
    "Will it rain in Oslo? It will, it will.",
    "will the rain stop in Oslo",
    "book a table in Oslo",
]
many = {"text": "stop the rain", "times": 1995}


def values(texts, least):
    """The values of the features of the first five texts, without the features' names: of each text in ascending
    order."""
    words = TfidfVectorizer(
        tokenizer=lambda text: re.findall(r"[^\W_]+", text),
        token_pattern=None,
        ngram_range=(1, 2),
        sublinear_tf=True,
        min_df=least,
    )
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=least)
    blocks = {}
    for name, vectorizer in (("words", words), ("characters", characters)):
        matrix = vectorizer.fit_transform(texts)[:5].toarray()
        blocks[name] = [sorted(value for value in row if value) for row in matrix.tolist()]
    return blocks


generator = numpy.random.default_rng(7)
matrix = generator.normal(size=(40, 6)) * (generator.random((40, 6)) < 0.6)
three = (matrix @ generator.normal(size=(6, 3)) + generator.normal(size=(40, 3))).argmax(1)
two = (three == 1).astype(int)
sets = (matrix @ generator.normal(size=(6, 3)) + generator.normal(size=(40, 3)) > 0.5).astype(int)
scores = matrix @ generator.normal(size=6) + 3 + 0.3 * generator.normal(size=40)
penalty = 0.5


def logistic(targets):
    model = LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=10000).fit(matrix, targets)
    return model.coef_, model.intercept_


def weights(coefficients, biases):
    """[features + 1, outputs], the biases last."""
    return numpy.vstack([numpy.atleast_2d(coefficients).T, numpy.atleast_1d(biases)]).tolist()


of_sets = [logistic(sets[:, label]) for label in range(3)]
ridge = Ridge(alpha=penalty, tol=1e-12).fit(matrix, scores)

# Values of the objective at some weights, from its definition.
at = generator.normal(size=(7, 3))
logits = matrix @ at[:6] + at[6]
half_squares = penalty / 2 * (at[:6] ** 2).sum()
softmax = (logsumexp(logits, axis=1) - logits[numpy.arange(40), three]).sum() + half_squares
binary = -(sets * numpy.log(expit(logits)) + (1 - sets) * numpy.log(expit(-logits))).sum() + half_squares

print(
    json.dumps(
        {
            "texts": texts,
            "few": values(texts, 1),
            "many": many | values(texts + many["times"] * [many["text"]], 2),
            "matrix": matrix.tolist(),
            "penalty": penalty,
            "at": at.tolist(),
            "cases": [
                {"kind": "labels", "targets": three.tolist(), "weights": weights(*logistic(three)), "value": softmax},
                {"kind": "two labels", "targets": two.tolist(), "weights": weights(*logistic(two)), "value": None},
                {
                    "kind": "sets",
                    "targets": [numpy.flatnonzero(row).tolist() for row in sets],
                    "weights": weights([c[0] for c, _ in of_sets], [b[0] for _, b in of_sets]),
                    "value": binary,
                },
                {"kind": "scores", "targets": scores.tolist(), "weights": weights(ridge.coef_, ridge.intercept_), "value": None},
            ],
        }
    )
)
