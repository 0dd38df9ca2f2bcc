"""Writes the files in `files/` with the libraries that people write them with.

    pip install pyarrow==26.0.1 datasets==5.2.0 zstandard
    python files.py
"""

import gzip
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

OUT = Path(__file__).parent / "files"

TEXTS = ['say "hi", you', "", "über 东京\tand more", "play jazz"]
NAMES = ["music", "weather", "other"]
CLASSES = [1, 0, 2, 0]
SCORES = [0.5, -1.0, 2.25, 3.0]
WORDS = [["in", "New", "York"], ["jazz"]]
TAG_NAMES = ["O", "B-PLACE", "I-PLACE"]
TAGS = [[0, 1, 2], [0]]
CORPUS = ["A first one. It has two sentences.\nAnd a second paragraph.", "Another document."]


def parquet() -> None:
    features = datasets.Features(
        {
            "id": datasets.Value("int32"),
            "label": datasets.ClassLabel(names=NAMES),
            "text": datasets.Value("string"),
            "score": datasets.Value("float32"),
        }
    )
    rows = {"id": [0, 1, 2, 3], "label": CLASSES, "text": TEXTS, "score": SCORES}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(OUT / "classes.parquet")

    features = datasets.Features(
        {
            "tokens": datasets.Sequence(datasets.Value("string")),
            "tags": datasets.Sequence(datasets.ClassLabel(names=TAG_NAMES)),
        }
    )
    datasets.Dataset.from_dict({"tokens": WORDS, "tags": TAGS}, features=features).to_parquet(OUT / "tags.parquet")

    # Without a description the numbers are the labels. Several row groups, another compression.
    table = pa.table({"text": TEXTS, "pair": TEXTS[::-1], "label": pa.array(CLASSES, pa.int64())})
    pq.write_table(table, OUT / "numbers.parquet", compression="zstd", row_group_size=3)
    table = pa.table({"text": TEXTS, "label": pa.array([NAMES[c] for c in CLASSES]).dictionary_encode()})
    pq.write_table(table, OUT / "names.parquet", compression="gzip", use_dictionary=True)
    pq.write_table(pa.table({"text": [1, 2], "label": ["a", "b"]}), OUT / "wrong-type.parquet")
    pq.write_table(pa.table({"text": ["a", None], "label": ["a", "b"]}), OUT / "null.parquet")
    out_of_range = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=NAMES)})
    rows = {"text": ["a", "b"], "label": [0, -1]}
    datasets.Dataset.from_dict(rows, features=out_of_range).to_parquet(OUT / "no-class.parquet")
    pq.write_table(pa.table({"text": CORPUS}), OUT / "corpus.parquet")


def compressed() -> None:
    jsonl = [f'{{"text": "line {i}", "label": "{"ab"[i % 2]}"}}\n' for i in range(2000)]
    # Two gzip members, one behind the other, as `cat` of two files gives.
    halves = ["".join(jsonl[:1000]), "".join(jsonl[1000:])]
    (OUT / "rows.jsonl.gz").write_bytes(b"".join(gzip.compress(half.encode(), mtime=0) for half in halves))
    (OUT / "rows.csv.gz").write_bytes(gzip.compress(b'text,label\n"one, two",a\nthree,b\n', mtime=0))
    frames = [zstandard.compress(part) for part in (b"text\tlabel\none\ta\n", b"two\tb\n")]
    (OUT / "rows.tsv.zst").write_bytes(b"".join(frames))
    text = ("\n\n".join(CORPUS) + "\n").encode()
    (OUT / "corpus.txt.gz").write_bytes(gzip.compress(text, mtime=0))
    (OUT / "corpus.txt.zst").write_bytes(zstandard.compress(text))
    (OUT / "corpus.txt").write_bytes(text)


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    parquet()
    compressed()
