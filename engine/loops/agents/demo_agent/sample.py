"""The sample work of the scripted agents: one small function a phase, and the check that tells right from wrong.

A repository for them has `CHECK` as its executable `CHECK_PATH`, or gets it from the Builder, who writes ``src/<phase>.py``.
"""

from __future__ import annotations

CHECK_PATH = "check.sh"
CHECK = """\
#!/bin/sh
# ./check.sh PHASE: succeeds when src/PHASE.py is right.
exec python3 - "src/${1:?which phase?}.py" <<'PYTHON'
import runpy, sys
median = runpy.run_path(sys.argv[1])["median"]
for numbers, expected in (([3, 1, 2], 2), ([5], 5), ([4, 1, 3, 2], 2.5)):
    found = median(numbers)
    if found != expected:
        sys.exit(f"median({numbers}) is {found}, expected {expected}")
print("3 examples passed")
PYTHON
"""

RIGHT = '''\
"""Phase {phase}: the median of some numbers."""


def median(numbers):
    ordered = sorted(numbers)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2
'''

WRONG = '''\
"""Phase {phase}: the median of some numbers."""


def median(numbers):
    return sorted(numbers)[len(numbers) // 2]
'''
"""Passes a hasty look, fails for an even count."""


def source_path(phase: str) -> str:
    """Return where the Builder writes, relative to its clone."""
    return f"src/{phase}.py"
