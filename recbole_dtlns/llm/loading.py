"""Loading a language model: checked and estimated first, then read in the chosen quantisation."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from recbole_dtlns.errors import UserError
from recbole_dtlns.llm.checkpoint import (
    Checkpoint,
    check_checkpoint,
    local_path,
    open_checkpoint,
    readable_errors,
    refuse_local_revision,
)
from recbole_dtlns.llm.cpu_quirks import allow_any_shape, forbid_saving, four_bit_layers
from recbole_dtlns.llm.devices import Target, target_of
from recbole_dtlns.llm.memory import DEFAULT_TOKENS, TokenBudget, held_bytes
from recbole_dtlns.llm.memory_check import check_memory
from recbole_dtlns.llm.packages import hide_int8_cast_notice, need_packages, quiet

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

logger = logging.getLogger(__name__)

QUANTIZATIONS = ("nf4", "int8", "none")


@dataclass(frozen=True)
class LoadSettings:
    """What to load and how.

    Attributes:
        model: name on the Hugging Face hub, local folder, or `.gguf` file.
        revision: branch, tag or commit on the hub.
        quantization: `nf4`, `int8`, `none`; None = nf4 on a GPU, none on a CPU, where it would save no memory at load.
        double_quantization: quantise nf4's block scales too (0.4 bits a weight less).
        compute_dtype: `bfloat16`, `float16`, `float32`; None = bfloat16, or float16 on a GPU without bfloat16.
        device_map: `cpu`, `cuda`, `cuda:N`, `auto` (all GPUs); None = the first GPU, else the CPU.
        offline: use files on this machine only.
        memory_gb: memory that the model may take, in GB of 2**30 bytes; None = what is free on the device.
    """

    model: str
    revision: str | None = None
    quantization: str | None = None
    double_quantization: bool = True
    compute_dtype: str | None = None
    device_map: str | None = None
    offline: bool = False
    memory_gb: float | None = None


@dataclass
class LoadedModel:
    """A model ready to score.

    Attributes:
        model: in evaluation mode, no parameter asks for gradients.
        tokenizer: its fast tokenizer.
        device: where input ids go.
        about: what decides its answers, as JSON values: `model`, `revision`, `quantization`, `double_quantization`
            (None unless nf4), `compute_dtype`. `quantization` is `stored:METHOD` for an already quantised checkpoint.
        memory_mb: what its weights really take, in MB of 2**20 bytes.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    device: torch.device
    about: dict[str, Any]
    memory_mb: float

    @property
    def config(self) -> Any:
        """The model's configuration."""
        return self.model.config


@dataclass(frozen=True)
class OpenedModel:
    """A model of which everything is known but the weights: enough to look its stored answers up.

    Attributes:
        settings: what was asked for.
        checkpoint: its files, configuration and tokenizer.
        target: where it will run.
        quantization: `nf4`, `int8`, `none` or `stored:METHOD`.
    """

    settings: LoadSettings
    checkpoint: Checkpoint
    target: Target
    quantization: str

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """Its fast tokenizer."""
        tokenizer: PreTrainedTokenizerBase = self.checkpoint.tokenizer
        return tokenizer

    @property
    def config(self) -> Any:
        """Its configuration."""
        return self.checkpoint.config

    @property
    def about(self) -> dict[str, Any]:
        """What decides its answers; see `LoadedModel`."""
        return {
            "model": self.checkpoint.name,
            "revision": self.checkpoint.revision,
            "quantization": self.quantization,
            "double_quantization": self.settings.double_quantization if self.quantization == "nf4" else None,
            "compute_dtype": self.target.dtype_name,
        }

    def load(self, tokens: TokenBudget = DEFAULT_TOKENS) -> LoadedModel:
        """Read the weights; memory is set aside for so many tokens.

        Raises:
            UserError: a package is missing, or it would not fit.
        """
        settings, checkpoint, target = self.settings, self.checkpoint, self.target
        if self.quantization in ("nf4", "int8"):
            need_packages("bitsandbytes")
        double = settings.double_quantization
        check_memory(checkpoint, self.quantization, double, target, tokens, settings.memory_gb)
        with quiet(), readable_errors(settings.model, settings.offline, checkpoint.local):
            model = _read_weights(settings, checkpoint, self.quantization, target)
        model.eval().requires_grad_(False)
        _mend(model, target.device)
        megabytes = held_bytes(model) / 2**20
        how = f"{self.quantization}, {target.dtype_name}"
        logger.info("%s loaded on %s: %s, weights %.0f MB.", checkpoint.name, target.device, how, megabytes)
        return LoadedModel(model, self.tokenizer, target.device, self.about, megabytes)


