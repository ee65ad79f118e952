"""What a crash leaves on the disk: nothing of this process's memory."""

from __future__ import annotations

import sys

if sys.platform != "win32":
    import resource

# Too small for any dump. Linux hands dumps to a program, where one is set for them, even with a
# limit of 0, but none with a limit of 1 (fs/coredump.c).
CORE_LIMIT = 1


def keep_no_core_dump() -> None:
    """Let a crash of this process write no core dump: keys and tokens are in its memory."""
    if sys.platform != "win32":
        _, hard = resource.getrlimit(resource.RLIMIT_CORE)
        allowed = CORE_LIMIT if hard == resource.RLIM_INFINITY else min(CORE_LIMIT, hard)
        resource.setrlimit(resource.RLIMIT_CORE, (allowed, hard))
