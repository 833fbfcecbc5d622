"""JSON over HTTP with retries, for servers that answer about language models."""

from __future__ import annotations

import email.utils
import http.client
import json
import logging
import os
import random
import re
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from recbole_dtlns.errors import UserError

logger = logging.getLogger(__name__)

KEY_NAMES = ("RECBOLE_DTLNS_API_KEY", "OPENAI_API_KEY")
"""Environment variables that may hold the key, the first one that is set."""

_FIRST_WAIT = 0.5
"""Seconds before the first retry; each later one waits twice as long."""
_LONGEST_WAIT = 300.0
_AGAIN = frozenset({408, 409, 425, 429})
_SHOWN = 300
_TOO_LONG = ("context length", "context size", "context_length", "context_size", "context window", "max_model_len")


class Refused(Exception):
    """The server understood and said no (4xx); asking again would not help.

    Attributes:
        status: HTTP status.
        message: what the server said, shortened and without the key.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"HTTP {status}: {message}")
        self.status, self.message = status, message

    @property
    def too_long(self) -> bool:
        """Whether the prompt did not fit the model's context."""
        return self.status in {400, 413, 422} and any(words in self.message.lower() for words in _TOO_LONG)


class Unreachable(Exception):
    """No usable answer after all retries."""


class Stopped(Exception):
    """The run was stopped while a retry was waiting."""


class Client:
    """Sends requests to one server. May be used from several threads.

    The key comes from the environment alone (`KEY_NAMES`) and goes into the Authorization header alone: it is in no
    log and no error. Redirects are not followed, so that no other host ever sees it.

    Attributes:
        root: address of the server, without `/v1`.
        stop: set to end waiting for retries.

    Args:
        url: address of the server, with or without `/v1`.
        timeout: seconds that one request may take to connect, and between two pieces of its answer.
        retries: how often a request is sent again after a lost connection, a timeout, 429 or 5xx.

    Raises:
        UserError: the address cannot be used.
    """

    def __init__(self, url: str, timeout: float = 60.0, retries: int = 5) -> None:
        self.root, self.stop = _root(url), threading.Event()
        self._timeout, self._retries, self._jitter = timeout, retries, random.Random(0)
        self._key = next((os.environ[name] for name in KEY_NAMES if os.environ.get(name)), None)
        self._opener = urllib.request.build_opener(_NoRedirect)

    def get(self, path: str) -> Any:
        """The JSON at a path such as `/v1/models`. Raises as `post`."""
        return self._request(path, None)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Send JSON, receive JSON.

        Raises:
            Refused: the server said no.
            UserError: it wants another key.
            Unreachable: it did not answer, or sent something that is no JSON, each time.
            Stopped: `stop` was set meanwhile.
        """
        return self._request(path, json.dumps(body).encode())

    def ask_once(self) -> None:
        """Ask a short question once, without repeating it.

        Raises:
            Unreachable, UserError: as `post`.
        """
        try:
            self._request("/v1/models", None, retries=0)
        except Refused:
            return

    def _request(self, path: str, data: bytes | None, retries: int | None = None) -> Any:
        retries = self._retries if retries is None else retries
        for attempt in range(retries + 1):
            try:
                return self._once(path, data)
            except urllib.error.HTTPError as error:
                problem, asked = self._read_error(error), _retry_after(error.headers.get("Retry-After"))
            except (OSError, http.client.HTTPException, ValueError) as error:
                # URLError and timeouts are OSErrors; broken JSON and text are ValueErrors
                problem, asked = self._hidden(f"{getattr(error, 'reason', None) or error!r}"), 0.0
            if attempt < retries:
                self._wait(attempt, asked, problem)
        raise Unreachable(f"{path}: {problem}, {retries + 1} times.")

    def _once(self, path: str, data: bytes | None) -> Any:
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "recbole-dtlns"}
        request = urllib.request.Request(self.root + path, data, headers)
        if self._key is not None:
            request.add_unredirected_header("Authorization", f"Bearer {self._key}")
        with self._opener.open(request, timeout=self._timeout) as response:
            return json.loads(response.read())

    def _read_error(self, error: urllib.error.HTTPError) -> str:
        """What went wrong, if asking again may help; raises if not."""
        try:
            body = error.read(1 << 16).decode(errors="replace")
        except (OSError, http.client.HTTPException):
            body = ""
        if error.code in {401, 403}:
            raise UserError(_key_message(self.root, error.code, self._key is not None)) from None
        message = self._hidden(_message_of(body) or str(error.reason))
        if error.code < 500 and error.code not in _AGAIN:
            raise Refused(error.code, message) from None
        return f"HTTP {error.code} ({message})"

    def _hidden(self, text: str) -> str:
        return (text if self._key is None else text.replace(self._key, "***"))[:_SHOWN]

    def _wait(self, attempt: int, asked: float, problem: str) -> None:
        # Jitter, so that the workers do not all come back at the same moment.
        seconds = max(asked, _FIRST_WAIT * 2**attempt * self._jitter.uniform(0.75, 1.25))
        logger.info("The server has a problem: %s. Asking again in %.1f s.", problem, seconds)
        if self.stop.wait(min(seconds, _LONGEST_WAIT)):
            raise Stopped


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Makes a redirect an error: no other host may see the key."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """None: not followed."""


def addresses(text: str) -> list[str]:
    """The addresses in the text of `server_url`, which are separated by commas.

    Raises:
        UserError: one cannot be used, or stands there twice.
    """
    roots = [_root(part) for part in text.split(",")]
    if len(set(roots)) < len(roots):
        raise UserError(f"server_url names an address twice: {', '.join(roots)}. Name each once.")
    return roots


def _root(url: str) -> str:
    text = url.strip().rstrip("/")
    if not _is_address(text):
        # The address itself is not shown: it may hold a password.
        raise UserError(
            "server_url should be an address such as http://localhost:8000 or https://host/v1, without user name, "
            "password or query, or several with commas between them. A key goes into the environment variable "
            f"{KEY_NAMES[0]}."
        )
    return text.removesuffix("/v1")


def _is_address(text: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(text)
        port = parts.port
    except ValueError:  # such as [::1 or :eighty
        return False
    plain = not (parts.query or parts.fragment or parts.username or parts.password or re.search(r"[\s;]", text))
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and plain and port != 0


def _message_of(body: str) -> str:
    """The message inside an error's JSON, or the text itself."""
    try:
        content = json.loads(body)
    except ValueError:
        return body.strip()
    message = content.get("error", content) if isinstance(content, dict) else content
    if isinstance(message, dict):
        message = message.get("message") or message.get("detail") or message
    return str(message)


def _retry_after(value: str | None) -> float:
    """Seconds of a Retry-After header: a number, or a date; 0 without one."""
    if not value:
        return 0.0
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return 0.0


def _key_message(root: str, status: int, given: bool) -> str:
    state = "does not accept the key" if given else "wants a key, and none is set"
    return (
        f"The server at {root} {state} (HTTP {status}). Put the key into the environment variable {KEY_NAMES[0]} "
        f"(or {KEY_NAMES[1]}): export {KEY_NAMES[0]}=..."
    )
