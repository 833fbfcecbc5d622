"""A Ray cluster: joined, or started on this machine for one command; every problem with it is named."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from recbole_dtlns.engines.remote import MachineCheck, Place
from recbole_dtlns.errors import UserError

_REACH_SECONDS = 10  # Ray itself would try for minutes
_LOOK_SECONDS = 120  # the first worker of a machine starts slowly where its cores are busy
_STORE_BYTES = 100 * 2**20  # of objects; none is larger than a command
_ALONE = "local"


@dataclass(frozen=True)
class RayOptions:
    """The flags of `--engine=ray`.

    Attributes:
        address: of the cluster, `HOST:PORT` or auto; None: RAY_ADDRESS, else a cluster of this machine alone.
        cpus: that a command takes.
        gpus: that a command takes; less than 1: it shares one.
    """

    address: str | None = None
    cpus: float = 1
    gpus: float = 0


@contextmanager
def joined(options: RayOptions) -> Iterator[Any]:
    """The module `ray`, connected to the cluster inside the block.

    Raises:
        UserError: Ray is missing, or the cluster cannot be reached, or is of another version.
    """
    if importlib.util.find_spec("ray") is None:
        raise UserError("engine=ray needs Ray: pip install 'recbole-dtlns[ray]', on every machine of the cluster.")
    address = options.address or os.environ.get("RAY_ADDRESS") or _ALONE
    _require_reachable(address)
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    quiet: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    if address == _ALONE:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        quiet |= {"include_dashboard": False, "object_store_memory": _STORE_BYTES}
    import ray

    at_end = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, **quiet)
    except (RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:
        raise UserError(
            f"ray_address={address}: there is no working with this cluster: {' '.join(str(error).split())[:500]} Start "
            "Ray with the same Python and Ray on every machine (`ray start`), also on this one; give the address of "
            "its head; and set RAY_AUTH_MODE and the token of the cluster alike everywhere, also for this command."
        ) from error
    signal.signal(signal.SIGTERM, at_end)  # Ray has set its own
    try:
        yield ray
    finally:
        ray.shutdown()


def _require_reachable(address: str) -> None:
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon:
        if address not in (_ALONE, "auto"):
            raise UserError(f"ray_address={address}: expected HOST:PORT of the head, auto, or local.")
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_REACH_SECONDS).close()
    except (OSError, ValueError, OverflowError) as error:
        raise UserError(
            f"ray_address={address} cannot be reached ({error}). Start the head with `ray start --head --port=6379`, "
            "and give its HOST:PORT; see `ray status` there."
        ) from error


def slots(ray: Any, options: RayOptions) -> int:
    """How many commands the cluster has room for at a time.

    Raises:
        UserError: for none.
    """
    resources = [node["Resources"] for node in _machines(ray)]
    rooms = [_room(found, options) for found in resources]
    if sum(rooms) == 0:
        asked = f"{options.cpus:g} CPUs" + (f" and {options.gpus:g} GPUs" if options.gpus else "")
        there = "; ".join(f"{found.get('CPU', 0):g} CPUs, {found.get('GPU', 0):g} GPUs" for found in resources)
        raise UserError(
            f"No machine of the cluster has {asked} for a command; it has {there or 'no machine'}. Set --task_cpus and "
            "--task_gpus to what one machine has, or start Ray with --num-cpus and --num-gpus."
        )
    return sum(rooms)


def _machines(ray: Any) -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]


def _room(found: dict[str, float], options: RayOptions) -> int:
    rooms = [_fits(options.cpus, found.get("CPU", 0))]
    if options.gpus >= 1:
        rooms.append(_fits(options.gpus, found.get("GPU", 0)))
    elif options.gpus:  # a command takes its part of one GPU
        rooms.append(int(found.get("GPU", 0)) * _fits(options.gpus, 1))
    return min(rooms)


def _fits(part: float, whole: float) -> int:
    """How often a part fits; .1 fits three times into .3, whatever its floats say."""
    return int(whole / part + 1e-9)


def check_machines(ray: Any, options: RayOptions, place: Place) -> None:
    """Look at every machine that has room for a command.

    Raises:
        UserError: one does not see the folder, lacks the package, has another version or the name of another machine.
    """
    addresses = {node["NodeManagerAddress"] for node in _machines(ray) if _room(node["Resources"], options)}
    looks = {
        address: ray.remote(MachineCheck).options(num_cpus=0, resources={f"node:{address}": 0.001}).remote()
        for address in sorted(addresses)
    }
    answers = {address: look.look.remote(place) for address, look in looks.items()}
    named: dict[str, str] = {}
    for address, answer in answers.items():
        try:
            name, problem = ray.get(answer, timeout=_LOOK_SECONDS)
        except (ray.exceptions.RayError, TimeoutError) as error:
            late = isinstance(error, TimeoutError)
            problem = f"does not answer within {_LOOK_SECONDS} s" if late else "cannot be asked"
            raise UserError(
                f"The machine {address} of the cluster {problem} ({' '.join(str(error).split())[:300]}). Look at "
                "`ray status` and at Ray's logs there."
            ) from error
        if problem:
            raise UserError(problem)
        if name in named:
            raise UserError(
                f"The machines {named[name]} and {address} are both called {name}. Files that are being written bear "
                "the machine's name, so give each its own (`hostname`)."
            )
        named[name] = address
    for look in looks.values():
        ray.kill(look)
