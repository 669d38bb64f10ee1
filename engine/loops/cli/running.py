"""run: one run of a task, or of an agent that is there to be asked."""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

from loops.cli.answer import Answer
from loops.cli.lifecycle import await_names, start_supervisor
from loops.cli.project import Project, check_names, of
from loops.cli.sessions import message
from loops.errors import LoopsError, SessionError, UsageError

LOOK_EVERY = 0.2
"""Seconds between two looks at a run that is waited for."""
AWAY = 30.0
"""Seconds for which the supervisor may be gone while a run is waited for: another one takes its place."""
_OVER = ("ended", "FAILED", "stopped", "OVER BUDGET")


def run(args: argparse.Namespace) -> Answer:
    """Use the run that goes on, or begin one; with ``--wait`` tell how it ended."""
    if args.scheduled and (args.words or args.fresh or args.wait):
        raise UsageError("--scheduled is a timer's word and takes neither words nor --fresh nor --wait")
    project = of(args)
    words = message(args.words) if args.words else ""
    status, fresh = _status(project, args)
    kind = next(row["kind"] for row in status["agents"] if row["name"] == args.name)
    if args.wait and kind != "task":
        raise UsageError(f"{args.name} is of kind {kind} and does not end by itself: leave --wait out")
    once = {word: getattr(args, word) or _from_environment(word, args.name) for word in ("model", "backend")}
    verb = "due" if args.scheduled else "run"
    told = project.must_ask(verb, name=args.name, detail=words, fresh=args.fresh, **once)
    lines = [told["text"]]
    if told["nudge"]:
        lines.append(f"{told['nudge']} waits for {args.name}")
    if not args.wait:
        return Answer({**told, "watchdog_started": fresh}, lines)
    if not args.json:
        print("\n".join(lines), flush=True)
    return _outcome(project, told)


def _status(project: Project, args: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """The status of a supervisor that knows the agent, and whether it was started for this."""
    status = project.ask("status")
    if status is not None:
        known = any(row["name"] == args.name for row in status["agents"])
        return (status if known else await_names(project, [args.name])), False
    if args.scheduled:
        raise SessionError(f"the project of {project.config_path} is down, so nothing is run by its schedule")
    check_names([args.name], project.config().agents)
    if not args.json:
        print("starting watchdog", flush=True)
    return start_supervisor(project), True


def _from_environment(word: str, name: str) -> str:
    spelled = (f"AGENT_{word.upper()}_{each}" for each in (name, name.replace("-", "_")))
    return next((os.environ[each] for each in spelled if os.environ.get(each)), "")


def _outcome(project: Project, told: dict[str, Any]) -> Answer:
    row = _wait(project, told)
    name = told["name"]
    facts = {**told, "state": row["state"], "code": row["code"], "incarnation": row["incarnation"]}
    state = row["state"].removesuffix(" (disabled)")
    if state == "ended" and row["code"] == 0:
        return Answer(facts, [f"{name} is done; `loops logs {name}` has what it said"])
    if state in ("ended", "FAILED"):
        return Answer(facts, [f"{name} failed: {row['doing']}; `loops logs {name}` may say why"], LoopsError.exit_code)
    return Answer(facts, [f"{name} did not come to its end: {row['doing'] or row['state']}"], LoopsError.exit_code)


def _wait(project: Project, told: dict[str, Any]) -> dict[str, Any]:
    """The row of the task when its run is over, whoever supervises meanwhile."""
    seen = time.monotonic()
    while True:
        status = project.ask("status")
        if status is None:
            if time.monotonic() - seen > AWAY:
                raise SessionError(f"the project is down: nobody can say how {told['name']} ended; see `loops explain`")
        else:
            seen = time.monotonic()
            row: dict[str, Any] | None = next((r for r in status["agents"] if r["name"] == told["name"]), None)
            if row is None:
                raise SessionError(f"{told['name']} is no longer in {project.config_path}")
            over = row["state"].removesuffix(" (disabled)") in _OVER and not row["wanted"]
            if over and row["incarnation"] >= told["incarnation"]:
                return row
        time.sleep(LOOK_EVERY)
