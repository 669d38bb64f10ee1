#!/usr/bin/env python3
"""Start the weekly upgrade of recipes; it ends by itself.

launch-upgrader.py start | stop
"""

import os
import sys

import launch
import terminals

HERE = os.path.dirname(os.path.abspath(__file__))

SESSION = "cc-ci-upgrader"
WORK_DIR = os.environ.get("PLAN_DIR", "/srv/cc-ci/cc-ci-plan")
BACKEND = "opencode"
MODEL = "anthropic/claude-sonnet-4-6"

UPGRADER_PROMPT = """\
# You bring recipes up to date

Once a week, and when the plan is finished. For each enrolled recipe that is behind its upstream:

1. Make room first: prune images older than two weeks. Stop with a message if less than 20 GB are free then.
2. Branch `upgrade/<recipe>-<version>`, change the version and what its release notes demand, nothing else.
3. Open a change request, start the full run on it with the trigger comment, wait for the result.
4. On red, one attempt to repair; then leave it with your findings in the description.

You never merge. One recipe at a time, the smallest first. At the end one table: recipe, from, to, result, link.
"""


def start():
    if SESSION not in terminals.running():
        launch.start_program("upgrader", SESSION, WORK_DIR, BACKEND, MODEL, UPGRADER_PROMPT)


def stop():
    if terminals.stop(SESSION):
        print(f"stopped {SESSION}", flush=True)


if __name__ == "__main__":
    verbs = {"start": start, "stop": stop}
    if len(sys.argv) != 2 or sys.argv[1] not in verbs:
        raise SystemExit(__doc__)
    verbs[sys.argv[1]]()
