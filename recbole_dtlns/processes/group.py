"""This process among the processes of a run: its rank, and what the processes tell each other.

A run of one process is the usual case: there every function here hands back what it is given and waits for nobody.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from recbole_dtlns.errors import UserError

T = TypeVar("T")

_PATIENCE = datetime.timedelta(days=30)  # rank 0 may ask a language model for days; a peer that dies is noticed at once


@dataclass(frozen=True)
class Meeting:
    """Where the processes of a run meet.

    Attributes:
        ip, port: of the store that the starting program of rank 0 holds.
        size: processes of the run, on all machines.
        offset: rank of the first process on this machine.
        scratch: a folder for what processes other than rank 0 would write; it is removed after the run.
    """

    ip: str
    port: int
    size: int
    offset: int
    scratch: Path


@dataclass(frozen=True)
class Rank:
    """One process of a run.

    Attributes:
        number: its rank; rank 0 decides, evaluates and writes.
        size: processes of the run.
        local: its number on its machine, and that of its GPU.
        folder: what it may write into in place of the run folder; None for rank 0.
        waiting: the group in which processes wait for each other, on the CPU; None in a run of one process.
    """

    number: int = 0
    size: int = 1
    local: int = 0
    folder: Path | None = None
    waiting: Any = None

    @property
    def is_first(self) -> bool:
        """Whether this process decides, evaluates and writes."""
        return self.number == 0

    @property
    def is_alone(self) -> bool:
        """Whether the run has no other process."""
        return self.size == 1


_ALONE = Rank()
_rank = _ALONE


def this_rank() -> Rank:
    """This process among those of its run."""
    return _rank


@contextmanager
def taking_part(meeting: Meeting, local: int) -> Iterator[None]:
    """Be one of the processes of a run inside the block, or until `leave_group`; once in the life of a process.

    Gradients go over NCCL where there are GPUs, else over gloo; all else goes over gloo.

    Raises:
        UserError: the store cannot be reached.
    """
    global _rank
    number = meeting.offset + local
    try:
        store = dist.TCPStore(meeting.ip, meeting.port, is_master=False)
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"Process {number} of {meeting.size} cannot reach rank 0 at {meeting.ip}:{meeting.port} "
            f"({str(error).splitlines()[0][:200]}). Give the same ip and port on every machine, and start the machine "
            "of rank 0 (group_offset=0) first."
        ) from error
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, store=store, rank=number, world_size=meeting.size)
    waiting = dist.new_group(backend="gloo", timeout=_PATIENCE)
    folder = None
    if number:
        folder = meeting.scratch / f"rank-{number}"
        folder.mkdir()
    _rank = Rank(number, meeting.size, local, folder, waiting)
    yield  # where the block raises, the process ends, and to leave in good order might mean to wait for others
    leave_group()


def leave_group() -> None:
    """After training: wait until all are done, and go on as a run of one process."""
    global _rank
    if _rank.is_alone:
        return
    dist.barrier(group=_rank.waiting)
    _rank = _ALONE
    dist.destroy_process_group()


def decided_by_first(decide: Callable[[], T]) -> T:
    """What rank 0 gets from `decide`, on every rank; only rank 0 calls it, and the others wait.

    The value is pickled: the processes of a run trust each other.
    """
    if _rank.is_alone:
        return decide()
    box = [decide() if _rank.is_first else None]
    dist.broadcast_object_list(box, src=0, group=_rank.waiting)
    return box[0]  # type: ignore[return-value]


def gathered(value: T) -> list[T]:
    """The values of all ranks in their order, on rank 0; elsewhere an empty list."""
    if _rank.is_alone:
        return [value]
    box: list[Any] | None = [None] * _rank.size if _rank.is_first else None
    dist.gather_object(value, box, dst=0, group=_rank.waiting)
    return [] if box is None else box


def require_same_run(identity: str) -> None:
    """Raise on rank 0 unless all processes make the same run; those of one machine always do.

    Raises:
        UserError: another machine has other keys or other data.
    """
    others = [number for number, theirs in enumerate(gathered(identity)) if theirs != identity]
    if others:
        raise UserError(
            f"Process {others[0]} has other keys or other data than process 0. Give the same command on every machine, "
            "but for nproc, group_offset and the paths of folders, and the same data."
        )


@contextmanager
def first_on_machine() -> Iterator[None]:
    """Let the first process of each machine do the block before the others: it downloads and converts files."""
    if not _rank.is_alone and _rank.local:
        dist.barrier(group=_rank.waiting)
    yield
    if not _rank.is_alone and not _rank.local:
        dist.barrier(group=_rank.waiting)


def tell_config(values: MutableMapping[str, Any]) -> None:
    """Set RecBole's keys of a configuration that say what this process is; nothing in a run of one process."""
    if _rank.is_alone:
        return
    values.update(single_spec=False, local_rank=_rank.local, world_size=_rank.size)
    if values["device"].type == "cuda":
        values["device"] = torch.device("cuda", _rank.local)
        torch.cuda.set_device(_rank.local)
    if not _rank.is_first:
        values.update(state="error", show_progress=False, log_wandb=False)


@contextmanager
def as_one_process(values: Any) -> Iterator[None]:
    """Let RecBole read in a configuration, for a moment, that the run has one process."""
    before = values["single_spec"]
    values["single_spec"] = True
    try:
        yield
    finally:
        values["single_spec"] = before
