"""The short report for a terminal: what was proved, what was refused, what went wrong and was mended."""

from __future__ import annotations

from collections.abc import Iterator

from loops.projects.report.life import Cause, Mark, PhaseLife, Report
from loops.projects.report.words import duration, shown, stamp

WIDTH = 110
MOST = 3
"""Refusals and heals that are named one by one."""
_COLOURS = {"✔": "\x1b[32m", "✘": "\x1b[31m", "✚": "\x1b[33m", "!": "\x1b[1;31m", "◆": "\x1b[31m"}


def summary(report: Report, *, html: str = "", colour: bool = False) -> str:
    """Return about 12 to 18 lines.  *html*: where the page is; *colour*: with ANSI colours."""
    lines = [line if len(line) <= WIDTH else line[: WIDTH - 1] + "…" for line in _lines(report)]
    if html:
        lines.append(f"  page      {html}")
    if colour:
        lines = [_coloured(line) for line in lines]
    return "\n".join(lines) + "\n"


def _coloured(line: str) -> str:
    sign = line.lstrip()[:1]
    start = _COLOURS.get(sign)
    return line.replace(sign, f"{start}{sign}\x1b[0m", 1) if start else line


def _lines(report: Report) -> Iterator[str]:
    state = "complete" if report.complete else "not complete"
    name = shown(report.project, 40) or "project"
    yield f"{name}: {state}, {report.done} of {report.planned} phases done in {duration(report.took)}"
    for phase in report.phases[-6:]:
        yield _phase(phase)
    yield from _refused(report)
    yield from _healed(report)
    windows = sum(len(lane.windows) for lane in report.lanes)
    if windows:
        yield f"  limits    {windows} window{_s(windows)}, {duration(report.waited)} waited"
    dropped = f", {report.dropped} dropped with their reason" if report.dropped else ""
    yield f"  nudges    {report.delivered} of {report.queued} delivered, {report.doubled} doubled{dropped}"
    failed = report.count(Mark.CHECK_FAILED)
    yield f"  checks    {report.count(Mark.CHECKED)} runs of our own succeeded, {failed} failed"
    if report.tokens:
        yield f"  tokens    {report.tokens:,}" + f", {report.cost}"
    if report.approvals:
        yield "  approvals " + ", ".join(
            f"{count} {shown(outcome, 20)}" for outcome, count in sorted(report.approvals.items())
        )
    yield f"  journal   {report.records} records{_verified(report)}; {_supervisors(report)}"
    for completion in report.completions[-1:]:
        if completion.task:
            yield f"  finally   {shown(completion.task, 40)}: {completion.outcome or 'under way'}"
    for problem in report.problems[:MOST]:
        yield f"! {shown(problem, WIDTH - 4)}"
    if len(report.problems) > MOST:
        yield f"! and {len(report.problems) - MOST} more problems"
    elif not report.problems:
        yield "  self-check: nothing doubled, nothing out of order, every restart has its reason"


def _phase(phase: PhaseLife) -> str:
    if phase.left:
        return f"  – phase {shown(phase.id, 20)}: left without being done, after {duration(phase.span.length)}"
    if not phase.done:
        return f"  … phase {shown(phase.id, 20)}: under way since {stamp(phase.span.start)} UTC"
    evidence = f"{phase.count(Mark.CLAIM)} claims, {phase.count(Mark.PASS)} PASS, {phase.count(Mark.FAIL)} FAIL"
    items = shown(", ".join(phase.items), 40)
    return (
        f"  ✔ phase {shown(phase.id, 20)} ({items}): {evidence}; {shown(phase.why, 60)}; {duration(phase.span.length)}"
    )


def _refused(report: Report) -> Iterator[str]:
    found = [
        (phase.id, entry)
        for phase in report.phases
        for entry in phase.entries
        if entry.mark in (Mark.FAIL, Mark.REFUSED)
    ]
    if not found:
        yield "  refused   no claim had to be refused"
    for phase_id, entry in found[:MOST]:
        reason = "; ".join(entry.details) or entry.text
        commit = shown(entry.commit[:10])
        who = f"by {shown(entry.author, 20)}, {commit}" if entry.author else f"at {commit}"
        word = "claim refused" if entry.mark is Mark.FAIL else "done refused"
        yield f"  ✘ {word} in phase {shown(phase_id, 20)} {who}: {shown(reason, 70)}"
    if len(found) > MOST:
        yield f"  ✘ and {len(found) - MOST} more refusals"


def _healed(report: Report) -> Iterator[str]:
    found = [(lane.agent, one) for lane in report.lanes for one in lane.sessions if one.cause is Cause.HEAL]
    for agent, session in found[:MOST]:
        yield f"  ✚ healed {shown(agent, 30)} (session {session.incarnation}): {shown(session.why, 70)}"
    if len(found) > MOST:
        yield f"  ✚ and {len(found) - MOST} more heals"
    retries = sum(1 for lane in report.lanes for one in lane.sessions if one.cause is Cause.RETRY)
    if retries:
        yield f"  ✚ {retries} failed starts tried again"


def _verified(report: Report) -> str:
    return {None: "", True: ", chain verified", False: ", CHAIN BROKEN"}[report.verified]


def _supervisors(report: Report) -> str:
    count = len(report.watches)
    return (
        f"{count} supervisor start{_s(count)}"
        + (f", {report.takeovers} after a crash" if report.takeovers else "")
        + (f", {report.reboots} after a reboot" if report.reboots else "")
    )


def _s(count: int) -> str:
    return "" if count == 1 else "s"
