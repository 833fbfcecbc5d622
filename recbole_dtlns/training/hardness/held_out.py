"""Which negatives are held-out positives, beside what chance gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from recbole_dtlns.data.augmented import InferredIds, is_stored, positives_matrix

_END = np.iinfo(np.int64).max  # above every key, so that a search never ends behind the last one


class HeldOut:
    """The pairs of valid or of test. Memory O(U + pairs).

    Args:
        train: the real training part.
        part: the held-out part, in the same internal ids.
        extra: inferred positives, which are not drawable where `bars_inferred`.
        bars_inferred: the value of `exclude_inferred`.
        device: where negatives are looked up.

    Attributes:
        chance: share of each user's drawable items that are held-out pairs, float32 [U]; 0 for padding. This is what a
            uniform draw gives: pairs that are barred anyway do not count.
    """

    def __init__(
        self, train: Any, part: Any, extra: InferredIds | None, bars_inferred: bool, device: torch.device | str
    ) -> None:
        self._train, self._bars_inferred, self._device = train, bars_inferred, device
        users, items = (part.inter_feat[field].numpy() for field in (part.uid_field, part.iid_field))
        self._pairs = np.unique(users.astype(np.int64) * train.item_num + items)
        self._keys = torch.as_tensor(np.append(self._pairs, _END), device=device)
        self._bar(extra)

    def follow(self, extra: InferredIds | None) -> None:
        """Take other inferred positives from now on. O(E) where they have changed, else nothing."""
        if self._bars_inferred and extra is not self._extra:
            self._bar(extra)

    def _bar(self, extra: InferredIds | None) -> None:
        self._extra = extra
        barred = positives_matrix(self._train, extra if self._bars_inferred else None)
        users, items = np.divmod(self._pairs, self._train.item_num)
        hits = np.bincount(users[~is_stored(barred, users, items)], minlength=barred.shape[0])
        drawable = barred.shape[1] - 1 - np.diff(barred.indptr)
        self.chance = torch.as_tensor((hits / np.maximum(drawable, 1)).astype(np.float32), device=self._device)

    def contains(self, users: Tensor, items: Tensor) -> Tensor:
        """Whether pairs are held out: int64 [R] and [R, C] -> bool [R, C]. O(R C log pairs)."""
        wanted = torch.add(items, users.unsqueeze(1), alpha=self._train.item_num)
        return self._keys[torch.searchsorted(self._keys, wanted)] == wanted
