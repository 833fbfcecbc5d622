"""Sequential models with loss_type=BPR: negatives of ours, and inferred positives behind the training prefix."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recbole.data.interaction import Interaction
from recbole.model.sequential_recommender.gru4rec import GRU4Rec
from toy import write_timed

from recbole_dtlns.cli import main
from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data.augmented import WEIGHT_FIELD, augment, positives_matrix
from recbole_dtlns.data.build import BuiltSplit, build_split
from recbole_dtlns.data.sequences import interactions, longest_rows
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.identification.stage import identify
from recbole_dtlns.files.run_folder import read_result
from recbole_dtlns.training.assemble import Prepared, prepare
from recbole_dtlns.training.scores import PredictScores, equals_predict, remembered_forward
from recbole_dtlns.training.sequences import SequenceScores

COLUMNS = {"inter": ["user_id", "item_id", "rating", "timestamp"]}
SIZES = {"load_col": COLUMNS, "MAX_ITEM_LIST_LENGTH": 6, "tree_leaf_size": 4, "train_batch_size": 64}
ATTENTION = {"hidden_size": 8, "inner_size": 8, "n_layers": 1, "n_heads": 1}
SHAPES: dict[str, dict[str, Any]] = {
    "SASRec": ATTENTION,
    "BERT4Rec": ATTENTION,
    "GRU4Rec": {"hidden_size": 8, "embedding_size": 8},
    "FPMC": {"embedding_size": 8},
    "SHAN": {"embedding_size": 8, "short_item_length": 2},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: Any) -> Path:
    return write_timed(tmp_path_factory.mktemp("data"))


def configured(model: Any, data: Path, **keys: Any) -> Config:
    shape = SHAPES[model if isinstance(model, str) else "GRU4Rec"]
    loss = {} if model == "FPMC" else {"loss_type": "BPR"}  # FPMC knows no other
    config = Config(model, "timed", config_dict={**SIZES, **shape, **loss, "data_path": str(data), **keys})
    config["checkpoint_dir"] = str(data / "saved")
    return config


def ready(model: Any, data: Path, **keys: Any) -> tuple[Config, BuiltSplit, Prepared]:
    config = configured(model, data, **keys)
    split = build_split(config, data / "cache")
    identified = identify(split.view, config.settings, config.method, data / "cache")
    return config, split, prepare(config, split, identified.inferred, identified.trees)


def flags(data: Path, folder: Path, model: str, *more: str) -> list[str]:
    keys = [f"--{name}={value}" for name, value in {**SIZES, **SHAPES[model]}.items()]
    places = [f"--data_path={data}", f"--run_dir={folder}", f"--cache_dir={data / 'cache'}"]
    return [f"--model={model}", "--loss_type=BPR", "--dataset=timed", *keys, *places, "--epochs=1", *more]


def sequences(data: Path) -> dict[str, list[str]]:
    """Items of each user in the order of time, as the file has them."""
    lines = (data / "timed" / "timed.inter").read_text().splitlines()[1:]
    by_user: dict[str, list[str]] = {}
    for user, item, *_ in map(str.split, lines):
        by_user.setdefault(user, []).append(item)
    return by_user


def bytes_of(part: Any) -> dict[str, bytes]:
    return {name: column.numpy().tobytes() for name, column in part.inter_feat.interaction.items()}


def batches(loader: Any) -> Iterator[dict[str, bytes]]:
    for rows, *_ in loader:
        yield {name: column.numpy().tobytes() for name, column in rows.interaction.items()}


@pytest.mark.parametrize("length", [50, 3])
def test_training_pairs_are_targets_and_items_of_prefixes(data: Path, length: int) -> None:
    """All but the last two items of each user, the first one too, however short the prefixes are cut."""
    config = configured("GRU4Rec", data, MAX_ITEM_LIST_LENGTH=length)
    split = build_split(config, data / "cache")
    wanted = {(user, item) for user, items in sequences(data).items() for item in items[:-2]}
    rows, columns = split.view.matrix.nonzero()
    view = split.view
    assert set(zip(view.users[rows].tolist(), view.items[columns].tolist(), strict=True)) == wanted
    train = split.train
    assert positives_matrix(train).nnz == len(wanted)
    assert len(train) == len(wanted) - len(sequences(data))  # the first item of a user is never a target
    assert len(interactions(train)[0]) == len(wanted)


def test_the_longest_row_of_a_user_is_its_last_training_row(data: Path) -> None:
    config = configured("GRU4Rec", data, MAX_ITEM_LIST_LENGTH=3)  # many rows are equally long
    train = build_split(config, data / "cache").train
    tokens, rows = train.field2id_token, longest_rows(train)
    assert rows[0] == -1
    for user, items in sequences(data).items():
        row = train.inter_feat[int(rows[train.token2id("user_id", user)])]
        assert tokens["item_id"][row["item_id_list"].numpy()].tolist() == items[-6:-3]
        assert tokens["item_id"][int(row["item_id"])] == items[-3]


@pytest.mark.parametrize("model", ["SASRec", "GRU4Rec"])
def test_inferred_items_are_targets_behind_the_training_prefix(data: Path, model: str) -> None:
    _, split, prepared = ready(model, data, judge="keep_all", neg_sampler="dns")
    extra, train = prepared.extra, split.train
    assert extra is not None
    assert len(extra) > 20
    rows = prepared.train_data._dataset.inter_feat
    added = rows[len(train) :]
    assert len(rows) == len(train) + len(extra)
    copied = train.inter_feat[longest_rows(train)[extra.users]]
    for name in set(copied.columns) - {"item_id"}:
        assert torch.equal(added[name], copied[name]), name
    assert added["item_id"].tolist() == extra.items.tolist()
    assert added[WEIGHT_FIELD].numpy() == pytest.approx(extra.weights, abs=1e-6)
    inside = (added["item_id_list"] == added["item_id"].unsqueeze(1)).any(1)
    assert not inside.any()
    before_held_out = {(user, item) for user, items in sequences(data).items() for item in items[:-2]}
    tokens = train.field2id_token
    pairs = zip(tokens["user_id"][extra.users].tolist(), tokens["item_id"][extra.items].tolist(), strict=True)
    assert not before_held_out & set(pairs)


def test_rows_of_valid_and_test_never_change(data: Path) -> None:
    config = configured("GRU4Rec", data, judge="keep_all", neg_sampler="dns")
    split = build_split(config, data / "cache")
    before = [bytes_of(part) for part in split.parts]
    identified = identify(split.view, config.settings, config.method, data / "cache")
    prepared = prepare(config, split, identified.inferred, identified.trees)
    for _ in prepared.train_data:
        pass
    assert [bytes_of(part) for part in split.parts] == before
    _, _, without = ready("GRU4Rec", data, judge="none", neg_sampler="dns")
    assert prepared.extra is not None
    for name in ("valid_data", "test_data"):
        assert list(batches(getattr(prepared, name))) == list(batches(getattr(without, name)))


def test_no_item_of_a_training_prefix_nor_inferred_one_is_drawn(data: Path) -> None:
    _, split, prepared = ready("GRU4Rec", data, judge="keep_all", neg_sampler="dns", neg_candidates=20)
    barred = positives_matrix(split.train, prepared.extra).toarray()
    model, seen = prepared.model, []

    def calculate(rows: Interaction) -> torch.Tensor:
        seen.append(barred[rows[model.USER_ID].numpy(), rows[model.NEG_ITEM_ID].numpy()].any())
        return model.calculate_loss(rows)

    for rows in prepared.train_data:
        prepared.trainer.step(calculate, rows)
    assert seen
    assert not any(seen)


def sample(split: BuiltSplit, n: int = 12) -> Interaction:
    return split.train.inter_feat[torch.arange(n)]


def gradients(model: Any, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    loss.backward()
    return {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}


@pytest.mark.parametrize("name", ["SASRec", "GRU4Rec"])
def test_one_forward_pass_gives_the_scores_the_loss_and_the_gradients(data: Path, name: str) -> None:
    _, split, prepared = ready(name, data, judge="none", neg_sampler="dns")
    model, source = prepared.model, prepared.trainer.step.source
    assert isinstance(source, SequenceScores)
    model.eval()
    rows = sample(split)
    rows.update(Interaction({model.NEG_ITEM_ID: torch.arange(1, 13)}))
    own = gradients(model, model.calculate_loss(rows))
    with remembered_forward(model, source.batch(rows)):
        loss = model.calculate_loss(rows)
    ours = gradients(model, loss)
    assert ours.keys() == own.keys()
    for parameter, value in own.items():
        assert torch.allclose(ours[parameter], value, atol=1e-6), parameter
    candidates = torch.randint(1, model.n_items, (12, 5))
    assert torch.allclose(source.predict(rows, candidates), PredictOnRows(model).predict(rows, candidates), atol=1e-6)


class PredictOnRows(PredictScores):
    """The model's own `predict`."""

    def rows(self, interaction: Interaction) -> Interaction:
        return interaction


