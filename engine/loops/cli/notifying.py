"""notify test: one notice by every channel that agents.toml names, and what came of it."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Sequence

from loops.cli.answer import Answer, columns
from loops.cli.project import Project, of
from loops.config.model import NoticeKind
from loops.errors import LoopsError, SessionError
from loops.places import State as StatePlaces

LOOK_EVERY = 0.2
LONGEST = 150.0
"""Seconds: a notice under way is waited for, then this one."""


def test(args: argparse.Namespace) -> Answer:
    """Let the supervisor send it, with its own credentials and by the way of all notices; without one, send it from here."""
    project = of(args)
    answer = project.ask("notify")
    return _answer(*(_directly(project) if answer is None else _by_supervisor(project, str(answer["notice"]))))


Cells = tuple[str, str, str]


def _answer(by: str, rows: Sequence[Cells]) -> Answer:
    facts = [{"channel": channel, "outcome": outcome, "why": why} for channel, outcome, why in rows]
    good = bool(rows) and all(outcome == "delivered" for _, outcome, _ in rows)
    return Answer({"sent_by": by, "channels": facts}, [*columns(rows), f"sent by {by}"], 0 if good else 1)


def _by_supervisor(project: Project, id: str) -> tuple[str, list[Cells]]:
    """Wait until it waits no more; the journal says what came of it."""
    from loops.supervisor import events as ev
    from loops.supervisor.ledger import history

    deadline = time.monotonic() + LONGEST
    while any(each["id"] == id for each in project.must_ask("status")["notices"]["waiting"]):
        if time.monotonic() > deadline:
            raise SessionError(f"{id} has no outcome after {LONGEST:.0f} s; `loops explain notices` will say it")
        time.sleep(LOOK_EVERY)
    for _, event in history(StatePlaces(project.config().log_dir).journal):
        if isinstance(event, ev.NoticeSent | ev.NoticeFailed) and id in event.ids:
            failed = event.failed if isinstance(event, ev.NoticeFailed) else ()
            return "the supervisor", _rows(event.delivered, failed, event.unknown)
    raise SessionError(f"the journal has no outcome of {id}; see `loops explain notices`")


def _directly(project: Project) -> tuple[str, list[Cells]]:
    """No supervisor runs: send it from here, with what this user can read."""
    import subprocess

    from loops.notices import call
    from loops.notices.order import Order
    from loops.supervisor.announcing import NO_CHANNEL, message, tried
    from loops.supervisor.notices import TEST
    from loops.supervisor.state import Notice

    config = project.config()
    if not config.notify.channels:
        raise LoopsError(NO_CHANNEL)
    now = time.time()
    notice = Notice("test", NoticeKind.TEST, TEST, now)
    order = Order(message(config, (notice,), 0, 0.0, now), config.notify, config.root, config=config.path)
    try:
        ran = subprocess.run(
            call.COMMAND, input=order.encode(), capture_output=True, timeout=call.PATIENCE, cwd="/", check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LoopsError(f"the sending process broke off: {type(error).__name__}") from None
    seen = tried(now, ("test",), call.outcomes(ran.returncode, ran.stdout))
    return "this command, for no supervisor runs", _rows(seen.delivered, seen.failed, seen.unknown)


def _rows(delivered: Iterable[str], failed: Iterable[Iterable[str]], unknown: Iterable[Iterable[str]]) -> list[Cells]:
    rows: list[Cells] = [(channel, "delivered", "") for channel in delivered]
    for outcome, pairs in (("FAILED", failed), ("unknown", unknown)):
        rows += [(channel, outcome, why) for channel, why in pairs]
    return rows
