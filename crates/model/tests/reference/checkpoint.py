"""Writes pytorch_model.bin and text_encoder.json, with torch and transformers as the independent source.

    python crates/model/tests/reference/checkpoint.py

Needs torch, transformers and tokenizers. The model is the toy of crates/model/src/tests/folder.rs: every
tensor has values ((i * 7 + number) % 128) / 64 - 1, with i the position in it and number its place in the sorted names.
"""

import json
import pathlib
import tempfile

import torch
import transformers
from transformers import BertConfig, BertForMaskedLM, BertTokenizerFast

HERE = pathlib.Path(__file__).parent
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "##s", "."]
CONFIG = BertConfig(
    vocab_size=10, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=12,
    max_position_embeddings=16, type_vocab_size=2,
)


def write_model():
    names = BertForMaskedLM(CONFIG).state_dict()
    # The decoder is tied to the word embeddings; its number must not count.
    tied = {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"}
    state = {}
    for number, name in enumerate(sorted(set(names) - tied)):
        shape = names[name].shape
        values = torch.arange(shape.numel()) * 7 + number
        # Several formats in one file: each is exact for these values.
        dtype = [torch.float32, torch.float16, torch.bfloat16][number % 3]
        state[name] = (values % 128 / 64 - 1).to(dtype).reshape(shape)
    # What old checkpoints carry beside: an index buffer, and the tied decoder as a second view of one storage.
    state["bert.embeddings.position_ids"] = torch.arange(16).reshape(1, 16)
    state["cls.predictions.decoder.weight"] = state["bert.embeddings.word_embeddings.weight"]
    # A view with an offset into a larger storage.
    large = torch.cat([torch.full((3,), 9.0), state["cls.predictions.bias"].float()])
    state["cls.predictions.bias"] = large[3:]
    torch.save(state, HERE / "pytorch_model.bin")


def write_encodings():
    """Ids of sentences and pairs for vocabularies with and without lower case, at several lengths."""
    words = PIECES + ["Cat", "café", "cafe", "caf", "##é", "##e", "a", "##a", "b", "##b", "!", "ا", "中", "x", "##x"]
    texts = [
        "", " ", "the cat sat.", "The CATS sat", "café CAFÉ cafe\u0301", "中文 the中cat", "the[SEP]cat [MASK] [mask]",
        "a\u0000b\u200bc\ufffd", "a\tb\r\nc\u00a0a", "!!!the", "x" * 100, "x" * 101, "aXb ÀB", "\u0130a", "اَ",
        "the cat sat the cat sat the cat sat", "a b a b a b a b a b a",
    ]
    cases = []
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "vocab.txt")
        path.write_text("".join(word + "\n" for word in words), encoding="utf-8")
        for lowercase in (True, False):
            pathlib.Path(folder, "tokenizer_config.json").write_text(
                json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": lowercase})
            )
            tokenizer = BertTokenizerFast.from_pretrained(folder)
            for text in texts:
                for pair in (None, "", "the cat", texts[-2]):
                    for length in (3, 4, 7, 10, 128):
                        # As a batch of one: called with single texts, transformers takes an empty pair for none.
                        pairs = None if pair is None else [pair]
                        encoded = tokenizer([text], pairs, truncation="longest_first", max_length=length)
                        cases.append({
                            "lowercase": lowercase, "text": text, "pair": pair, "max_tokens": length,
                            "ids": encoded["input_ids"][0], "type_ids": encoded["token_type_ids"][0],
                        })
            tokenizer.save_pretrained(pathlib.Path(folder, "saved"))
        definition = json.loads(pathlib.Path(folder, "saved", "tokenizer.json").read_text())
    # One case per line keeps differences readable.
    with open(HERE / "text_encoder.json", "w", encoding="utf-8") as file:
        file.write(json.dumps({"transformers": transformers.__version__, "pieces": words})[:-1])
        file.write(',\n"tokenizer.json": ' + json.dumps(definition) + ',\n"cases": [\n')
        file.write(",\n".join(json.dumps(case) for case in cases) + "\n]}\n")


write_model()
write_encodings()
