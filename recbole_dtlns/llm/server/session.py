"""Asking about many users at once, and keeping what was answered when something fails."""

from __future__ import annotations

import logging
import math
import threading
from collections import Counter
from collections.abc import Sequence

from recbole_dtlns.errors import UserError
from recbole_dtlns.llm.server.client import Client, Refused, Stopped, Unreachable
from recbole_dtlns.llm.server.connect import SHAPE_ERRORS, Connection
from recbole_dtlns.llm.server.labels import Reply
from recbole_dtlns.llm.server.pool import run_all

logger = logging.getLogger(__name__)

_HOPELESS = 200
"""Unreadable answers, with no other among them, after which it is no use to go on."""

_NOTES = {
    "bounded": "A label is missing from the server's list of likely tokens: the last token listed bounds it.",
    "unreadable": "An answer has neither label in the server's list of likely tokens: the pair has no verdict.",
    "too_long": "A prompt does not fit the server's context: the pair has no verdict. A smaller llm_max_history helps.",
}


class Session:
    """Questions to one connection.

    Attributes:
        counts: `answered`, `unreadable` and `too_long` pairs, `bounded` ones among the answered, and `tokens` read.
        interrupted: whether Ctrl-C ended the last `ask` early.

    Args:
        client: the server.
        connection: how it is asked.
        concurrency: users that are asked about at once; never more than the endpoint takes.
    """

    def __init__(self, client: Client, connection: Connection, concurrency: int) -> None:
        self._client, self._to = client, connection
        self._workers = min(concurrency, connection.endpoint.workers or concurrency)
        self._lock, self.counts = threading.Lock(), Counter[str]()
        self.interrupted = False

    def ask(self, users: Sequence[Sequence[str]]) -> list[list[Reply | None]]:
        """Ask about users.

        Args:
            users: the questions about each; those of one user are asked in order by one thread.

        Returns:
            A reply for each question, None where none came. As long as one came, failures are logged and no more.

        Raises:
            UserError: not one answer came, or none so far names a label.
        """
        block = _Block(users, self._workers)
        self._client.stop = block.stop
        try:
            run_all(
                range(len(users)),
                lambda user, worker: self._ask_about_user(block, user, worker),
                self._workers,
                block.stop,
            )
        except UserError as error:
            block.problem = error
        except KeyboardInterrupt:
            self.interrupted = True
            return block.replies
        if block.problem is not None:
            if not block.answers:
                raise block.problem
            logger.warning("%s %d answers were received before and are kept.", block.problem, block.answers)
        if not self.counts["answered"] and self.counts["unreadable"] >= _HOPELESS:
            raise UserError(
                f"None of {self.counts['unreadable']} answers of {self._to.model} has a label of the prompt among its "
                f"likely tokens (server_api={self._to.endpoint.name}). Use another server_api, llm_prompt or model."
            )
        return block.replies

    def _ask_about_user(self, block: _Block, user: int, worker: int) -> None:
        questions, replies = block.users[user], block.replies[user]
        place = 0
        while place < len(questions) and not block.stop.is_set():
            try:
                for reply in self._to.endpoint.ask(questions[place:], worker):
                    replies[place] = reply
                    place += 1
                    self._count(reply, block)
                    if block.stop.is_set():
                        return
            except Refused as error:
                if not error.too_long:
                    raise UserError(self._refused(error)) from None
                replies[place] = Reply(too_long=True)
                place += 1
                self._count(Reply(too_long=True), block)
            except Unreachable as error:
                return block.failed(UserError(unreachable(self._client, error)))
            except Stopped:
                return
            except SHAPE_ERRORS as error:
                raise UserError(self._odd(error)) from error

    def _count(self, reply: Reply, block: _Block) -> None:
        kind = "too_long" if reply.too_long else "unreadable" if math.isnan(reply.margin) else "answered"
        with self._lock:
            for name in [kind, "bounded"] if reply.bounded else [kind]:
                self.counts[name] += 1
                if self.counts[name] == 1 and name in _NOTES:
                    logger.warning(_NOTES[name])
            self.counts["tokens"] += reply.tokens
            block.answered()

    def _refused(self, error: Refused) -> str:
        return (
            f"The server at {self._client.root} refuses server_api={self._to.endpoint.name} for the model "
            f"{self._to.model!r}: {error}. Check server_url, server_model and server_api."
        )

    def _odd(self, error: Exception) -> str:
        return (
            f"The server at {self._client.root} answers server_api={self._to.endpoint.name} in a form that is not "
            f"known here ({error!r}). Use another server_api."
        )


def unreachable(client: Client, error: Unreachable) -> str:
    """The message for a server that gives no answer."""
    return (
        f"The server at {client.root} gives no answer: {error} Check that it runs and that server_url is right, or "
        "raise server_timeout or server_retries. What was answered is kept; start again to go on."
    )


class _Block:
    """What the threads share while one list of users is asked about."""

    def __init__(self, users: Sequence[Sequence[str]], workers: int) -> None:
        self.users, self.stop = users, threading.Event()
        self.replies: list[list[Reply | None]] = [[None] * len(questions) for questions in users]
        self.problem: UserError | None = None
        self.answers = 0
        self._lock, self._in_a_row, self._most = threading.Lock(), 0, max(2, workers)

    def answered(self) -> None:
        """An answer came, so the server lives."""
        with self._lock:
            self.answers += 1
            self._in_a_row = 0

    def failed(self, problem: UserError) -> None:
        """One user was given up after all retries; a server that fails as many users as there are workers is dead."""
        with self._lock:
            self.problem = problem
            self._in_a_row += 1
            if self._in_a_row >= self._most:
                self.stop.set()
