"""``loops`` and ``python -m loops``.  ``loops status`` takes the quick way; every other verb goes through argparse."""

from __future__ import annotations

import sys


def main(argv: list[str] | None = None) -> int:
    """Run the command line *argv* (default: the process's own); return the exit code."""
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["status"]:
        from loops.cli import quick

        if quick.status(words[1:]):
            return 0
    from loops.cli.entry import run

    return run(words)


if __name__ == "__main__":
    sys.exit(main())
