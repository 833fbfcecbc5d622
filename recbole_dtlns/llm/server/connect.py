"""Finding out what a server is and how to ask it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from recbole_dtlns.config.choices import SERVER_APIS
from recbole_dtlns.errors import UserError
from recbole_dtlns.llm.prompts import Prompt
from recbole_dtlns.llm.server.base import Endpoint
from recbole_dtlns.llm.server.client import Client, Refused
from recbole_dtlns.llm.server.llamacpp import LlamaCpp
from recbole_dtlns.llm.server.openai import Chat, Completions
from recbole_dtlns.llm.server.scoring import GenerativeScoring, Score

logger = logging.getLogger(__name__)

SHAPE_ERRORS = (KeyError, TypeError, IndexError, ValueError, AttributeError, OverflowError)
"""What reading an answer of another shape raises."""


@dataclass(frozen=True)
class Connection:
    """A server that is ready to be asked.

    Attributes:
        endpoint: the way of asking.
        model: what the server calls its model; of a file, its name without folders.
        revision: the same with the size of the weights, where the server tells it.
    """

    endpoint: Endpoint
    model: str
    revision: str

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What verdicts are kept by: model, revision, way of asking and form of the prompts; never the address."""
        return self.model, self.revision, self.endpoint.name, self.endpoint.form

    @property
    def about(self) -> str:
        """The same in words."""
        return f"{self.revision} by server_api={self.endpoint.name} ({self.endpoint.form} prompts)"


def connect(client: Client, prompt: Prompt, api: str = "auto", model: str | None = None) -> Connection:
    """Choose model and endpoint, with a few short requests.

    `auto` takes, in this order: llama.cpp's `/completion` (a server with `/props`), SGLang's `/v1/score` (with
    `/get_model_info` or `/model_info`), vLLM's `/generative_scoring` (with `/version`), `/v1/completions`,
    `/v1/chat/completions`. The three kinds of servers fall back to the last two.

    Args:
        client: the server.
        prompt: what will be asked.
        api: one of `config.choices.SERVER_APIS`.
        model: one of the server's models; None = its only one.

    Raises:
        UserError: no such model, or the server cannot be asked in this way.
        Unreachable: no answer.
    """
    try:
        name, size = _choose_model(client, model)
        kind, about = _kind(client)
    except SHAPE_ERRORS as error:
        raise UserError(f"The server at {client.root} does not answer as OpenAI's do ({error!r}).") from error
    tried = []
    for choice in _choices(kind) if api == "auto" else [api]:
        try:
            endpoint = _endpoint(choice, client, name, prompt, kind, about)
        except (Refused, UserError, *SHAPE_ERRORS) as error:
            if isinstance(error, UserError) and api != "auto":
                raise
            tried.append(f"{choice}: {error if isinstance(error, (Refused, UserError)) else repr(error)}")
            continue
        logger.info("judge=server asks by server_api=%s (%s prompts).", endpoint.name, endpoint.form)
        shown = _file_name(name)
        return Connection(endpoint, shown, f"{shown} ({size} bytes)" if size else shown)
    raise UserError(
        f"The server at {client.root} cannot be asked for log-probabilities of its model {_file_name(name)!r}. "
        f"{'; '.join(tried)}. Check server_url and server_api (one of {', '.join(SERVER_APIS)})."
    )


def _choose_model(client: Client, wanted: str | None) -> tuple[str, int]:
    """Name and size in bytes (0 = not told)."""
    try:
        listed = client.get("/v1/models")["data"]
    except Refused as error:
        if wanted is not None:
            return wanted, 0
        raise UserError(
            f"The server at {client.root} lists no models (/v1/models: HTTP {error.status}). Check server_url, or name "
            "the model with server_model."
        ) from None
    models = {str(model["id"]): model for model in listed}
    by_name = {alias: name for name in models for alias in (_file_name(name), name)}
    if wanted is None and len(models) == 1:
        wanted = next(iter(models))
    if wanted is None or wanted not in by_name:
        problem = "none is chosen" if wanted is None else f"there is no {wanted!r}"
        shown = ", ".join(sorted(map(_file_name, models))[:20]) or "none"
        raise UserError(f"server_model: {problem}. The server at {client.root} has: {shown}.")
    name = by_name[wanted]
    return name, int((models[name].get("meta") or {}).get("size") or 0)


def _kind(client: Client) -> tuple[str, dict[str, Any]]:
    """What the server is, by paths that only one kind of server has, and what it says there."""
    for path, kind, mark in (
        ("/props", "llamacpp", "total_slots"),
        ("/get_model_info", "sglang", "model_path"),
        ("/model_info", "sglang", "model_path"),
        ("/version", "vllm", "version"),
    ):
        try:
            about = client.get(path)
        except Refused:
            continue
        if isinstance(about, dict) and mark in about:
            return kind, about
    return "other", {}


def _choices(kind: str) -> list[str]:
    first = {"llamacpp": ["llamacpp"], "sglang": ["score"], "vllm": ["generative_scoring"]}
    return [*first.get(kind, []), "completions", "chat"]


def _endpoint(choice: str, client: Client, model: str, prompt: Prompt, kind: str, about: dict[str, Any]) -> Endpoint:
    if choice == "llamacpp":
        return LlamaCpp(client, prompt, max(1, int(about.get("total_slots", 1))))
    if choice in {"generative_scoring", "score"}:
        endpoint = (GenerativeScoring if choice == "generative_scoring" else Score)(client, model, prompt)
        list(endpoint.ask(["1", "2"], 0))
        return endpoint
    if choice == "completions":
        return Completions(client, model, prompt)
    return Chat(client, model, prompt, extended=kind != "other")


def _file_name(model: str) -> str:
    """Folders of this or another machine say nothing about a model and would make shared verdicts differ."""
    if not model.lower().endswith(".gguf"):
        return model
    return PureWindowsPath(PurePosixPath(model).name).name
