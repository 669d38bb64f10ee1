"""The first program inside the sandbox: hears polite signals again, and becomes the agent.

Run as ``python -I -S -E enter.py WORD...``.  Bubblewrap outside is deaf to them (`loops.isolation.sandbox`).
"""

from __future__ import annotations

import os
import signal
import sys


def main(words: list[str]) -> None:
    """Become *words*; exit code 127, with the reason, where there is no such program."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # the last two are ignored by Python itself
    try:
        os.execvp(words[0], words)
    except OSError as error:
        print(
            f"{words[0]}: {error.strerror} inside the sandbox; if it lies outside the system's directories, "
            "name its directory in the agent's reads",
            file=sys.stderr,
        )
        os._exit(127)


if __name__ == "__main__":
    main(sys.argv[1:])
