"""What the system refuses (full disks, forbidden folders, wrong paths) as one line that says what to do."""

from __future__ import annotations

import errno
import os
import socket

_ELSEWHERE = "or choose another folder (run_dir, cache_dir, --out, --output)"
_ADVICE = {
    errno.ENOSPC: f"Make room on that disk, {_ELSEWHERE}, and repeat the command: it goes on from what is saved.",
    errno.EDQUOT: f"Your quota is used up: make room, {_ELSEWHERE}, and repeat the command.",
    errno.EFBIG: "The file is larger than this system allows: see `ulimit -f`.",
    errno.EACCES: f"Give your user the right to read and write there, {_ELSEWHERE}.",
    errno.EPERM: f"Give your user the right to do this there, {_ELSEWHERE}.",
    errno.EROFS: "The disk is read-only: choose another folder (run_dir, cache_dir, --out, --output).",
    errno.ENOENT: "Check the path; the file or its folder is not there.",
    errno.ENOTDIR: "A file stands where a folder is wanted: check the path.",
    errno.EEXIST: "A file stands where a folder is wanted: check the path, or move the file.",
    errno.EISDIR: "A folder stands where a file is wanted: check the path.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
    errno.ELOOP: "Links lead in a circle: check the path.",
    errno.EMFILE: "Too many files are open: raise the limit with `ulimit -n`.",
    errno.ENOMEM: "Close other programs, or choose smaller batches.",
    errno.EIO: "The disk does not answer as it should: check it, and restore the file.",
}


def is_of_the_disk(error: OSError) -> bool:
    """Whether the system refused something about files, so that the user can mend it."""
    return error.errno is not None and not isinstance(error, (ConnectionError, TimeoutError, socket.gaierror))


def explained(error: OSError) -> str:
    """One line: the path, the reason, and what to do."""
    reason = error.strerror or str(error) or type(error).__name__
    path = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else ""
    problem = f"{path}: {reason}. " if path else f"{reason}. "
    return problem + _ADVICE.get(error.errno or 0, "Check the path and the disk.")
