"""A bounded number of threads that work through a list and stop at once."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

Task = TypeVar("Task")


def run_all(tasks: Iterable[Task], work: Callable[[Task, int], None], workers: int, stop: threading.Event) -> None:
    """Call `work(task, worker)` for every task, tasks in order, `worker` from 0 to `workers` - 1.

    The threads are daemons: a thread that waits for a server keeps neither Ctrl-C nor the end of the program waiting,
    as those of `concurrent.futures` would.

    Args:
        tasks: what is to do.
        work: does one task; its first exception ends the run and is raised here.
        workers: threads.
        stop: set from outside or by an exception; no new task is begun then.
    """
    waiting: queue.SimpleQueue[Task] = queue.SimpleQueue()
    for task in tasks:
        waiting.put(task)
    errors: list[BaseException] = []

    def loop(worker: int) -> None:
        while not stop.is_set():
            try:
                task = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                work(task, worker)
            except BaseException as error:  # raised again below, in the thread that waits
                errors.append(error)
                stop.set()

    threads = [
        threading.Thread(target=loop, args=(worker,), name=f"server-judge-{worker}", daemon=True)
        for worker in range(workers)
    ]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(0.5)
    finally:
        stop.set()
    if errors:
        raise errors[0]
