"""Makes goldens for `tokenizer.json`: what the Python library `tokenizers` makes of strings of all scripts.

    pip install tokenizers==0.22.1 transformers==5.15.1 sentencepiece protobuf
    python scripts/goldens/tokenizer-json.py COUNT SEED OUT.jsonl.gz

The first line holds the tokenizers, with the charsmap of models/multiple-choice/spiece.model written as "$charsmap", its pieces as
"$pieces" and the vocabulary of the WordPiece models as "$words"; every other line is [tokenizer, text, ids, pieces, offsets], offsets in UTF-16 units.
"""

import copy
import gzip
import json
import random
import sys
import tempfile

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer

count, seed, output = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
rng = random.Random(seed)

SCRIPTS = [
    (0x21, 0x7E), (0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A), (0xA1, 0x17F), (0x180, 0x24F), (0x250, 0x2FF), (0x300, 0x36F), (0x370, 0x3FF),
    (0x400, 0x52F), (0x531, 0x58A), (0x591, 0x5F4), (0x600, 0x6FF), (0x700, 0x74F), (0x780, 0x7FF), (0x800, 0x8FF), (0x900, 0x97F),
    (0x980, 0x9FF), (0xA00, 0xAFF), (0xB00, 0xBFF), (0xC00, 0xCFF), (0xD00, 0xDFF), (0xE01, 0xE5B), (0xE81, 0xEDF), (0xF00, 0xFFF),
    (0x1000, 0x109F), (0x10A0, 0x10FF), (0x1100, 0x11FF), (0x1200, 0x139F), (0x13A0, 0x13FF), (0x1400, 0x167F), (0x1680, 0x17FF),
    (0x1800, 0x18AF), (0x1900, 0x1AFF), (0x1B00, 0x1CFF), (0x1D00, 0x1DFF), (0x1E00, 0x1EFF), (0x1F00, 0x1FFF), (0x2000, 0x206F),
    (0x2070, 0x20FF), (0x2100, 0x218F), (0x2190, 0x23FF), (0x2400, 0x27BF), (0x27C0, 0x2BFF), (0x2C00, 0x2DFF), (0x2E00, 0x2FDF),
    (0x3000, 0x303F), (0x3041, 0x30FF), (0x3100, 0x33FF), (0x3400, 0x9FFF), (0xA000, 0xA4CF), (0xA4D0, 0xABFF), (0xAC00, 0xD7A3),
    (0xD7B0, 0xD7FB), (0xE000, 0xF8FF), (0xF900, 0xFAFF), (0xFB00, 0xFDFF), (0xFE00, 0xFE6F), (0xFE70, 0xFEFF), (0xFF00, 0xFFFD),
    (0x10000, 0x10FFF), (0x11000, 0x11FFF), (0x12000, 0x13FFF), (0x16000, 0x16FFF), (0x1B000, 0x1BFFF), (0x1D000, 0x1D7FF),
    (0x1DF00, 0x1EFFF), (0x1F000, 0x1FAFF), (0x20000, 0x2FA1F), (0x30000, 0x323AF), (0xE0000, 0xE01EF), (0x1, 0x1F), (0x7F, 0xA0),
]
SPACES = [" "] * 12 + ["  ", "\n", "\t", "\r\n", "\u00a0", "\u2003", "\u3000", "\u200b", "\u2028", "\x1c", "\x85", ""]
JOINERS = ["\u200d", "\u200c", "\ufe0f", "\u0301", "\u0327", "\u0334", "\u3099", "\uff9e", "\U0001f3fd", "\u00ad", "\ufeff", "\u0e33"]
MARKS = ["``", "''", "(", ")", '"', "-", ".", ",", "2,000", "\u2013", "\u00a3", "\u20ac", "'s", "\u2581", "\u03a3", "\u0130", "\ufffd", "\x00"]
SPECIAL = ["[CLS]", "[SEP]", "[MASK]", " [MASK] ", "<pad>", "<unk>", "[PAD]", "[UNK]", "[mask]", "\uff1cpad\uff1e", "<ent>", "new york", "New  York", "abq", "abq", "<s>"]


def character(low, high):
    while True:
        c = rng.randint(low, high)
        if not 0xD800 <= c <= 0xDFFF:
            return chr(c)


def word(pieces):
    kind = rng.random()
    if kind < 0.35:
        made = "".join(rng.choice(pieces).lstrip("\u2581#") for _ in range(rng.randint(1, 3)))
        return made.title() if rng.random() < 0.2 else made.upper() if rng.random() < 0.1 else made
    if kind < 0.45:
        return rng.choice(MARKS)
    if kind < 0.5:
        return rng.choice(SPECIAL)
    low, high = rng.choice(SCRIPTS)
    made = [character(low, high) for _ in range(rng.randint(1, 8))]
    if rng.random() < 0.3:
        made.insert(rng.randint(0, len(made)), rng.choice(JOINERS))
    if rng.random() < 0.2:
        made.insert(rng.randint(0, len(made)), character(*rng.choice(SCRIPTS)))
    return "".join(made)


