"""What the offline stage gives, and its files in the folder of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from recbole_dtlns.data.item_text import ItemText
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.false_negatives.identification.during_training import OnlineJudge
from recbole_dtlns.false_negatives.inferred import InferredPositives, write_inferred
from recbole_dtlns.false_negatives.lists import JudgedLists
from recbole_dtlns.false_negatives.report.examples import make_examples
from recbole_dtlns.false_negatives.report.examples_file import write_examples
from recbole_dtlns.files.origin import sidecar
from recbole_dtlns.files.result_schema import External, IdentificationCounts, Judging
from recbole_dtlns.files.run_folder import EXAMPLES, INFERRED
from recbole_dtlns.trees.stage import Trees


@dataclass(frozen=True)
class JudgedPairs:
    """Judged candidates in the numbering of the training view.

    Attributes:
        users: int64 [n].
        items: int64 [n].
        probability: that the pair is a false negative, float64 [n]; NaN where there is no verdict.
    """

    users: np.ndarray
    items: np.ndarray
    probability: np.ndarray


@dataclass
class Identification:
    """What the offline stage found.

    Attributes:
        inferred: inferred positives by token; None where no judge ran.
        trees: both trees in the view's numbering; None where nothing reads codes.
        counts: `pairs`, `llm_calls`, `prompt_tokens`, `unreadable`, `unjudged`, `accepted`; None where no judge ran.
        seconds: of `trees`, `candidates`, `judging`; None for a stage that did not run.
        cached: names of the stages that were found ready.
        external: inputs made elsewhere.
        candidate_source: what the candidates really came from; None where no judge ran.
        judging: the judge's report and what else is known of it, see `Judgement.details`; None where no judge ran.
        online: the judge for use during training; None unless `judge_refresh` is set.
        judged: every judged candidate with its probability; None where no judge ran.
        lists: the judge's values over each user's candidates, for `positives_loss=list` and for a ranking by the judge
            itself (then all of them); None otherwise.
        interrupted: whether Ctrl-C ended the judging early; what was accepted until then is in `inferred`.
    """

    inferred: InferredPositives | None = None
    trees: Trees | None = None
    counts: IdentificationCounts | None = None
    seconds: dict[str, float | None] = field(
        default_factory=lambda: {"trees": None, "candidates": None, "judging": None}
    )
    cached: list[str] = field(default_factory=list)
    external: list[External] = field(default_factory=list)
    candidate_source: str | None = None
    judging: Judging | None = None
    online: OnlineJudge | None = None
    judged: JudgedPairs | None = None
    lists: JudgedLists | None = None
    interrupted: bool = False


def write_identified(
    run_dir: Path, view: TrainSplit, identified: Identification, config: Any, text: ItemText | None
) -> None:
    """Write the inferred positives and examples of them, so that they survive whatever training does.

    None may be left from before.

    Args:
        run_dir: folder of the run.
        view: the training part.
        identified: what the offline stage found.
        config: of the run.
        text: names of items for the examples; None: tokens and code paths stand for them.
    """
    for path in (run_dir / INFERRED, sidecar(run_dir / INFERRED), run_dir / EXAMPLES):
        path.unlink(missing_ok=True)
    if identified.inferred is not None:
        about = {"train_hash": view.train_hash, "settings": config.settings.as_dict(), "judge": config.method.judge}
        write_inferred(run_dir / INFERRED, identified.inferred, about)
        write_examples(run_dir, make_examples(view, identified.inferred, identified.trees, text))
