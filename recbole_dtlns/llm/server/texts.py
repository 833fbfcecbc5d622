"""The text of a prompt, in the model's chat template where the server can apply it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from recbole_dtlns.llm.encoding import surroundings
from recbole_dtlns.llm.prompts import TEMPLATE_OPTIONS, Prompt
from recbole_dtlns.llm.server.client import Client, Refused

LABEL_ADVICE = "Use another llm_prompt, or server_api=chat."
"""Where the labels cannot be told apart by one token."""


@dataclass(frozen=True)
class Shell:
    """What stands around a question, the same for every pair.

    Attributes:
        head: text before it.
        tail: text after it, with the beginning of the answer.
        form: `template` or `plain`; part of the verdict store's keys.
    """

    head: str
    tail: str
    form: str

    def around(self, question: str) -> str:
        """The whole prompt."""
        return self.head + question + self.tail


def plain_shell(prompt: Prompt) -> Shell:
    """The text without a chat template: task, question and the beginning of the answer."""
    return Shell(f"{prompt.system.strip()}\n\n", f"\n{prompt.answer}", "plain")


def llamacpp_shell(client: Client, prompt: Prompt) -> Shell:
    """The shell by the template of a llama.cpp server; plain if it has none that keeps the texts as they are."""

    def rendered(messages: list[dict[str, str]]) -> str | None:
        body: dict[str, Any] = {"messages": messages, "chat_template_kwargs": TEMPLATE_OPTIONS}
        try:
            return str(client.post("/apply-template", body).get("prompt", ""))
        except Refused:
            return None

    around = surroundings(prompt, rendered)
    return plain_shell(prompt) if around is None else Shell(around[0], around[1] + prompt.answer, "template")
