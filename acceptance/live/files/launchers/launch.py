#!/usr/bin/env python3
"""Start, stop and watch the Builder and the Adversary, phase by phase, and the services beside them.

    launch.py start | stop | status | watchdog

A setting comes from the environment, else from the dotfile beside this script, else from the value below.
"""

import json
import os
import sys
import time
import uuid

import terminals

HERE = os.path.dirname(os.path.abspath(__file__))

PLAN_DIR = os.environ.get("PLAN_DIR", "/srv/cc-ci/cc-ci-plan")
BUILDER_DIR = os.environ.get("BUILDER_DIR", "/srv/cc-ci/cc-ci")
ADV_DIR = os.environ.get("ADV_DIR", "/srv/cc-ci/cc-ci-adv")
LOG_DIR = os.environ.get("LOG_DIR", "/srv/cc-ci/.cc-ci-logs")
PHASE_IDX_FILE = os.environ.get("PHASE_IDX_FILE", "/srv/cc-ci/cc-ci-plan/.phase-idx")

LOOP_BACKEND = os.environ.get("LOOP_BACKEND", "claude")
LOOP_MODEL = os.environ.get("LOOP_MODEL", "claude-sonnet-4-5")
ADV_MODEL = os.environ.get("ADV_MODEL", "")
CLAUDE_BIN = os.environ.get("CLAUDE_BIN", "claude")
OPENCODE_BIN = os.environ.get("OPENCODE_BIN", "opencode")
OPENCODE_SERVER = os.environ.get("OPENCODE_SERVER", "http://127.0.0.1:4096")
RESUME_PHASE = os.environ.get("RESUME_PHASE", "0")

WATCH_INTERVAL = int(os.environ.get("WATCH_INTERVAL", "300"))
SIGNAL_INTERVAL = int(os.environ.get("SIGNAL_INTERVAL", "30"))
STALL_IDLE = int(os.environ.get("STALL_IDLE", "300"))
STALL_GRACE = int(os.environ.get("STALL_GRACE", "180"))

ORCH_SESSION = os.environ.get("ORCH_SESSION", "cc-ci-orchestrator-vm")
ORCH_LAUNCHER = os.environ.get("ORCH_LAUNCHER", "launch-orchestrator.py")
WATCH_ORCHESTRATOR = os.environ.get("WATCH_ORCHESTRATOR", "1")

# The plan as it was when this script was written; .phases-spec has been the longer one ever since.
PHASES_SPEC = os.environ.get(
    "PHASES_SPEC",
    "1|plan.md|STATUS.md;"
    "1b|plan-phase1b-review-lint.md|STATUS-1b.md;"
    "1c|plan-phase1c-full-reproducibility.md|STATUS-1c.md",
)

PREFIX = "cc-ci-"
BUILDER_SESSION = "cc-ci-builder"
ADV_SESSION = "cc-ci-adv"
WATCHDOG_SESSION = "cc-ci-watchdog"
CLEANLOGS_SESSION = "cc-ci-cleanlogs"
OPENCODE_SESSION = "cc-ci-opencode-server"

CLAUDE_FLAGS = "--dangerously-skip-permissions"
OPENCODE_FLAGS = "--print-logs --log-level WARN"
ACTIVE_RE = r"esc to interrupt|Running tool|✻|✽|· \d+"
LIMIT_RE = r"(?i)spend limit|usage limit|limit reached|reached your .*limit|out of (credits|tokens)"
FATAL_RE = r"redacted_thinking|blocks cannot be modified|cannot be modified"

CLEANLOGS_COMMAND = f"exec python3 {PLAN_DIR}/tools/cleanlogs.py --keep 7 {LOG_DIR}"
RESUMED = "Your session was restarted and this conversation goes on. Look at your clone and the shared documents first."


def dotfile(name):
    return terminals.read(os.path.join(HERE, name))


def setting(name, default, file):
    """The environment's word, else the dotfile's, else *default*."""
    return os.environ[name] if name in os.environ else dotfile(file) or default


def phases():
    """The plan: (id, plan file, status file) of each phase, in order."""
    spec = setting("PHASES_SPEC", PHASES_SPEC, ".phases-spec")
    return [tuple(phase.split("|")) for phase in spec.split(";") if phase.strip()]


def phase_index():
    return min(int(terminals.read(PHASE_IDX_FILE, "0")), len(phases()) - 1)


def loop_backend():
    return setting("LOOP_BACKEND", LOOP_BACKEND, ".loop-backend")


