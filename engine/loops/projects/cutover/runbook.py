"""The operator's runbook, in Markdown: the same objects that the executor runs.  Pure, and the same for the same plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from loops.projects.cutover.plan import Check, Command, Plan, Step
from loops.supervisor.table import printable


def markdown(plan: Plan) -> str:
    """The whole runbook."""
    return "\n".join(_lines(plan)) + "\n"


def _lines(plan: Plan) -> Iterator[str]:
    ground = plan.ground
    yield f"# Cutover of {printable(ground.live)}"
    yield ""
    yield "Follow it by hand, or have `loops cutover run` ask before each of these very steps."
    yield "Every step names its checks and its way back."
    yield ""
    yield from _table(
        ("", ""),
        (
            ("live", f"{_code(ground.live)} ({ground.form}), facts {_code(ground.live_digest[:16])}"),
            ("staged", f"{_code(ground.staged_root)}, facts {_code(ground.staged_digest[:16])}"),
            ("this plan", _code(plan.digest[:16])),
            ("sessions", f"{len(ground.members)} agents and services, prefix {_code(ground.prefix)}"),
            ("phases", f"{len(ground.phases)}"),
            ("tmux socket of the live side", _code(ground.tmux) if ground.tmux else "the user's own server"),
            ("unit of the live side", _code(ground.unit) if ground.unit else "none was named"),
            ("typed as", _typed_as(plan)),
            ("whole time", f"about {span(plan.seconds)}, of it {span(ground.soak)} of watching"),
            ("irreversible", ", ".join(plan.irreversible()) or "nothing"),
        ),
    )
    yield ""
    for note in plan.notes:
        yield f"- {printable(note)}"
    yield ""
    yield "Two supervisors must never run at once: if a check before a start is not satisfied, stop, and take back what was done."
    yield "The way back is the same list from the bottom: take back the last step that was begun, check it, then the one above it."
    for number, step in enumerate(plan.steps):
        yield from _step(number, step)
    yield ""
    yield "## All steps"
    yield ""
    yield from _table(
        ("step", "what", "about", "taken back by"),
        ((str(number), step.title, span(step.seconds), _way(step)) for number, step in enumerate(plan.steps)),
    )


def _typed_as(plan: Plan) -> str:
    """Who is to type the commands, and what if it is somebody else."""
    if plan.ground.user:
        return f"{_code(plan.ground.user)}, what has `sudo` alone before it as `root`: each command says so itself"
    return "`root`" if plan.ground.unit and not plan.ground.personal else "the user that the live side runs as"


def _step(number: int, step: Step) -> Iterator[str]:
    yield ""
    yield f"## {number}. {printable(step.title)}"
    yield ""
    yield f"{printable(step.why)} (`{step.id}`, about {span(step.seconds)}: {step.measured})"
    if step.before:
        yield from _checks("Before", step.before)
    if step.commands:
        yield ""
        yield from _block(step.commands)
    yield from _checks("Must be seen", step.after)
    yield ""
    yield f"**Way back:** {printable(step.back.why)}"
    if step.back.commands:
        yield ""
        yield from _block(step.back.commands)
    if step.back.checks:
        yield from _checks("Must be seen then", step.back.checks)


def _checks(title: str, checks: Iterable[Check]) -> Iterator[str]:
    yield ""
    yield f"{title} (each command exits with 0):"
    yield ""
    for check in checks:
        shows = f", and shows {', '.join(map(_code, check.shows))}" if check.shows else ""
        yield f"- [ ] {printable(check.sees)}{shows}: {_code(str(check.command))}"


def _block(commands: Iterable[Command]) -> Iterator[str]:
    yield "```sh"
    for command in commands:
        if command.starts is not None:
            yield f"# only if nothing of the {command.starts.other.value} side lives"
        if command.may_fail:
            yield f"# may fail: {command.may_fail}"
        yield printable(str(command))
    yield "```"


def _way(step: Step) -> str:
    return _code(str(step.back.commands[-1])) if step.back.commands else "nothing to do"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    titles = list(head)
    yield "| " + " | ".join(titles) + " |"
    yield "|" + " --- |" * len(titles)
    for row in rows:
        yield "| " + " | ".join(printable(cell).replace("|", "\\|") for cell in row) + " |"


def _code(text: str) -> str:
    """*text* as code, whatever backticks it holds."""
    shown = printable(text)
    fence = "`"
    while fence in shown:
        fence += "`"
    space = " " if "`" in shown else ""
    return f"{fence}{space}{shown}{space}{fence}"


def span(seconds: float) -> str:
    """``45 s``, ``12 min``."""
    return f"{seconds:g} s" if seconds < 90 else f"{seconds / 60:.0f} min"
