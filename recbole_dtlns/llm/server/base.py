"""What the kinds of endpoints have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from recbole_dtlns.llm.server.labels import Reply


class Endpoint(Protocol):
    """One way of asking a server for the log-odds of the two labels.

    Attributes:
        name: value of `server_api`.
        form: how prompts are written (`template`, `plain`, `chat`); part of the judge's settings.
        workers: users that may be asked about at once; None = as many as wanted.
    """

    name: str
    form: str
    workers: int | None

    def ask(self, questions: Sequence[str], worker: int) -> Iterator[Reply]:
        """Replies about one user's candidates, in order.

        Args:
            questions: the user's messages; they begin alike.
            worker: which of the users that are asked about at once.

        Raises:
            Refused, Unreachable, Stopped, UserError: as `Client.post`.
            KeyError, TypeError, IndexError, ValueError, AttributeError, OverflowError: the answer has another shape.
        """
        ...


def read_tokens(answer: dict[str, Any]) -> int:
    """Tokens that the server read for an OpenAI-style answer, those from its cache left out; 0 = not told."""
    usage = answer.get("usage") or {}
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return max(0, int(usage.get("prompt_tokens") or 0) - int(cached))
