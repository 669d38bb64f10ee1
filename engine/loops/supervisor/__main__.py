"""``python -m loops.supervisor CONFIG``: the process that the holder, a service manager or ``loops watchdog`` starts."""

from __future__ import annotations

import os
import sys


def main(argv: list[str]) -> int:
    """Run the supervisor of the project at ``argv[1]``; return the exit code."""
    from loops.errors import LoopsError, UsageError
    from loops.supervisor.crew import run_alone

    try:
        if len(argv) < 2:
            raise UsageError(
                "name the agents.toml: python -m loops.supervisor /path/to/agents.toml [--up] [--no-holder]"
            )
        return run_alone(argv[1], up="--up" in argv[2:], holder="--no-holder" not in argv[2:])
    except LoopsError as error:
        print(f"loops: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    # A new session: the terminal from which somebody typed `loops up` must not take us down with it.
    if os.getpid() != os.getpgrp() and not (sys.stdin and sys.stdin.isatty()):
        os.setsid()
    sys.exit(main(sys.argv))