def text(pieces):
    return "".join(word(pieces) + rng.choice(SPACES) for _ in range(rng.randint(1, 7)))


def token(id, content, **options):
    plain = dict(single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
    return dict(id=id, content=content, **{**plain, **options})


def template(cls, sep):
    part = lambda name, type: {"SpecialToken": {"id": name, "type_id": type}}
    sequence = lambda name, type: {"Sequence": {"id": name, "type_id": type}}
    single = [part(cls[0], 0), sequence("A", 0), part(sep[0], 0)]
    special = {name: {"id": name, "ids": [id], "tokens": [name]} for name, id in (cls, sep)}
    pair = single + [sequence("B", 1), part(sep[0], 1)]
    return {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special}


def saved(directory):
    with tempfile.TemporaryDirectory() as place:
        AutoTokenizer.from_pretrained(directory).save_pretrained(place)
        with open(place + "/tokenizer.json", encoding="utf-8") as file:
            return json.load(file)


five = saved("models/multiple-choice")
pieces = five["model"]["vocab"]
charsmap = five["normalizer"]["normalizers"][-1]["precompiled_charsmap"]
names = [piece for piece, _ in pieces[5:]]

# As transformers 4 wrote it: Replace with a regular expression, the old key of Metaspace, BertProcessing's sibling.
four = copy.deepcopy(five)
four["added_tokens"] = [token(i, c, lstrip=c == "[MASK]") for i, c in enumerate(["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"])]
four["normalizer"]["normalizers"].append({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "})
four["pre_tokenizer"] = {"type": "Metaspace", "replacement": "\u2581", "add_prefix_space": True, "prepend_scheme": "always"}

# Cased, with accents, with tokens of every kind of matching.
added = copy.deepcopy(four)
added["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "Nmt"}, {"type": "NFKC"}, {"type": "Strip", "strip_left": True, "strip_right": False}, {"type": "Lowercase"}]}
added["pre_tokenizer"] = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": True}
size = len(pieces)
added["added_tokens"] += [
    token(size, "<ent>", lstrip=True, rstrip=True),
    token(size + 1, "New York", normalized=True, special=False),
    token(size + 2, "abq", single_word=True, special=False),
    token(size + 3, "<s>", normalized=True, special=False),
]
whole = copy.deepcopy(added)
whole["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Prepend", "prepend": "\u2581"}, {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]}
whole["pre_tokenizer"] = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "never", "split": False}

corpus = [text(names) for _ in range(3000)]
wordpiece = Tokenizer(models.WordPiece(unk_token="[UNK]"))
wordpiece.normalizer = normalizers.BertNormalizer()
wordpiece.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
wordpiece.train_from_iterator(corpus, trainers.WordPieceTrainer(vocab_size=1500, special_tokens=special, show_progress=False))
bert = json.loads(wordpiece.to_str())
bert["post_processor"] = template(("[CLS]", 2), ("[SEP]", 3))
cased = copy.deepcopy(bert)
cased["normalizer"].update(lowercase=False, strip_accents=None, clean_text=True)
cased["post_processor"] = {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}
cased["model"]["max_input_chars_per_word"] = 6
plain = copy.deepcopy(bert)
plain["normalizer"] = {"type": "BertNormalizer", "clean_text": False, "handle_chinese_chars": True, "strip_accents": True, "lowercase": False}
kept = copy.deepcopy(bert)
kept["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}]}
kept["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "BertPreTokenizer"}]}

definitions = dict(five=five, four=four, added=added, whole=whole, bert=bert, cased=cased, plain=plain, kept=kept)
built = {name: Tokenizer.from_str(json.dumps(definition)) for name, definition in definitions.items()}
# The library shows an added token as it stands in the text, with the white space that it takes along; here it has its name (but for the unknown token, whose text tells more).
own = {name: {entry["id"] for entry in definition["added_tokens"]} - {1} for name, definition in definitions.items()}
for definition in (five, four, added, whole):
    definition["model"]["vocab"] = "$pieces"
    for step in definition["normalizer"]["normalizers"]:
        if step["type"] == "Precompiled":
            assert step["precompiled_charsmap"] == charsmap
            step["precompiled_charsmap"] = "$charsmap"

words = bert["model"]["vocab"]
for definition in (bert, cased, plain, kept):
    definition["model"]["vocab"] = "$words"

with gzip.GzipFile(output, "wb", mtime=0) as file:
    write = lambda value: file.write((json.dumps(value) + "\n").encode())
    write({"definitions": definitions, "words": words})
    for i in range(count):
        name = list(built)[i % len(built)]
        sample = text(names)
        encoding = built[name].encode(sample, add_special_tokens=False)
        units = [0]
        for c in sample:
            units.append(units[-1] + (2 if ord(c) > 0xFFFF else 1))
        tokens = [built[name].id_to_token(id) if id in own[name] else token for id, token in zip(encoding.ids, encoding.tokens)]
        write([name, sample, encoding.ids, tokens, [[units[a], units[b]] for a, b in encoding.offsets]])
