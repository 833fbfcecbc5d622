"""Prompts as versioned files, filled with codes and with nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import yaml

from recbole_dtlns.errors import UserError
from recbole_dtlns.files.shipped import PROPERTIES
from recbole_dtlns.trees.codes import MAX_DIGIT

MISSING = "none"
"""What stands for the path of an item that a ready code file lacks."""

TEMPLATE_OPTIONS = {"date_string": "26 Jul 2024", "enable_thinking": False}
"""Of chat templates: Llama 3 prints today's date into its system text and Qwen 3 thinks aloud unless told otherwise."""

Paths = tuple[str, str]
"""Structural and semantic path of an item, `("0-3-1", "2-0")`."""

_PLACES = {
    "system": frozenset[str](),
    "history_line": frozenset({"co", "se", "number"}),
    "history_separator": frozenset[str](),
    "candidate_line": frozenset({"co", "se"}),
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
        history_line, candidate_line: an item, with `$co`, `$se` for its paths (and `$number`, from 1, in the history).
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
        """Read a shipped prompt by name (`compact`, `reference`) or a file of one's own by path.

        Raises:
            UserError: no such file, or not what a prompt file must be.
        """
        path = Path(name) if name.endswith(".yaml") else PROPERTIES / "prompt" / f"{name}.yaml"
        if not path.is_file():
            shipped = ", ".join(sorted(one.stem for one in (PROPERTIES / "prompt").glob("*.yaml")))
            raise UserError(
                f"llm_prompt: there is no prompt {name!r}. Give one of {shipped}, or a path ending in .yaml."
            )
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise UserError(f"llm_prompt: {path} is not valid YAML: {error}") from error
        return cls(path.stem, **_checked(path, content))

    @property
    def digest(self) -> str:
        """Hash of the texts, 16 hexadecimal digits: another one is another prompt, whatever its name and version."""
        texts = {name: value for name, value in asdict(self).items() if name not in {"name", "version"}}
        return hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()[:16]

    def about(self) -> dict[str, Any]:
        """What identifies the prompt, for the verdict store's keys and for shared verdicts."""
        return {"name": self.name, "version": self.version, "digest": self.digest}

    def questions(self, history: Sequence[Paths], candidates: Sequence[Paths]) -> list[str]:
        """The user's message for each candidate; all of one user begin alike.

        Args:
            history: paths of the user's items, in an order that depends on the paths alone.
            candidates: paths of n items.

        Returns:
            n texts, without white space at either end.
        """
        line = Template(self.history_line)
        lines = [line.substitute(co=co, se=se, number=number) for number, (co, se) in enumerate(history, start=1)]
        listed = self.history_separator.join(lines)
        one = Template(self.candidate_line)
        whole = Template(self.user.strip())
        return [whole.substitute(history=listed, candidate=one.substitute(co=co, se=se)) for co, se in candidates]


def path_texts(codes: np.ndarray) -> list[str]:
    """Codes int [n, D] (-1 = padding at the end) as `0-3-1`; `none` for an item without one.

    This is the only way into a prompt: whole numbers from 0 to 32767, joined by dashes.

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
        found = ", ".join(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise UserError(f"llm_prompt: {path} should have exactly the keys {', '.join(sorted(wanted))}; found {found}.")
    if type(content["version"]) is not int:
        raise UserError(f"llm_prompt: {path}: version is {content['version']!r}; expected a whole number.")
    for name, allowed in _PLACES.items():
        _check_text(path, name, content[name], allowed)
    marked = Template(content["user"]).substitute(history="\0", candidate="\1")
    if marked.count("\0") != 1 or marked.count("\1") != 1 or marked.index("\0") > marked.index("\1"):
        raise UserError(f"llm_prompt: {path}: user must hold $history once and, after it, $candidate once.")
    if not {"co", "se"} <= set(Template(content["candidate_line"]).get_identifiers()):
        raise UserError(f"llm_prompt: {path}: candidate_line must hold $co and $se.")
    if content["positive"].strip() == content["negative"].strip():
        raise UserError(f"llm_prompt: {path}: positive and negative are the same label {content['positive']!r}.")
    return content


def _check_text(path: Path, name: str, value: Any, allowed: frozenset[str]) -> None:
    if not isinstance(value, str):
        raise UserError(f"llm_prompt: {path}: {name} is {value!r}; expected text.")
    template = Template(value)
    found = set(template.get_identifiers())
    if (allowed and not template.is_valid()) or (allowed and found - allowed):
        shown = ", ".join(f"${one}" for one in sorted(allowed))
        raise UserError(f"llm_prompt: {path}: {name} may hold {shown} (and $$ for a dollar sign); found {value!r}.")
