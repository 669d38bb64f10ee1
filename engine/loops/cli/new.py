"""new: a project as a repository of its own."""

from __future__ import annotations

import argparse
import os
import shlex
from dataclasses import replace
from functools import partial

from loops.cli.answer import Answer
from loops.errors import UsageError
from loops.projects import new as making
from loops.projects.new_ending import answered
from loops.projects.new_engine import Kind
from loops.projects.scaffold import AGENTS, Template


def new(args: argparse.Namespace) -> Answer:
    """Make a project."""
    kind = Kind.SUBMODULE if args.engine is not None else Kind.FLAKE if args.flake is not None else Kind.NONE
    if args.engine_url and kind is Kind.NONE:
        raise UsageError(
            "--engine-url says where the engine is, but not which: name that with --engine REF or --flake REF"
        )
    order = making.Order(
        name=args.name,
        parent=args.dir,
        prefix=args.prefix,
        template=Template(args.template),
        backend=args.backend,
        engine=kind,
        ref=args.engine or args.flake or "",
        url=args.engine_url,
    )
    if args.register is None:
        with answered():
            made = making.create(order)
        return _told(order, made, "")
    from loops.places import find_fleet
    from loops.projects import new_registration

    fleet = find_fleet(args.register)
    if not fleet.endswith(".toml") and not os.path.lexists(fleet):
        raise UsageError(f"--register {args.register}: is not there; a new fleet is made where the name ends in .toml")
    order = replace(order, neighbours=new_registration.neighbours_in(fleet))
    with answered():
        made = making.create(order, partial(new_registration.register, fleet))
    return _told(order, made, fleet)


def _told(order: making.Order, made: making.Made, fleet: str) -> Answer:
    lines = [f"made {made.root} (commit {made.commit[:10]} on main)"]
    if made.pin is None:
        lines.append("engine not pinned: the installed `loops` runs it (--engine REF or --flake REF pins one)")
    else:
        lines.append(f"engine pinned at {made.pin.commit} ({made.pin.ref})")
        if made.pin.url.startswith(("/", "file:")):
            lines.append(
                f"note: its URL is a path of this machine ({made.pin.url}); --engine-url names one for everybody"
            )
    lines.append(f"config: agents.toml (session_prefix = {made.prefix})")
    if fleet:
        lines.append(f"registered in {fleet}")
    lines += ["next:", *(f"  {step}" for step in _steps(order, made))]
    facts = {
        "root": made.root,
        "commit": made.commit,
        "session_prefix": made.prefix,
        "template": order.template.value,
        "engine": None
        if made.pin is None
        else {"kind": order.engine.value, "url": made.pin.url, "ref": made.pin.ref, "commit": made.pin.commit},
        "command": made.loops,
        "fleet": fleet or None,
    }
    return Answer(facts, lines)


def _steps(order: making.Order, made: making.Made) -> list[str]:
    """What its owner types now."""
    setup = ["engine/dev setup"] if order.engine is Kind.SUBMODULE else []
    clones = [f"git clone URL work/{agent}" for agent in AGENTS[order.template]]
    return [
        f"cd {shlex.quote(made.root)}",
        *setup,
        *clones,
        "$EDITOR plans/plan-phase1.md agents.toml",
        f"{made.loops} validate && {made.loops} doctor && {made.loops} up",
    ]
