"""The runner's command: ``python -I -S -E program.py ORDER.json``.  Standard library only."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":  # under -I -S nothing but the standard library can be imported
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from loops.errors import LoopsError
from loops.runner.order import decode


def main(words: list[str]) -> int:
    """Run the agent that the order describes; return the exit status."""
    if len(words) != 1:
        sys.stderr.write("usage: program.py ORDER.json\n")
        return 2
    try:
        with open(words[0], "rb") as file:
            order = decode(file.read())
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.stderr.write(f"{words[0]}: no order of a run ({error}); `loops up` writes one at each start\n")
        return 2
    try:
        if order.mode == "tui":
            from loops.runner.tui import run_tui

            return run_tui(order)
        from loops.runner.run import run

        return run(order)
    except LoopsError as error:
        sys.stderr.write(f"{error}\r\n")
        return error.exit_code
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(
            f"{place}{error.strerror}; the run is not begun: nobody could check it without its recording\r\n"
        )
        return LoopsError.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
