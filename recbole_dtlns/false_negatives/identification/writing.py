"""The inferred positives in the folder of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recbole_dtlns.data.item_text import ItemText
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.false_negatives.identification.identified import Identification
from recbole_dtlns.false_negatives.inferred import write_inferred
from recbole_dtlns.false_negatives.report.examples import make_examples
from recbole_dtlns.false_negatives.report.examples_file import write_examples
from recbole_dtlns.files.origin import sidecar
from recbole_dtlns.files.run_folder import EXAMPLES, INFERRED


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
