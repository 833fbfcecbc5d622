"""The inferred positives in the folder of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.false_negatives.identification.identified import Identification
from recbole_dtlns.false_negatives.inferred import write_inferred
from recbole_dtlns.files.origin import sidecar
from recbole_dtlns.files.run_folder import INFERRED


def write_identified(run_dir: Path, view: TrainSplit, identified: Identification, config: Any) -> None:
    """Write the inferred positives, so that they survive whatever training does; none may be left from before."""
    (run_dir / INFERRED).unlink(missing_ok=True)
    sidecar(run_dir / INFERRED).unlink(missing_ok=True)
    if identified.inferred is not None:
        about = {"train_hash": view.train_hash, "settings": config.settings.as_dict(), "judge": config.method.judge}
        write_inferred(run_dir / INFERRED, identified.inferred, about)
