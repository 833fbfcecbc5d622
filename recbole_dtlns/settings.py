"""Our configuration keys: each is typed, documented and checked here and nowhere else.

Values arrive as raw text (command line) or as YAML values; they are parsed by the table below and never evaluated.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.budget import Budget

Parser = Callable[[Any], Any]
_TWENTY, _FIVE = Budget(20), Budget(5)
_NOTHING = {"", "none", "null", "~"}


def _text(value: Any) -> str:
    if isinstance(value, (dict, list, bool)):
        raise ValueError("text")
    return str(value)


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in {"true", "yes", "1"}:
        return True
    if text in {"false", "no", "0"}:
        return False
    raise ValueError("true or false")


def _whole(low: int) -> Parser:
    def parse(value: Any) -> int:
        expected = f"a whole number from {low}"
        if isinstance(value, bool):
            raise ValueError(expected)
        try:
            number = int(str(value))
        except ValueError:
            raise ValueError(expected) from None
        if number < low:
            raise ValueError(expected)
        return number

    return parse


def _number(low: float, high: float = float("inf")) -> Parser:
    def parse(value: Any) -> float:
        expected = f"a number from {low:g}" + (f" to {high:g}" if high < float("inf") else "")
        if isinstance(value, bool):
            raise ValueError(expected)
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise ValueError(expected) from None
        if not (low <= number <= high and math.isfinite(number)):
            raise ValueError(expected)
        return number

    return parse


def _one_of(*choices: str) -> Parser:
    def parse(value: Any) -> str:
        if str(value) not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return str(value)

    return parse


def _mapping_or_path(value: Any) -> Mapping[str, Any] | str:
    """A mapping (in YAML, or as `{a: 1}` on the command line), or the path of a YAML file."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = yaml.safe_load(value)
        except yaml.YAMLError:
            raise ValueError("a mapping such as {epochs: 50}, or the path of a YAML file") from None
    return dict(value) if isinstance(value, Mapping) else _text(value)


def _judge_name(value: Any) -> str | None:
    """`none` is the name of a judge; only an empty value means "not set"."""
    return None if value is None or value == "" else _text(value)


def _or_none(parse: Parser) -> Parser:
    return lambda value: None if value is None or str(value).strip().lower() in _NOTHING else parse(value)


def _key(default: Any, parse: Parser, meaning: str) -> Any:
    return field(default=default, metadata={"parse": parse, "meaning": meaning})


