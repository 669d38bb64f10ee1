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
