"""What one forward pass reads after the cached prefixes: rows of suffixes, their positions and their masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recbole_dtlns.llm.encoding import common_prefix_length


@dataclass(frozen=True)
class Rows:
    """R rows, each the suffixes of one or more pairs behind one prefix, padded on the right to Q tokens.

    Right, because pads on the left would count towards a sliding window. The suffixes of a row are laid out as a tree:
    what two neighbours begin with stands there once.

    Attributes:
        tokens: int64 [R, Q], 0 = padding.
        positions: int64 [R, Q]; every suffix begins where its row's prefix ends.
        real: bool [R, Q], False = padding.
        own: bool [R, Q, Q]: which tokens of its row a token may look at, those before it in a suffix and itself; None
            where each row has one suffix, of which every token sees what stands before it.
        prefix: length of each row's prefix, int64 [R].
        last: place of the last token of each pair in the flattened [R * Q], int64 [pairs].
        count: tokens that are no padding.
    """

    tokens: Tensor
    positions: Tensor
    real: Tensor
    own: Tensor | None
    prefix: Tensor
    last: Tensor
    count: int

    @classmethod
    def of(cls, suffixes: Sequence[Sequence[list[int]]], prefix: Sequence[int]) -> Rows:
        """Lay out the suffixes of each row; sort them beforehand, so that those that begin alike are neighbours."""
        trees = [_tree(row) for row in suffixes]
        width = max(len(tokens) for tokens, _ in trees)
        tokens, positions = (np.zeros((len(trees), width), dtype=np.int64) for _ in range(2))
        real = np.arange(width) < np.array([len(read) for read, _ in trees])[:, None]
        packed = max(len(paths) for _, paths in trees) > 1
        own = np.zeros((len(trees), width, width) if packed else 0, dtype=bool)
        last = []
        for number, (read, paths) in enumerate(trees):
            tokens[number, : len(read)] = read
            for path in paths:
                if packed:
                    own[number, path[:, None], path] |= np.tri(len(path), dtype=bool)
                positions[number, path] = prefix[number] + np.arange(len(path))
                last.append(number * width + (int(path[-1]) if len(path) else 0))
        tensor = torch.from_numpy
        places = (tensor(np.array(prefix, dtype=np.int64)), torch.tensor(last))
        shape = (tensor(tokens), tensor(positions), tensor(real), tensor(own) if packed else None)
        return cls(*shape, *places, int(real.sum()))

    def to(self, device: torch.device) -> Rows:
        """The same on a device, so that masks are made there."""
        tokens, positions, real = (array.to(device) for array in (self.tokens, self.positions, self.real))
        own = None if self.own is None else self.own.to(device)
        return Rows(tokens, positions, real, own, self.prefix.to(device), self.last.to(device), self.count)

    def padding_mask(self, width: int) -> Tensor:
        """For rows of one suffix: int64 [R, width + Q], 1 where a token is real; `width` = the padded prefix."""
        before = torch.arange(width, device=self.tokens.device)[None] < self.prefix[:, None]
        return torch.cat([before, self.real], dim=1).long()

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
        places = torch.arange(width, device=device)
        before = (places[None] < self.prefix[:, None])[:, None, :].expand(rows, length, width)
        own = self.own
        if own is None:
            own = torch.ones(length, length, dtype=torch.bool, device=device).tril() & self.real[:, :, None]
        allowed = torch.cat([before, own], dim=2)  # [R, Q, width + Q]
        if window is not None:
            keys = torch.cat([places.expand(rows, width), self.positions], dim=1)
            allowed = allowed & (self.positions[:, :, None] - keys[:, None, :] < window)
            allowed = allowed[:, :, max(0, width - (window - 1)) :]
        # A row of padding may look at nothing, and the softmax of nothing is no number: it looks at everything.
        allowed = allowed | ~allowed.any(dim=2, keepdim=True)
        mask = torch.zeros(allowed.shape, dtype=dtype, device=device)
        return mask.masked_fill(~allowed, torch.finfo(dtype).min)[:, None]


def _tree(suffixes: Sequence[list[int]]) -> tuple[list[int], list[np.ndarray]]:
    """Tokens of a row, and for each suffix the places of its tokens among them, int64 [length]."""
    tokens: list[int] = []
    paths: list[np.ndarray] = []
    for number, suffix in enumerate(suffixes):
        shared = common_prefix_length([suffixes[number - 1], suffix]) if number else 0
        new = np.arange(len(tokens), len(tokens) + len(suffix) - shared)
        paths.append(np.concatenate([paths[-1][:shared], new]) if number else new)
        tokens += suffix[shared:]
    return tokens, paths
