"""The texts that agents get: kickoffs, prompts and nudges, rendered from the project's files."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from loops import resources
from loops.config.model import Agent, Config, Kind, Loop, Phase
from loops.errors import ConfigError, LoopsError
from loops.supervisor.state import Nudge, NudgeKind

ROLE_TEXTS = ("{role_text}", "{role_text_stripped}")
"""Slots of a template that places the role's text itself, as it is or without the white space around it.  A template with
neither is followed by that text."""


def kickoff(
    config: Config, agent: Agent, phase: Phase | None, kind: str, words: str = "", *, rebooted: bool = False
) -> str:
    """Return what the agent is started with.  *kind*: kickoff, prompt, resume or none (`events.SessionStarting`).
    *words*: what the operator asks of a task this time.

    *rebooted*: its last session went down with the machine.

    ConfigError: a file that agents.toml names cannot be read; an agent without its orders would do anything.
    """
    if kind == "none":
        return ""
    if kind == "resume":
        return _resume(agent, phase, rebooted)
    if agent.kind is Kind.LOOP and phase is not None:
        return _phase_kickoff(config, agent, phase)
    standing = _demand(agent.prompt_file) or _role(config, agent)
    return _asked(standing, words) if words else standing


def _asked(standing: str, words: str) -> str:
    head = f"{standing.rstrip()}\n\n" if standing.strip() else ""
    return f"{head}=== what the operator asks this time ===\n{words.rstrip()}\n"


def nudge(config: Config, agent: Agent, waiting: Nudge) -> str:
    """Return the text of a nudge, headed by its id: the agent's own record and the journal then name the same thing."""
    text = waiting.text
    if waiting.kind is NudgeKind.WAKE and agent.wake is not None:
        text = _read(agent.wake.prompt_file) or "It is time for your regular look at the project."
    return f"[nudge {waiting.id}] {text}"


def _phase_kickoff(config: Config, agent: Agent, phase: Phase) -> str:
    role = agent.role or agent.name
    template = _demand(template_path(config.loop, role))
    slots = {"phase_id": phase.id, "plan": phase.plan, "status": phase.status, "role": role}
    return fill(template, slots, _role(config, agent))


def template_path(loop: Loop, role: str) -> str:
    """Return the path of the template for a role: ``{role}`` in its name gives each role one of its own."""
    folder, name = os.path.split(loop.kickoff_template or resources.prompt("kickoff"))
    return os.path.join(folder, name.replace("{role}", role))


def fill(template: str, slots: Mapping[str, str], role_text: str) -> str:
    """Return a kickoff.  *slots*: phase_id, plan, status and role.

    Not str.format: a template is prose and may hold braces of its own.  All at once: a plan's name may look like a slot.
    """
    placed = any(slot in template for slot in ROLE_TEXTS)
    if placed:
        slots = {**slots, "role_text": role_text, "role_text_stripped": role_text.strip()}
    names = "|".join(slots)
    text = re.sub(rf"\{{({names})\}}", lambda slot: slots[slot[1]], template)
    return text if placed else f"{text.rstrip()}\n\n{role_text}".strip() + "\n"


def _role(config: Config, agent: Agent) -> str:
    """The role's standing text: the project's, else the one that comes with the engine, else none."""
    role = agent.role or agent.name
    own = os.path.join(config.loop.roles_dir, f"{role}.md") if config.loop.roles_dir else ""
    if own and os.path.isfile(own):
        return _demand(own)
    try:
        return _read(resources.prompt(role))
    except LoopsError:  # a role of the project's own, without a text
        return ""


def _resume(agent: Agent, phase: Phase | None, rebooted: bool) -> str:
    where = ""
    if phase is not None and agent.kind is Kind.LOOP:
        # A conversation that was cut off at its very beginning may not even hold its orders.
        role = agent.role or agent.name
        where = f" Phase {phase.id}: you are the {role}; the plan is {phase.plan}, its state is {phase.status}."
    why = "The machine rebooted: your session was restarted" if rebooted else "Your session was restarted"
    return (
        f"{why} and this conversation goes on.{where} Look at the state of your clone and of the "
        "shared documents first: what you remember as under way may have been cut off. Then go on with your work."
    )


def _demand(path: str) -> str:
    """The text of the file at *path*; "" when *path* is."""
    if not path:
        return ""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; agents.toml names it, so it must be readable") from error


def _read(path: str) -> str:
    """The text of the file at *path*; "" when it cannot be read."""
    try:
        return _demand(path)
    except ConfigError:
        return ""
