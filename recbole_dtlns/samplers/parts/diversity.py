"""Items that differ from one another and from a given set: greedy k-DPP, batched over users."""

from __future__ import annotations

import torch
from torch import Tensor

from recbole_dtlns.samplers.parts.layers import gathered

_RIDGE = 0.01  # added to each item's similarity to itself: a kernel of vectors alone ends at as many items as columns


def diverse_items(vectors: Tensor, candidates: Tensor, given: Tensor, wanted: Tensor) -> Tensor:
    """Greedily maximise the determinant of the candidates' kernel, conditioned on the items given.

    The kernel is K = F F^T + ridge I over rows F of unit length, so cosines off the diagonal. Conditioning on the given
    set H is the Schur complement K_CC - K_CH K_HH^-1 K_HC, which is what is left of K_CC after |H| steps of a Cholesky
    decomposition; each choice, the candidate with most left on the diagonal, is one step more (Chen et al., NeurIPS
    2018). Candidates like a given item, or copies of it, come last. O(B (|H|^3 + |H| |C| (|H| + W) +
    k |C| (W + |H| + k))), memory O(B |C| (W + |H| + k)).

    Args:
        vectors: of all items, float [I, W], of unit length; row 0, padding, is zero.
        candidates: int64 [B, C], distinct in each row; 0 for none.
        given: H, int64 [B, H], repeats allowed; 0 for none.
        wanted: how many to choose, int64 [B].

    Returns:
        Chosen items in the order of their choice, int64 [B, k], k being the largest of `wanted`; 0 for none.
    """
    rows, fixed, n_steps = gathered(vectors, candidates), gathered(vectors, given), int(wanted.max())
    n_rows, n_given, n_candidates = len(candidates), given.shape[1], candidates.shape[1]
    ridge = _RIDGE * torch.eye(n_given, device=rows.device, dtype=rows.dtype)
    factor = torch.linalg.cholesky(fixed @ fixed.transpose(1, 2) + ridge)
    steps = rows.new_empty(n_rows, n_given + n_steps, n_candidates)  # the rows of the Cholesky factor over C
    steps[:, :n_given] = torch.linalg.solve_triangular(factor, fixed @ rows.transpose(1, 2), upper=False)
    left = rows.square().sum(2) + _RIDGE - steps[:, :n_given].square().sum(1)
    left = left.masked_fill(candidates == 0, -torch.inf)
    chosen = candidates.new_zeros(n_rows, n_steps)
    for step in range(n_steps):
        most, best = left.max(dim=1, keepdim=True)
        chosen[:, step] = torch.where(most > -torch.inf, candidates.gather(1, best), 0).squeeze(1)
        done = steps[:, : n_given + step]
        own = done.gather(2, best.unsqueeze(1).expand(-1, n_given + step, 1))
        vector = rows.gather(1, best.unsqueeze(2).expand(-1, 1, rows.shape[2]))
        column = torch.bmm(rows, vector.transpose(1, 2)).squeeze(2) - torch.bmm(own.transpose(1, 2), done).squeeze(1)
        column = column / most.clamp_min(_RIDGE / 2).sqrt()  # the diagonal never falls below the ridge
        steps[:, n_given + step] = column
        left = (left - column.square()).scatter(1, best, -torch.inf)
    return chosen.masked_fill(torch.arange(n_steps, device=chosen.device) >= wanted.unsqueeze(1), 0)


def distinct_items(items: Tensor) -> Tensor:
    """The distinct items of each row: int64 [B, C] -> int64 [B, D], descending, filled up with 0."""
    ordered = items.sort(dim=1, descending=True).values
    ordered[:, 1:] = ordered[:, 1:].masked_fill(ordered[:, 1:] == ordered[:, :-1], 0)
    ordered = ordered.sort(dim=1, descending=True).values
    return ordered[:, : int((ordered > 0).sum(1).max())]
