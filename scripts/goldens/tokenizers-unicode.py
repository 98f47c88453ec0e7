"""Asks the Python library `tokenizers` what it takes each code point for, and prints that as JSON.

    pip install tokenizers==0.22.1
    python scripts/goldens/tokenizers-unicode.py > probe.json
    node scripts/goldens/tokenizers-unicode.mjs probe.json > src/tokenizer/tokenizer-json/library-unicode.ts
"""

import json

from tokenizers import normalizers, pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
OVERLAY = "\u0334"  # of combining class 1: moves before every mark of a higher class


def bert(**options):
    chosen = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**chosen, **options}).normalize_str


def chars(test):
    return [c for c in CODE_POINTS if test(chr(c))]


nfd = normalizers.NFD().normalize_str
nfkd = normalizers.NFKD().normalize_str
lower = normalizers.Lowercase().normalize_str
strip_accents = normalizers.StripAccents().normalize_str
strip_nonspacing = bert(strip_accents=True)
clean = bert(clean_text=True)
words = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
nmt = normalizers.Nmt().normalize_str

print(
    json.dumps(
        {
            "marks": chars(lambda c: strip_accents("a" + c) == "a"),
            "nonspacing": chars(lambda c: strip_nonspacing("a" + c) == "a"),
            "dropped": chars(lambda c: clean("a" + c + "b") == "ab"),
            "punctuation": chars(lambda c: len(words("a" + c + "b")) == 3),
            "nmtDropped": chars(lambda c: nmt("a" + c + "b") == "ab"),
            "nmtSpaces": chars(lambda c: nmt("a" + c + "b") == "a b"),
            "decomposed": chars(lambda c: nfkd(c) != c),
            "reordered": chars(lambda c: nfd("a" + c + OVERLAY) == "a" + OVERLAY + c),
            "lowered": chars(lambda c: lower(c) != c),
        }
    )
)
