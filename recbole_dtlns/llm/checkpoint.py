"""Finding a language model's files and checking, before any weight is read, that they are what is needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from recbole_dtlns.errors import UserError
from recbole_dtlns.files.paths import user_path
from recbole_dtlns.llm.gguf import convert_gguf
from recbole_dtlns.llm.identity import folder_identity
from recbole_dtlns.llm.packages import need_packages, quiet


@dataclass(frozen=True)
class Checkpoint:
    """A model's files, found and checked.

    Attributes:
        source: hub name, or the folder to load from.
        local: the files were given as a folder or file on this machine.
        options: keyword arguments of every `from_pretrained` call.
        name: how results call the model, without this machine's folders.
        revision: commit on the hub, or `sha256:` and a hash of the local files.
        config: the transformers configuration of a causal language model.
        tokenizer: its fast tokenizer.
    """

    source: str
    local: bool
    options: dict[str, Any]
    name: str
    revision: str
    config: Any
    tokenizer: Any

    @property
    def stored_quantization(self) -> dict[str, Any] | None:
        """How the files themselves are quantised (GPTQ, AWQ, bitsandbytes, ...), None for plain weights."""
        stored = getattr(self.config, "quantization_config", None)
        return stored if stored is None or isinstance(stored, dict) else stored.to_dict()


def local_path(model: str) -> Path:
    """The path that a model's name stands for if it is one; it exists unless the name may be one on the hub.

    Raises:
        UserError: it can only be a path, and there is nothing.
    """
    path = user_path(model)
    only_a_path = path.suffix == ".gguf" or path.is_absolute() or model.startswith((".", "~")) or model.count("/") > 1
    if only_a_path and not path.exists():
        raise UserError(
            f"llm_model={model}: no such file or folder. Give a .gguf file, the folder of a model, or a name on the "
            "Hugging Face hub."
        )
    return path


@lru_cache(maxsize=64)
def check_checkpoint(model: str, revision: str | None, offline: bool) -> None:
    """Find out whether a model is there, by its configuration alone; a GGUF file is only looked for.

    Raises:
        UserError: nothing found under that name, or no causal language model.
    """
    path = local_path(model)
    if path.is_file():
        return
    if path.is_dir():
        _check_folder(path)
    _check_causal(model, _read_config(model, _options(revision, offline), path.is_dir()))


def refuse_local_revision(model: str, revision: str | None) -> None:
    """Raise UserError when a revision of files on this machine is asked for."""
    if revision is not None:
        raise UserError(f"llm_revision={revision}: only models on the hub have revisions; {model} is on this machine.")


def open_checkpoint(model: str, revision: str | None, offline: bool, cache_dir: Path) -> Checkpoint:
    """Find a model by hub name, folder or GGUF file (converted at first use) and read all but its weights.

    Raises:
        UserError: a missing package, nothing found, no causal language model, or no fast tokenizer.
    """
    need_packages("transformers", "accelerate")
    from transformers import AutoTokenizer

    path = local_path(model)
    source, name, identity = model, model, ""
    if path.is_file():
        folder, identity = convert_gguf(path, cache_dir)
        source, name = str(folder), path.name
    elif path.is_dir():
        _check_folder(path)
        source, name, identity = str(path), path.resolve().name, folder_identity(path)
    local = bool(identity)
    if local:
        refuse_local_revision(model, revision)
    options = _options(revision, offline)
    config = _read_config(model, options, local, source)
    _check_causal(model, config)
    with quiet(), readable_errors(f"the tokenizer of {model}", offline, local):
        tokenizer = AutoTokenizer.from_pretrained(source, use_fast=True, **options)
    if not tokenizer.is_fast or not len(tokenizer):
        raise UserError(
            f"llm_model={model}: no fast tokenizer (a tokenizer.json), which is needed to cut prompts at the same "
            "places every time. Take another model, or add its tokenizer.json."
        )
    identity = identity or str(getattr(config, "_commit_hash", None) or options["revision"])
    return Checkpoint(source, local, options, name, identity, config, tokenizer)


def _options(revision: str | None, offline: bool) -> dict[str, Any]:
    return {"revision": revision or "main", "local_files_only": offline, "trust_remote_code": False}


def _read_config(model: str, options: dict[str, Any], local: bool, source: str | None = None) -> Any:
    from transformers import AutoConfig

    with quiet(), readable_errors(model, options["local_files_only"], local):
        return AutoConfig.from_pretrained(source or model, **options)


@contextmanager
def readable_errors(what: str, offline: bool, local: bool) -> Iterator[None]:
    """Turn what transformers and the hub raise into a UserError that says what to do."""
    from safetensors import SafetensorError

    try:
        yield
    # transformers 4 raises AttributeError where a folder has no tokenizer.
    except (OSError, ValueError, ImportError, KeyError, AttributeError, SafetensorError) as error:
        raise UserError(
            f"llm_model: {what} cannot be loaded: {_first_lines(error)}\n{_advice(error, offline, local)}"
        ) from error


def _first_lines(error: BaseException) -> str:
    return " ".join(str(error).strip().splitlines()[:2]) or type(error).__name__


def _advice(error: BaseException, offline: bool, local: bool) -> str:
    import huggingface_hub

    text = str(error)
    if "trust_remote_code" in text:
        return "This model brings its own program code, which is never run here. Take a model that transformers knows."
    if local:
        return (
            "Check that the folder holds a whole model (config.json, weights, tokenizer.json) of a kind that this "
            "version of transformers knows, and that the packages named above are installed."
        )
    if "gated" in text.lower() or "401" in text:
        return (
            "The model may be gated: accept its terms on its page and log in with `hf auth login`. "
            "A wrongly spelt name looks the same."
        )
    if offline or huggingface_hub.constants.HF_HUB_OFFLINE:
        return (
            "Only files on this machine are used (llm_offline or HF_HUB_OFFLINE is set). Fetch the model once where "
            "there is a network (`hf download NAME --local-dir FOLDER`) and set llm_model=FOLDER, or allow the network."
        )
    return (
        "Check the name and the network. Without a network give a folder or a .gguf file: "
        "`hf download NAME --local-dir FOLDER` fetches one elsewhere."
    )


def _check_folder(folder: Path) -> None:
    if (folder / "config.json").is_file():
        return
    inside = sorted(path.name for path in folder.glob("*.gguf"))
    hint = f" Give the GGUF file itself: {folder / inside[0]}." if inside else ""
    raise UserError(
        f"llm_model={folder}: this folder has no config.json, so it is not the folder of a model.{hint} "
        "If you mean a model of that name on the hub, rename the folder or start elsewhere."
    )


def _check_causal(model: str, config: Any) -> None:
    """Refuse encoders, translators and classifiers: the judge reads the next word's probability."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    is_causal = type(config) in MODEL_FOR_CAUSAL_LM_MAPPING and not getattr(config, "is_encoder_decoder", False)
    expected = getattr(MODEL_FOR_CAUSAL_LM_MAPPING[type(config)], "__name__", None) if is_causal else None
    architectures = getattr(config, "architectures", None) or ([expected] if is_causal else [])
    if not is_causal or expected not in architectures:
        raise UserError(
            f"llm_model={model} is {', '.join(architectures) or type(config).__name__}, not a causal language model"
            f"{f' ({expected})' if expected else ''}. Encoders, embedding models and classifiers cannot answer a "
            "prompt; take an instruct model such as Llama-3.2-3B-Instruct."
        )
