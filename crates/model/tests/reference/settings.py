"""Writes settings.json: which settings beside a WordPiece vocabulary change what transformers makes of a text.

    python crates/model/tests/reference/settings.py

Needs transformers and tokenizers. Each case is one setting in a folder with vocab.txt, or with tokenizer.json; `changes` says
whether the ids or segment types of any probe differ from those without the setting.
"""

import json
import pathlib
import tempfile

from transformers import BertTokenizer, PreTrainedTokenizerFast

HERE = pathlib.Path(__file__).parent
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "##s", ".", "[SUBJ]", "[", "]", "subj", "mask",
          "sep", "cafe", "中", "文", "##t", "s", "a"]
PROBES = [("[SUBJ] the cat.", None), ("the cats", "sat."), ("café 中文", None), ("a [MASK] a[mask] [SEP] [sep]", None),
          ("the cat sat the cat sat", "sat the cat sat sat")]


def encodings(folder, definition):
    # BERT's own class has its own post-processor and its own added tokens; a generic class takes those of the file.
    tokenizer = (PreTrainedTokenizerFast if definition else BertTokenizer).from_pretrained(folder)
    found = []
    for text, pair in PROBES:
        for length in (64, 7):
            encoding = tokenizer(text, pair, truncation=True, max_length=length)
            found.append([encoding["input_ids"], encoding.get("token_type_ids")])
    # A batch: the shorter text is filled.
    batch = tokenizer(["the", "the cat sat"], padding=True)
    return found + [batch["input_ids"], batch.get("token_type_ids")]


def token(content, **flags):
    return {"__type": "AddedToken", "content": content, "lstrip": False, "rstrip": False, "single_word": False, "normalized": False, "special": True,
            **flags}


CONFIG = [
    ("do_lower_case", True), ("strip_accents", None), ("strip_accents", False), ("tokenize_chinese_chars", True),
    ("tokenize_chinese_chars", False), ("do_basic_tokenize", True), ("never_split", []), ("truncation_side", "right"),
    ("truncation_side", "left"), ("padding_side", "right"), ("padding_side", "left"), ("split_special_tokens", False),
    ("split_special_tokens", True), ("additional_special_tokens", []), ("additional_special_tokens", ["[MASK]"]),
    ("additional_special_tokens", ["[SUBJ]"]), ("extra_special_tokens", ["[SUBJ]"]), ("extra_special_tokens", {"subject_token": "[SUBJ]"}),
    ("subject_token", "[SUBJ]"), ("bos_token", "[SUBJ]"), ("bos_token", None), ("eos_token", "[SEP]"), ("cls_token", "[CLS]"),
    ("cls_token", token("[CLS]")), ("mask_token", token("[MASK]", lstrip=True)), ("mask_token", token("[MASK]", normalized=True)),
    ("sep_token", "[SUBJ]"), ("unk_token", "[MASK]"),
    ("added_tokens_decoder", {"4": token("[MASK]")}), ("added_tokens_decoder", {"10": token("[SUBJ]")}),
    ("added_tokens_decoder", {"4": token("[MASK]", rstrip=True)}), ("model_input_names", ["input_ids", "attention_mask"]),
    ("model_input_names", ["input_ids", "token_type_ids", "attention_mask"]), ("model_max_length", 512), ("max_length", 4),
    ("clean_up_tokenization_spaces", True), ("name_or_path", "x"), ("tokenizer_class", "BertTokenizer"),
]
MAP = [("additional_special_tokens", ["[SUBJ]"]), ("cls_token", token("[CLS]")), ("sep_token", "[SUBJ]"), ("bos_token", "[SUBJ]")]
ADDED = [("[MASK]", 4), ("[SUBJ]", 10), ("subj", 13)]
DEFINITION = [
    ("/truncation", {"direction": "Left", "max_length": 512, "strategy": "LongestFirst", "stride": 0}),
    ("/truncation", {"direction": "Right", "max_length": 512, "strategy": "LongestFirst", "stride": 0}),
    ("/added_tokens", [{"id": 4, **token("[MASK]")}]), ("/padding", {"strategy": "BatchLongest", "direction": "Left", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0,
                  "pad_token": "[PAD]"}),
    ("/post_processor", None), ("/post_processor", {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}),
    ("/post_processor", {"type": "RobertaProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2], "trim_offsets": True,
                         "add_prefix_space": False}),
    ("/post_processor", {"type": "BertProcessing", "sep": ["[MASK]", 4], "cls": ["[CLS]", 2]}),
]


def main():
    cases = []

    def case(file, key, value, definition=False):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "vocab.txt").write_text("".join(piece + "\n" for piece in PIECES), encoding="utf-8")
            config = {"tokenizer_class": "BertTokenizer", "do_lower_case": True}
            (folder / "tokenizer_config.json").write_text(json.dumps(config))
            if definition:
                BertTokenizer.from_pretrained(folder).save_pretrained(folder)
                (folder / "vocab.txt").unlink(missing_ok=True)
                named = {f"{name}_token": f"[{name.upper()}]" for name in ("cls", "sep", "pad", "unk", "mask")}
                config = {"tokenizer_class": "PreTrainedTokenizerFast", **named}
                (folder / "tokenizer_config.json").write_text(json.dumps(config))
            before = encodings(folder, definition)
            path = folder / file
            contents = json.loads(path.read_text()) if path.exists() else {}
            contents[key.removeprefix("/")] = value
            path.write_text(json.dumps(contents))
            # transformers itself refuses some settings.
            try:
                changes = encodings(folder, definition) != before
            except Exception:
                changes = True
            row = {"file": file, "key": key.removeprefix("/"), "value": value, "changes": changes}
            if definition:
                row["tokenizer_config.json"] = config
                row["tokenizer.json"] = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
            cases.append(row)

    for key, value in CONFIG:
        case("tokenizer_config.json", key, value)
    for key, value in MAP:
        case("special_tokens_map.json", key, value)
    for key, value in ADDED:
        case("added_tokens.json", key, value)
    for key, value in DEFINITION:
        case("tokenizer.json", key, value, definition=True)
    lines = ",\n".join(" " + json.dumps(row, ensure_ascii=False) for row in cases)
    (HERE / "settings.json").write_text(
        json.dumps({"pieces": PIECES}, ensure_ascii=False)[:-1] + ', "cases": [\n' + lines + "\n]}\n", encoding="utf-8"
    )
    for row in cases:
        print(row["changes"], row["file"], row["key"], json.dumps(row["value"])[:70])


main()