def loop_model(role, phase_id):
    """ADV_MODEL for the Adversary; else LOOP_MODEL, .loop-model-<phase>, .loop-model."""
    if role == "adversary" and ADV_MODEL:
        return ADV_MODEL
    if "LOOP_MODEL" in os.environ:
        return LOOP_MODEL
    return dotfile(f".loop-model-{phase_id}") or dotfile(".loop-model") or LOOP_MODEL


def build_loop_kickoff(role, phase_id, plan, status):
    """What a loop is started with: where it stands, then its role's standing text."""
    with open(os.path.join(PLAN_DIR, "prompts", f"{role}.md"), encoding="utf-8") as file:
        standing = file.read()
    return (
        f"""# Phase {phase_id}

You are the {role} of a pair that builds a CI server for self-hosted recipes. The other one works in a clone of its own;
all that passes between you goes through the repository's main branch.

- Plan of this phase, the only source of what is wanted: `{plan}` in {PLAN_DIR}. Read all of it now.
- Status of this phase: `{status}`. Only the Builder writes it.
- Build items and findings: `BACKLOG-{phase_id}.md`; each of you has a section of his own in it.
- Verdicts: `REVIEW-{phase_id}.md`. Only the Adversary writes it, and nothing is ever taken out of it.
- Reasons and dead ends: `JOURNAL-{phase_id}.md`. Decisions that outlive the phase: `DECISIONS.md`, shared by all phases.

WHERE THESE FILES LIE: all of them in `machine-docs/`, never in the root of the repository. A file of another phase is
read, not written. What you find in the root under one of these names is a mistake: move it.

WHAT DONE MEANS: every item of the plan has a PASS in `REVIEW-{phase_id}.md` that is younger than a day, no veto stands, and
`{status}` then has a heading `## DONE` with one line below it that says what was reached. Numbers go in as the harness
prints them, such as {{"level": 3}}.

Start with `git pull --rebase`, then the plan, then the status, then your inbox file, then work.

=== standing role & rules ===

"""
        + standing
    )


LOOPS = (("builder", BUILDER_SESSION, BUILDER_DIR), ("adversary", ADV_SESSION, ADV_DIR))
SERVICES = (
    ("cleanlogs", CLEANLOGS_SESSION, ["sh", "-c", CLEANLOGS_COMMAND]),
    (
        "opencode-server",
        OPENCODE_SESSION,
        [OPENCODE_BIN, "serve", "--hostname", "127.0.0.1", "--port", OPENCODE_SERVER.rpartition(":")[2]],
    ),
)


def start_program(name, session, directory, backend, model, text, id_file="", fresh=False):
    """Start one agent's program; the other launchers use it too."""
    os.makedirs(LOG_DIR, exist_ok=True)
    if backend == "opencode":
        words, typed, submit = [OPENCODE_BIN, *OPENCODE_FLAGS.split()], True, "C-m"
    else:
        words, typed, submit = [CLAUDE_BIN, *CLAUDE_FLAGS.split()], False, "Enter"
    if model:
        words += ["--model", model]
    if id_file and not typed:
        known = "" if fresh else dotfile(id_file)
        if known:
            words, text = [*words, "--resume", known], RESUMED
        else:
            new = str(uuid.uuid4())
            terminals.write(os.path.join(HERE, id_file), new + "\n")
            words += ["--session-id", new]
    print(f"starting {session} ({backend}, {model or 'its own model'})", flush=True)
    text_file = os.path.join(LOG_DIR, f"{name}.kickoff")
    log = os.path.join(LOG_DIR, f"{name}.log")
    terminals.start(session, directory, words, log, text, typed=typed, submit=submit, text_file=text_file)


def start_loop(role, session, directory, fresh=False):
    phase_id, plan, status = phases()[phase_index()]
    text = build_loop_kickoff(role, phase_id, plan, status)
    model = loop_model(role, phase_id)
    start_program(role, session, directory, loop_backend(), model, text, f".{role}-session-id", fresh)


def start():
    if RESUME_PHASE != "1":
        terminals.write(PHASE_IDX_FILE, "0\n")
    os.makedirs(LOG_DIR, exist_ok=True)
    there = terminals.running()
    for role, session, directory in LOOPS:
        if session not in there:
            start_loop(role, session, directory)
    for name, session, words in SERVICES:
        if session not in there:
            print(f"starting {session} (service)", flush=True)
            terminals.start(session, PLAN_DIR, words, os.path.join(LOG_DIR, f"{name}.log"))
    if WATCHDOG_SESSION not in there:
        print("starting watchdog", flush=True)
        words = [sys.executable, os.path.join(HERE, "launch.py"), "watchdog"]
        terminals.start(WATCHDOG_SESSION, HERE, words, os.path.join(LOG_DIR, "watchdog.log"))


