"""The fields of `result.json`: what each holds, its unit, and when it is None.

The writer (`evaluation/result.py`), the reader (`files/run_folder.py`), the report and the test fakes use these types.
docs/result_json.md has them as tables. A field whose type allows None may be missing in a file: it is then read as
None, so that results of older versions can be read. Change `SCHEMA_VERSION` only where a field gets another meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypedDict, cast

from recbole_dtlns.errors import UserError
from recbole_dtlns.files.typed_json import completed

SCHEMA_VERSION = 1
_PROBLEMS_NAMED = 4


class Data(TypedDict):
    """Counts without padding, and the identity of the split."""

    users: Annotated[int, "users of the split; of train alone for `identify`"]
    items: Annotated[int, "items of the split; of train alone for `identify`"]
    train: Annotated[int, "training pairs"]
    valid: Annotated[int | None, "valid pairs; null for `identify`, which does not read them"]
    test: Annotated[int | None, "test pairs; null for `identify`, which does not read them"]
    inferred_positives: Annotated[
        int | None, "inferred positives that training used, or that `identify` made; null without a judge"
    ]
    train_hash: Annotated[str, "identity of the training pairs"]
    split_hash: Annotated[str | None, "identity of train, valid and test; null for `identify`"]


class IdentificationCounts(TypedDict):
    """What the judge was asked for and what it accepted."""

    pairs: Annotated[int, "candidate pairs"]
    llm_calls: Annotated[int, "calls of a language model in this run; verdicts of the store cost none"]
    prompt_tokens: Annotated[int, "tokens of the prompts of these calls"]
    unreadable: Annotated[int, "pairs whose answer could not be read"]
    unjudged: Annotated[int | None, "pairs that nobody judged"]
    accepted: Annotated[int, "pairs that became inferred positives"]


class Judging(TypedDict):
    """What is known of the judge."""

    judge: Annotated[
        dict[str, Any] | None,
        "`judge`, `revision`, `settings` of the judge (of a student: its teacher); of a plugin's: `plugin`, file hash",
    ]
    report: Annotated[dict[str, Any] | None, "what the judge knows of held-in pairs; null where no report was made"]
    calibration: Annotated[dict[str, Any] | None, "how raw scores become probabilities; null where they are some"]
    student: Annotated[dict[str, Any] | None, "how well the student follows its teacher; null without a student"]
    label_mass: Annotated[float | None, "mean probability of the labels that were asked for; null without an LLM"]
    answers: Annotated[dict[str, Any] | None, "how a server answered, in counts; null without a server"]
    learned: Annotated[
        dict[str, Any] | None, "what the learned judge reads and what that is worth; null for other judges"
    ]


def empty_judging() -> Judging:
    """Nothing known of the judge yet."""
    return cast(Judging, dict.fromkeys(Judging.__annotations__))


class Trees(TypedDict):
    """The two index trees."""

    items: Annotated[int, "items with a code"]
    leaves_co: Annotated[int, "leaves of the structural tree"]
    leaves_se: Annotated[int, "leaves of the semantic tree"]
    depth_co: Annotated[int, "depth of the structural tree"]
    depth_se: Annotated[int, "depth of the semantic tree"]
    item_vectors: Annotated[str, "what the semantic tree is made from"]
    agreement: Annotated[float | None, "adjusted Rand index of the leaves of both trees; null where it has no value"]


class Overlap(TypedDict):
    """Inferred positives that are held out. Chance: sum over users of inferred * held out / (items - train)."""

    valid: Annotated[int, "inferred positives in valid"]
    valid_chance: Annotated[float, "the same by chance"]
    test: Annotated[int, "inferred positives in test"]
    test_chance: Annotated[float, "the same by chance"]


class PrecisionBin(TypedDict):
    """Inferred positives of a tenth of probability; bins without pairs are left out."""

    low: Annotated[float, "lowest probability"]
    high: Annotated[float, "highest probability"]
    pairs: Annotated[int, "inferred positives"]
    valid: Annotated[int, "of these in valid"]
    test: Annotated[int, "of these in test"]


class ReliabilityBin(TypedDict):
    """Candidates of a range of probability; bins without pairs are left out."""

    low: Annotated[float, "lowest probability"]
    high: Annotated[float, "highest probability"]
    pairs: Annotated[int, "candidates"]
    predicted: Annotated[float, "mean probability"]
    found: Annotated[float, "share that is in valid, from 0 to 1"]


class Reliability(TypedDict):
    """What the judge's probabilities mean."""

    valid: Annotated[list[ReliabilityBin], "all candidates of the judge against valid"]


