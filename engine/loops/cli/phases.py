"""phase: where the sequence stands, and moving it."""

from __future__ import annotations

import argparse
from typing import Any

from loops.cli.answer import Answer, columns
from loops.cli.project import Project, of
from loops.config.model import Config
from loops.errors import UsageError


def phase(args: argparse.Namespace) -> Answer:
    """Show the phases, or go to another one."""
    if (args.what == "set") != bool(args.target):
        raise UsageError("write `loops phase`, `loops phase set N|ID` or `loops phase next`")
    project = of(args)
    config = project.config()
    if args.what == "show":
        return _shown(config, _place(project, config))
    wanted = args.target if args.what == "set" else "next"
    _check(config, wanted, _place(project, config))
    if project.ask("phase", detail=wanted) is None:
        from loops.supervisor import offline

        offline.tell(config, "phase", wanted)
    return _shown(config, _place(project, config))


def _place(project: Project, config: Config) -> dict[str, Any]:
    """Where the sequence stands: the supervisor's word, else the journal's."""
    answer = project.ask("status")
    if answer is not None:
        place: dict[str, Any] = answer["phase"]
        return place
    from loops.supervisor import offline, table

    facts: dict[str, Any] = table.as_json(offline.at_rest(config, project.runtime), 0.0)["phase"]
    return facts


def _check(config: Config, wanted: str, place: dict[str, Any]) -> None:
    from loops.config.problems import nearest

    ids = [each.id for each in config.loop.phases]
    if not ids:
        raise UsageError(f"{config.path} has no phases: add them below [loop]")
    if wanted == "next":
        if place["index"] + 1 >= len(ids):
            raise UsageError(f"{ids[-1]} is the last phase: append one in {config.path}, or set an earlier one")
    elif wanted not in ids and not (wanted.isdecimal() and 1 <= int(wanted) <= len(ids)):
        raise UsageError(
            f"there is no phase {wanted!r}{nearest(wanted, ids)}; name one of {', '.join(ids)}, or a number from 1 to {len(ids)}"
        )


def _shown(config: Config, place: dict[str, Any]) -> Answer:
    rows = [
        {
            "number": number,
            "id": each.id,
            "plan": each.plan,
            "state": _state(number - 1, each.id, place),
        }
        for number, each in enumerate(config.loop.phases, 1)
    ]
    marks = {"done": "done", "now": "now ->", "open": ""}
    lines = columns([(marks[str(row["state"])], str(row["number"]), str(row["id"]), str(row["plan"])) for row in rows])
    return Answer({"phase": place, "phases": rows}, lines or ["agents.toml has no phases"])


def _state(index: int, id: str, place: dict[str, Any]) -> str:
    if index == place["index"] and not place["complete"]:
        return "now"
    return "done" if place["complete"] or id in place["done"] else "open"