def test_the_forward_pass_is_run_once_a_step_and_a_second_call_is_its_own(data: Path) -> None:
    _, split, prepared = ready("GRU4Rec", data, judge="none", neg_sampler="dns")
    model, step = prepared.model, prepared.trainer.step
    calls = []
    model.gru_layers.register_forward_hook(lambda *_: calls.append(1))
    step(model.calculate_loss, sample(split))
    assert len(calls) == 1
    rows = sample(split)
    arguments = rows["item_id_list"], rows["item_length"]
    layers = step.source.batch(rows)
    with remembered_forward(model, layers):
        assert model.forward(rows["item_id_list"].clone(), rows["item_length"]) is not layers.forward.output
        assert model.forward(*arguments) is layers.forward.output
        assert model.forward(*arguments) is not layers.forward.output  # another dropout, as the model means it
    assert "forward" not in vars(model)


def test_scores_at_the_end_of_an_epoch_are_those_of_the_longest_training_prefix(data: Path) -> None:
    _, split, prepared = ready("SASRec", data, judge="none", neg_sampler="dns")
    model, train = prepared.model, split.train
    everyone = prepared.trainer.step.source.everyone()
    assert len(everyone.queries) == split.dataset.user_num
    model.eval()
    for user, item in ((3, 5), (1, 2), (3, 1)):
        longest = train.inter_feat[longest_rows(train)[[user]]]
        longest.update(Interaction({"item_id": torch.tensor([item])}))
        score = (everyone.queries[user] * everyone.items[item]).sum().item()
        assert score == pytest.approx(model.predict(longest).item(), abs=1e-5)


