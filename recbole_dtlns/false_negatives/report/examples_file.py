"""The file in which the examples of a run lie, for the page of that run."""

from __future__ import annotations

import json
import math
import unicodedata
from dataclasses import asdict, dataclass
from pathlib import Path

from recbole_dtlns.errors import UserError
from recbole_dtlns.files.cache import write_atomically
from recbole_dtlns.files.run_checksums import refuse_changed
from recbole_dtlns.files.run_folder import EXAMPLES

HISTORY, INFERRED_EACH, LONGEST = 6, 5, 80
"""Items of the history and inferred ones of each user; characters of a name. These bound the file."""


@dataclass(frozen=True)
class Example:
    """What was inferred for a user.

    Attributes:
        user: its token.
        history: names of items in train, those nearest to the inferred ones in the trees first.
        history_size: number of items in train.
        inferred: names of inferred positives, the most probable first.
        probability: of each of them.
        inferred_size: number of inferred positives.
    """

    user: str
    history: list[str]
    history_size: int
    inferred: list[str]
    probability: list[float]
    inferred_size: int


def one_line(text: str) -> str:
    """Text as one short line: what is invisible or turns the direction of reading becomes a blank."""
    shown = (" " if unicodedata.category(sign)[0] in "CZ" else sign for sign in text[: 20 * LONGEST])
    line = " ".join("".join(shown).split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def write_examples(folder: Path, examples: list[Example]) -> None:
    """Write `inferred_examples.json` into the folder of a run."""
    content = json.dumps([asdict(example) for example in examples], indent=1, ensure_ascii=False)
    write_atomically(folder / EXAMPLES, (content + "\n").encode(errors="replace"))


def read_examples(folder: Path) -> list[Example]:
    """What `write_examples` wrote; empty where it wrote nothing.

    Raises:
        UserError: the file is damaged.
    """
    path = folder / EXAMPLES
    if not path.is_file():
        return []
    refuse_changed(path)
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(entries, list):
            raise TypeError
        return [_checked(Example(**entry)) for entry in entries]
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError):
        raise UserError(f"{path} is damaged. Remove it to have the page without examples.") from None


def _checked(example: Example) -> Example:
    """The example with its texts as one short line each. Anything else raises what `read_examples` catches."""
    lists = (example.history, example.inferred, example.probability)
    texts = [example.user, *(name for names in lists[:2] for name in names)]
    if not all(isinstance(entries, list) for entries in lists) or not all(isinstance(text, str) for text in texts):
        raise TypeError
    history, inferred = (list(map(one_line, names)) for names in lists[:2])
    probability = [float(value) for value in example.probability]
    sizes = int(example.history_size), int(example.inferred_size)
    if len(probability) != len(inferred) or not all(map(math.isfinite, probability)) or min(sizes) < 0:
        raise ValueError
    user = one_line(example.user)
    return Example(user, history[:HISTORY], sizes[0], inferred[:INFERRED_EACH], probability[:INFERRED_EACH], sizes[1])