def stop():
    for session in (WATCHDOG_SESSION, *(loop[1] for loop in LOOPS), *(service[1] for service in SERVICES)):
        if terminals.stop(session):
            print(f"stopped {session}", flush=True)


def status():
    there = terminals.running()
    phase_id, plan, _ = phases()[phase_index()]
    word = "complete" if os.path.exists(os.path.join(HERE, "SEQUENCE-COMPLETE")) else "in progress"
    print(f"phase: {phase_id} [{phase_index() + 1}/{len(phases())}]  plan={plan}  ({word})")

    def line(name, kind, backend, model, watch, session, note=""):
        print(terminals.row(name, kind, backend, model, watch, ("RUNNING" if session in there else "stopped") + note))

    orchestrator_watch = "heal" if WATCH_ORCHESTRATOR == "1" else "none"
    line("orchestrator", "persistent", "claude", dotfile(".orch-model"), orchestrator_watch, ORCH_SESSION)
    for role, session, _ in LOOPS:
        line(role, "loop", loop_backend(), loop_model(role, phase_id), "heal+stall", session)
    opencode_model = "anthropic/claude-sonnet-4-6"
    line("assistant", "persistent", "opencode", opencode_model, "none", "cc-ci-assistant", " (disabled)")
    line("upgrader", "task", "opencode", opencode_model, "none", "cc-ci-upgrader", " (disabled)")
    line("report", "task", "claude", "claude-sonnet-4-6", "none", "cc-ci-report", " (disabled)")
    for name, session, _ in (*SERVICES, ("watchdog", WATCHDOG_SESSION, [])):
        line(name, "service", "-", "-", "-", session)


def watchdog():
    while True:
        look()
        time.sleep(terminals.tick(SIGNAL_INTERVAL))


def look():
    """One tick: advance, heal, look after limit windows; every tick writes its own state anew."""
    complete = os.path.exists(os.path.join(HERE, "SEQUENCE-COMPLETE"))
    if not complete and terminals.phase_done(BUILDER_DIR, phases()[phase_index()][2]):
        complete = advance()
    terminals.write(PHASE_IDX_FILE, f"{phase_index()}\n")
    there = terminals.running()
    for role, session, directory in LOOPS:
        if not complete and session not in there and not limited(session):
            start_loop(role, session, directory)
    for name, session, words in SERVICES:
        if session not in there:
            terminals.start(session, PLAN_DIR, words, os.path.join(LOG_DIR, f"{name}.log"))
    if WATCH_ORCHESTRATOR == "1" and ORCH_SESSION not in there and not limited(ORCH_SESSION):
        os.spawnlp(os.P_WAIT, sys.executable, sys.executable, os.path.join(HERE, ORCH_LAUNCHER), "start")
    now = time.strftime("%FT%TZ", time.gmtime())
    terminals.write(os.path.join(LOG_DIR, "watchdog-tick"), now + "\n")


def limited(session):
    """Whether a limit window stands for the session; looking at it counts in its file."""
    window = json.loads(dotfile(f".limited-{session}") or "{}")
    if not window:
        return False
    looks = {**window, "looks": window.get("looks", 0) + 1}
    terminals.write(os.path.join(HERE, f".limited-{session}"), json.dumps(looks) + "\n")
    return window["until"] > time.strftime("%FT%TZ", time.gmtime())


def advance():
    """Go to the next phase with fresh loops; after the last one finish, and return True."""
    for _, session, _ in LOOPS:
        terminals.stop(session)
    if phase_index() + 1 < len(phases()):
        terminals.write(PHASE_IDX_FILE, f"{phase_index() + 1}\n")
        for role, session, directory in LOOPS:
            start_loop(role, session, directory, fresh=True)
        return False
    terminals.write(os.path.join(HERE, "SEQUENCE-COMPLETE"), "")
    flag = os.path.join(HERE, ".run-upgrade-on-complete")
    if os.path.exists(flag):
        os.unlink(flag)
        os.spawnlp(os.P_WAIT, sys.executable, sys.executable, os.path.join(HERE, "launch-upgrader.py"), "start")
    return True


if __name__ == "__main__":
    verbs = {"start": start, "up": start, "stop": stop, "down": stop, "status": status, "watchdog": watchdog}
    if len(sys.argv) != 2 or sys.argv[1] not in verbs:
        raise SystemExit(__doc__)
    verbs[sys.argv[1]]()
