"""untouched baseline, untouched check: how a live system looks, and what of it changed since."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from loops.cli.answer import Answer
from loops.errors import UsageError

if TYPE_CHECKING:
    from loops.projects.untouched.report import Checked
    from loops.projects.untouched.rules import Rule


def baseline(args: argparse.Namespace) -> Answer:
    """Look once, and keep it."""
    from loops.projects.untouched import report, store
    from loops.projects.untouched.baseline import take
    from loops.projects.untouched.check import not_compared
    from loops.projects.untouched.scope import scope

    wanted = scope(
        args.paths,
        sockets=args.tmux,
        all_sockets=args.tmux_all,
        patterns=args.process,
        cgroups=args.cgroup,
        units=args.unit,
        repos=args.repo,
        ports=args.ports,
        to=args.to,
    )
    look = take(wanted, rules=_rules(args.own))
    path = os.path.abspath(args.to)
    store.write(look, path)
    rows = list(report.scope_rows(look))
    unseen = not_compared(look, look)
    lines = [report.safe(f"{what}: {', '.join(names)}") for what, names in rows]
    lines += [report.safe(f"could not be seen: {each.thing.value} {each.place}: {each.why}") for each in unseen]
    facts = {
        "path": path,
        "made": look.made,
        "paths": len(look.entries),
        "tmux_servers": len(look.servers),
        "processes": len(look.processes),
        "units": len(look.units),
        "repositories": len(look.repositories),
        "listeners": len(look.listeners),
        "unseen": [_unseen(each) for each in unseen],
    }
    return Answer(facts, [*lines, f"wrote {path}", f"next: loops untouched check {args.to}"])


def check(args: argparse.Namespace) -> Answer:
    """Look again, and compare; 1 when something is ours on the live system, or unknown."""
    from loops.projects.untouched import report, store
    from loops.projects.untouched.baseline import take
    from loops.projects.untouched.check import compare, not_compared
    from loops.projects.untouched.rules import known
    from loops.projects.untouched.witnesses import witnessed

    if args.json and args.report:
        raise UsageError("--json and --report both say how it is printed: give one of them")
    rules = (*_rules(args.rules), *known())
    before = store.read(args.file)
    after = take(before.scope, before)
    touches = witnessed(compare(before, after, rules), before, after)
    checked = report.Checked(before, after, touches, not_compared(before, after))
    told = report.markdown(checked) if args.report else report.lines(checked)
    return Answer(_facts(args.file, checked), told, 0 if checked.clean else 1)


def _rules(paths: Sequence[str]) -> tuple[Rule, ...]:
    from loops.projects.untouched.rules import load

    return tuple(rule for path in paths for rule in load(path))


def _facts(path: str, checked: Checked) -> dict[str, Any]:
    from loops.config.codec import plain
    from loops.secrets.redaction import redacted

    touches = [{**plain(each), "alarming": each.alarming} for each in checked.touches]
    facts: dict[str, Any] = redacted(
        {
            "baseline": os.path.abspath(path),
            "made": checked.before.made,
            "checked": checked.after.made,
            "verdict": checked.verdict,
            "touches": touches,
            "not_compared": [_unseen(each) for each in checked.unseen],
        }
    )
    return facts


def _unseen(each: Any) -> dict[str, str]:
    return {"thing": each.thing.value, "place": each.place, "why": each.why}
