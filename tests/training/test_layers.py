"""Layer sources, propagation and losses against the models' own code, on ml-100k."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from recbole.data import create_dataset
from recbole.data.interaction import Interaction
from recbole.model.loss import BPRLoss
from recbole.utils import get_model, init_seed

from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data.augmented import WEIGHT_FIELD
from recbole_dtlns.errors import UserError
from recbole_dtlns.samplers.base import BaseSampler
from recbole_dtlns.samplers.batch import Batch, Choice
from recbole_dtlns.samplers.parts.layers import BatchLayers
from recbole_dtlns.training.layers import LAYER_SOURCES, mean_pooled
from recbole_dtlns.training.loss import WeightedBPRLoss, replace_bpr_loss
from recbole_dtlns.training.scores import (
    PredictScores,
    TableScores,
    equals_predict,
    remembered_forward,
    sample_pairs,
    scoring,
)
from recbole_dtlns.training.step import SampledStep, WeightedStep

LAYERED = ["BPR", "LightGCN", "NGCF", "SpectralCF"]
USERS, POSITIVES = torch.arange(1, 9), torch.arange(11, 19)


@cache
def training_part() -> Any:
    config = Config("BPR", "ml-100k")
    init_seed(2020, True)
    return create_dataset(config).build()[0]


def fresh(name: str, **keys: Any) -> Any:
    config = Config(name, "ml-100k", config_dict={"embedding_size": 16, **keys})
    init_seed(7, True)
    return get_model(name)(config, training_part())


def batch(model: Any, n: int = 64, seed: int = 0) -> Interaction:
    draw = np.random.default_rng(seed)
    columns = {model.USER_ID: model.n_users, model.ITEM_ID: model.n_items, model.NEG_ITEM_ID: model.n_items}
    return Interaction({name: torch.as_tensor(draw.integers(1, high, n)) for name, high in columns.items()})


def gradients(model: Any, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    loss.backward()
    return {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}


@pytest.mark.parametrize("name", LAYERED)
def test_layers_add_up_to_the_models_own_scores(name: str) -> None:
    model = fresh(name)
    assert equals_predict(model, TableScores(model, LAYER_SOURCES[name](model)), sample_pairs(model))


def test_ncl_has_the_layers_of_lightgcn() -> None:
    pytest.importorskip("faiss")
    model = fresh("NCL", num_clusters=10)
    source = scoring(model)
    assert isinstance(source, TableScores)
    assert source.sizes == (16,) * (model.n_layers + 1)


@pytest.mark.parametrize(
    ("name", "keys"), [("LightGCN", {}), ("NGCF", {}), ("NGCF", {"hidden_size_list": [8, 4]}), ("SpectralCF", {})]
)
def test_one_propagation_gives_the_loss_and_gradients_of_the_models_own(name: str, keys: dict[str, Any]) -> None:
    model = fresh(name, message_dropout=0.0, **keys) if name == "NGCF" else fresh(name)
    rows = batch(model)
    own_loss = model.calculate_loss(rows)
    own = gradients(model, own_loss)
    with remembered_forward(model, LAYER_SOURCES[name](model)().batch(rows[model.USER_ID])):
        loss = model.calculate_loss(rows)
    assert torch.allclose(loss, own_loss, atol=1e-6)
    ours = gradients(model, loss)
    assert ours.keys() == own.keys()
    for parameter, value in own.items():
        assert torch.allclose(ours[parameter], value, atol=1e-6), parameter
    assert "forward" not in vars(model)


def test_node_dropout_keeps_ngcfs_own_forward_pass() -> None:
    model = fresh("NGCF", node_dropout=0.1)
    source = LAYER_SOURCES["NGCF"](model)
    assert source.propagate is None  # type: ignore[attr-defined]
    assert equals_predict(model, TableScores(model, source), sample_pairs(model))


def test_users_are_gathered_once_where_the_score_reads_them_as_they_are() -> None:
    alone = LAYER_SOURCES["BPR"](fresh("BPR"))().batch(USERS)
    assert alone.users() is alone.queries
    model = fresh("LightGCN")
    pooled = LAYER_SOURCES["LightGCN"](model)().batch(USERS)
    torch.testing.assert_close(pooled.users()[:, :16], model.user_embedding.weight[USERS])
    assert not torch.allclose(pooled.users(), pooled.queries)


def plain_layers(model: Any, users: torch.Tensor) -> BatchLayers:
    """LightGCN's layers by products of its own adjacency, all of them with plain gradients."""
    layers = [model.get_ego_embeddings()]
    for _ in range(model.n_layers):
        layers.append(torch.sparse.mm(model.norm_adj_matrix, layers[-1]))
    return mean_pooled(layers, model.n_users).batch(users)


