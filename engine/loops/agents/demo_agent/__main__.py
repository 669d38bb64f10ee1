"""Entry by file path: ``python -I -S engine/loops/agents/demo_agent/__main__.py --role builder KICKOFF``."""

import os
import sys

# Isolated mode knows no installed packages: the source root is four levels up.
_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)

from loops.agents.demo_agent.program import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
