"""GGUF files: converted once to a folder that transformers loads fast and can quantise.

transformers reads a GGUF file slowly and refuses to quantise it in the same step. So the file is unpacked to 16 bits
(bfloat16, whatever the compute type later is), written as safetensors, and loaded from there every time.
"""

from __future__ import annotations

import logging
import re
import shutil
from pathlib import Path
from typing import Any

import psutil

from recbole_dtlns.errors import UserError
from recbole_dtlns.files.cache import damage, publish, set_aside, write_checksums
from recbole_dtlns.files.partial import partial_path
from recbole_dtlns.llm.identity import file_identity
from recbole_dtlns.llm.memory import GB, shape_of
from recbole_dtlns.llm.packages import need_packages, quiet

logger = logging.getLogger(__name__)

_MAGIC = b"GGUF"


def check_gguf(path: Path) -> None:
    """Refuse a file that cannot be a whole GGUF model.

    Raises:
        UserError: the file does not start with GGUF's magic bytes, or is one part of several.
    """
    with path.open("rb") as file:
        start = file.read(len(_MAGIC))
    if start != _MAGIC:
        raise UserError(
            f"llm_model={path}: expected a GGUF file, which starts with {_MAGIC!r}; this one starts with {start!r}. "
            "Give a .gguf file, the folder of a model, or a name on the Hugging Face hub."
        )
    if re.search(r"-\d{5}-of-\d{5}$", path.stem):
        raise UserError(f"llm_model={path}: one part of a split GGUF. Join the parts first: llama-gguf-split --merge.")


def convert_gguf(path: Path, cache_dir: Path) -> tuple[Path, str]:
    """Convert a GGUF file to a safetensors folder, or find the folder that an earlier run made, undamaged.

    A folder appears under its final name only when it is whole; of two conversions at a time the first one counts.

    Args:
        path: the file.
        cache_dir: the folder is made in its sub-folder `llm`.

    Returns:
        The folder `cache_dir/llm/NAME-HASH/` and the file's identity (`sha256:` and 64 digits).

    Raises:
        UserError: no GGUF file, a damaged one, an architecture that transformers cannot read, or no room on the disk.
    """
    check_gguf(path)
    need_packages("transformers", "accelerate", "gguf")
    identity = file_identity(path)
    name = re.sub(r"[^\w.-]+", "_", path.stem)
    folder = cache_dir / "llm" / f"{name}-{identity.removeprefix('sha256:')[:16]}"
    if folder.is_dir():
        damaged = damage(folder)
        if damaged is None:
            return folder, identity
        logger.warning("The converted model %s cannot be trusted (%s); it is converted again.", folder, damaged)
        set_aside(folder)
    logger.info("%s is converted to %s; later runs load from there.", path.name, folder)
    partial = partial_path(folder)
    partial.mkdir(parents=True, exist_ok=True)
    try:
        _write_converted(path, partial)
        write_checksums(partial)
        publish(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder, identity


def _write_converted(path: Path, folder: Path) -> None:
    from transformers import AutoConfig, AutoTokenizer

    source: dict[str, Any] = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
    try:
        with quiet():
            _check_room(shape_of(AutoConfig.from_pretrained(**source)).parameters * 2, folder)
            tokenizer = AutoTokenizer.from_pretrained(**source)
            model = _unpack(source)
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
    # The readers of GGUF files raise whatever a damaged or unknown file leads them to.
    except (ValueError, KeyError, IndexError, TypeError, OSError, RuntimeError) as error:
        raise UserError(
            f"llm_model={path}: this GGUF file cannot be converted ({type(error).__name__}: {error}). It may be "
            "damaged or of an architecture that transformers does not read; take the model's original folder or hub "
            "name instead."
        ) from error


def _unpack(source: dict[str, Any]) -> Any:
    import torch
    import transformers

    options: dict[str, Any] = {}
    if hasattr(transformers, "GgufConfig"):  # transformers 5 keeps GGUF weights packed unless told otherwise
        options["quantization_config"] = transformers.GgufConfig(dequantize=True)
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(**source, dtype=torch.bfloat16, **options)
    # The weights are plain numbers now, but the model is still flagged as quantised, and such a one cannot be saved.
    model.hf_quantizer, model.is_quantized = None, False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    return model


def _check_room(size: int, folder: Path) -> None:
    disk, memory = shutil.disk_usage(folder).free, psutil.virtual_memory().available
    if disk < size:
        raise UserError(
            f"The converted model takes {size / GB:.1f} GB on the disk of {folder.parent}, and {disk / GB:.1f} GB are "
            "free. Make room, or put cache_dir on another disk."
        )
    if memory < 2 * size:
        raise UserError(
            f"Converting this GGUF file takes about {2 * size / GB:.1f} GB of main memory, and {memory / GB:.1f} GB "
            "are free. Convert it once on a larger machine and give the resulting folder, or use the model's original."
        )
