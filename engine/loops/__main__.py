"""``loops`` and ``python -m loops``.  ``loops status`` takes the quick way; every other verb goes through argparse."""

from __future__ import annotations

import os
import sys


def main(argv: list[str] | None = None) -> int:
    """Run the command line *argv* (default: the process's own); return the exit code."""
    words = sys.argv[1:] if argv is None else argv
    _keep_standard_streams()
    if words[:1] == ["status"]:
        from loops.cli import quick

        if quick.status(words[1:]):
            return 0
    from loops.cli.entry import run

    return run(words)


def _keep_standard_streams() -> None:
    """A caller may have closed some (`loops status >&-`): our first socket must not become standard output."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it takes the lowest free number: this one


if __name__ == "__main__":
    sys.exit(main())
