"""What one forward pass reads after the cached prefixes: rows of suffixes, their positions and their masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Rows:
    """R rows, each the suffixes of one or more pairs behind one prefix, padded on the right to Q tokens.

    Right, because pads on the left would count towards a sliding window.

    Attributes:
        tokens: int64 [R, Q], 0 = padding.
        positions: int64 [R, Q]; every suffix begins where its row's prefix ends.
        branches: int64 [R, Q]: which suffix of its row a token belongs to; -1 = padding.
        prefix: length of each row's prefix, int64 [R].
        last: place of the last token of each pair in the flattened [R * Q], int64 [pairs].
        count: tokens that are no padding.
    """

    tokens: Tensor
    positions: Tensor
    branches: Tensor
    prefix: Tensor
    last: Tensor
    count: int

    @classmethod
    def of(cls, suffixes: Sequence[Sequence[Sequence[int]]], prefix: Sequence[int]) -> Rows:
        """Lay out the suffixes of each row side by side."""
        width = max(sum(map(len, row)) for row in suffixes)
        tokens, positions, branches, last = [], [], [], []
        for number, (row, begin) in enumerate(zip(suffixes, prefix, strict=True)):
            flat = [token for suffix in row for token in suffix]
            pad = [0] * (width - len(flat))
            tokens.append(flat + pad)
            positions.append([begin + place for suffix in row for place in range(len(suffix))] + pad)
            branches.append([branch for branch, suffix in enumerate(row) for _ in suffix] + [-1 for _ in pad])
            end = number * width - 1
            for suffix in row:
                end += len(suffix)
                last.append(end)
        count = sum(len(suffix) for row in suffixes for suffix in row)
        tensor = torch.tensor
        return cls(tensor(tokens), tensor(positions), tensor(branches), tensor(list(prefix)), tensor(last), count)

    def to(self, device: torch.device) -> Rows:
        """The same on a device, so that masks are made there."""
        tokens, positions, branches = (one.to(device) for one in (self.tokens, self.positions, self.branches))
        return Rows(tokens, positions, branches, self.prefix.to(device), self.last.to(device), self.count)

    def padding_mask(self, width: int) -> Tensor:
        """For rows of one suffix: int64 [R, width + Q], 1 where a token is real; `width` = the padded prefix."""
        before = torch.arange(width, device=self.tokens.device)[None] < self.prefix[:, None]
        return torch.cat([before, self.branches >= 0], dim=1).long()

    def tree_mask(self, width: int, dtype: torch.dtype, window: int | None = None) -> Tensor:
        """What each token may look at: its prefix, and what stands before it in its own suffix.

        Args:
            width: length of the padded prefix.
            dtype: of the model.
            window: tokens that a sliding-window layer sees, itself included; the columns of the prefix are then those
                that such a layer's cache keeps, the last `window - 1`.

        Returns:
            float [R, 1, Q, K]: 0 = may, the lowest number = may not; K = kept prefix + Q.
        """
        (rows, length), device = self.tokens.shape, self.tokens.device
        order, places = torch.arange(length, device=device), torch.arange(width, device=device)
        own = (self.branches[:, :, None] == self.branches[:, None, :]) & (order[:, None] >= order[None, :])
        before = (places[None] < self.prefix[:, None])[:, None, :].expand(rows, length, width)
        allowed = torch.cat([before, own], dim=2)  # [R, Q, width + Q]
        if window is not None:
            keys = torch.cat([places.expand(rows, width), self.positions], dim=1)
            allowed = allowed & (self.positions[:, :, None] - keys[:, None, :] < window)
            allowed = allowed[:, :, max(0, width - (window - 1)) :]
        mask = torch.zeros(allowed.shape, dtype=dtype, device=device)
        return mask.masked_fill(~allowed, torch.finfo(dtype).min)[:, None]
