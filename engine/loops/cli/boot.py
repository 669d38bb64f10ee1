"""boot: the reboots that the project lived through."""

from __future__ import annotations

import argparse
import os
import time

from loops.cli.answer import Answer, columns
from loops.cli.project import of
from loops.places import State as StatePlaces

HEAD = ("#", "BACK", "DOWN SINCE", "DOWN FOR", "PHASE", "CAME BACK", "IN FLIGHT")


def boot(args: argparse.Namespace) -> Answer:
    """Show the record, from the journal alone: it works whether or not a supervisor runs."""
    from loops.protocol.moment import span
    from loops.protocol.reboots import NAME
    from loops.supervisor.clock import boot_id
    from loops.supervisor.ledger import history
    from loops.supervisor.past_reboots import boots
    from loops.supervisor.table import printable

    config = of(args).config()
    known = boots(event for _, event in history(StatePlaces(config.log_dir).journal))
    now = boot_id()
    rows = [
        (
            str(past.event.count),
            _clock(past.event.at),
            _clock(past.event.down_since),
            span(past.event.at - past.event.down_since),
            past.event.phase or "-",
            printable(past.resumed) or "-",
            printable("; ".join(past.event.in_flight)) or "nothing",
        )
        for past in known.reboots
    ]
    facts = {
        "boot": {"id": now, "known": known.last, "recorded": bool(now) and now == known.last},
        "file": os.path.join(config.root, NAME),
        "reboots": [
            {
                "count": past.event.count,
                "at": past.event.at,
                "down_since": past.event.down_since,
                "down_for": past.event.at - past.event.down_since,
                "phase": past.event.phase,
                "in_flight": list(past.event.in_flight),
                "facts": past.event.document,
                "came_back": past.came_back,
                "boot_id": past.event.boot_id,
                "previous": past.event.previous,
            }
            for past in known.reboots
        ],
    }
    table = columns([HEAD, *rows]) if rows else ["no reboot since the project first came up"]
    return Answer(facts, [*table, _this_boot(now, known.last)])


def _this_boot(now: str, known: str) -> str:
    if not now:
        return "this boot: its id cannot be read, so no reboot is counted; put it into LOOPS_BOOT_ID (systemd: %b)"
    if not known:
        return f"this boot ({now}): the project has not been up yet"
    if now == known:
        return f"this boot ({now}) is recorded"
    return f"this boot ({now}) is not recorded yet: no supervisor has run since the machine came up (`loops up`)"


def _clock(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))
