"""The addresses of `server_url`: one model behind all of them, and which of them are well."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from recbole_dtlns.errors import UserError
from recbole_dtlns.llm.server.base import Endpoint
from recbole_dtlns.llm.server.client import Client, Stopped, Unreachable
from recbole_dtlns.llm.server.connect import Connection

logger = logging.getLogger(__name__)

Find = Callable[[Client], Connection]
"""Finds out how a server is asked, as `connect`."""

_LOOK = 0.2
"""Seconds after which the main thread looks whether Ctrl-C has come."""

FIRST_REST, LONGEST_REST = 5.0, 300.0
"""Seconds that a server is left out for after it failed; each further time twice as long."""


class Server:
    """One address. A server that fails is left out for a while, which grows, and is then tried again.

    Attributes:
        client: its address.
        connection: how it is asked; None until it has answered for the first time.
        living: whether it is asked.
        problem: why it was left out last.
        has_answered: whether an answer ever came.

    Args:
        client: its address.
        find: finds out how it is asked; called again before a server that was left out comes back.
    """

    def __init__(self, client: Client, find: Find) -> None:
        self.client, self.living, self.has_answered = client, True, False
        self.connection: Connection | None = None
        self.problem = UserError(f"The server at {client.root} was not asked.")
        self._find, self._lock = find, threading.RLock()
        self._in_a_row, self._rest, self._next, self._trying = 0, FIRST_REST, 0.0, False

    @property
    def endpoint(self) -> Endpoint:
        """The way of asking a server that has answered before."""
        if self.connection is None:
            raise RuntimeError(f"{self.client.root} has not been connected to.")
        return self.connection.endpoint

    def workers(self, concurrency: int) -> int:
        """Users that it is asked about at once; one as long as nobody knows what it takes."""
        if self.connection is None:
            return 1
        return min(concurrency, self.connection.endpoint.workers or concurrency)

    def connect(self) -> None:
        """Find out how it is asked. One that gives no answer is left out.

        Raises:
            UserError: it cannot be asked.
        """
        try:
            self.connection = self._find(self.client)
        except Unreachable as error:
            self._leave_out(UserError(unreachable(self.client, error)))

    def answered(self) -> None:
        """An answer came, so it lives."""
        with self._lock:
            self._in_a_row, self._rest, self.has_answered = 0, FIRST_REST, True

    def failed(self, problem: UserError, most: int) -> bool:
        """Note that a user was given up; after `most` of them in a row it is left out. True if that is now."""
        with self._lock:
            self._in_a_row += 1
            if not self.living or self._in_a_row < most:
                return False
            self._leave_out(problem)
            return True

    def forgive(self) -> None:
        """Ask it again as if nothing had happened."""
        with self._lock:
            self.living, self._in_a_row = True, 0

    def due(self) -> bool:
        """Whether a server that was left out may be tried now; the caller that is told so has to try it."""
        with self._lock:
            if self.living or self._trying or time.monotonic() < self._next:
                return False
            self._trying = True
            return True

    def try_again(self, model: Connection, patient: bool = False) -> bool:
        """Let it come back if it answers and has the model that the others have. True if it is back.

        Args:
            model: a connection to that model.
            patient: repeat lost requests; False = a dead server is not waited for.
        """
        self.client.stop = threading.Event()
        try:
            if not patient:
                self.client.ask_once()
            connection = self._find(self.client)
            if connection.identity != model.identity:
                raise UserError(another_model([(self.client.root, connection)], model))
        except Stopped:
            self._trying = False
            return False
        except Unreachable as error:
            self._leave_out(UserError(unreachable(self.client, error)))
            return False
        except UserError as error:
            self._leave_out(error)
            return False
        with self._lock:
            self.connection, self.living, self._trying, self._in_a_row = connection, True, False, 0
        logger.info("The server at %s is back.", self.client.root)
        return True

    def _leave_out(self, problem: UserError) -> None:
        with self._lock:
            seconds = self._rest
            self.problem, self.living, self._trying = problem, False, False
            self._next, self._rest = time.monotonic() + seconds, min(2 * seconds, LONGEST_REST)
            self.client.stop.set()  # nobody waits to repeat a request to it
        logger.info("%s is tried again in %.0f s: %s", self.client.root, seconds, problem)


def connect_all(clients: Sequence[Client], find: Find) -> list[Server]:
    """Servers that have the same model, all tried at once; those that give no answer are left out for now.

    Raises:
        UserError: none gives an answer, one cannot be asked, or they have different models.
    """
    servers = [Server(client, find) for client in clients]
    _connect_at_once(servers)
    connected = [(server.client.root, server.connection) for server in servers if server.connection is not None]
    if not connected:
        raise UserError(" ".join(str(server.problem) for server in servers))
    model = connected[0][1]
    if any(connection.identity != model.identity for _, connection in connected):
        raise UserError(another_model(connected, model))
    for server in servers:
        if not server.living:
            logger.warning("%s The other addresses begin without it.", server.problem)
    return servers


def _connect_at_once(servers: Sequence[Server]) -> None:
    """Connect to each in a thread of its own; as daemons, those that wait for an answer hold up no Ctrl-C.

    Raises:
        UserError: the first that cannot be asked, in the order of the addresses.
    """
    problems: dict[int, BaseException] = {}

    def connect(number: int) -> None:
        try:
            servers[number].connect()
        except BaseException as error:
            problems[number] = error

    threads = [
        threading.Thread(target=connect, args=(number,), daemon=True, name=f"connect-{number}")
        for number in range(len(servers))
    ]
    for thread in threads:
        thread.start()
    try:
        while waiting := [thread for thread in threads if thread.is_alive()]:
            waiting[0].join(_LOOK)
    finally:
        for server in servers:
            server.client.stop.set()  # nobody waits to repeat a request, as after Ctrl-C
    if problems:
        raise problems[min(problems)]


def another_model(connected: Sequence[tuple[str, Connection]], model: Connection) -> str:
    """The message for addresses with different models."""
    shown = "; ".join(f"{root} has {connection.about}" for root, connection in connected)
    return (
        f"All addresses of server_url must have one model, asked in one way: expected {model.about}, found: {shown}. "
        "Leave out the others, or set server_model and server_api."
    )


def unreachable(client: Client, error: Unreachable) -> str:
    """The message for a server that gives no answer."""
    return (
        f"The server at {client.root} gives no answer: {error} Check that it runs and that server_url is right, or "
        "raise server_timeout or server_retries."
    )


def what_is_kept(problem: UserError) -> UserError:
    """The error that ends a run because no server is left."""
    return UserError(f"{problem} What was answered is kept; start again to go on.")
