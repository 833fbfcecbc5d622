"""The text of a prompt, in the model's chat template where the server can apply it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from recbole_dtlns.llm.prompts import TEMPLATE_OPTIONS, Prompt
from recbole_dtlns.llm.server.client import Client, Refused

_MARK = "@@QUESTION@@"


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


def conversations(prompt: Prompt, question: str) -> Iterator[list[dict[str, str]]]:
    """Chat messages, first with a system message, then without one (Gemma and others know none)."""
    system = prompt.system.strip()
    yield [{"role": "system", "content": system}, {"role": "user", "content": question}]
    yield [{"role": "user", "content": f"{system}\n\n{question}"}]


def llamacpp_shell(client: Client, prompt: Prompt) -> Shell:
    """The shell by the template of a llama.cpp server; plain if it has none that keeps the texts as they are."""
    for messages in conversations(prompt, _MARK):
        body: dict[str, Any] = {"messages": messages, "chat_template_kwargs": TEMPLATE_OPTIONS}
        try:
            answer = client.post("/apply-template", body)
        except Refused:
            continue
        head, found, tail = str(answer.get("prompt", "")).partition(_MARK)
        if found and prompt.system.strip() in head:
            return Shell(head, tail + prompt.answer, "template")
    return plain_shell(prompt)
