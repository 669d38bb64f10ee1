"""Checks of the staged side."""

from __future__ import annotations

import time
from collections.abc import Mapping

from loops.boot import installed
from loops.errors import LoopsError
from loops.places import Runtime
from loops.projects.cutover import sighting
from loops.projects.cutover.scene import Hopeless, Scene
from loops.supervisor import events as ev
from loops.supervisor.state import Life

ALIVE = ("RUNNING", "LIMIT", "PROVIDER", "BLOCKED", "ASKS")
"""States in which an agent is there, whatever it waits for."""
PROVES_ITSELF = 15.0
"""Seconds after which a session that resumed, and began no turn, was not refused by its backend."""


def carried(scene: Scene) -> list[str]:
    """The staged journal says where the live side ended."""
    state = scene.state()
    reached, phases = scene.noted.reached, scene.ground.phases
    wrong = []
    if reached.index is not None and phases:
        wanted = phases[min(reached.index, len(phases) - 1)]
        if (state.loop.phase, state.loop.complete) != (wanted, reached.complete):
            wrong.append(f"it stands in phase {state.loop.phase or 'none'}, not in {wanted}")
    for member in scene.ground.members:
        agent, id = state.agents.get(member.name), reached.conversations.get(member.name, "")
        if id and member.kind != "task" and agent is not None and agent.conversation != id:
            wrong.append(f"{member.name} would go on in {agent.conversation or 'a new conversation'}, not in {id}")
    return wrong


def staged_stopped(scene: Scene) -> list[str]:
    """Nobody supervises the staged project or holds its sessions."""
    return sighting.staged_side(scene.ground)


def staged_ended(scene: Scene) -> list[str]:
    """No agent of the staged side lives; of a service the supervisor may."""
    if not scene.ground.unit:
        return sighting.staged_side(scene.ground)
    try:
        rows = scene.status()["agents"]
    except LoopsError:
        return []
    return [f"{row['name']} lives (pid {row['pid']})" for row in rows if row["pid"] and row["name"] != "watchdog"]


def service(scene: Scene) -> list[str]:
    """A unit runs the staged project."""
    if installed.find(scene.ground.staged_config) is None:
        return ["no unit belongs to its agents.toml"]
    scene.status()
    return []


def staged_runs(scene: Scene) -> list[str]:
    """Whoever ran on the live side runs here."""
    status = scene.status()
    rows = {row["name"]: row for row in status["agents"]}
    wrong = []
    for member in scene.ran():
        row = rows.get(member.name)
        if row is None:
            wrong.append(f"{member.name} is not in its status")
        elif member.kind == "loop" and status["phase"]["complete"]:
            continue
        elif not row["pid"] or not row["state"].startswith(ALIVE):
            wrong.append(f"{member.name} is {row['state']} {row['doing']}".rstrip())
    return wrong


def conversations(scene: Scene) -> list[str]:
    """By the journal: what each first start resumed, and what its backend made of that."""
    dropped = {e.agent: e.why for e in scene.since() if isinstance(e, ev.ConversationDropped)}
    resumed: dict[str, str] = {}
    for event in scene.since():
        if isinstance(event, ev.SessionStarting):
            resumed.setdefault(event.agent, event.conversation)
    complete = scene.status()["phase"]["complete"]
    wrong = []
    for member in scene.ran():
        id = scene.noted.reached.conversations.get(member.name, "")
        if not id or (member.kind == "loop" and complete):
            continue
        if member.name in dropped:
            raise Hopeless(f"{member.name}: conversation {id} is given up: {dropped[member.name]}")
        if member.name not in resumed:
            wrong.append(f"{member.name} has not been started")
        elif resumed[member.name] != id:
            there = resumed[member.name] or "a new conversation"
            wrong.append(f"{member.name} was started in {there}, not in {id}: can its backend resume one?")
        elif not _taken_up(scene, member.name):
            wrong.append(f"{member.name} has not taken conversation {id} up yet")
    return wrong


def _taken_up(scene: Scene, name: str) -> bool:
    """Whether the agent is really in the conversation that it was started with: a start alone proves nothing."""
    agent = scene.state().agents.get(name)
    if agent is None or agent.life is not Life.RUNNING:
        return False
    return not agent.resuming or time.time() - agent.running_since > PROVES_ITSELF


def phase(scene: Scene) -> list[str]:
    """The phase is the live side's, or a later one that was reached here."""
    reached, phases, there = scene.noted.reached, scene.ground.phases, scene.status()["phase"]
    if reached.index is None or not phases:
        return []
    wanted = phases[min(reached.index, len(phases) - 1)]
    if there["id"] == wanted or scene.since_phase():
        return []
    return [f"it is in phase {there['id'] or 'none'}, not in {wanted}"]


def models(scene: Scene) -> list[str]:
    """Each agent has the effective model of the phase."""
    status = scene.status()
    rows, at = {row["name"]: row for row in status["agents"]}, status["phase"]["id"]
    wrong = []
    for member in scene.ran():
        wanted = member.models.get(at if member.kind == "loop" else "", member.models.get("", ""))
        row = rows.get(member.name)
        if member.kind != "service" and row is not None and wanted and row["model"] != wanted and row["pid"]:
            wrong.append(f"{member.name} runs {row['model']}, not {wanted}")
    return wrong


def views(scene: Scene) -> list[str]:
    """Each running session is shown in tmux under its own name."""
    rows = {row["name"]: row for row in scene.status()["agents"] if row["pid"]}
    there = sighting.sessions(Runtime(scene.ground.staged_config).tmux_socket)
    return [
        f"no tmux session {member.session}"
        for member in scene.ran()
        if member.name in rows and member.session not in there
    ]


def soak(scene: Scene) -> list[str]:
    """Watch for the plan's time; a complaint ends it at once."""
    before = {row["name"]: row["restarts"] for row in scene.status()["agents"]}
    deadline = time.monotonic() + scene.ground.soak
    while True:
        wrong = staged_runs(scene) + _unrest(scene, before)
        if wrong or time.monotonic() >= deadline:
            return wrong
        time.sleep(min(2.0, max(deadline - time.monotonic(), 0.05)))


def _unrest(scene: Scene, before: Mapping[str, int]) -> list[str]:
    rows = scene.status()["agents"]
    found = [
        f"{row['name']} is in a crash loop: {row['doing']}"
        for row in rows
        if row["state"].startswith(("CRASH", "FAILED"))
    ]
    return found + [
        f"{row['name']} was restarted" for row in rows if row["restarts"] > before.get(row["name"], row["restarts"])
    ]
