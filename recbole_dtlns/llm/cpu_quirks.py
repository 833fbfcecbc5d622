"""Two faults of bitsandbytes' 4-bit layers on CPUs, kept away from the user.

On CPUs with AVX512-bf16, bitsandbytes (seen in 0.50.2) rearranges 4-bit weights in place at the first forward.

- Saving or moving the model after that turns the weights back wrongly, in the file and in the live model. Models in 4
  bits are therefore never saved, copied or moved: `forbid_saving`.
- Layers whose sizes do not fit the rearranged form fail in the forward: `allow_any_shape` turns the rearranging off.
  Long inputs run as fast without it, single-token steps take nearly twice as long.

Can go when bitsandbytes repairs both; the tests show whether it has.
"""

from __future__ import annotations

import logging
from typing import Any, NoReturn

from torch import nn

from recbole_dtlns.errors import UserError

logger = logging.getLogger(__name__)

ROWS, COLUMNS = 32, 64
"""The rearranged form needs out_features in multiples of ROWS and in_features in multiples of COLUMNS."""

_FORBIDDEN = ("save_pretrained", "push_to_hub", "state_dict", "to", "cpu", "cuda")


def four_bit_layers(model: nn.Module) -> list[Any]:
    """The model's 4-bit linear layers, in the order of its modules."""
    from bitsandbytes.nn import Linear4bit

    return [module for module in model.modules() if isinstance(module, Linear4bit)]


def allow_any_shape(model: nn.Module) -> bool:
    """Let 4-bit layers of any size run on a CPU; call it before the first forward.

    Returns:
        Whether a layer had a size that does not fit, so that the rearranging is off for the whole model.
    """
    layers = four_bit_layers(model)
    unfit = [layer for layer in layers if layer.out_features % ROWS or layer.in_features % COLUMNS]
    if unfit:
        for layer in layers:
            layer.support_avx512bf16_for_cpu = False
        logger.info(
            "%d of %d 4-bit layers have sizes that bitsandbytes' fast CPU path cannot hold (for instance %d x %d); "
            "the general path is used.",
            len(unfit),
            len(layers),
            unfit[0].out_features,
            unfit[0].in_features,
        )
    return bool(unfit)


def forbid_saving(model: nn.Module) -> None:
    """Make saving, copying out or moving the weights of this model raise a UserError."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise UserError(
            "This model is held in 4 bits on a CPU, and bitsandbytes spoils its weights when it is saved or moved. "
            "Save the checkpoint that it was loaded from, or load it again with llm_quantization=none."
        )

    for name in _FORBIDDEN:
        setattr(model, name, refuse)