class Noise(TypedDict):
    """The noise in train."""

    kind: Annotated[str | None, "`false_positives` (pairs added) or `false_negatives` (pairs hidden)"]
    rate: Annotated[float, "`noise_rate`, a share of the training pairs"]
    seed: Annotated[int, "seed of the noise"]
    pairs: Annotated[int, "pairs added or hidden"]
    recovered: Annotated[int | None, "hidden pairs that were inferred; null where none are hidden or inferred"]
    recovered_chance: Annotated[float | None, "the same by chance"]


class Masks(TypedDict):
    """Test results of the same model under both masks."""

    honest: Annotated[dict[str, float], "by metric, train left out"]
    reference: Annotated[dict[str, float], "by metric, train and inferred positives left out"]


class LeakCheck(TypedDict):
    """The outcome of a leak check."""

    when: Annotated[str, "`before` or `after` training"]
    name: Annotated[str, "what must hold"]
    passed: Annotated[bool, "whether it does"]
    found: Annotated[str, "what was counted"]


# Names of checks. Under the reference protocol these do not pass: that is what such a run is marked for.
MASK_CHECKS = {part: f"the ranking of {part} leaves out seen pairs alone" for part in ("valid", "test")}


class External(TypedDict):
    """An input made elsewhere."""

    kind: Annotated[str, "the key that names it, such as `judge_file`"]
    file: Annotated[str, "name of the file or folder"]
    sha256: Annotated[str | None, "hash of its content; null for a folder"]
    train_hash: Annotated[str | None, "the training pairs it was made from; null: unknown"]
    foreign: Annotated[bool, "whether it was made from other training pairs"]
    marks: Annotated[list[str] | None, "marks that it brings along"]
    dropped: Annotated[int | None, "rows of a `judge_file` that were not used; null for other inputs"]


class Seconds(TypedDict):
    """Wall time of each stage, in seconds; null for a stage that did not run."""

    trees: Annotated[float | None, "making or reading the trees"]
    candidates: Annotated[float | None, "fitting the candidate source and ranking"]
    judging: Annotated[float | None, "scoring and deciding"]
    training: Annotated[float | None, "training without evaluation"]
    sampling: Annotated[float | None, "of training: drawing negatives by a sampler of ours"]
    evaluation: Annotated[float | None, "valid and test"]


class Machine(TypedDict):
    """What the run was made on."""

    system: Annotated[str, "operating system"]
    cpu: Annotated[str, "name of the processor"]
    cores: Annotated[int, "cores that the process may use"]
    threads: Annotated[int, "threads of torch in training"]
    memory_gb: Annotated[float, "main memory in GiB"]
    gpu: Annotated[str | None, "name of the GPU that trained; null on a CPU"]


class Plugin(TypedDict):
    """A Python file of the user's own that ran as part of the program."""

    file: Annotated[str, "name of the file"]
    sha256: Annotated[str, "hash of its content when it was loaded"]


