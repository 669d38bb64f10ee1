#!/usr/bin/env python3
"""Start the orchestrator in its session, or resume the conversation that it had.

launch-orchestrator.py start | stop
"""

import os
import sys

import launch
import terminals

HERE = os.path.dirname(os.path.abspath(__file__))

SESSION = os.environ.get("ORCH_SESSION", "cc-ci-orchestrator-vm")
WORK_DIR = os.environ.get("PLAN_DIR", "/srv/cc-ci/cc-ci-plan")
BACKEND = "claude"
MODEL = "claude-opus-4-8"
SESSION_ID_FILE = ".orchestrator-session-id"
WAKE_INTERVAL = 3600
WAKE_PROMPT_FILE = "ai-progress-monitor-prompt.txt"

STARTUP_PROMPT = """\
# You keep the whole thing going

You are the one agent that stays when phases come and go. You do not build and you do not judge.

When you start: read the newest `## Session` of JOURNAL.md, count the lines of REBOOTS.md, look at the status table. Send one
notice: which phase, what state, how many reboots. If the loops are down although the plan is not finished, start them so that
they keep their phase; never let a start put the plan back to its beginning.

While you run: people write to you here. Answer from the files, not from memory. You alone may restart the host, and only
after both loops have pushed and said so; write the reason into JOURNAL.md before, not after.

When you hand over: append a block

    ## Session 2026-01-31T18:00Z
    **Left off:** …
    **Phase / loop state:** …
    **Open items:** …
    **Notes:** …

Events in between get a heading `### Event 14:05 — two or three words`.

You change no plan, no prompt and no status file of a phase. If a plan is wrong, say so to a person.
"""


def start():
    if SESSION not in terminals.running():
        launch.start_program(
            "orchestrator",
            SESSION,
            WORK_DIR,
            BACKEND,
            launch.dotfile(".orch-model") or MODEL,
            STARTUP_PROMPT,
            SESSION_ID_FILE,
        )


def stop():
    if terminals.stop(SESSION):
        print(f"stopped {SESSION}", flush=True)


if __name__ == "__main__":
    verbs = {"start": start, "stop": stop}
    if len(sys.argv) != 2 or sys.argv[1] not in verbs:
        raise SystemExit(__doc__)
    verbs[sys.argv[1]]()
