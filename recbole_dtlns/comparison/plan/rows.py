"""The rows of a comparison: what a name such as `mixgcf+pos` or `tree_only` means as a configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from recbole_dtlns.config.choices import JUDGED_ORDER, STOCK_SAMPLERS
from recbole_dtlns.config.config_files import literal
from recbole_dtlns.config.declared import is_sampler, table
from recbole_dtlns.config.declared import require_judge as known_judge
from recbole_dtlns.config.nearest import nearest
from recbole_dtlns.config.recbole_files import recbole_folder
from recbole_dtlns.errors import UserError

METHOD = "dtl_ns"
JUDGE_ROW = "judge"
REFERENCES = ("Pop", "ItemKNN", "EASE", "SLIMElastic", "RecVAE", "SimpleX", "NCL")
# Reference rows that are trained: keys of RecBole's own learning, which are tuned for each of them or left at RecBole's
# start values. Epochs and early stopping are those of all runs.
_TRAINED = ("RecVAE", "SimpleX", "NCL")
_LEARNING = ("learner", "learning_rate", "weight_decay", "train_batch_size", "clip_grad_norm", "require_pow")
# Models with a loss of pairs get the negatives of RecBole's own loader: a sampler of ours would make them another row.
_PAIRWISE = ("SimpleX", "NCL")
METHOD_ROWS = (METHOD, f"{METHOD}+pos", f"{METHOD}+list")  # with the start value of positives_loss, and pinned
ALIASES = {"augment_only": "mixgcf+pos", "tree_only": "mixgcf+tree"}
CONTROLS: dict[str, dict[str, Any]] = {
    "shuffled_codes": {"shuffle_codes": True},
    "random_positives": {"random_positives": True},
    "exclude_only": {"augment_loss": False},
}
_ADDED = ("tree", "pos", "list", "reference")
_LOSSES = {"pos": "pairs", "list": "list"}  # what the word pins positives_loss to
_JUDGE = "judge="
# RecBole's own loader has keys of ours: the exponent of popularity, the candidates of dynamic.
_STOCK_SEARCH = {"recbole:popularity": ("sampler/popularity",), "recbole:dynamic": ("sampler/dns",)}


@dataclass(frozen=True)
class Row:
    """One way to train, whatever the model and data set.

    Attributes:
        name: canonical name: `mixgcf+pos`, `recbole:uniform`, `EASE`.
        keys: configuration without the judge.
        judged: whether it reads verdicts and so crosses with the judges; others run with judge=none.
        search: YAML files below `properties/`, without ending, whose `search` ranges it tries.
        model: the model of a reference row; None where the models of the plan are trained.
        judge: the one judge of `judge=NAME`; None: those of the plan.
    """

    name: str
    keys: Mapping[str, Any] = field(hash=False)
    judged: bool
    search: tuple[str, ...]
    model: str | None = None
    judge: str | None = None

    @property
    def spelled(self) -> str:
        """The name that `make_row` makes this row from again."""
        return self.name if self.judge is None else f"{_JUDGE}{self.judge}"

    @property
    def drawn_as(self) -> str:
        """What draws of settings are seeded by: the row without positives, protocol and controls.

        An ablation then tries the settings of the row that it is an ablation of.
        """
        words = self.name.split("+")
        return (
            METHOD if self.name in CONTROLS else "+".join(word for word in words if word not in {*_LOSSES, "reference"})
        )


def make_row(name: str, known_only: bool = True) -> Row:
    """The row of that name.

    Names are a sampler of ours or `recbole:uniform|popularity|dynamic`, with `+tree` (the tree view), `+pos` (the
    judge's inferred positives as rows of the loss) or `+list` (its lists as a soft target), and `+reference` (the
    authors' evaluation, marked) behind them; behind `dtl_ns`, `+pos` and `+list` pin its loss; the ablations of dtl_ns
    (`augment_only`, `tree_only`, `judge=NAME`, `shuffled_codes`, `random_positives`, `exclude_only`); and the reference
    rows: `judge` (the judge's own order), `Pop`, `ItemKNN`, `EASE`, `SLIMElastic`, `RecVAE`, `SimpleX`, `NCL`.
    Without `known_only` samplers and judges are not looked up: they may be those of a plugin that is not loaded.

    Raises:
        UserError: there is no such row, or it cannot be had; the message has near names.
    """
    name = ALIASES.get(name, name)
    if name in REFERENCES:
        return Row(name, _reference_keys(name), judged=False, search=(f"model/{name}",), model=name)
    if name == JUDGE_ROW:
        return Row(name, {"neg_sampler": None}, judged=True, search=(), model=JUDGED_ORDER)
    if name in CONTROLS:
        return Row(name, {"neg_sampler": METHOD, **CONTROLS[name]}, judged=True, search=(f"sampler/{METHOD}",))
    if name.startswith(_JUDGE):
        judge = name.removeprefix(_JUDGE)
        if known_only:
            require_judge(judge)
        return Row(METHOD, {"neg_sampler": METHOD}, judged=True, search=(f"sampler/{METHOD}",), judge=judge)
    return _sampler_row(name, known_only)


def _sampler_row(name: str, known_only: bool) -> Row:
    base, *added = name.split("+")
    if known_only and not is_sampler(base):
        names = [*table("samplers"), *STOCK_SAMPLERS, *ALIASES, *CONTROLS, JUDGE_ROW, *REFERENCES]
        raise UserError(
            f"There is no row {name!r}{nearest(base, names) or '.'} A row is one of {', '.join(names)}, or judge=NAME; "
            "samplers take +tree, +pos or +list, and +reference behind the name."
        )
    if set(added) - set(_ADDED) or len(added) != len(set(added)):
        raise UserError(f"Row {name!r}: expected +{', +'.join(_ADDED)} or several of them behind {base}, each once.")
    losses = [_LOSSES[word] for word in added if word in _LOSSES]
    _require_possible(name, base, added)
    tree, reference = "tree" in added, "reference" in added
    search = _STOCK_SEARCH.get(base, ()) if base in STOCK_SAMPLERS else (f"sampler/{base}",)
    return Row(
        name="+".join([base, *(word for word in _ADDED if word in added)]),
        keys={
            "neg_sampler": base,
            **({"tree_view": True} if tree else {}),
            **({"positives_loss": losses[0]} if losses else {}),
            **({"protocol": "reference"} if reference else {}),
        },
        judged=bool(losses) or base == METHOD,
        search=(*search, f"sampler/{METHOD}") if tree else search,
    )


def _require_possible(name: str, base: str, added: Sequence[str]) -> None:
    """Raise UserError for known words that do not go together, or not with the sampler."""
    if base == METHOD and "tree" in added:
        raise UserError(
            f"Row {name!r}: {METHOD} has the tree view already. Write {METHOD}, or mixgcf+tree, mixgcf+pos, "
            "mixgcf+list for its parts."
        )
    if set(_LOSSES) <= set(added):
        raise UserError(
            f"Row {name!r}: +pos makes the judge's positives rows of the loss, +list its lists a soft target. Name one."
        )
    for word, what in (("tree", "the tree view"), ("list", "the list loss")):
        if word in added and base in STOCK_SAMPLERS:
            raise UserError(f"Row {name!r}: {what} needs a sampler of ours, and {base} is RecBole's own loader.")
    if "list" in added and "reference" in added:
        raise UserError(f"Row {name!r}: +reference filters pairs, not lists. Write +pos with it.")


def require_judge(name: str) -> None:
    """Raise UserError, with near names, unless a comparison can have this judge."""
    if name == "none":
        raise UserError(
            "A comparison has no judge 'none': rows without inferred positives run without a judge anyhow. For dtl_ns "
            "without its positives name the row tree_only."
        )
    known_judge(name)


def _reference_keys(model: str) -> dict[str, Any]:
    """RecBole's start values of a reference row.

    They are pinned: a neg_sampler, reg_weight or learning_rate in a file for all runs is meant for the models that are
    compared.
    """
    keys: dict[str, Any] = {"neg_sampler": None}
    if model in _TRAINED:
        stock = _stock_values("overall")
        keys |= {key: stock[key] for key in _LEARNING}
    if model in _PAIRWISE:
        keys |= {"neg_sampler": "recbole:uniform", "num_negatives": 1}
    return {**keys, **_stock_values(f"model/{model}")}


def _stock_values(name: str) -> dict[str, Any]:
    """The content of one of RecBole's property files."""
    path = recbole_folder() / "properties" / f"{name}.yaml"
    values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    return {key: literal(value) for key, value in values.items()}  # YAML reads 1e-05 as text
