"""Language models behind HTTP: vLLM, SGLang, llama.cpp's server and hosted ones with OpenAI's endpoints.

No package beyond the standard library is needed.
"""

from recbole_dtlns.llm.server.client import KEY_NAMES, Client, Unreachable, addresses
from recbole_dtlns.llm.server.connect import Connection, connect
from recbole_dtlns.llm.server.labels import Reply
from recbole_dtlns.llm.server.servers import Server, connect_all
from recbole_dtlns.llm.server.session import Session

__all__ = [
    "KEY_NAMES",
    "Client",
    "Connection",
    "Reply",
    "Server",
    "Session",
    "Unreachable",
    "addresses",
    "connect",
    "connect_all",
]
