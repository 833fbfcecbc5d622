"""What changes in RecBole's trainers when several processes train one model."""

from __future__ import annotations

from typing import Any

import torch

from recbole_dtlns.processes.gradients import averaging, mean_over_ranks, require_equal, share_values
from recbole_dtlns.processes.group import as_one_process, decided_by_first, this_rank


class SharedTraining:
    """Mixin between `RunTrainer` and a trainer of RecBole's, on each rank.

    Gradients are averaged after each backward pass; rank 0 evaluates, so that metrics are those of one process and all
    ranks stop at the same epoch; rank 0 alone writes the checkpoint.
    """

    step: Any = None

    def __init__(self, config: Any, model: Any) -> None:
        with as_one_process(config):  # else RecBole wraps the model, for GPUs alone
            super().__init__(config, model)  # type: ignore[call-arg]
        if config["device"].type == "cuda":
            torch.nn.SyncBatchNorm.convert_sync_batchnorm(model)

    @property
    def _parameters(self) -> list[torch.nn.Parameter]:
        """All that is trained: of the model and of the sampler."""
        model = self.model  # type: ignore[attr-defined]
        own = [] if self.step is None else self.step.parameters()
        return [parameter for parameter in (*model.parameters(), *own) if parameter.requires_grad]

    def set_reduce_hook(self) -> None:
        """RecBole prepares its wrapper of the model here; there is none."""

    def sync_grad_loss(self) -> torch.Tensor:
        """RecBole adds this to the loss of each batch: 0, and the gradients are averaged after the backward pass."""
        return averaging(self._parameters, self.device)  # type: ignore[attr-defined]

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """RecBole's training, from the parameters of rank 0."""
        model = self.model  # type: ignore[attr-defined]
        share_values([parameter.data for parameter in self._parameters] + list(model.buffers()))
        return super().fit(*args, **kwargs)  # type: ignore[misc]

    def _train_epoch(self, *args: Any, **kwargs: Any) -> Any:
        loss = super()._train_epoch(*args, **kwargs)  # type: ignore[misc]
        require_equal(self._parameters)
        return mean_over_ranks(loss, self.device)  # type: ignore[attr-defined]

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """The metrics that rank 0 computes over all users; RecBole's own are means of rounded means."""
        evaluate = super().evaluate  # type: ignore[misc]
        with as_one_process(self.config):  # type: ignore[attr-defined]
            return decided_by_first(lambda: evaluate(*args, **kwargs))

    def _save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        if this_rank().is_first:
            super()._save_checkpoint(*args, **kwargs)  # type: ignore[misc]
