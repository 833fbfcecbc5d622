"""The language model judge behind HTTP: vLLM, SGLang, llama.cpp's server, hosted models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from recbole_dtlns.config.choices import SERVER_APIS
from recbole_dtlns.config.parsers import Key, number, one_of, or_none, text, whole
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.judges.base import InterruptedAnswers, Judge, JudgeContext, Usage
from recbole_dtlns.false_negatives.judges.llm import PROMPT_KEYS

if TYPE_CHECKING:
    from recbole_dtlns.llm.prompts import Prompt
    from recbole_dtlns.llm.server import Session

_HOW_TO_START = """judge=server needs the address of a server: set --server_url. One can be started with
  vllm serve Qwen/Qwen2.5-7B-Instruct --enable-prefix-caching      (--server_url=http://localhost:8000)
  python -m sglang.launch_server --model-path Qwen/Qwen2.5-7B-Instruct --port 30000      (http://localhost:30000)
  llama-server -m model.gguf -np 4 -c 16384 --port 8080      (http://localhost:8080)
Several addresses with one model are separated by commas. A key, where one is needed, goes into the environment variable
RECBOLE_DTLNS_API_KEY."""


class ServerJudge(Judge):
    """Raw = log P(positive) - log P(negative) of the next token, asked from a server.

    Several users are asked about at once (`server_concurrency`), the pairs of one user in order, so that the server's
    prompt cache holds what they have in common. Several addresses share the users: one that fails is left out for a
    while, and the others take over its users. Where requests fail for good, what the block got so far is kept; the
    rest is NaN and is asked again in the next run.

    Args:
        context: histories, codes and the keys `server_*` and `llm_prompt`.
        link: a connection that another judge has made; None = connect by the keys.

    Raises:
        UserError: no server, or one that cannot be asked.
    """

    name = "server"
    keys: ClassVar[Mapping[str, Key]] = {
        "server_url": Key(
            None, or_none(text), "address of an OpenAI-compatible server, or several with one model: A,B"
        ),
        "server_model": Key(None, or_none(text), "model's name there; unset: the only one it has"),
        "server_api": Key("auto", one_of(*SERVER_APIS), "endpoint that is asked"),
        "server_concurrency": Key(8, whole(1), "users that each address is asked about at the same time"),
        "server_timeout": Key(60.0, number(0.1), "seconds until a request counts as lost"),
        "server_retries": Key(5, whole(0), "times that a lost or refused request is repeated"),
        **PROMPT_KEYS,
    }
    gives_log_odds = True
    block_users = 64
    reads_history = True

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        """Refuse an unset or impossible `server_url` and a missing prompt; asks nothing yet."""
        from recbole_dtlns.llm.prompts import Prompt, check_titles
        from recbole_dtlns.llm.server import addresses

        if options["server_url"] is None:
            raise UserError(_HOW_TO_START)
        addresses(options["server_url"])
        check_titles(Prompt.read(options["llm_prompt"]), options)

    def __init__(self, context: JudgeContext, link: _Link | None = None) -> None:
        self._context, self._link = context, link or _connect(context.options)
        self.revision, self.usage = self._link.session.connection.revision, self._link.usage
        self.reads_titles = self._link.prompt.shows_titles

    def settings(self) -> dict[str, Any]:
        """Model, prompt and way of asking; never the address or the key."""
        to = self._link.session.connection
        about = {"model": to.model, "prompt": self._link.prompt.about()}
        return {**about, "api": to.endpoint.name, "form": to.endpoint.form}

    def score(self, users: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log-odds and label mass of pairs int64 [n], float64 [n] each; NaN where there is no answer.

        Raises:
            UserError: not one answer came, or none so far names a label.
        """
        from recbole_dtlns.false_negatives.judges.asking import questions_by_user

        asked = [
            self._link.prompt.questions(history, candidates)
            for _, history, candidates in questions_by_user(self._context, users, items, self.reads_titles)
        ]
        raw, mass = np.full(len(users), np.nan), np.full(len(users), np.nan)
        # The pairs of a user lie side by side, in the order of the questions.
        for place, reply in enumerate(reply for replies in self._link.session.ask(asked) for reply in replies):
            if reply is not None:
                raw[place], mass[place] = reply.margin, reply.mass
        counts = self.summary()
        self._link.usage.calls = counts["answered"] + counts["unreadable"] + counts["too_long"]
        self._link.usage.prompt_tokens = self._link.session.counts["tokens"]
        if self._link.session.interrupted:
            raise InterruptedAnswers(raw, mass)
        return raw, mass

    def summary(self) -> dict[str, int]:
        """Counts so far: `answered`, `bounded` (one label was below the list), `unreadable`, `too_long`."""
        return {name: self._link.session.counts[name] for name in ("answered", "bounded", "unreadable", "too_long")}

    def on(self, context: JudgeContext) -> ServerJudge:
        """The same server over other histories and codes."""
        return type(self)(context, self._link)


@dataclass(frozen=True)
class _Link:
    """What judges over different histories share."""

    prompt: Prompt
    session: Session
    usage: Usage = field(default_factory=Usage)


def _connect(options: Mapping[str, Any]) -> _Link:
    from recbole_dtlns.llm.prompts import Prompt
    from recbole_dtlns.llm.server import Client, Session, addresses, connect, connect_all

    ServerJudge.check(options)
    prompt = Prompt.read(options["llm_prompt"])
    roots = addresses(options["server_url"])
    clients = [Client(root, options["server_timeout"], options["server_retries"]) for root in roots]
    api, model = options["server_api"], options["server_model"]
    servers = connect_all(clients, lambda client: connect(client, prompt, api, model))
    return _Link(prompt, Session(servers, options["server_concurrency"]))
