"""Text of items in the offline stage: who reads it, and whether it is there."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np

from recbole_dtlns.config.declared import all_judges, asked_judges
from recbole_dtlns.config.method import RunMethod
from recbole_dtlns.config.settings import Settings
from recbole_dtlns.data.item_text import ItemText, check_item_text, read_item_text
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.cache import StageCache
from recbole_dtlns.files.origin import external_input
from recbole_dtlns.files.result_schema import External
from recbole_dtlns.llm.prompts import Prompt
from recbole_dtlns.trees.text_vectors import TEXT, TextVectors, check_text_model

logger = logging.getLogger(__name__)


def _embeds_text(settings: Settings, method: RunMethod) -> bool:
    """Whether the semantic tree is made from text."""
    return settings.item_vectors == TEXT and settings.codes_se is None and method.needs_trees


def text_readers(settings: Settings, method: RunMethod) -> list[str]:
    """What reads the text of items in a run: `the semantic tree`, `the prompt NAME`, `the judge NAME` of a plugin."""
    readers = ["the semantic tree"] if _embeds_text(settings, method) else []
    judges = all_judges()
    asked = {name: judges[name] for name in asked_judges(method.judge, settings.as_dict()) if name in judges}
    prompted = any("llm_prompt" in (judge.keys or {}) for judge in asked.values())
    if prompted and (prompt := Prompt.read(settings["llm_prompt"])).shows_titles:
        readers.append(f"the prompt {prompt.name}")
    own = sorted(name for name, judge in asked.items() if judge.reads_titles)
    return readers + [f"the judge {name}" for name in own]


def check_text(config: Any) -> None:
    """Find out before any work whether the text, and the model that embeds it, are there.

    Raises:
        UserError: text that is needed is not named or not there, or there is no such model.
    """
    settings: Settings = config.settings
    check_item_text(config)
    if _embeds_text(settings, config.method):
        if settings.item_text is None:
            raise UserError(
                "item_vectors=text embeds the text of items. Name it with --item_text=FIELD[,FIELD] of the data set's "
                ".item file, or with a file of `item<TAB>text` lines."
            )
        check_text_model(settings.text_model, settings["llm_offline"])
    if settings.item_text is not None and not text_readers(settings, config.method):
        logger.warning(
            "item_text=%s is read by nothing here%s. A tree reads it with item_vectors=text, a language model as judge "
            "with llm_prompt=titles.",
            settings.item_text,
            "" if config.method.judge == "none" else " but the examples of inferred positives on the run's page",
        )


def read_text(config: Any) -> ItemText | None:
    """The text of items where a tree, a judge or the page's examples show it, else None.

    Raises:
        UserError: see `read_item_text`.
    """
    settings, method = config.settings, config.method
    return read_item_text(config) if method.judge != "none" or text_readers(settings, method) else None


@dataclass(frozen=True)
class TextInUse:
    """What a run knows of the text of its items.

    Attributes:
        text: as it stands; None where nothing reads it.
        vectors: its embeddings; None unless the semantic tree is made from them.
        external: what result.json says of the file.
    """

    text: ItemText | None = None
    vectors: TextVectors | None = None
    external: tuple[External, ...] = ()

    @classmethod
    def of(
        cls, text: ItemText | None, view: TrainSplit, settings: Settings, method: RunMethod, cache: StageCache
    ) -> TextInUse:
        """For a training split; see `describe_text` for what is raised."""
        readers = text_readers(settings, method)
        if text is None or not readers:
            return cls()
        external = (describe_text(text, view, settings, readers),)
        if not _embeds_text(settings, method):
            return cls(text, None, external)
        vectors = TextVectors(text, settings.text_model, view.items, cache, settings["llm_offline"])
        return cls(text, vectors, external)


def describe_text(text: ItemText, view: TrainSplit, settings: Settings, readers: list[str]) -> External:
    """The entry of `external` for the text, with a mark that says who was shown it.

    Raises:
        UserError: the file was made from another training split, or holds no text of any item.
    """
    lacking = int(np.count_nonzero(text.of(view.items)[1:] == ""))
    if lacking == view.n_items:
        raise UserError(
            f"item_text: {text.path} holds no text of any of the {view.n_items} items of the training split. Check "
            "that its tokens are those of the data set."
        )
    if lacking:
        logger.warning("item_text: %d of %d items have no text.", lacking, view.n_items)
    entry = external_input("item_text", text.path, view.train_hash, settings.allow_foreign)
    without = f"; {lacking} of {view.n_items} items have none" if lacking else ""
    return {**entry, "marks": [f"text of items was read by {' and '.join(readers)}{without}"]}