@dataclass(frozen=True)
class Settings:
    """The keys of recbole_dtlns with their start values; DESIGN's table, in its order.

    A value of None for `neg_sampler`, `tree_view`, `judge` and `split_seed` means "not set by the user": `plan.py`
    resolves it.
    """

    neg_sampler: str | None = _key(None, _or_none(_text), "sampler of ours, or recbole:uniform|popularity|dynamic")
    neg_candidates: int = _key(10, _whole(1), "candidates drawn for each negative")
    num_negatives: int = _key(1, _whole(1), "negatives of each positive; batch sizes count positives")
    popularity_exponent: float = _key(1.0, _number(0), "popularity: P(item) ~ (train count) ** exponent")
    tree_view: bool | None = _key(None, _or_none(_flag), "tree similarities on top of the sampler's scores")
    alpha_co: float = _key(0.1, _number(0), "weight of the similarity in the structural tree")
    alpha_se: float = _key(0.3, _number(0), "weight of the similarity in the semantic tree")
    tree_similarity: str = _key("min", _one_of("min", "depth"), "LCP divided by the shorter code, or by the depth")
    tree_branching: int = _key(4, _whole(2), "children of a node of the index trees")
    tree_leaf_size: int = _key(30, _whole(1), "largest leaf that is not split further")
    item_vectors: str = _key("auto", _text, "auto, or a file of item vectors for the semantic tree")
    codes_co: str | None = _key(None, _or_none(_text), "ready codes of the structural tree (`item: 0-1-2` lines)")
    codes_se: str | None = _key(None, _or_none(_text), "ready codes of the semantic tree")
    candidate_source: str = _key("EASE", _text, "EASE, ItemKNN, file, or a RecBole general recommender")
    candidate_topk: Budget = _key(_TWENTY, Budget.parse, "candidates of a user: 20, 50% or 5+50%")
    candidate_config: Any = _key(None, _or_none(_mapping_or_path), "keys of a candidate model (mapping or YAML file)")
    candidate_checkpoint: str | None = _key(None, _or_none(_text), "run folder whose model makes the candidates")
    candidate_file: str | None = _key(None, _or_none(_text), "candidates made elsewhere, with candidate_source=file")
    candidate_memory_gb: float = _key(4.0, _number(0), "memory that EASE may take; above it ItemKNN is used")
    judge: str | None = _key(None, _judge_name, "none, rule, keep_all or file; unset: rule for dtl_ns, else none")
    judge_decision: str = _key("per_user", _one_of("per_user", "threshold"), "how verdicts become positives")
    judge_threshold: float = _key(0.5, _number(0, 1), "lowest probability that is accepted")
    positives_per_user: Budget = _key(_FIVE, Budget.parse, "per_user: the n best accepted of each user")
    judge_file: str | None = _key(None, _or_none(_text), "verdicts made elsewhere, with judge=file")
    export_verdicts: str | None = _key(None, _or_none(_text), "write all verdicts to this .tsv or .parquet file")
    positive_weight: float = _key(0.5, _number(0), "weight of an inferred positive = this x its probability")
    augment_loss: bool = _key(True, _flag, "inferred positives are positives of the loss")
    augment_graph: bool = _key(False, _flag, "inferred positives are edges of the model's graph")
    exclude_inferred: bool = _key(True, _flag, "inferred positives are never drawn as negatives")
    protocol: str = _key("honest", _one_of("honest", "reference"), "honest, or reference (uses test labels)")
    eval_mask: str = _key("train_valid", _one_of("train_valid", "train"), "what the test ranking leaves out")
    split_seed: int | None = _key(None, _or_none(_whole(0)), "seed of the data split; unset: `seed`")
    text_layout: str = _key("auto", _one_of("auto", "pairs", "lists"), "lines of plain text files")
    allow_foreign: bool = _key(False, _flag, "use inputs made from another training split; results are marked")
    plugins: str | None = _key(None, _or_none(_text), "Python file(s) with your own samplers and judges")
    run_dir: str | None = _key(None, _or_none(_text), "folder of this run; unset: a fresh one under saved/")
    cache_dir: str | None = _key(None, _or_none(_text), "trees, candidates, verdicts; unset: saved/cache/DATASET")
    checkpoint_seconds: float = _key(60.0, _number(0), "least time between two saves of the state to resume from")

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Settings:
        """Type the values of our keys in a mapping; other keys are left alone.

        Raises:
            UserError: a value is not of its key's type; the message names key, value and what is accepted.
        """
        typed = {}
        for entry in dataclasses.fields(cls):
            if entry.name not in values:
                continue
            try:
                typed[entry.name] = entry.metadata["parse"](values[entry.name])
            except ValueError as error:
                raise UserError(f"{entry.name}={values[entry.name]!r}: expected {error}.") from None
        return cls(**typed)

    def as_dict(self) -> dict[str, Any]:
        """Every key with a value that JSON and YAML can hold."""
        return {
            entry.name: str(value) if isinstance(value, Budget) else value
            for entry in dataclasses.fields(self)
            for value in [getattr(self, entry.name)]
        }


OUR_KEYS = frozenset(entry.name for entry in dataclasses.fields(Settings))


def meaning(key: str) -> str:
    """The one-line meaning of one of our keys."""
    return {entry.name: entry.metadata["meaning"] for entry in dataclasses.fields(Settings)}[key]


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean a, b?`, or nothing when no known name is near."""
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.6)
    return f"; did you mean {', '.join(near)}?" if near else ""
