"""A pushed claim becomes a nudge in the Adversary's own record: a real remote, real clones, a real push.

The clock starts when the pushing clone's remote-tracking ref has moved (git does that when the remote has taken the
commit, before `git push` returns), seen by an inotify watch like the supervisor's.  "pasted": the agent shows the first of
the message in its terminal.  "received": the time that the agent itself notes of the whole message; between the two lies
the pause before the submit key, which real agents need (`loops.agents.port.Typing.pause`).
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from loops.supervisor.inotify import Inotify

from bench.arena import arena
from bench.measure import median, quantile
from bench.project import HEAD, Project, project
from bench.table import Row, Table
from bench.window import Window

COLUMNS = ["pasted ms", "p95", "received ms", "p95", "from the push's start", "doubled", "claims"]
PATIENCE = 20.0
_TEXT = (
    HEAD
    + """
[backend.demo]
bin = "demo"
[[agent]]
name = "builder"
kind = "loop"
backend = "demo"
enabled = false
dir = "work/builder"
[[agent]]
name = "adversary"
kind = "loop"
role = "scribe"
backend = "demo"
dir = "work/adversary"
[loop]
handoff = { repo = "work/builder", branch = "main" }
[[loop.phases]]
id = "1"
plan = "plan.md"
status = "STATUS-1.md"
items = ["M1"]
"""
)


def tables(quick: bool) -> list[Table]:
    """Measure and return the table."""
    table = Table("handoff: from the pushed claim to the nudge in the Adversary's own record", COLUMNS, "")
    table.scenario = "handoff"
    count = 8 if quick else 20
    with _pair() as run:
        samples = [_claim(run, number) for number in range(count)]
        nudges = [entry["id"] for entry in _received(run) if entry["kind"] == "nudge"]
    missing = sum(sample is None for sample in samples)
    if missing:
        table.rows.append(Row("loops", skipped=f"{missing} of {count} nudges did not come within {PATIENCE:.0f} s"))
    else:
        pasted, received, whole = ([1e3 * sample[at] for sample in samples if sample] for at in range(3))
        figures = (median(pasted), quantile(pasted, 0.95), median(received), quantile(received, 0.95), median(whole))
        doubled = float(len(nudges) - len(set(nudges)))
        table.rows.append(Row("loops", (*figures, doubled, float(count))))
    table.rows.append(Row("all others", skipped="know nothing of claims; the earlier engine looked every 30 s"))
    return [table]


@contextmanager
def _pair() -> Iterator[Project]:
    with arena() as place:
        place.write("plan.md", "# Phase 1\n")
        remote = os.path.join(place.directory, "remote.git")
        os.makedirs(os.path.join(place.directory, "work"))
        _git(place.directory, "init", "--quiet", "--bare", "--initial-branch=main", remote)
        for name in ("builder", "adversary"):
            clone = os.path.join(place.directory, "work", name)
            _git(place.directory, "clone", "--quiet", remote, clone)
            _git(clone, "symbolic-ref", "HEAD", "refs/heads/main")
            _git(clone, "config", "user.name", name)
            _git(clone, "config", "user.email", f"{name}@example.invalid")
            if name == "builder":
                _git(clone, "commit", "--quiet", "--allow-empty", "-m", "begin")
                _git(clone, "push", "--quiet", "-u", "origin", "main")
        with project(place, _TEXT) as run:
            subprocess.run(run.words("up"), env=run.environment, capture_output=True, timeout=60, check=True)
            deadline = time.monotonic() + PATIENCE
            while not _idle(run) and time.monotonic() < deadline:
                time.sleep(0.05)
            yield run


def _claim(run: Project, number: int) -> tuple[float, float, float] | None:
    """Push one claim; return the seconds from the moved ref until pasted, until received, and that from the push on."""
    clone = os.path.join(run.place.directory, "work", "builder")
    known = len(_received(run))
    _git(clone, "commit", "--quiet", "--allow-empty", "-m", f"claim(1 M1): ready, the {number}th time")
    watch, window = Inotify(), Window(run, "adversary")
    try:
        window.silence(0.2)
        watch.watch(os.path.join(clone, ".git", "refs", "remotes", "origin"))
        begin = time.time()
        push = subprocess.Popen(["git", "-C", clone, "push", "--quiet"], stderr=subprocess.DEVNULL)
        moved = _moved(watch)
        pasted = window.change()
        push.wait()
    finally:
        watch.close()
        window.close()
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if len(found := _received(run)) > known and _idle(run):
            received = found[known]["time"]
            return pasted - moved, received - moved, received - begin
        time.sleep(0.02)
    return None


def _moved(watch: Inotify) -> float:
    """Wait until the ref was renamed into its place; return when (seconds, CLOCK_REALTIME)."""
    poll = select.poll()
    poll.register(watch.fileno(), select.POLLIN)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        poll.poll(1000)
        now = time.time()
        if any(change.name == "main" for change in watch.read()):
            return now
    return time.time()


def _received(run: Project) -> list[dict[str, Any]]:
    path = os.path.join(run.place.directory, "log", "state", "received", "adversary.jsonl")
    with suppress(FileNotFoundError), open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.endswith("\n")]
    return []


def _idle(run: Project) -> bool:
    """Whether the Adversary ended its turn: a nudge waits while it works, and that is not what is measured."""
    rows = run.ask({"verb": "status"}).get("agents", ())
    return any(row["name"] == "adversary" and row["doing"].startswith(("idle", "waits until")) for row in rows)


def _git(directory: str, *words: str) -> None:
    subprocess.run(["git", "-C", directory, *words], check=True, capture_output=True)
