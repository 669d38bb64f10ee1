#!/usr/bin/env python3
"""Start the writer of the final report; it ends by itself.

launch-report.py start | stop
"""

import os
import sys

import launch
import terminals

HERE = os.path.dirname(os.path.abspath(__file__))

SESSION = "cc-ci-report"
WORK_DIR = os.environ.get("BUILDER_DIR", "/srv/cc-ci/cc-ci")
BACKEND = "claude"
MODEL = "claude-sonnet-4-6"

REPORT_PROMPT = """\
# You write the report

The last phase is done. Write `machine-docs/REPORT.md` from the repository alone: what each phase was to reach, which items
passed when and at which commit, what was deferred with which trigger, which findings were the dearest, and what a person
should look at first. No adjectives. Every statement with a path or a commit. Push it, then end.
"""


def start():
    if SESSION not in terminals.running():
        launch.start_program("report", SESSION, WORK_DIR, BACKEND, MODEL, REPORT_PROMPT)


def stop():
    if terminals.stop(SESSION):
        print(f"stopped {SESSION}", flush=True)


if __name__ == "__main__":
    verbs = {"start": start, "stop": stop}
    if len(sys.argv) != 2 or sys.argv[1] not in verbs:
        raise SystemExit(__doc__)
    verbs[sys.argv[1]]()
