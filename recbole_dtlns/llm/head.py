"""The two label logits of a language model, in fp32."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from recbole_dtlns.errors import UserError

_ROWS = 64
"""Rows of the full vocabulary that are held at once for the label mass."""


class LabelHead:
    """logit(positive) - logit(negative), and the probability of both together, from last hidden states.

    The two dot products are taken in fp32: in bf16 a logit of 16 to 32 has steps of 0.125, and the candidates of one
    user differ by 0.02 to 0.2. Soft-capped (Gemma 2), scaled (Cohere, Granite) and biased heads are followed; the
    result is compared with the model's own logits once, and a model that does something else is refused.

    Args:
        model: a causal language model, in eval mode, on its device.
        labels: token ids (positive, negative).

    Raises:
        UserError: the model's own logits are others.
    """

    def __init__(self, model: Any, labels: tuple[int, int]) -> None:
        self._head = model.get_output_embeddings()
        weight = getattr(self._head, "weight", None)
        if weight is None or not weight.is_floating_point():
            raise UserError(
                f"The output layer of {type(model).__name__} is quantised, and its label logits cannot be had in fp32. "
                "Use a checkpoint whose lm_head is not quantised, or llm_method=generate."
            )
        config = model.config.get_text_config()
        self._cap: float | None = getattr(config, "final_logit_softcapping", None)
        self._scale = float(getattr(config, "logit_scale", None) or 1.0) / float(
            getattr(config, "logits_scaling", None) or 1.0
        )
        self._labels = torch.tensor(labels, device=self._head.weight.device)
        self._rows = self._head.weight[self._labels].float()  # [2, C]
        bias = getattr(self._head, "bias", None)
        self._bias = None if bias is None else bias[self._labels].float()  # [2]
        self._compare(model)

    def __call__(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Margins and label masses.

        Args:
            hidden: last hidden states, after the final norm, [n, C].

        Returns:
            float32 [n] each, on the CPU. O(n V C) for the mass, which needs every logit of the vocabulary.
        """
        logits = self._label_logits(hidden)
        total = torch.cat([self._log_total(rows) for rows in hidden.split(_ROWS)])  # [n]
        mass = torch.exp(torch.logsumexp(logits, dim=1) - total).clamp(max=1.0)
        return (logits[:, 0] - logits[:, 1]).cpu(), mass.cpu()

    def _label_logits(self, hidden: Tensor) -> Tensor:
        logits = hidden.float() @ self._rows.T  # [n, 2]
        return self._finished(logits if self._bias is None else logits + self._bias)

    def _log_total(self, hidden: Tensor) -> Tensor:
        return torch.logsumexp(self._finished(self._head(hidden).float()), dim=1)

    def _finished(self, logits: Tensor) -> Tensor:
        logits = logits * self._scale
        return logits if self._cap is None else torch.tanh(logits / self._cap) * self._cap

    @torch.inference_mode()
    def _compare(self, model: Any) -> None:
        body = getattr(model, model.base_model_prefix)
        tokens = torch.arange(4, 12, device=self._labels.device)[None]
        whole = model(tokens, use_cache=False).logits[0, -1].float()[self._labels]  # [2]
        ours = self._label_logits(body(tokens, use_cache=False).last_hidden_state[0, -1:])[0]
        # The model's own logits are rounded to its dtype: 8 bits of mantissa in bf16.
        allowed = 1e-3 + 2**-6 * float(whole.abs().max()) * (self._head.weight.dtype != torch.float32)
        if not bool((whole - ours).abs().max() <= allowed):
            raise UserError(
                f"{type(model).__name__} changes its logits in a way that is not known here (labels {whole.tolist()}, "
                f"expected {ours.tolist()}). Use another model, or llm_method=generate."
            )
