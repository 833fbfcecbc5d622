"""Which pairs a ranking leaves out: set here, checked here, and nowhere else.

The honest protocol: valid leaves out train, test leaves out train and valid (`eval_mask=train`: train alone). Inferred
positives are ranked like any other item; only `protocol=reference` leaves them out, as the authors' code does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from recbole.data.dataloader import FullSortEvalDataLoader
from recbole.data.utils import create_samplers, get_dataloader
from scipy import sparse

from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data.augmented import InferredIds, positives_matrix
from recbole_dtlns.data.build import BuiltSplit
from recbole_dtlns.errors import UserError


def evaluation_loaders(
    config: Config, split: BuiltSplit, samplers: tuple[Any, Any, Any], extra: InferredIds | None
) -> tuple[Any, Any]:
    """RecBole's loaders of valid and test over the real split, with the mask that the protocol asks for.

    Args:
        config: of the run.
        split: the real split.
        samplers: RecBole's, of train, valid and test; those of valid and test are changed in place.
        extra: inferred positives, which `protocol=reference` leaves out.

    Raises:
        UserError: under the honest protocol a ranking would leave out a pair that is not in the real split.
    """
    _set_masks(config, split, samplers, extra)
    valid_data, test_data = _evaluation_loaders(config, split.parts, samplers)
    _check_masks(config, split, valid_data, test_data)
    return valid_data, test_data


def honest_masks(config: Config, split: BuiltSplit) -> tuple[Any, Any]:
    """Pairs that the rankings of valid and of test leave out under the honest protocol, CSR [U, I].

    None under RecBole's `repeatable`: what a user has had may be wanted again.
    """
    train = positives_matrix(split.real_train)
    if config["repeatable"]:
        nothing = sparse.csr_matrix(train.shape, dtype=train.dtype)
        return nothing, nothing
    seen = train if config.settings.eval_mask == "train" else train + positives_matrix(split.valid)
    return train, seen.tocsr()


def honest_test_loader(config: Config, split: BuiltSplit) -> Any:
    """The loader of test whose ranking leaves out train alone, whatever `eval_mask` is.

    That is the reference mask without the inferred positives: a reference run that is tested with both differs by
    these alone.
    """
    samplers = create_samplers(config, split.dataset, split.parts)
    mask_only(samplers[2], split.test, positives_matrix(split.real_train))
    return _evaluation_loaders(config, split.parts, samplers)[1]


def _set_masks(config: Config, split: BuiltSplit, samplers: tuple[Any, Any, Any], extra: InferredIds | None) -> None:
    """Replace what RecBole's samplers mask where `protocol`, `eval_mask` or noise in train asks for another mask."""
    if config.settings.protocol == "reference":
        masks = (positives_matrix(split.real_train, extra),) * 2
    elif config.settings.eval_mask == "train" or split.noise is not None:
        masks = honest_masks(config, split)
    else:
        return
    for sampler, part, masked in zip(samplers[1:], (split.valid, split.test), masks, strict=True):
        mask_only(sampler, part, masked)


def _check_masks(config: Config, split: BuiltSplit, valid_data: Any, test_data: Any) -> None:
    if config.settings.protocol == "reference":
        return
    valid, test = honest_masks(config, split)
    require_mask(valid_data, valid, "validation")
    require_mask(test_data, test, "test")


def _evaluation_loaders(config: Any, parts: list[Any], samplers: tuple[Any, Any, Any]) -> tuple[Any, Any]:
    """RecBole's loaders of valid and test over the real split."""
    valid = get_dataloader(config, "valid")(config, parts[1], samplers[1], shuffle=False)
    test = get_dataloader(config, "test")(config, parts[2], samplers[2], shuffle=False)
    return valid, test


def mask_only(sampler: Any, part: Any, masked: sparse.csr_matrix) -> None:
    """Let the ranking of this part leave out the pairs of `masked` (CSR [U, I]) and nothing else, in place.

    RecBole leaves out what its sampler has seen, minus the part's own positives, so both are put there.
    """
    own = sparse.csr_matrix(
        (
            np.ones(len(part), dtype=np.int8),
            (part.inter_feat[part.uid_field].numpy(), part.inter_feat[part.iid_field].numpy()),
        ),
        shape=masked.shape,
    )
    seen = (masked.astype(np.int8) + own).tocsr()
    sampler.used_ids = np.array([set(items.tolist()) for items in np.split(seen.indices, seen.indptr[1:-1])])


def require_mask(loader: Any, allowed: sparse.csr_matrix, phase: str) -> None:
    """Raise if the ranking of this loader leaves out a pair that is not in `allowed` (CSR [U, I], internal ids).

    The rule on honest evaluation: an inferred positive in the mask makes every metric meaningless.

    Raises:
        UserError: names the phase and the number of foreign pairs.
    """
    differences = mask_differences(loader, allowed)
    if differences is not None and differences[0]:
        raise UserError(
            f"The {phase} ranking would leave out {differences[0]} pairs that are not in the real split. Results under "
            "such a mask cannot be compared with others; does a plugin edit the data?"
        )


def masked_pairs(loader: Any) -> np.ndarray | None:
    """Pairs that the ranking of a loader leaves out, as user * I + item, int64; None where RecBole masks nothing."""
    if not isinstance(loader, FullSortEvalDataLoader) or loader.is_sequential:
        return None
    return _listed_pairs(loader, loader.uid2history_item)


def mask_differences(loader: Any, allowed: sparse.csr_matrix) -> tuple[int, int] | None:
    """How many pairs the ranking leaves out beyond `allowed` (CSR [U, I]), and how many of these it does not.

    The part's own positives are always ranked. None where RecBole masks nothing.
    """
    masked = masked_pairs(loader)
    if masked is None:
        return None
    users, width = loader.uid_list.numpy(), allowed.shape[1]
    rows = allowed[users].tocsr()
    expected = np.repeat(users, np.diff(rows.indptr)) * width + rows.indices
    expected = np.setdiff1d(expected, _listed_pairs(loader, loader.uid2positive_item))
    return len(np.setdiff1d(masked, expected)), len(np.setdiff1d(expected, masked))


def _listed_pairs(loader: Any, items_of: Any) -> np.ndarray:
    users = loader.uid_list.numpy()
    lists = list(items_of[users])
    rows = np.repeat(users, [len(items) for items in lists])
    items = torch.cat(lists).numpy() if lists else np.zeros(0, dtype=np.int64)
    return np.asarray(rows * loader._dataset.item_num + items)
