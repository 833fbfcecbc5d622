"""Asking about many users at once, and keeping what was answered when something fails."""

from __future__ import annotations

import logging
import math
import threading
from collections import Counter
from collections.abc import Sequence

from recbole_dtlns.errors import UserError
from recbole_dtlns.llm.server.block import Block
from recbole_dtlns.llm.server.client import Refused, Stopped, Unreachable
from recbole_dtlns.llm.server.connect import SHAPE_ERRORS, Connection
from recbole_dtlns.llm.server.labels import Reply
from recbole_dtlns.llm.server.servers import Server, unreachable, what_is_kept

logger = logging.getLogger(__name__)

_HOPELESS = 200
"""Unreadable answers, with no other among them, after which it is no use to go on."""

_LOOK = 0.1
"""Seconds after which a thread looks whether its server, which is left out, may be tried again."""

_NOTES = {
    "bounded": "A label is missing from the server's list of likely tokens: the last token listed bounds it.",
    "unreadable": "An answer has neither label in the server's list of likely tokens: the pair has no verdict.",
    "too_long": "A prompt does not fit the server's context: the pair has no verdict. A smaller llm_max_history helps.",
}


class Session:
    """Questions to one model, which one server has or several have.

    Attributes:
        connection: what the servers are and how they are asked.
        counts: `answered`, `unreadable` and `too_long` pairs, `bounded` ones among the answered, and `tokens` read.
        interrupted: whether Ctrl-C ended the last `ask` early.

    Args:
        servers: as `connect_all` makes them.
        concurrency: users that each server is asked about at once; never more than its endpoint takes.
    """

    def __init__(self, servers: Sequence[Server], concurrency: int) -> None:
        self._servers, self._concurrency = servers, concurrency
        self.connection: Connection = next(server.connection for server in servers if server.connection is not None)
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
        self._revive()
        block = Block(users, self._servers)
        try:
            self._run(block)
        except KeyboardInterrupt:
            self.interrupted = True
            return block.replies
        if block.problem is not None and block.missing:
            if not block.answers:
                raise what_is_kept(block.problem)
            logger.warning("%s %d answers were received before and are kept.", block.problem, block.answers)
        if not self.counts["answered"] and self.counts["unreadable"] >= _HOPELESS:
            raise UserError(
                f"None of {self.counts['unreadable']} answers of {self.connection.model} has a label of the prompt "
                f"among its likely tokens (server_api={self.connection.endpoint.name}). Use another server_api, "
                "llm_prompt or model."
            )
        return block.replies

    def _revive(self) -> None:
        """If no server is left, try all of them again. The only server there is is just asked again.

        Raises:
            UserError: none is back.
        """
        if any(server.living for server in self._servers):
            return
        if len(self._servers) == 1:
            self._servers[0].forgive()
        elif not any(server.try_again(self.connection, patient=True) for server in self._servers):
            raise what_is_kept(self._servers[-1].problem)

    def _run(self, block: Block) -> None:
        """Ask by threads; as daemons, those that wait for a server hold up neither Ctrl-C nor the program's end."""
        for server in self._servers:
            if server.living:
                server.client.stop = threading.Event()
            for worker in range(server.workers(self._concurrency)):
                name = f"server-judge-{server.client.root}-{worker}"
                threading.Thread(target=self._work, args=(block, server, worker), name=name, daemon=True).start()
        try:
            while not block.stop.wait(0.5):
                pass
        finally:
            block.stop.set()
            for server in self._servers:
                server.client.stop.set()
        block.wait_for_threads()
        if block.crash is not None:
            raise block.crash

    def _work(self, block: Block, server: Server, worker: int) -> None:
        """One thread: asks while its server lives, and looks whether it is back while it does not."""
        try:
            while not block.stop.is_set():
                if server.living and worker < server.workers(self._concurrency):
                    user = block.take(server)
                    if user is not None:
                        self._ask_about_user(block, user, server, worker)
                elif server.due():
                    server.try_again(self.connection)
                else:
                    block.stop.wait(_LOOK)
        except BaseException as error:  # raised again in the thread that waits
            block.break_off(error)

    def _ask_about_user(self, block: Block, user: int, server: Server, worker: int) -> None:
        """Ask one server about a user; what it does not answer is given back for the others."""
        patience = max(2, server.workers(self._concurrency))
        most = 1
        try:
            self._ask_in_order(block, user, server, worker)
        except Stopped:
            return block.give_back(user, server)
        except Unreachable as error:
            problem, most = UserError(unreachable(server.client, error)), patience
        except Refused as error:  # one prompt alone, where the server has answered others
            problem, most = UserError(self._refused(server, error)), patience if server.has_answered else 1
        except UserError as error:
            problem = error
        except SHAPE_ERRORS as error:
            problem = UserError(self._odd(server, error))
        else:
            return block.finish()
        if server.failed(problem, most) and any(other.living for other in self._servers):
            logger.warning("%s It is left out for a while, and the other addresses go on.", problem)
        return block.give_back(user, server, problem)

    def _ask_in_order(self, block: Block, user: int, server: Server, worker: int) -> None:
        """Ask what has no reply yet, until the block is stopped."""
        questions, replies = block.users[user], block.replies[user]
        place = replies.index(None) if None in replies else len(questions)
        while place < len(questions) and not block.stop.is_set():
            try:
                for reply in server.endpoint.ask(questions[place:], worker):
                    replies[place] = reply
                    place += 1
                    self._count(reply, block, server)
                    if block.stop.is_set():
                        return
            except Refused as error:
                if not error.too_long:
                    raise
                replies[place] = Reply(too_long=True)
                place += 1
                self._count(Reply(too_long=True), block, server)

    def _count(self, reply: Reply, block: Block, server: Server) -> None:
        kind = "too_long" if reply.too_long else "unreadable" if math.isnan(reply.margin) else "answered"
        with self._lock:
            for name in [kind, "bounded"] if reply.bounded else [kind]:
                self.counts[name] += 1
                if self.counts[name] == 1 and name in _NOTES:
                    logger.warning(_NOTES[name])
            self.counts["tokens"] += reply.tokens
        block.answered()
        server.answered()

    def _refused(self, server: Server, error: Refused) -> str:
        return (
            f"The server at {server.client.root} refuses server_api={self.connection.endpoint.name} for the model "
            f"{self.connection.model!r}: {error}. Check server_url, server_model and server_api."
        )

    def _odd(self, server: Server, error: Exception) -> str:
        return (
            f"The server at {server.client.root} answers server_api={self.connection.endpoint.name} in a form that is "
            f"not known here ({error!r}). Use another server_api."
        )