def plain_scores(model: Any, name: str, negatives: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Scores of a p + (1 - a) n, layer by layer in a loop, as MixGCF's authors write it; share [R, H]."""
    layers = plain_layers(model, USERS) if name == "LightGCN" else LAYER_SOURCES[name](model)().batch(USERS)
    pieces = zip(layers.queries.split(layers.sizes, -1), layers.items.split(layers.sizes, -1), strict=True)
    scores = torch.zeros(len(USERS))
    for layer, (query, items) in enumerate(pieces):
        part = share[:, layer, None]
        scores = scores + (query * (part * items[POSITIVES] + (1 - part) * items[negatives[:, layer]])).sum(-1)
    return scores


@pytest.mark.parametrize("name", LAYERED)
@pytest.mark.parametrize("mixing", [True, False])
def test_composite_scores_and_gradients_equal_the_plain_way(name: str, mixing: bool) -> None:
    model = fresh(name, **({"hidden_size_list": [8, 4]} if name == "NGCF" else {})).eval()
    layers = LAYER_SOURCES[name](model)().batch(USERS)
    negatives = torch.randint(1, model.n_items, (8, len(layers.sizes)))
    share = torch.rand(8, len(layers.sizes)) * mixing
    wide = layers.widen(share)
    scores = layers.scores(wide * layers.rows(POSITIVES) + (1 - wide) * layers.composite(negatives))
    ours = gradients(model, scores.sum())
    plain = plain_scores(model, name, negatives, share)
    assert torch.allclose(scores, plain, atol=1e-6)
    for parameter, value in gradients(model, plain.sum()).items():
        assert torch.allclose(ours[parameter], value, atol=1e-6), parameter


def test_margin_of_a_mixed_negative_is_the_shrunk_margin() -> None:
    """With mean pooling s_p - s_n = mean over layers of (1 - a_h)(<u, e_p^h> - <u, e_n^h>)."""
    model = fresh("LightGCN").eval()
    layers = LAYER_SOURCES["LightGCN"](model)().batch(USERS)
    negatives, share = torch.randint(1, model.n_items, (8, 3)), torch.rand(8, 3)
    positive = layers.layer_scores(POSITIVES[:, None])[:, 0]
    negative = torch.stack([layers.layer_scores(negatives)[:, h, h] for h in range(3)], 1)
    margin = ((1 - share) * (positive - negative)).sum(-1)
    mixed = positive.sum(-1) - plain_scores(model, "LightGCN", negatives, share)
    assert torch.allclose(margin, mixed, atol=1e-6)


@pytest.mark.parametrize("name", LAYERED)
def test_scores_at_the_end_of_an_epoch_are_the_models_own(name: str) -> None:
    model = fresh(name)
    everyone = scoring(model).everyone()
    assert everyone is not None
    assert len(everyone.queries) == model.n_users
    ids = torch.randint(1, model.n_items, (8, 3))
    rows = Interaction({model.USER_ID: USERS.repeat_interleave(3), model.ITEM_ID: ids.reshape(-1)})
    own = model.eval().predict(rows).reshape(8, 3)
    scores = (everyone.queries[USERS].unsqueeze(1) * everyone.items[ids]).sum(-1)
    assert torch.allclose(scores, own, atol=1e-5)
    assert not everyone.items.requires_grad
    assert model.training is False


def test_tables_of_models_with_a_bare_forward() -> None:
    source = scoring(fresh("DGCF", n_factors=2, n_iterations=1, n_layers=1))
    assert isinstance(source, TableScores)
    assert source.sizes == (16,)


@pytest.mark.parametrize("name", ["LINE", "SimpleX"])
def test_other_models_are_asked_pair_by_pair(name: str) -> None:
    model = fresh(name).eval()
    source = scoring(model)
    assert isinstance(source, PredictScores)
    rows = batch(model, n=5)
    candidates = torch.randint(1, model.n_items, (5, 3))
    scores = source.predict(rows, candidates)
    pair = Interaction({model.USER_ID: rows[model.USER_ID][2:3], model.ITEM_ID: candidates[2, 1:2]})
    assert scores.shape == (5, 3)
    assert scores[2, 1].item() == pytest.approx(model.predict(pair).item(), abs=1e-5)
    source.at_once = 7  # two rows at a time
    assert torch.allclose(source.predict(rows, candidates), scores, atol=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_asking_a_model_leaves_its_mode(training: bool) -> None:
    model = fresh("BPR").train(training)
    scoring(model)
    assert model.training is training


@pytest.mark.parametrize("factor", [0, 1.01])
def test_a_changed_model_of_a_known_name_is_refused(factor: float) -> None:
    model = fresh("BPR")
    stock = model.predict
    model.predict = lambda pairs: factor * stock(pairs)
    with pytest.raises(UserError, match="do not add up"):
        scoring(model)


def test_weighted_loss_with_weights_of_one_is_recboles() -> None:
    positive, negative = torch.randn(50), torch.randn(50)
    loss = WeightedBPRLoss()
    assert loss(positive, negative) == BPRLoss()(positive, negative)
    loss.weight = torch.ones(50)
    assert torch.allclose(loss(positive, negative), BPRLoss()(positive, negative))


def test_weights_by_hand_and_negatives_without_an_id() -> None:
    loss = WeightedBPRLoss()
    loss.weight = torch.tensor([1.0, 0.0, 3.0])
    loss.negative_scores = torch.tensor([[0.0], [9.0], [2.0]])
    rows = -torch.log(torch.sigmoid(torch.tensor([1.0, 1.0]) - torch.tensor([0.0, 2.0])))
    wanted = pytest.approx(((rows[0] + 3 * rows[1]) / 4).item(), abs=1e-6)
    assert loss(torch.ones(3), torch.zeros(3)).item() == wanted
    assert loss(torch.ones(3, 1), torch.zeros(3, 1)).item() == wanted  # some models score in a column
    loss.negative_scores = None
    column = loss(torch.ones(3, 1), torch.tensor([[0.0], [9.0], [2.0]])).item()
    assert column == wanted


def test_weights_of_several_negatives_and_a_replaced_positive_by_hand() -> None:
    loss = WeightedBPRLoss()
    loss.positive_scores = torch.tensor([1.0, 2.0])
    loss.negative_scores = torch.tensor([[0.0, 1.0], [3.0, 5.0]])
    loss.negative_weights = torch.tensor([[0.5, 0.5], [1.0, 0.0]])
    cost = -torch.log(torch.sigmoid(torch.tensor([1.0, 0.0, -1.0])))
    value = loss(torch.zeros(2), torch.zeros(2)).item()
    assert value == pytest.approx(((0.5 * cost[0] + 0.5 * cost[1] + cost[2]) / 2).item(), abs=1e-6)
    assert loss.margin is not None
    assert loss.margin.item() == pytest.approx((0.5 * 1 + 0.5 * 0 + 1 * -1 + 0 * -3) / 2)  # by their weights


class TwoLosses(torch.nn.Module):
    """A loss of the recommender part and one over triples, as CKE has them."""

    def __init__(self) -> None:
        super().__init__()
        self.rec_loss, self.kg_loss = BPRLoss(), BPRLoss()


def test_the_loss_over_triples_is_left_alone() -> None:
    model = TwoLosses()
    assert replace_bpr_loss(model) is model.rec_loss
    assert type(model.kg_loss) is BPRLoss


def test_losses_of_a_model_become_one_with_their_gamma() -> None:
    model = TwoLosses()
    model.rec_loss, model.other_loss = BPRLoss(gamma=0.5), BPRLoss(gamma=0.5)
    loss = replace_bpr_loss(model)
    assert loss is model.rec_loss is model.other_loss
    assert loss.gamma == 0.5


def test_the_weighted_loss_is_finite_without_weight_and_for_a_hopeless_margin() -> None:
    loss = WeightedBPRLoss()
    loss.weight = torch.zeros(2)
    assert loss(torch.ones(2), torch.zeros(2)) == 0
    loss.weight = torch.ones(2)
    assert loss(torch.zeros(2), torch.full((2,), 200.0)).isfinite()


def test_only_recboles_own_loss_is_replaced_and_state_stays() -> None:
    model = fresh("LightGCN")
    before = set(model.state_dict())
    assert isinstance(replace_bpr_loss(model), WeightedBPRLoss)
    assert isinstance(model.mf_loss, WeightedBPRLoss)
    assert set(model.state_dict()) == before
    assert replace_bpr_loss(fresh("SimpleX")) is None


class FirstTwoItems(BaseSampler):
    """Takes item 1 in layer 0 and item 2 above, unmixed."""

    def propose(self, users: torch.Tensor, n: int) -> torch.Tensor:
        return torch.tensor([1, 2]).repeat(len(users), 1)

    def choose(self, view: Batch, picked: torch.Tensor, scores: torch.Tensor) -> Choice:
        layers = view.layer_scores.shape[2]
        return Choice(torch.tensor([[1] + [2] * (layers - 1)]).repeat(len(view.users), 1, 1))


@pytest.mark.parametrize("n_negatives", [1, 3])
def test_the_step_hands_ids_weights_and_scores_to_the_models_loss(n_negatives: int) -> None:
    model = fresh("LightGCN")
    loss = replace_bpr_loss(model)
    source = scoring(model)
    step = SampledStep(model, source, FirstTwoItems(), torch.Generator(), loss, 2, n_negatives)
    rows = batch(model, n=6)
    weights = torch.tensor([1.0, 2, 3, 4, 5, 6])
    rows.update(Interaction({WEIGHT_FIELD: weights}))
    seen: list[Interaction] = []

    def calculate(interaction: Interaction) -> torch.Tensor:
        seen.append(interaction)
        return model.calculate_loss(interaction)

    value = step(calculate, rows)
    assert len(seen[0]) == 6  # so that no other part of the loss is repeated
    assert seen[0][model.NEG_ITEM_ID].unique().tolist() == [1]  # layer 0's item, for the L2 term
    assert loss is not None
    assert loss.weight is None
    assert loss.negative_scores is None
    layers = source.batch(rows)
    assert layers is not None
    negative = layers.scores(layers.composite(torch.tensor([1, 2, 2]).repeat(6, 1)))
    positive = layers.layer_scores(rows[model.ITEM_ID][:, None]).sum(-1)[:, 0]
    losses = -torch.log(1e-10 + torch.sigmoid(positive - negative))
    l2 = model.reg_loss(*(table(ids) for table, ids in _rows_of_l2(model, seen[0])), require_pow=model.require_pow)
    expected = (weights * losses).sum() / weights.sum() + model.reg_weight * l2
    assert value.item() == pytest.approx(expected.item(), abs=1e-5)


def _rows_of_l2(model: Any, rows: Interaction) -> list[tuple[Any, torch.Tensor]]:
    return [
        (model.user_embedding, rows[model.USER_ID]),
        (model.item_embedding, rows[model.ITEM_ID]),
        (model.item_embedding, rows[model.NEG_ITEM_ID]),
    ]


def test_stock_negatives_keep_their_weights() -> None:
    model = fresh("BPR")
    loss = replace_bpr_loss(model)
    assert loss is not None
    rows = batch(model, n=2)
    rows.update(Interaction({WEIGHT_FIELD: torch.tensor([1.0, 0.0])}))
    only_first = WeightedStep(loss)(model.calculate_loss, rows)
    first = Interaction({name: rows[name][:1] for name in (model.USER_ID, model.ITEM_ID, model.NEG_ITEM_ID)})
    assert only_first.item() == pytest.approx(model.calculate_loss(first).item(), abs=1e-6)


class OneItemABlock(BaseSampler):
    """Takes item 1 for the first block of six rows, item 2 for the second, and so on; the third weighs twice."""

    def __init__(self, weighted: bool) -> None:
        self.weighted = weighted

    def propose(self, users: torch.Tensor, n: int) -> torch.Tensor:
        return (torch.arange(len(users)) // 6 + 1).unsqueeze(1)

    def choose(self, view: Batch, picked: torch.Tensor, scores: torch.Tensor) -> Choice:
        weights = 1.0 + (view.candidates == 3) if self.weighted else None
        return Choice(view.candidates, weights=weights, aux_loss=view.candidates[:, 0].float())


@pytest.mark.parametrize("weighted", [False, True])
def test_several_choices_of_a_positive_are_scored_in_its_own_row(weighted: bool) -> None:
    model = fresh("LightGCN")
    loss = replace_bpr_loss(model)
    source = scoring(model)
    step = SampledStep(model, source, OneItemABlock(weighted), torch.Generator(), loss, 1, 3)
    rows = batch(model, n=6)
    weights = torch.tensor([1.0, 2, 3, 4, 5, 6])
    rows.update(Interaction({WEIGHT_FIELD: weights}))
    value = step(model.calculate_loss, rows)
    layers = source.batch(rows)
    assert layers is not None
    scores = layers.layer_scores(torch.cat([rows[model.ITEM_ID][:, None], torch.tensor([[1, 2, 3]] * 6)], 1)).sum(-1)
    losses = -torch.log(1e-10 + torch.sigmoid(scores[:, :1] - scores[:, 1:]))
    mean = (losses * torch.tensor([1.0, 1.0, 2.0 if weighted else 1.0])).mean(1)
    rows.update(Interaction({model.NEG_ITEM_ID: torch.ones(6, dtype=torch.long)}))
    l2 = model.reg_loss(*(table(ids) for table, ids in _rows_of_l2(model, rows)), require_pow=model.require_pow)
    expected = (weights * mean).sum() / weights.sum() + model.reg_weight * l2 + 2  # the sampler's own: 1, 2 and 3
    assert value.item() == pytest.approx(expected.item(), abs=1e-5)


def test_the_samplers_own_loss_weighs_rows_as_the_models_does() -> None:
    model = fresh("BPR")
    loss = replace_bpr_loss(model)
    sampler = OneItemABlock(False)
    sampler.choose = lambda view, picked, scores: Choice(  # type: ignore[method-assign]
        view.candidates, aux_loss=view.users.float()
    )
    step = SampledStep(model, scoring(model), sampler, torch.Generator(), loss, 1, 1)
    rows = batch(model, n=6)
    rows.update(Interaction({WEIGHT_FIELD: torch.tensor([0.0, 0, 0, 1, 0, 0])}))
    with_aux = step(model.calculate_loss, rows)
    sampler.choose = lambda view, picked, scores: Choice(view.candidates)  # type: ignore[method-assign]
    assert (with_aux - step(model.calculate_loss, rows)).item() == pytest.approx(
        float(rows[model.USER_ID][3]), rel=1e-5
    )
