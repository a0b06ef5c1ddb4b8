"""Run a command in this process's place that the kernel kills when the parent dies, however that happens.

`python parent_death.py PARENT COMMAND…`. A file of its own, started with the bare interpreter, because code between
fork and exec in a process with threads may deadlock. The parent-death signal is Linux's; elsewhere there is none.
"""

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> int:
    """Returns only when the command cannot be started (status 2) or the parent is gone already (0)."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            return 0
    signal.signal(
        signal.SIGINT, signal.SIG_DFL
    )  # a shell starts background jobs with it ignored, and that is inherited
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the command handles it: the default would end one that starts
    try:
        os.execvp(command[0], command)  # noqa: S606 (the supervisor's own command line)
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
