"""What is compared: the plan, and the cells that it consists of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from recbole_dtlns.comparison.plan.rows import METHOD_ROWS, Row, make_row
from recbole_dtlns.config.choices import DEFAULT_JUDGE
from recbole_dtlns.config.config_files import raw_value
from recbole_dtlns.config.declared import declared, gives_layers
from recbole_dtlns.config.models import is_sequential


@dataclass(frozen=True)
class Cell:
    """One row on one model and data set, with one judge and at one level of noise; its runs differ in the seed alone.

    Attributes:
        dataset: name of the data set.
        model: name of the RecBole model.
        row: how it is trained.
        judge: `none` where the row has no inferred positives.
        noise: share of noise in train (`noise_rate`).
        judge_keys: extra keys of the judge.
    """

    dataset: str
    model: str
    row: Row
    judge: str
    noise: float = 0.0
    judge_keys: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def label(self) -> str:
        """The row as tables show it: `dtl_ns@rule`, `dns`, `recbole:uniform`."""
        return f"{self.row.name}@{self.judge}" if self.row.judged else self.row.name

    @property
    def folder_name(self) -> str:
        """`label` as a folder name: without the colon, which Windows refuses."""
        return self.label.replace(":", "-")

    @property
    def folder(self) -> Path:
        """Where its runs lie below `runs/`: DATASET/MODEL/LABEL, and `noise-0.1` below that."""
        path = Path(self.dataset) / self.model / self.folder_name
        return path / f"noise-{self.noise}" if self.noise else path

    def keys(self) -> dict[str, Any]:
        """Its configuration, without seeds; the values of a trial go on top of it."""
        noise = {"noise_rate": self.noise} if self.noise else {}
        return {**self.row.keys, "judge": self.judge, **self.judge_keys, **noise}


@dataclass(frozen=True)
class ComparisonPlan:
    """A comparison: data sets x models x rows x judges x noise, each cell with the same trials and seeds.

    Attributes:
        datasets: names of data sets.
        models: names of RecBole models; reference rows bring their own model.
        rows: as asked for; `cells` adds the row that dtl_ns must stand beside.
        judges: judges of every row with inferred positives.
        seeds: seeds of the runs that are compared, the same for every cell; trials have the first.
        split_seed: seed of the data split, the same for all runs.
        trials: settings of each row that are tried on valid, the start values among them; 0: no search.
        search: how they are chosen: random, grid (in order, `trials` is the most of a row) or optuna.
        noise: values of `noise_rate`.
        fixed: keys of all runs.
        shared_search: ranges tried for every row but the reference rows, in RecBole's hyper syntax.
        judge_keys: extra keys of a judge, by its name.
        config_files: YAML files of all runs; `fixed` wins over them.
        allowed: what the user allows (`allow_plugins`, `trust_checkpoint`), for every run of this start; never written.
    """

    datasets: tuple[str, ...]
    models: tuple[str, ...]
    rows: tuple[Row, ...]
    judges: tuple[str, ...] = (DEFAULT_JUDGE,)
    seeds: tuple[int, ...] = (2020,)
    split_seed: int = 2020
    trials: int = 0
    search: str = "random"
    noise: tuple[float, ...] = (0.0,)
    fixed: Mapping[str, Any] = field(default_factory=dict, hash=False)
    shared_search: Mapping[str, str] = field(default_factory=dict, hash=False)
    judge_keys: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)
    config_files: tuple[str, ...] = ()
    allowed: tuple[str, ...] = field(default=(), compare=False)

    def cells(self) -> list[Cell]:
        """Every cell once, data sets first, then models (reference models last), rows, judges and noise."""
        return list(self._cells)

    def as_dict(self) -> dict[str, Any]:
        """The plan as a plan file holds it; read again it gives an equal plan."""
        return {
            "datasets": list(self.datasets),
            "models": list(self.models),
            "samplers": [row.spelled for row in self.rows],
            "judges": list(self.judges),
            "seeds": list(self.seeds),
            "split_seed": self.split_seed,
            "trials": self.trials,
            "search": self.search,
            "ranges": dict(self.shared_search),
            "noise": list(self.noise),
            "fixed": dict(self.fixed),
            "judge_keys": {judge: dict(keys) for judge, keys in self.judge_keys.items()},
            "config_files": list(self.config_files),
        }

    @cached_property
    def _cells(self) -> tuple[Cell, ...]:
        by_folder: dict[Path, Cell] = {}
        references = [row for row in self.rows if row.model is not None]
        for dataset in self.datasets:
            pairs = [(model, row, judge) for model in self.models for row, judge in self._rows_on(model)]
            pairs += [(str(row.model), row, judge) for row in references for judge in self.judges_of(row)]
            for model, row, judge in pairs:
                for noise in self.noise:
                    cell = Cell(dataset, model, row, judge, noise, self.judge_keys.get(judge, {}))
                    by_folder.setdefault(cell.folder, cell)
        return tuple(by_folder.values())

    def judges_of(self, row: Row) -> tuple[str, ...]:
        """The judges that a row crosses with; `none` for a row without inferred positives."""
        if row.judge is not None:
            return (row.judge,)
        return self.judges if row.judged else ("none",)

    def trains_on_lists(self, row: Row, judge: str, model: str) -> bool:
        """Whether a row trains on lists: by `positives_loss`; unset, for the learned judge where there can be any.

        There are none for sequential models and under the reference protocol.
        """
        sources = (self.judge_keys.get(judge, {}), row.keys, self.fixed, self.config_files)
        named, protocol = (raw_value(key, *sources) for key in ("positives_loss", "protocol"))
        if named is not None:
            return bool(named == "list")
        return declared(judge).prefers_lists and protocol != "reference" and not is_sequential(model)

    def _rows_on(self, model: str) -> Iterator[tuple[Row, str]]:
        """Rows and judges on a model of the plan, each with the row that it must stand beside.

        dtl_ns is the tree view on mixgcf, trained with inferred positives; the same without the view is `mixgcf+pos`,
        or `mixgcf+list` where it trains on lists. On a model without layers dtl_ns runs on dns, and that row is
        `dns+pos` or `dns+list`.
        """
        asked = [
            (make_row(row.name) if row.judge else row, judge)
            for row in self.rows
            if row.model is None
            for judge in self.judges_of(row)
        ]
        base = "mixgcf" if gives_layers(model) else "dns"
        present = {(row.name, judge) for row, judge in asked}
        for row, judge in asked:
            yield row, judge
            beside = make_row(f"{base}+{'list' if self.trains_on_lists(row, judge, model) else 'pos'}")
            if row.name in METHOD_ROWS and (beside.name, judge) not in present:
                yield beside, judge
