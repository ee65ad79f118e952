"""Run a command that must not outlive whoever asked for it.

``python -c THIS COMMAND …`` runs the command with this process's streams and ends with its
exit code. When standard input ends, because the one at its other end cancelled or died, the
command and everything it started is killed. Standalone: it is run as a text.
"""

from __future__ import annotations

import os
import signal
import subprocess  # nosec B404: starting a command is its purpose
import sys
import threading
from typing import List


def kill_tree_when_abandoned() -> None:
    """Wait for the end of standard input, then kill this process and all it started."""
    while os.read(0, 4096):
        pass
    if sys.platform == "win32":
        subprocess.call(  # nosec B603 B607: Windows' own program, with a number of our own
            ["taskkill", "/F", "/T", "/PID", str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    else:
        os.killpg(0, signal.SIGKILL)


def main(command: List[str]) -> int:
    """Run ``command``; its exit code is returned."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # nosec B603: given by Fairweather
    threading.Thread(target=kill_tree_when_abandoned, daemon=True).start()
    return process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