def check_model(settings: LoadSettings) -> None:
    """Find out in no time, before data or weights are read, what cannot work.

    Raises:
        UserError: no such model, a revision of local files, a device that is not there, a missing package.
    """
    path = local_path(settings.model)
    if path.exists():
        refuse_local_revision(settings.model, settings.revision)
    if path.suffix == ".gguf":
        need_packages("gguf")
    target = target_of(settings.device_map, settings.compute_dtype)
    if (settings.quantization or ("nf4" if target.device.type == "cuda" else "none")) != "none":
        need_packages("bitsandbytes")
    check_checkpoint(settings.model, settings.revision, settings.offline)


def open_model(settings: LoadSettings, cache_dir: Path) -> OpenedModel:
    """Find a model and read everything but its weights; a GGUF file is converted once.

    Args:
        settings: what and how.
        cache_dir: converted GGUF files are kept in its sub-folder `llm`.

    Raises:
        UserError: a package, file or device is missing, or the model is of the wrong kind.
    """
    if settings.quantization not in (None, *QUANTIZATIONS):
        raise UserError(f"llm_quantization={settings.quantization!r}: expected one of {', '.join(QUANTIZATIONS)}.")
    target = target_of(settings.device_map, settings.compute_dtype)
    checkpoint = open_checkpoint(settings.model, settings.revision, settings.offline, cache_dir)
    return OpenedModel(settings, checkpoint, target, _quantization(settings, checkpoint, target))


def load_model(settings: LoadSettings, cache_dir: Path, tokens: TokenBudget = DEFAULT_TOKENS) -> LoadedModel:
    """`open_model`, and its weights."""
    return open_model(settings, cache_dir).load(tokens)


def _quantization(settings: LoadSettings, checkpoint: Checkpoint, target: Target) -> str:
    stored = checkpoint.stored_quantization
    if stored is None:
        return settings.quantization or ("nf4" if target.device.type == "cuda" else "none")
    method = str(stored.get("quant_method", "unknown"))
    if settings.quantization is not None:
        raise UserError(
            f"llm_model={settings.model} is already quantised ({method}), so llm_quantization="
            f"{settings.quantization} cannot be applied. Leave llm_quantization unset, or take the unquantised model."
        )
    return f"stored:{method}"


def _read_weights(settings: LoadSettings, checkpoint: Checkpoint, quantization: str, target: Target) -> Any:
    from transformers import AutoModelForCausalLM

    options = dict(checkpoint.options, dtype=target.dtype, output_loading_info=True)
    if target.spread:
        # A fifth of each GPU stays free for keys, values and activations.
        rooms = {index: torch.cuda.mem_get_info(index)[0] * 4 // 5 for index in range(torch.cuda.device_count())}
        options |= {"device_map": "auto", "max_memory": rooms}
    else:
        options["device_map"] = {"": target.device}
    if quantization in ("nf4", "int8"):
        options["quantization_config"] = _bitsandbytes_config(quantization, settings.double_quantization, target.dtype)
    loaded: Any
    try:
        loaded = AutoModelForCausalLM.from_pretrained(checkpoint.source, **options)
    except torch.cuda.OutOfMemoryError as error:
        raise UserError(
            f"llm_model={settings.model}: the memory of {target.device} ran out while loading, although the estimate "
            "fitted. Something else may use the GPU; free it, or take a smaller model or llm_quantization=nf4."
        ) from error
    model, report = loaded
    _check_loaded(settings.model, model, report)
    return model


def _check_loaded(name: str, model: Any, report: dict[str, Any]) -> None:
    """Refuse a model of which a part is random or lies where it would be far too slow."""
    lost = sorted(str(key) for kind in ("missing_keys", "mismatched_keys") for key in report[kind])
    if lost:
        raise UserError(
            f"llm_model={name}: {len(lost)} weights are missing or of another shape ({', '.join(lost[:3])}), so they "
            "would be random numbers. Fetch the checkpoint again."
        )
    places = {str(place) for place in getattr(model, "hf_device_map", {}).values()}
    if "disk" in places or (len(places) > 1 and "cpu" in places):
        raise UserError(
            f"llm_model={name}: llm_device_map=auto left a part of the model outside the GPUs, which is far too slow. "
            "Take llm_quantization=nf4 or a smaller model."
        )


def _bitsandbytes_config(quantization: str, double: bool, dtype: torch.dtype) -> Any:
    from transformers import BitsAndBytesConfig

    if quantization == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=double,
        bnb_4bit_compute_dtype=dtype,
    )


def _mend(model: Any, device: torch.device) -> None:
    """Keep known faults of bitsandbytes away from a model that it has quantised."""
    if getattr(model, "is_loaded_in_8bit", False):
        hide_int8_cast_notice()
    if device.type == "cpu" and getattr(model, "is_loaded_in_4bit", False) and four_bit_layers(model):
        allow_any_shape(model)
        forbid_saving(model)
