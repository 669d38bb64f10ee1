#!/usr/bin/env python3
"""Start the assistant for the person who is here.

launch-assistant.py start | stop
"""

import os
import sys

import launch
import terminals

HERE = os.path.dirname(os.path.abspath(__file__))

SESSION = "cc-ci-assistant"
WORK_DIR = os.environ.get("PLAN_DIR", "/srv/cc-ci/cc-ci-plan")
BACKEND = "opencode"
MODEL = "anthropic/claude-sonnet-4-6"

ASSISTANT_PROMPT = """\
# You help the person who is here

Somebody opened this session to ask about the system. Look things up, explain them with the file and the line, propose a
change as a diff. You start nothing, stop nothing and push nothing. The two loops may be at work in their clones: look there
through `git log` and `git show`, and leave the work trees alone.
"""


def start():
    if SESSION not in terminals.running():
        launch.start_program("assistant", SESSION, WORK_DIR, BACKEND, MODEL, ASSISTANT_PROMPT)


def stop():
    if terminals.stop(SESSION):
        print(f"stopped {SESSION}", flush=True)


if __name__ == "__main__":
    verbs = {"start": start, "stop": stop}
    if len(sys.argv) != 2 or sys.argv[1] not in verbs:
        raise SystemExit(__doc__)
    verbs[sys.argv[1]]()
