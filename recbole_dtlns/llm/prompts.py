"""Prompts as versioned files, filled with codes and cleaned titles, and with nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

import numpy as np

from recbole_dtlns.config.choices import MAX_DIGIT
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.shipped import PROPERTIES
from recbole_dtlns.files.yaml_text import read_yaml_file
from recbole_dtlns.llm import titles

MISSING = "none"
"""What stands for the path of an item that a ready code file lacks, and for a title that is not there."""

TEMPLATE_OPTIONS = {"date_string": "26 Jul 2024", "enable_thinking": False}
"""Of chat templates: Llama 3 prints today's date into its system text and Qwen 3 thinks aloud unless told otherwise."""


class ShownItem(NamedTuple):
    """What a prompt may show of an item.

    Attributes:
        co: structural path, `0-3-1`.
        se: semantic path.
        title: the item's text as it stands in its file; it is cleaned before it enters a prompt.
    """

    co: str
    se: str
    title: str = ""


_PLACES = {
    "system": frozenset[str](),
    "history_line": frozenset({"co", "se", "title", "number"}),
    "history_separator": frozenset[str](),
    "candidate_line": frozenset({"co", "se", "title"}),
    "user": frozenset({"history", "candidate"}),
    "answer": frozenset[str](),
    "positive": frozenset[str](),
    "negative": frozenset[str](),
}


@dataclass(frozen=True)
class Prompt:
    """What a language model is asked about one pair.

    Attributes:
        name: of the file, without its ending.
        version: the file's own number.
        system: the task.
        history_line, candidate_line: an item, with `$co`, `$se` for its paths, `$title` for its title (and `$number`,
            from 1, in the history).
        history_separator: between two lines of the history.
        user: the question, with `$history` and, after it, `$candidate`.
        answer: how the model's answer begins.
        positive, negative: the labels, as they follow `answer`.
    """

    name: str
    version: int
    system: str
    history_line: str
    history_separator: str
    candidate_line: str
    user: str
    answer: str
    positive: str
    negative: str

    @classmethod
    def read(cls, name: str) -> Prompt:
        """Read a shipped prompt by name (`compact`, `titles`, ...) or a file of one's own by path.

        Raises:
            UserError: no such file, or not what a prompt file must be.
        """
        path = Path(name) if name.endswith(".yaml") else PROPERTIES / "prompt" / f"{name}.yaml"
        if not path.is_file():
            shipped = ", ".join(sorted(path.stem for path in (PROPERTIES / "prompt").glob("*.yaml")))
            raise UserError(
                f"llm_prompt: there is no prompt {name!r}. Give one of {shipped}, or a path ending in .yaml."
            )
        return cls(path.stem, **_checked(path, read_yaml_file(path, "llm_prompt")))

    @property
    def shows_titles(self) -> bool:
        """Whether text of items enters the prompt."""
        return any("title" in Template(line).get_identifiers() for line in (self.history_line, self.candidate_line))

    @property
    def digest(self) -> str:
        """Hash of the texts, 16 hexadecimal digits: another one is another prompt, whatever its name and version."""
        texts = {name: value for name, value in asdict(self).items() if name not in {"name", "version"}}
        if self.shows_titles:
            texts["cleaned"] = titles.VERSION
        return hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()[:16]

    def about(self) -> dict[str, Any]:
        """What identifies the prompt, for the verdict store's keys and for shared verdicts."""
        return {"name": self.name, "version": self.version, "digest": self.digest}

    def questions(
        self, history: Sequence[ShownItem], candidates: Sequence[ShownItem], special: tuple[str, ...] = ()
    ) -> list[str]:
        """The user's message for each candidate; all of one user begin alike.

        Args:
            history: the user's items, in an order that depends on what is shown alone.
            candidates: n items.
            special: what the model reads as special tokens, see `titles.special_texts`; no title holds any of it.

        Returns:
            n texts, without white space at either end.
        """
        line, last, whole = Template(self.history_line), Template(self.candidate_line), Template(self.user.strip())
        lines = [line.substitute(_values(item, special), number=row) for row, item in enumerate(history, start=1)]
        listed = self.history_separator.join(lines)
        return [
            whole.substitute(history=listed, candidate=last.substitute(_values(item, special))) for item in candidates
        ]


