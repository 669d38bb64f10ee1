"""``python -m loops.config PATH``: check one file and print it compiled, or its problems (exit status 3), as JSON."""

from __future__ import annotations

import sys

from loops.config.compiled import check

if __name__ == "__main__":
    status, output = check(sys.argv[1])
    print(output)
    sys.exit(status)
