"""The page of a report in a real browser, and scripts that look at it."""

import html
import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--enable-logging=stderr",
    "--v=0",
    "--virtual-time-budget=5000",
)


@dataclass
class Seen:
    """What the browser made of a page."""

    dom: str
    errors: list[str]
    requests: list[str]

    @property
    def answer(self):
        """What the script of the test has left in the page."""
        answer = re.search(r'<pre id="answer">(.*?)</pre>', self.dom, re.DOTALL)
        assert answer, "the script of the test did not end"
        return json.loads(html.unescape(answer[1]))


def open_page(browser: str, page: Path, profile: Path, log: Path, *flags: str) -> Seen:
    """Open a page in a headless browser.

    Args:
        browser: the program.
        page: a file of HTML.
        profile, log: a new folder and a new file for the browser.
        flags: more of its flags.
    """
    places = (f"--user-data-dir={profile}", f"--log-net-log={log}", "--dump-dom", page.as_uri())
    command = [browser, *FLAGS, *flags, *places]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    errors = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    return Seen(done.stdout, errors, page_requests(log))


def page_requests(log: Path) -> list[str]:
    """Addresses that the page asked for; those that the browser asks for by itself have no origin."""
    content = json.loads(log.read_text(encoding="utf-8"))
    started = content["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    asked = [event["params"] for event in content["events"] if event["type"] == started and "params" in event]
    return [request["url"] for request in asked if request.get("initiator", "not an origin") != "not an origin"]


def script(body: str) -> str:
    """A script that leaves what it returns in the page."""
    return (
        "<script>{const pre = document.createElement('pre'); pre.id = 'answer';"
        f"pre.textContent = JSON.stringify((() => {{{body}}})()); document.body.append(pre);}}</script>"
    )


def framed(look, report: Path, width: int, body: str):
    """What a script finds in the page in a frame of so many pixels: a window is never as narrow as a phone."""
    page = html.escape((report / "report.html").read_text(encoding="utf-8"))
    frame = f'<iframe id="phone" style="width: {width}px; height: 800px; border: 0" srcdoc="{page}"></iframe>'
    code = (
        "<script>document.getElementById('phone').addEventListener('load', (event) => {"
        "const view = event.target.contentWindow, document_ = event.target.contentDocument;"
        "const pre = document.createElement('pre'); pre.id = 'answer';"
        f"pre.textContent = JSON.stringify(((window, document) => {{{body}}})(view, document_));"
        "document.body.append(pre);});</script>"
    )
    return look(frame + code).answer
