"""Servers of all kinds in a thread of this process: small enough to know every answer, and able to misbehave."""

import json
import math
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MASS = 0.5
MODEL = "fake-model"


def margin_of(prompt):
    """The log-odds that the fake model gives after a prompt: they depend on the candidate's line alone."""
    candidate = prompt.rsplit("Candidate:\n", 1)[-1].split("\n")[0].split("<")[0].strip()
    return (sum(map(ord, candidate)) % 13 - 6) / 2


def logprobs_of(prompt):
    """(log P(positive), log P(negative)); both together have MASS."""
    positive = 1 / (1 + math.exp(-margin_of(prompt)))
    return math.log(MASS * positive), math.log(MASS * (1 - positive))


class FakeServer:
    """`with FakeServer("vllm") as server:` answers at `server.url`.

    `kind` is llamacpp, sglang, vllm, completions or chat. Its tokens are characters, so " positive" and " negative"
    begin with the same token. `faults` are used up by the coming questions: a status, (status, headers), "garbage",
    "drop", "hang", a JSON value that is sent instead, or None for a good answer.
    """

    def __init__(self, kind, model=MODEL, slots=2, context=100_000, key=None, template=True, bearing=None):
        self.kind, self.model, self.slots, self.context, self.key = kind, model, slots, context, key
        self.template, self.bearing, self.most_listed = template, bearing or listed, 20
        self.faults, self.asked, self.seen = deque(), [], []
        self.release, self.most_at_once, self._now = threading.Event(), 0, 0
        self.lock = threading.Lock()

    def __enter__(self):
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                fake.handle(self, None)

            def do_POST(self):
                fake.handle(self, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.release.set()
        self._http.shutdown()
        self._http.server_close()

    def handle(self, request, body):
        with self.lock:
            self._now += 1
            request.counted_out = False  # one handler serves all requests of a connection
            self.most_at_once = max(self.most_at_once, self._now)
            self.seen.append((request.path, body, request.headers.get("Authorization"), time.monotonic()))
        try:
            self._answer(request, body)
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            self._leave(request)

    def _leave(self, request):
        """Count a request out, once: before its answer, as the client may ask the next question before we are done."""
        with self.lock:
            self._now -= not getattr(request, "counted_out", False)
            request.counted_out = True

    def _answer(self, request, body):
        if self.key is not None and request.headers.get("Authorization") != f"Bearer {self.key}":
            return send(request, 401, {"error": {"message": f"wrong key {request.headers.get('Authorization')}"}})
        routes = {**self._routes(), "/v1/models": lambda _: {"data": [{"id": self.model}]}}
        if request.path not in routes:
            return send(request, 404, {"error": {"message": "File Not Found"}})
        questions = {"/completion", "/v1/completions", "/v1/chat/completions", "/v1/score", "/generative_scoring"}
        if request.path in questions:
            with self.lock:
                fault = self.faults.popleft() if self.faults else None
            if fault is not None:
                return self._misbehave(request, fault)
        if body is not None and body.get("model", self.model) != self.model:
            return send(request, 404, {"error": {"message": f"no model {body['model']}"}})
        answer = routes[request.path](body)
        self._leave(request)
        return send(request, *(answer if isinstance(answer, tuple) else (200, answer)))

    def _misbehave(self, request, fault):
        if fault == "garbage":
            return send(request, 200, "<html>no JSON")
        if fault == "drop":
            return request.connection.close()
        if fault == "hang":
            self.release.wait(30)
            return None
        if isinstance(fault, dict):
            return send(request, 200, fault)
        status, headers = fault if isinstance(fault, tuple) else (fault, {})
        text = f"fault {request.headers.get('Authorization')}"
        return send(request, status, {"error": {"message": headers.pop("message", text)}}, headers)

    def _routes(self):
        return {
            "llamacpp": {
                "/props": lambda _: {"total_slots": self.slots},
                "/apply-template": self._apply_template,
                "/tokenize": lambda body: {"tokens": ids(body["content"])},
                "/completion": self._llamacpp,
            },
            "sglang": {
                "/model_info": lambda _: {"model_path": self.model},
                "/tokenize": self._tokenize,
                "/v1/score": self._score,
            },
            "vllm": {
                "/version": lambda _: {"version": "0.30.0"},
                "/tokenize": self._tokenize,
                "/generative_scoring": self._generative_scoring,
                "/v1/completions": self._completions,
                "/v1/chat/completions": self._chat,
            },
            "completions": {"/v1/completions": self._completions},
            "chat": {"/v1/chat/completions": self._chat},
        }[self.kind]

    def _question(self, prompt):
        with self.lock:
            self.asked.append(prompt)

    def _apply_template(self, body):
        return (
            {"prompt": templated(body["messages"])} if self.template else (400, {"error": {"message": "no template"}})
        )

    def _tokenize(self, body):
        if "messages" in body and not self.template:
            return 400, {"error": {"message": "no messages"}}
        text = templated(body["messages"]) if "messages" in body else body["prompt"]
        return {"tokens": ids(text), "count": len(text), "max_model_len": self.context}

    def _llamacpp(self, body):
        prompt = body["prompt"] if isinstance(body["prompt"], str) else body["prompt"][0] + text_of(body["prompt"][1:])
        if len(prompt) > self.context:
            return 400, {"error": {"message": "request exceeds the available context size"}}
        self._question(prompt)
        top = self.bearing(prompt, {"p": ord("p"), "n": ord("n")}, body["n_probs"])
        shown = [{"id": ord(token[0]), "token": token, "logprob": value} for token, value in top]
        return {"completion_probabilities": [{"top_logprobs": shown}], "timings": {"prompt_n": 7, "cache_n": 5}}

    def _completions(self, body):
        prompt = body["prompt"] if isinstance(body["prompt"], str) else text_of(body["prompt"])
        self._question(prompt)
        if body["logprobs"] > self.most_listed:
            return 400, {"error": {"message": "too many logprobs"}}
        top = self.bearing(prompt, {" positive": 0, " negative": 0}, body["logprobs"])
        usage = {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4}}
        return {"choices": [{"text": "x", "logprobs": {"top_logprobs": [dict(top)]}}], "usage": usage}

    def _chat(self, body):
        prompt = body["messages"][-1]["content"]
        self._question(prompt)
        if body["top_logprobs"] > self.most_listed:
            return 400, {"error": {"message": "too many logprobs"}}
        top = self.bearing(prompt, {"Positive": 0, "neg": 0}, body["top_logprobs"])
        shown = [{"token": token, "logprob": value} for token, value in top]
        content = [{"token": "x", "logprob": -1.0, "top_logprobs": shown}]
        return {"choices": [{"message": {"content": "x"}, "logprobs": {"content": content}}]}

    def _items(self, body):
        prompts = [text_of(body["query"] + item) for item in body["items"]]
        for prompt in prompts:
            self._question(prompt)
        assert body["label_token_ids"] == [ord("p"), ord("n")]
        return prompts

    def _score(self, body):
        scores = [list(map(math.exp, logprobs_of(prompt))) for prompt in self._items(body)]
        return {"scores": scores if not body["apply_softmax"] else None}

    def _generative_scoring(self, body):
        prompts = self._items(body)
        data = [{"index": i, "score": 1 / (1 + math.exp(-margin_of(prompt)))} for i, prompt in enumerate(prompts)]
        return {"data": data[::-1], "usage": {"prompt_tokens": 10 * len(prompts) + 1}}


def listed(prompt, names, most):
    """The two labels under their names for this kind of server, most likely first, with others between."""
    first, second = names
    both = dict(zip((first, second), logprobs_of(prompt), strict=True))
    return sorted([*both.items(), (" the", -3.0)], key=lambda alternative: -alternative[1])[:most]


def ids(text):
    """One token a character."""
    return list(map(ord, text))


def text_of(tokens):
    return "".join(map(chr, tokens))


def templated(messages):
    return "".join(f"<{message['role']}>{message['content']}</>" for message in messages) + "<assistant>"


def send(request, status, content, headers=None):
    data = (content if isinstance(content, str) else json.dumps(content)).encode()
    request.send_response(status)
    for name, value in (headers or {}).items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(data)))
    request.end_headers()
    request.wfile.write(data)
