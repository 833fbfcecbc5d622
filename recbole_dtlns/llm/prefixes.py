"""Cached keys and values of prefixes: computed once, then shared by every suffix that follows them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from recbole_dtlns.llm.encoding import common_prefix_length
from recbole_dtlns.llm.rows import Rows


class PrefixCache:
    """Runs the body of a model over prefixes and over what follows them.

    The tokens that all users share (chat template, task) are computed once for the whole run, the rest of each user's
    prefix once a user.

    Attributes:
        tokens: tokens that the model has read so far, padding left out.
        windows: window of each layer with a sliding window; empty for most models.
        usable: whether the model's cache is of a kind that can be shared (not for state-space layers and the like).
        packable: whether the masks of packed rows are understood: full and sliding attention with one window.
    """

    def __init__(self, model: Any) -> None:
        from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

        self._body = getattr(model, model.base_model_prefix)
        self._config, self._device = model.config, model.get_output_embeddings().weight.device
        self._dtype = model.get_input_embeddings().weight.dtype
        self._new = lambda: DynamicCache(config=self._config)
        layers: list[Any] = self._new().layers
        kinds = {type(layer) for layer in layers}
        self.usable = kinds <= {DynamicLayer, DynamicSlidingWindowLayer}
        self.windows = sorted({layer.sliding_window for layer in layers if getattr(layer, "is_sliding", False)})
        self._mixed = len(kinds) > 1
        named = set(getattr(model.config.get_text_config(), "layer_types", None) or ())
        self.packable = len(self.windows) < 2 and named <= {"full_attention", "sliding_attention"}
        self.tokens = 0
        self._shared: tuple[list[int], Any] = ([], None)  # what all users begin with, and its cache [1, ...]

    def fits_window(self, length: int) -> bool:
        """Whether no sliding window is shorter than a sequence; beyond it, prefixes may not be padded."""
        return not self.windows or length <= min(self.windows)

    def prefill(self, prefixes: Sequence[list[int]]) -> tuple[Any, int]:
        """The cache of U prefixes [U, ...], padded on the right, and its padded length."""
        shared, begin = self._beginning(prefixes)
        cache = _rows(begin, torch.zeros(len(prefixes), dtype=torch.long)) if begin else self._new()
        rest = [prefix[len(shared) :] for prefix in prefixes]
        width = max(map(len, rest))
        if width:
            rows = Rows.of([[suffix] for suffix in rest], [len(shared)] * len(rest)).to(self._device)
            self._forward(rows, cache, rows.padding_mask(len(shared)))
        return cache, len(shared) + width

    def continued(self, cache: Any, width: int, owners: Sequence[int], rows: Rows, packed: bool) -> Tensor:
        """Last hidden states [pairs, C] of rows that follow the prefixes `owners` [R] of a cache; it stays as it is.

        Args:
            cache: of `prefill`.
            width: its padded length.
            owners: which prefix each row follows.
            rows: the suffixes.
            packed: rows hold several suffixes that must not see one another.
        """
        chosen = _rows(cache, torch.tensor(owners)) if width else self._new()
        rows = rows.to(self._device)
        mask = self._tree_masks(rows, width) if packed else rows.padding_mask(width)
        hidden = self._forward(rows, chosen, mask)
        return hidden.to(self._device).flatten(0, 1)[rows.last]

    def _beginning(self, prefixes: Sequence[list[int]]) -> tuple[list[int], Any]:
        """Tokens that these and all earlier prefixes begin with, and their cache; None while there are none."""
        tokens, cache = self._shared
        if tokens and all(prefix[: len(tokens)] == tokens for prefix in prefixes):
            return tokens, cache
        together = [*prefixes, tokens] if tokens else prefixes  # a single user's prefix would serve nobody else
        tokens = prefixes[0][: common_prefix_length(together)]
        cache = None
        if tokens:
            cache = self._new()
            self._forward(Rows.of([[tokens]], [0]).to(self._device), cache, None)
        self._shared = (tokens, cache)
        return tokens, cache

    def _tree_masks(self, rows: Rows, width: int) -> Tensor | dict[str, Tensor]:
        full = rows.tree_mask(width, self._dtype)
        if not self.windows:
            return full
        sliding = rows.tree_mask(width, self._dtype, self.windows[0])
        return {"full_attention": full, "sliding_attention": sliding} if self._mixed else sliding

    def _forward(self, rows: Rows, cache: Any, mask: Any) -> Tensor:
        self.tokens += rows.count
        hidden: Tensor = self._body(
            rows.tokens,
            attention_mask=mask,
            position_ids=rows.positions,
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        return hidden


def _rows(cache: Any, rows: Tensor) -> Any:
    """A cache with some rows of another, int64 [R] on the CPU, as layers may lie on different GPUs.

    Layers grow by concatenation, so the other cache keeps what it has.
    """
    chosen = copy.copy(cache)
    chosen.layers = [copy.copy(layer) for layer in cache.layers]
    chosen.batch_select_indices(rows)
    return chosen