def _values(item: ShownItem, special: tuple[str, ...]) -> dict[str, str]:
    shown = ShownItem(*item)
    return {**shown._asdict(), "title": titles.clean_title(shown.title, special) or MISSING}


def check_titles(prompt: Prompt, options: Mapping[str, Any]) -> None:
    """Raise UserError where a prompt shows titles and our keys name none."""
    if prompt.shows_titles and options.get("item_text") is None:
        raise UserError(
            f"llm_prompt={prompt.name} shows titles. Name them with --item_text=FIELD[,FIELD] of the data set's .item "
            "file, or with a file of `item<TAB>text` lines."
        )


def path_texts(codes: np.ndarray) -> list[str]:
    """Codes int [n, D] (-1 = padding at the end) as `0-3-1`; `none` for an item without one.

    Codes have no other way into a prompt: whole numbers from 0 to 32767, joined by dashes.

    Raises:
        UserError: something else, or digits after the padding.
    """
    if not np.issubdtype(codes.dtype, np.integer):
        raise UserError(f"A prompt holds codes of whole numbers; found {codes.dtype}.")
    inside = codes >= 0
    if codes.size and (codes.min() < -1 or codes.max() > MAX_DIGIT or (inside[:, 1:] & ~inside[:, :-1]).any()):
        raise UserError(
            f"A prompt holds codes with digits from 0 to {MAX_DIGIT} and padding (-1) at the end only; found "
            f"{codes.min()} to {codes.max()}. Check codes_co and codes_se."
        )
    rows, lengths = codes.tolist(), inside.sum(axis=1).tolist()
    return ["-".join(map(str, row[:length])) if length else MISSING for row, length in zip(rows, lengths, strict=True)]


def _checked(path: Path, content: Any) -> dict[str, Any]:
    """The fields of a prompt file, each of its type and with its placeholders only."""
    wanted = {entry.name for entry in fields(Prompt)} - {"name"}
    if not isinstance(content, dict) or set(content) != wanted:
        keys = ", ".join(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise UserError(f"llm_prompt: {path} should have exactly the keys {', '.join(sorted(wanted))}; found {keys}.")
    if type(content["version"]) is not int:
        raise UserError(f"llm_prompt: {path}: version is {content['version']!r}; expected a whole number.")
    for name, allowed in _PLACES.items():
        _check_text(path, name, content[name], allowed)
    marked = Template(content["user"]).substitute(history="\0", candidate="\1")
    if marked.count("\0") != 1 or marked.count("\1") != 1 or marked.index("\0") > marked.index("\1"):
        raise UserError(f"llm_prompt: {path}: user must hold $history once and, after it, $candidate once.")
    shown = set(Template(content["candidate_line"]).get_identifiers())
    if not ({"co", "se"} <= shown or "title" in shown):
        raise UserError(f"llm_prompt: {path}: candidate_line must hold $co and $se, or $title.")
    if content["positive"].strip() == content["negative"].strip():
        raise UserError(f"llm_prompt: {path}: positive and negative are the same label {content['positive']!r}.")
    return content


def _check_text(path: Path, name: str, value: Any, allowed: frozenset[str]) -> None:
    if not isinstance(value, str):
        raise UserError(f"llm_prompt: {path}: {name} is {value!r}; expected text.")
    template = Template(value)
    names = set(template.get_identifiers())
    if (allowed and not template.is_valid()) or (allowed and names - allowed):
        shown = ", ".join(f"${place}" for place in sorted(allowed))
        raise UserError(f"llm_prompt: {path}: {name} may hold {shown} (and $$ for a dollar sign); found {value!r}.")
