"""The process between a worker and its command: signals arrive, exit statuses come back, nothing is left behind."""

import signal
import subprocess
import sys
import time

import psutil
import pytest

SAVES = (
    "import pathlib, time\n"
    "try:\n    pathlib.Path('at-work').touch(); time.sleep(60)\n"
    "except KeyboardInterrupt:\n    pathlib.Path('saved-state').touch(); raise SystemExit(130)"
)


@pytest.fixture
def attended(tmp_path):
    """`attended(code)` starts it as a worker of Ray does, which blocks SIGINT."""
    started = []

    def start(code):
        words = [sys.executable, "-m", "recbole_dtlns.engines.attend", sys.executable, "-c", code]
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            started.append(subprocess.Popen(words, stdin=subprocess.PIPE, cwd=tmp_path, start_new_session=True))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def wait_for(path):
    until = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("code", "status"), [("pass", 0), ("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 9)", -9)]
)
def test_the_status_of_the_command_comes_back(attended, code, status):
    assert attended(code).wait(60) == status


def test_a_signal_arrives_although_the_worker_blocks_it(attended, tmp_path):
    process = attended(SAVES)
    wait_for(tmp_path / "at-work")
    process.stdin.write(bytes([signal.SIGINT]))
    process.stdin.flush()
    assert process.wait(60) == 130
    assert (tmp_path / "saved-state").exists()


def test_a_command_ends_with_its_worker_and_so_do_its_own_processes(attended, tmp_path):
    process = attended(
        "import pathlib, subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "pathlib.Path('at-work').touch(); time.sleep(60)"
    )
    wait_for(tmp_path / "at-work")
    started = psutil.Process(process.pid).children(recursive=True)
    assert len(started) == 2
    process.stdin.close()
    assert process.wait(60) == -9
    assert not psutil.wait_procs(started, timeout=10)[1]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ties a process to another")
def test_a_command_ends_with_the_process_beside_it(attended, tmp_path):
    """Ray kills what a worker has started, and nothing behind that."""
    process = attended("import pathlib, time; pathlib.Path('at-work').touch(); time.sleep(60)")
    wait_for(tmp_path / "at-work")
    started = psutil.Process(process.pid).children()
    assert len(started) == 1
    process.kill()
    assert not psutil.wait_procs(started, timeout=10)[1]