class Configured(TypedDict):
    """What was asked for."""

    schema_version: Annotated[int | None, "version of these fields; null in results from before they had one"]
    model: Annotated[str | None, "RecBole's name of the model; null for `identify`, which trains none"]
    dataset: Annotated[str, "name of the data set"]
    neg_sampler: Annotated[str | None, "the sampler asked for; null where the loss reads no negatives"]
    neg_sampler_effective: Annotated[str | None, "the sampler that ran, such as `dns+tree`; null: none"]
    judge: Annotated[str, "the judge; `none`: no inferred positives"]
    positives_loss: Annotated[str | None, "`pairs` or `list`; null without inferred positives in the loss"]
    protocol: Annotated[str, "`honest` or `reference`"]
    eval_mask: Annotated[str | None, "`train_valid` or `train`"]
    seed: Annotated[int, "seed of model and training"]
    split_seed: Annotated[int | None, "seed of the split"]
    plugins: Annotated[list[Plugin] | None, "every file of the key `plugins`, in its order; null without"]


class Identified(TypedDict):
    """What the offline stage gave."""

    identification: Annotated[IdentificationCounts | None, "counts; null without a judge"]
    judging: Annotated[Judging | None, "about the judge; null without one"]
    candidate_source: Annotated[str | None, "the source that ran; null without candidates"]
    trees: Annotated[Trees | None, "the index trees; null without them"]
    external: Annotated[list[External], "every input made elsewhere"]
    cached: Annotated[list[str], "stages read from the cache"]


class Tested(TypedDict):
    """What only a trained and tested model gives; null for `identify`."""

    masks: Annotated[Masks | None, "test under both masks; null for an honest run"]
    overlap: Annotated[Overlap | None, "inferred positives that are held out; null without any, or without test"]
    precision: Annotated[list[PrecisionBin] | None, "the same by probability; null as `overlap`"]
    reliability: Annotated[Reliability | None, "probabilities against valid; null without a judge"]
    noise: Annotated[Noise | None, "the noise in train; null without noise"]
    hardness: Annotated[
        dict[str, float | None] | None,
        "`hardness.csv` at the best epoch, with `test_share` and `test_chance`; null without a sampler of ours",
    ]
    checks: Annotated[list[LeakCheck] | None, "every leak check"]


class Result(Configured, Identified, Tested):
    """A `result.json`."""

    best_epoch: Annotated[int | None, "best epoch on valid, counted from 0; null without training"]
    best_valid_result: Annotated[dict[str, float] | None, "by metric as RecBole writes it (`recall@20`), best epoch"]
    test_result: Annotated[dict[str, float] | None, "by metric; null where test was not read, as in trials of a search"]
    data: Annotated[Data, "counts and hashes"]
    marks: Annotated[list[str], "what must stand beside the numbers in every table"]
    seconds: Annotated[Seconds, "by stage"]
    peak_memory_mb: Annotated[float | None, "largest resident memory of the process, in MiB"]
    versions: Annotated[dict[str, str | None], "by package; null: not installed"]
    machine: Annotated[Machine | None, "what the run was made on"]
    config: Annotated[dict[str, Any], "every key with its value"]


def check_result(fields: Any, path: Path) -> Result:
    """The content of a `result.json`; missing fields whose type allows None are set to None.

    Args:
        fields: as `json` reads them.
        path: of the file, for messages.

    Raises:
        UserError: it is no object, a newer version wrote it, or a field is missing or of another type.
    """
    version = fields.get("schema_version") if isinstance(fields, Mapping) else None
    if type(version) is int and version > SCHEMA_VERSION:
        raise UserError(
            f"{path} was written by a newer recbole_dtlns: its schema_version is {version}, this version reads up to "
            f"{SCHEMA_VERSION}. Read it with the version that wrote it, or update this one."
        )
    problems: list[str] = []
    result = completed(fields, Result, "", problems)
    if problems:
        more = len(problems) - _PROBLEMS_NAMED
        named = "; ".join(problems[:_PROBLEMS_NAMED]) + (f"; and {more} more" if more > 0 else "")
        raise UserError(
            f"{path} is damaged, or no result of recbole_dtlns: {named}. Restore the file, or remove its folder and "
            "repeat the run."
        )
    return cast(Result, result)
