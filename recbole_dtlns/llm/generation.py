"""Free generation and tolerant reading of what came out, the way of the paper; slow, kept to reproduce it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from recbole_dtlns.llm.prompts import Prompt
from recbole_dtlns.llm.scoring import batch_size, smaller_batch

_LABEL = re.compile(r"label[\"'\s]*[:=][\"'\s]*([^\s\"',}\]]+)", re.IGNORECASE)


class Generator:
    """Asks for a label in words.

    Args:
        model: a causal language model in eval mode on its device.
        tokenizer: its tokenizer.
        prompt: what is asked; it knows the labels.
        batch_tokens: prompt tokens of one batch.
        max_new_tokens: where an answer is cut off.
    """

    def __init__(
        self, model: Any, tokenizer: Any, prompt: Prompt, batch_tokens: int = 4096, max_new_tokens: int = 40
    ) -> None:
        self._model, self._tokenizer, self._prompt = model, tokenizer, prompt
        self._batch_tokens, self._new = batch_tokens, max_new_tokens
        self._device = model.get_input_embeddings().weight.device
        self.tokens = 0

    @torch.inference_mode()
    def score(self, prompts: Sequence[Sequence[int]]) -> np.ndarray:
        """1 = positive, 0 = negative, NaN = unreadable, float64 [n]. Greedy, so that the same prompt has one answer."""
        labels = np.full(len(prompts), np.nan)
        order = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
        while order:
            batch = order[: batch_size([len(prompts[place]) for place in order], self._batch_tokens)]
            try:
                texts = self._answers([prompts[place] for place in batch])
            except RuntimeError as error:
                self._batch_tokens = smaller_batch(error, self._batch_tokens, self._device)
                continue
            labels[batch] = [read_label(text, self._prompt) for text in texts]
            order = order[len(batch) :]
        return labels

    def _answers(self, prompts: list[Sequence[int]]) -> list[str]:
        width = max(map(len, prompts))
        end = self._tokenizer.eos_token_id
        pad = end if end is not None else 0
        tokens = torch.tensor([[pad] * (width - len(prompt)) + list(prompt) for prompt in prompts], device=self._device)
        mask = torch.tensor([[0] * (width - size) + [1] * size for size in map(len, prompts)], device=self._device)
        out = self._model.generate(
            tokens, attention_mask=mask, max_new_tokens=self._new, do_sample=False, pad_token_id=pad, use_cache=True
        )
        self.tokens += sum(map(len, prompts))
        return list(self._tokenizer.batch_decode(out[:, width:], skip_special_tokens=True))


def read_label(text: str, prompt: Prompt) -> float:
    """Read an answer: 1 = positive, 0 = negative, NaN = neither.

    A `"label": ...` field decides, wherever it stands and however the JSON around it is broken; without one, the label
    that the text names first. The authors' parser takes any text that holds "positive", also "not positive".
    """
    positive, negative = (label.strip().lower() for label in (prompt.positive, prompt.negative))
    field = _LABEL.search(text)
    places = {}
    for value, label in ((1.0, positive), (0.0, negative)):
        word = re.search(rf"(?<!\w){re.escape(label)}(?!\w)", (field[1] if field else text).lower())
        if word is not None:
            places[word.start()] = value
    return places[min(places)] if places else float("nan")
