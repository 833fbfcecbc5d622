"""Titles as data: what of a text may enter a prompt.

A title comes from a file that anybody may have written. What is left of it is one line of letters, digits, blanks and a
few marks. No chat template and no prompt of ours can be ended with these: there is no line end, no colon (roles and
headings end in one), no double quote (titles stand in them), and none of the brackets, bars and signs that special
tokens are written with. Special tokens that are written with letters alone are taken out by name. What a title *says*
stays: a model may still believe it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

VERSION = 1  # raise it when the same text gives another title: it is part of the prompt's digest
LONGEST = 100
"""Characters of a title."""

_MARKS = frozenset(".,;!?'&()-+/%$@")
_LOOKS_LIKE = str.maketrans({'"': "'", "\u201c": "'", "\u201d": "'", "\u2018": "'", "\u2019": "'", ":": "-"})
_KEPT = ("L", "M", "N")
_READ = 20 * LONGEST  # characters of a text that are looked at; NFKC makes up to 18 of one


@lru_cache(maxsize=1 << 16)
def clean_title(text: str, special: tuple[str, ...] = ()) -> str:
    """One line that cannot be anything but data; "" where nothing is left.

    Compatible forms are unified first (NFKC), so that full-width signs are seen for what they are.

    Args:
        text: anything.
        special: texts that the model reads as special tokens, see `special_texts`.
    """
    unified = unicodedata.normalize("NFKC", text[:_READ]).translate(_LOOKS_LIKE)
    allowed = "".join(sign if sign in _MARKS or unicodedata.category(sign)[0] in _KEPT else " " for sign in unified)
    title = " ".join(allowed.split())
    if special:
        pattern = re.compile("|".join(map(re.escape, special)), re.IGNORECASE)
        while pattern.search(title):  # again: what is left may join to another one
            title = " ".join(pattern.sub(" ", title).split())
    return title[:LONGEST].strip()


def special_texts(tokenizer: Any) -> tuple[str, ...]:
    """The special tokens of a tokenizer that could be written with what a title may hold, longest first.

    Args:
        tokenizer: a Hugging Face tokenizer.
    """
    added = (token.content for token in tokenizer.added_tokens_decoder.values() if token.special)
    return _possible({*added, *map(str, tokenizer.all_special_tokens)})


def _possible(texts: Iterable[str]) -> tuple[str, ...]:
    stripped = {text.strip() for text in texts}
    return tuple(sorted((text for text in stripped if text and clean_title(text) == text), key=lambda t: (-len(t), t)))
