"""One list of users whose questions several servers share."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from recbole_dtlns.errors import UserError
from recbole_dtlns.llm.server.labels import Reply
from recbole_dtlns.llm.server.servers import Server

_POLL = 0.5
"""Seconds after which a waiting thread looks again whether something has changed."""


class Block:
    """Deals out users to servers. A user whom one server fails goes to another one, at most once to each.

    Attributes:
        users: the questions about each.
        replies: a list a user, one for each question; None where no answer came.
        stop: set when there is nothing left that a living server could do, or from outside.
        problem: why some questions have no answer.
        crash: what ended a thread, if that was not foreseen.
        answers: number that came.

    Args:
        users: the questions about each.
        servers: all of them, those that are left out too.
    """

    def __init__(self, users: Sequence[Sequence[str]], servers: Sequence[Server]) -> None:
        self.users, self.stop = users, threading.Event()
        self.replies: list[list[Reply | None]] = [[None] * len(questions) for questions in users]
        self.problem: UserError | None = None
        self.crash: BaseException | None = None
        self.answers = 0
        self._servers, self._changed = servers, threading.Condition()
        self._waiting, self._at_work = deque(range(len(users))), 0
        self._failed_at: dict[int, set[Server]] = {}

    @property
    def missing(self) -> bool:
        """Whether a question has no reply."""
        return any(None in replies for replies in self.replies)

    def take(self, server: Server) -> int | None:
        """The next user for a server; waits for one that another server gives back. None = there is none for it."""
        with self._changed:
            while not self.stop.is_set() and server.living:
                user = next((user for user in self._waiting if self._may_ask(server, user)), None)
                if user is not None:
                    self._waiting.remove(user)
                    self._at_work += 1
                    return user
                self._look_for_the_end()
                self._changed.wait(_POLL)
            return None

    def finish(self) -> None:
        """All questions about a user have been asked."""
        with self._changed:
            self._at_work -= 1
            self._look_for_the_end()

    def give_back(self, user: int, server: Server, problem: UserError | None = None) -> None:
        """Have other servers asked about the rest of a user's questions.

        Args:
            user: its place.
            server: that was asked about it.
            problem: why it gave no answer; None = it was left out meanwhile, and the user may come to it again.
        """
        with self._changed:
            self._at_work -= 1
            self._waiting.appendleft(user)
            if problem is not None:
                self.problem = problem
                self._failed_at.setdefault(user, set()).add(server)
            self._look_for_the_end()

    def break_off(self, crash: BaseException) -> None:
        """End the block: a thread met something that was not foreseen."""
        with self._changed:
            self.crash = crash
            self._at_work = 0
            self.stop.set()
            self._changed.notify_all()

    def answered(self) -> None:
        """An answer came."""
        with self._changed:
            self.answers += 1

    def wait_for_threads(self) -> None:
        """Wait until no thread asks any more."""
        with self._changed:
            while self._at_work > 0:
                self._changed.wait(_POLL)

    def _may_ask(self, server: Server, user: int) -> bool:
        return server not in self._failed_at.get(user, ())

    def _look_for_the_end(self) -> None:
        living = [server for server in self._servers if server.living]
        if self._at_work <= 0 and not any(self._may_ask(server, user) for server in living for user in self._waiting):
            self.stop.set()
        self._changed.notify_all()
