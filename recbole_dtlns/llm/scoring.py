"""Label scoring: for each pair the log-odds of the two labels, one forward pass over a shared prefix."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recbole_dtlns.errors import UserError
from recbole_dtlns.llm.encoding import common_prefix_length
from recbole_dtlns.llm.head import LabelHead
from recbole_dtlns.llm.memory import block_sizes, token_bytes
from recbole_dtlns.llm.prefixes import PrefixCache
from recbole_dtlns.llm.rows import Rows

logger = logging.getLogger(__name__)

_CPU_PACK, _GPU_PACK = 128, 512
"""Tokens of one packed row. A mask is quadratic in them, which a CPU feels at once and a GPU late."""
_CPU_TOKENS = 8192


@dataclass(frozen=True)
class _User:
    """One user's prompts, split where they part."""

    prefix: list[int]
    suffixes: list[list[int]]
    pairs: list[int]

    @property
    def longest(self) -> int:
        """Tokens of the longest prompt."""
        return len(self.prefix) + max(map(len, self.suffixes))


class LabelScorer:
    """Margins and label masses of encoded prompts.

    Methods, all equal up to rounding: `shared` computes a user's prefix once and copies its keys and values for
    every candidate; `packed` puts candidates of a user into one row behind one copy, as a tree in which what two of
    them begin with is read once, with a mask that keeps them apart; `single` reads every prompt whole; `auto` is
    `packed` where the model's attention takes such masks, else `shared`.

    Args:
        model: a causal language model in eval mode on its device.
        labels: token ids (positive, negative).
        method: one of `config.choices.SCORING_METHODS`.
        batch_tokens: tokens whose keys and values are held at once; None = by the device. Halved when memory runs out.
        room_gb: memory that batches may take on a GPU; None = what is free.

    Raises:
        UserError: the model's head is not understood.
    """

    def __init__(
        self,
        model: Any,
        labels: tuple[int, int],
        method: str = "auto",
        batch_tokens: int | None = None,
        room_gb: float | None = None,
    ) -> None:
        self._head, self._prefixes = LabelHead(model, labels), PrefixCache(model)
        self._device = model.get_output_embeddings().weight.device
        self.batch_tokens = batch_tokens or default_batch_tokens(model, self._device, room_gb)
        self._pack = _GPU_PACK if self._device.type == "cuda" else _CPU_PACK
        self._masks = self._prefixes.packable and "flash" not in str(getattr(model.config, "_attn_implementation", ""))
        if method != "single" and not self._prefixes.usable:
            logger.warning("%s keeps no cache that can be shared: every prompt is read whole.", type(model).__name__)
            method = "single"
        if method == "packed" and not self._masks:
            kind = type(model).__name__
            logger.warning("%s takes no tree masks: llm_method=shared is used instead of packed.", kind)
            method = "shared"
        self.method = method
        self.packed = method == "packed" or (method == "auto" and self._masks)

    @property
    def tokens(self) -> int:
        """Tokens that the model has read, padding left out."""
        return self._prefixes.tokens

    @torch.inference_mode()
    def score(self, prompts: Sequence[Sequence[int]], owners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Score prompts.

        Args:
            prompts: token ids of n prompts; the last token is the one after which the label comes.
            owners: user of each prompt, int64 [n], prompts of a user side by side.

        Returns:
            margins, log P(positive) - log P(negative), float64 [n]; label mass, P(positive) + P(negative), float64 [n].

        Raises:
            UserError: not even one prompt fits the memory.
        """
        margins, mass = np.empty(len(prompts)), np.empty(len(prompts))
        users = sorted(self._split(prompts, owners), key=lambda user: len(user.prefix))
        while users:
            batch = users[: self._together(users)]
            try:
                self._read(batch, margins, mass)
            except RuntimeError as error:  # torch.OutOfMemoryError is one; the CPU's allocator raises a plain one
                self.batch_tokens = smaller_batch(error, self.batch_tokens, self._device)
                continue
            users = users[len(batch) :]
        return margins, mass

    def _read(self, batch: Sequence[_User], margins: np.ndarray, mass: np.ndarray) -> None:
        """Fill in the pairs of a batch; its tensors live in this frame alone, which an error leaves behind."""
        for pairs, hidden in self._batch(batch):
            log_odds, on_labels = self._head(hidden)
            margins[pairs], mass[pairs] = log_odds.double().numpy(), on_labels.double().numpy()

    def _split(self, prompts: Sequence[Sequence[int]], owners: np.ndarray) -> Iterator[_User]:
        starts = [*np.flatnonzero(np.diff(owners, prepend=-1)).tolist(), len(prompts)]
        if self.method == "single":
            starts = list(range(len(prompts) + 1))
        for start, stop in pairwise(starts):
            whole = [list(prompt) for prompt in prompts[start:stop]]
            # At least one token must be left to ask about.
            cut = 0 if self.method == "single" else min(common_prefix_length(whole), min(map(len, whole)) - 1)
            pairs = sorted(range(start, stop), key=lambda place: whole[place - start])  # like beginnings side by side
            yield _User(whole[0][:cut], [list(prompts[place][cut:]) for place in pairs], pairs)

    def _together(self, users: Sequence[_User]) -> int:
        """How many of the users, by rising prefix length, are read in one batch."""
        padded = takewhile(lambda user: self._prefixes.fits_window(user.longest), users[1:])
        return batch_size([users[0].longest, *(user.longest for user in padded)], self.batch_tokens)

    def _batch(self, users: Sequence[_User]) -> Iterator[tuple[list[int], Tensor]]:
        """Pairs and their last hidden states [pairs, C], in as many passes as the memory asks for."""
        cache, width = (None, 0) if self.method == "single" else self._prefixes.prefill([user.prefix for user in users])
        rows = [
            (number, user.suffixes[start:stop], user.pairs[start:stop])
            for number, user in enumerate(users)
            for start, stop in _packs(user.suffixes, self._pack if self.packed else 1)
        ]
        while rows:
            longest = max(sum(map(len, row[1])) for row in rows)
            now = max(1, self.batch_tokens // (width + longest))
            part, rows = rows[:now], rows[now:]
            laid = Rows.of([row[1] for row in part], [len(users[row[0]].prefix) for row in part])
            hidden = self._prefixes.continued(cache, width, [row[0] for row in part], laid, self.packed)
            yield [pair for row in part for pair in row[2]], hidden


def batch_size(lengths: Sequence[int], batch_tokens: int) -> int:
    """How many of the first sequences fit one batch when all are padded to the last of them; at least one."""
    count = 1
    while count < len(lengths) and (count + 1) * lengths[count] <= batch_tokens:
        count += 1
    return count


def smaller_batch(error: RuntimeError, batch_tokens: int, device: torch.device) -> int:
    """Half of the batch after memory ran out; any other error is raised again.

    Raises:
        UserError: there is nothing left to halve.
    """
    if not is_out_of_memory(error):
        raise error
    traceback.clear_frames(error.__traceback__)  # the tensors of the failed pass live in its frames
    if device.type == "cuda":
        torch.cuda.empty_cache()
    if batch_tokens <= 64:
        raise UserError(
            "The memory does not hold the model and one prompt. Use a smaller model, llm_quantization=nf4, or a "
            "smaller llm_max_history."
        ) from error
    logger.warning("Out of memory: going on with batches of %d tokens.", batch_tokens // 2)
    return batch_tokens // 2


def default_batch_tokens(model: Any, device: torch.device, room_gb: float | None = None) -> int:
    """Tokens of a batch: half of the room on a GPU, at the size of a token's keys, values and activations."""
    if device.type != "cuda":
        return _CPU_TOKENS
    cached, working = token_bytes(*block_sizes(model.config), width=2)
    free = float(torch.cuda.mem_get_info(device)[0])
    if room_gb is not None:
        free = min(free, max(room_gb, 0.0) * 2**30)
    return int(min(max(free / 2 / (2 * cached + working), 1024), 65536))


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether a smaller batch may help."""
    return isinstance(error, torch.OutOfMemoryError) or any(
        words in str(error) for words in ("out of memory", "can't allocate memory", "not enough memory")
    )


def _packs(suffixes: Sequence[Sequence[int]], most: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of runs of about as many suffixes each, with about `most` tokens together; 1 = each on its own."""
    count = min(len(suffixes), -(-sum(map(len, suffixes)) // most))
    yield from pairwise(len(suffixes) * place // count for place in range(count + 1))
