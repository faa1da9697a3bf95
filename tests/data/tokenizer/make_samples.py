#!/usr/bin/env python3
"""Writes the samples beside this script that do not come from a tokenizer: what Python's `regex`
module makes of the pre-tokenizer pattern (words.jsonl), what Python's UTF-8 decoder replaces
(utf8_replace.jsonl) and lines of the Unicode Consortium's NormalizationTest.txt (nfc.txt).
Needs the packages regex (PyPI) and unicode-data (Debian, 15.0.0).
"""
import bz2
import json
import random
from pathlib import Path

import regex

HERE = Path(__file__).resolve().parent
PATTERN = regex.compile(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}"
    r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
FIXED = [
    "I'LL we've THEY'RE don't 'tis it'S x'D y'm 'Re 'rE 'r 'l 'v 'LLama 'd2 '' 's's",
    "it'\u017f long '\u017fx s",
    "a  b   c\t\td \n e\n\n\nf \r\n \r\n  g  ",
    "  \n  \n  x", "\n \t\u00a0y", " \u00a0\u00a0z", "\u00a0\u3000w\u2003", "x\u2028\u2029y \u0085 z",
    " !?\n\n!", "! \n!", "  !!", "\t!x", "\u00a0!", "!\u0301a", "\u0301\u0301", "1\u03012", " \u0301 \u0302",
    "123 4 \u0663\u0664 \u2167\u00bd\u00b2\u2460", "a1b2", "$9.99,-", "\u200d\u200b\ufeff", "\U0001f468\u200d\U0001f469\ufe0f",
    "\u0939\u093f\u0928\u094d\u0926\u0940 \u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22 \u0627\u0644\u0639\u064e\u0631\u064e\u0628\u0650\u064a\u064e\u0651\u0629", "\ue000\ue001 \u0378",
    "\u4eba\u5de5\u667a\u80fd\uff0c\u4f60\u597d\u3002 \uac00\ub098\ub2e4", "\x00\x01a\x1c\x1d b\x1e\x1f", "tab\tx  \ty",
]
ALPHABET = "aZ\u00e9\u4e00\u0e01\u0e31\u0301\u093f19\u0664\u00bd .,'!-\u201c\U0001f600\u200d\n\r\t \u00a0\u3000sStTlLdDmMeErRvV\u017f'"


def write_words():
    rng = random.Random(15)
    texts = FIXED + ["".join(rng.choices(ALPHABET, k=rng.randint(1, 40))) for _ in range(300)]
    with open(HERE / "words.jsonl", "w", encoding="utf-8") as out:
        for text in texts:
            words = PATTERN.findall(text)
            assert "".join(words) == text
            out.write(json.dumps({"text": text, "words": words}) + "\n")


def write_utf8():
    rng = random.Random(16)
    interesting = [0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1,
                   0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFE, 0xFF]
    samples = [b"", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe0\x80\xaf", b"\xc0\xaf", b"\xf0\x9f\x98"]
    samples += [bytes(rng.choices(interesting, k=rng.randint(1, 12))) for _ in range(300)]
    with open(HERE / "utf8_replace.jsonl", "w", encoding="utf-8") as out:
        for sample in samples:
            text = sample.decode("utf-8", errors="replace")
            out.write(json.dumps({"hex": sample.hex(), "text": text}) + "\n")


def write_nfc():
    lines = bz2.open("/usr/share/unicode/NormalizationTest.txt.bz2", "rt", encoding="utf-8")
    cases = [line.split("#")[0].split(";")[:5] for line in lines if line[0] in "0123456789ABCDEF"]
    rng = random.Random(17)
    chosen = sorted(rng.sample(range(len(cases)), 600))
    with open(HERE / "nfc.txt", "w", encoding="utf-8") as out:
        out.write("# A sample of NormalizationTest.txt 15.0.0, (c) 2022 Unicode, Inc. (https://www.unicode.org/terms_of_use.html)\n")
        out.write("# source;NFC;NFD;NFKC;NFKD in hexadecimal code points\n")
        for i in chosen:
            out.write(";".join(cases[i]) + "\n")


if __name__ == "__main__":
    write_words()
    write_utf8()
    write_nfc()
