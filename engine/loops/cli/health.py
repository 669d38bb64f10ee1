"""doctor, selftest: what is missing on this machine and in this project, and whether the engine's senses work."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from loops.cli.answer import Answer, columns

if TYPE_CHECKING:
    from loops.projects.doctor import Finding


def doctor(args: argparse.Namespace) -> Answer | int:
    """Examine the machine and the project; exit code 1 when something will fail."""
    from loops.places import find_config
    from loops.projects.doctor import Level, examine

    found = list(examine(find_config(args.config), agents=args.agents))
    code = 1 if any(each.level is Level.FAIL for each in found) else 0
    facts = [
        {"check": each.check, "level": each.level.value, "text": each.text, "remedy": each.remedy} for each in found
    ]
    if not args.json and sys.stdout.isatty():
        return _table(found, code)
    return Answer({"checks": facts}, _lines(found), code)


def _lines(found: Sequence[Finding]) -> list[str]:
    return columns(
        [
            (each.level.value, each.check, f"{each.text} -> {each.remedy}" if each.remedy else each.text)
            for each in found
        ]
    )


def _table(found: Sequence[Finding], code: int) -> int:
    """The same for a person at a terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from loops.projects.doctor import Level

    colours = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "bold red"}
    table = Table(box=box.SIMPLE, pad_edge=False)
    for head in ("", "check", "found", "remedy"):
        table.add_column(head, overflow="fold")
    for each in found:
        table.add_row(Text(each.level.value, colours[each.level]), Text(each.check), Text(each.text), Text(each.remedy))
    Console().print(table)
    return code


def selftest(_args: argparse.Namespace) -> Answer:
    """Test the detectors on built-in samples, and a session's whole round trip; needs no project."""
    from loops.projects.selftest import trials

    done = list(trials())
    failed = [each for each in done if each.complaint]
    lines = [
        f"{'FAIL' if each.complaint else 'ok  '}  {each.name}" + (f": {each.complaint}" if each.complaint else "")
        for each in done
    ]
    lines.append(f"{len(done) - len(failed)}/{len(done)}")
    facts = [{"name": each.name, "ok": not each.complaint, "complaint": each.complaint} for each in done]
    return Answer({"trials": facts, "passed": len(done) - len(failed), "count": len(done)}, lines, 1 if failed else 0)
