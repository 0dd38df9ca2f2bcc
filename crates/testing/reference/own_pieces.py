#!/usr/bin/env python3
"""Byte-level BPE and Unigram tokenizers, and the ids that transformers gives with them.

    python3 -m venv /tmp/reference && /tmp/reference/bin/pip install torch transformers
    /tmp/reference/bin/python own_pieces.py     # writes own_pieces.json

Both tokenizers are trained on the few sentences below, with the special pieces of RoBERTa and XLM-RoBERTa and their
order. `cases` are ids of single texts and pairs, cut and whole; `words` the first token of each word between white
space. Made with transformers 5.24 and tokenizers 0.23.
"""

import json
import pathlib
import tempfile

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer

HERE = pathlib.Path(__file__).parent
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
MASK = {"content": "<mask>", "lstrip": True}

CORPUS = [
    "The quick brown fox jumps over the lazy dog, and the dog does not mind at all.",
    "Set an alarm for seven o'clock tomorrow morning, please; don't wake the children.",
    "Is the weather in Zürich as good as the weather in São Paulo today?",
    "Tokenizers split words into pieces: tokenizing, tokenized, tokenizer, token.",
    "play some music by the band that played yesterday at the playground",
    "東京の天気は晴れです。 Привет, мир! Καλημέρα κόσμε.",
]
TEXTS = [
    "The quick brown fox",
    "",
    " ",
    "set an alarm for seven o'clock",
    "  two  spaces   and\ttabs\nand lines ",
    "don't tokenise unbelievable Zürich, São Paulo!",
    "東京の天気 tokyo",
    "naïve café ﬁne ½ Ⅷ",
    "emoji 🙂👍🏽 and 👨‍👩‍👧 families",
    "zero\u200bwidth and \u00a0 no-break \u3000 ideographic",
    "e\u0301 combining and \u0000 null and \ufffd replaced",
    "special <s> in </s> the <mask> text <pad>",
    "ÀÉÎÕÜ ß ẞ ĳ Ǆ",
    "مرحبا بالعالم שלום नमस्ते",
    "the dog " * 12,
    "x" * 40,
]
PAIRS = [
    ("The quick brown fox", "jumps over the lazy dog"),
    ("", "only the second"),
    ("only the first", ""),
    ("the dog " * 8, "weather in Zürich"),
    ("東京", "Привет, мир! " * 6),
    ("🙂", "👍🏽"),
]


def bpe():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=SPECIAL, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    return tokenizer


def unigram():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=150, special_tokens=SPECIAL, unk_token="<unk>")
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer


def first_tokens(tokenizer, text):
    """The first token that has a character of each word between white space."""
    spans = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)["offset_mapping"]
    words, start = [], None
    for at, c in enumerate(text + " "):
        if c in " \t\n\r" or c.isspace() and c in "\u00a0\u3000":
            if start is not None:
                words.append((start, at))
            start = None
        elif start is None:
            start = at
    overlaps = lambda span, word: span[0] < word[1] and span[1] > word[0]
    return [next((1 + i for i, span in enumerate(spans) if overlaps(span, word)), None) for word in words]


def reference(tokenizer, name):
    from tokenizers import AddedToken
    tokenizer.add_special_tokens([AddedToken(**MASK)])
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "sep_token": "</s>",
        "cls_token": "<s>", "unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask>",
        # A setting of transformers alone: without it words end in other places than the text has them.
        "clean_up_tokenization_spaces": False,
    }
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save(folder + "/tokenizer.json")
        (pathlib.Path(folder) / "tokenizer_config.json").write_text(json.dumps(config))
        loaded = AutoTokenizer.from_pretrained(folder)
        definition = json.loads((pathlib.Path(folder) / "tokenizer.json").read_text())
    cases = []
    for text in TEXTS:
        for limit in (64, 7):
            ids = loaded(text, truncation=True, max_length=limit)["input_ids"]
            cases.append({"text": text, "pair": None, "max_tokens": limit, "ids": ids})
    for text, pair in PAIRS:
        for limit in (64, 12, 5):
            # As a batch of one: called with single texts, transformers takes an empty pair for none.
            ids = loaded([text], [pair], truncation="longest_first", max_length=limit)["input_ids"][0]
            cases.append({"text": text, "pair": pair, "max_tokens": limit, "ids": ids})
    words = [{"text": text, "first_tokens": first_tokens(loaded, text)} for text in TEXTS]
    print(name, loaded.vocab_size, len(loaded), type(loaded).__name__)
    return {"tokenizer.json": definition, "tokenizer_config.json": config, "cases": cases, "words": words}


if __name__ == "__main__":
    references = {"bpe": reference(bpe(), "bpe"), "unigram": reference(unigram(), "unigram")}
    text = json.dumps(references, separators=(",", ":"), ensure_ascii=False)
    (HERE / "own_pieces.json").write_text(text + "\n", encoding="utf-8")