def test_a_model_that_reads_transformed_sequences_is_given_them(data: Path) -> None:
    """SHAN reads each sequence backwards too."""
    _, _, prepared = ready("SHAN", data, judge="none", neg_sampler="dns")
    rows = next(iter(prepared.train_data))
    assert np.isfinite(prepared.trainer.step(prepared.model.calculate_loss, rows).item())


def test_a_model_that_scores_otherwise_is_asked_row_by_row(data: Path) -> None:
    _, split, prepared = ready("FPMC", data, judge="none", neg_sampler="dns")
    source = prepared.trainer.step.source
    assert isinstance(source, PredictScores)
    assert source.sizes is None
    assert equals_predict(prepared.model, source, sample(split))
    assert source.predict(sample(split), torch.randint(1, 20, (12, 3))).shape == (12, 3)


class OwnLoss(torch.nn.Module):
    """A pairwise loss of another type, that takes no weights."""

    def forward(self, positive: torch.Tensor, negative: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.softplus(negative - positive).mean()


class GRU4RecOwnLoss(GRU4Rec):
    """GRU4Rec without RecBole's BPRLoss."""

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.loss_fct = OwnLoss()


def test_a_sequential_model_without_bpr_loss_draws_rows_by_weight(data: Path) -> None:
    _, _, prepared = ready(GRU4RecOwnLoss, data, judge="keep_all", neg_sampler="dns")
    assert prepared.train_data.draws_by_weight
    rows = next(iter(prepared.train_data))
    assert np.isfinite(prepared.trainer.step(prepared.model.calculate_loss, rows).item())


@pytest.mark.parametrize("sampler", ["uniform", "popularity", "dns", "dns_mn", "softmax_rho", "ahns"])
def test_every_id_returning_sampler_trains_a_sequential_model(data: Path, tmp_path: Path, sampler: str) -> None:
    assert main(flags(data, tmp_path, "GRU4Rec", f"--neg_sampler={sampler}")) == 0
    assert read_result(tmp_path)["neg_sampler_effective"] == sampler


def test_the_default_is_the_tree_view_on_dns_with_inferred_positives(data: Path, tmp_path: Path) -> None:
    assert main(flags(data, tmp_path, "SASRec")) == 0
    result = read_result(tmp_path)
    assert (result["neg_sampler"], result["neg_sampler_effective"]) == ("dtl_ns", "dns+tree")
    assert result["judge"] == "rule"
    assert result["data"]["inferred_positives"] > 0


def test_another_loss_runs_as_recbole_has_it(data: Path) -> None:
    config = configured("SASRec", data, loss_type="CE", train_neg_sample_args=None)
    assert config.method.base is None
    assert config.method.effective is None
    assert configured("BERT4Rec", data).method.base is None  # it masks items and draws negatives for these itself


@pytest.mark.parametrize(
    ("model", "keys", "says"),
    [
        ("SASRec", {"neg_sampler": "mixgcf"}, "It works with BPR, LightGCN"),
        ("SASRec", {"loss_type": "CE", "train_neg_sample_args": None, "judge": "rule"}, "loss_type=BPR"),
        ("BERT4Rec", {"neg_sampler": "dns"}, "sequential one with loss_type=BPR"),
        ("BERT4Rec", {"judge": "rule"}, "sequential one with loss_type=BPR"),
        ("SASRec", {"judge_refresh": 1}, "general recommender"),
        ("SASRec", {"protocol": "reference"}, "masks nothing for sequential"),
    ],
)
def test_what_cannot_be_had_is_said(data: Path, model: str, keys: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        configured(model, data, **keys)


def test_several_negatives_leave_the_batch_size_in_positives(data: Path) -> None:
    _, _, prepared = ready("SASRec", data, judge="none", neg_sampler="dns", num_negatives=3)
    seen = []

    def calculate(rows: Interaction) -> torch.Tensor:
        seen.append(rows)
        return prepared.model.calculate_loss(rows)

    positives = next(iter(prepared.train_data))
    assert len(positives) == SIZES["train_batch_size"]
    prepared.trainer.step(calculate, positives)
    assert len(seen[0]) == len(positives)  # the sequence is read once, its three negatives are scored in its row
    assert torch.equal(seen[0]["item_id"], positives["item_id"])


def test_augmenting_leaves_the_real_rows_as_they_are(data: Path) -> None:
    _, split, prepared = ready("GRU4Rec", data, judge="keep_all", neg_sampler="dns")
    train = split.train
    assert prepared.extra is not None
    result = augment(train, prepared.extra)
    for name, column in train.inter_feat.interaction.items():
        assert torch.equal(result.inter_feat[name][: len(train)], column), name
