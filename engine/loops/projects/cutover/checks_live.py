"""Checks of the live side, and of what must be so before a cutover."""

from __future__ import annotations

import os
import shutil

from loops.projects.cutover import handover, note, sighting
from loops.projects.cutover.position import Mark
from loops.projects.cutover.record import entries
from loops.projects.cutover.scene import Scene

LEAST_SPACE = 500 * 1024 * 1024
"""Bytes: the logs and the journal of the first days."""


def space(scene: Scene) -> list[str]:
    """Room for the logs and the journal of the first days."""
    free = shutil.disk_usage(_existing(scene.ground.log_dir)).free
    return (
        []
        if free >= LEAST_SPACE
        else [f"{scene.ground.log_dir}: {free // 2**20} MB are free, {LEAST_SPACE // 2**20} are needed"]
    )


def at_rest(scene: Scene) -> list[str]:
    """The staged project was never started, unless by a cutover that was taken back, and does not run."""
    wrong = sighting.staged_side(scene.ground)
    state = scene.state()
    started = sorted(name for name, agent in state.agents.items() if agent.incarnation)
    if state.up:
        wrong.append("it was not brought down: `loops down`")
    if started and not any(entry.mark is Mark.RETURNED for entry in entries(scene.places)):
        wrong.append(f"it was started before ({', '.join(started)}), and by no cutover that was taken back")
    return wrong


def no_task(scene: Scene) -> list[str]:
    """No task runs on the live side."""
    there = sighting.live_sessions(scene.ground)
    return [
        f"{m.name} runs: wait for its end, or end it"
        for m in scene.ground.members
        if m.kind == "task" and m.session in there
    ]


# ---- the live side -----------------------------------------------------------------------------------------------------


def noted(scene: Scene) -> list[str]:
    """The note says what the later checks need."""
    found = scene.noted
    wrong = (
        []
        if found.sessions
        else ["no session of the live side was there: does it run, and is that its tmux socket (--tmux)?"]
    )
    if scene.ground.phases and found.reached.index is None:
        wrong.append("the live side's files do not say in which phase it is")
    return wrong


def live_runs(scene: Scene) -> list[str]:
    """The live side runs as it was noted, in the phase that it shall go on in."""
    there = sighting.live_sessions(scene.ground)
    expected = {member.session for member in scene.ran()} | {
        name for name in scene.noted.sessions if name in scene.ground.watchdogs
    }
    complete = scene.reached()
    if complete.complete:
        expected -= {member.session for member in scene.ground.members if member.kind == "loop"}
    wrong = [f"session {name} is not there" for name in sorted(expected - set(there))]
    if went_back(scene).index != complete.index:
        wrong.append(f"it is in {_phase(scene, complete.index)}, not in {_phase(scene, went_back(scene).index)}")
    return wrong


def live_stopped(scene: Scene) -> list[str]:
    """Nothing of the live side lives: by its sessions, its programs, and the processes that were noted."""
    left = sighting.live_side(scene.ground)
    if os.path.exists(scene.places.note):
        left += [f"process {each.pid} of one of its sessions" for each in scene.noted.left()]
    return left


def live_state(scene: Scene) -> list[str]:
    """The live side's own files say what it shall go on with."""
    wanted, there = went_back(scene), scene.reached()
    wrong = []
    if wanted.index != there.index or wanted.complete != there.complete:
        wrong.append(f"its files say {_phase(scene, there.index)}, and it shall go on in {_phase(scene, wanted.index)}")
    for name, id in wanted.conversations.items():
        if there.conversations.get(name, "") != id:
            wrong.append(f"the conversation of {name} is {there.conversations.get(name) or 'none'}, not {id or 'none'}")
    return wrong


def went_back(scene: Scene) -> note.Reached:
    """What the live side goes on with if it is started now."""
    ground, noted = scene.ground, scene.noted
    if not noted.carried:
        return noted.reached
    loops = [member.name for member in ground.members if member.kind == "loop"]
    return handover.back(noted.reached, scene.state(), scene.since(), ground.phases, loops)


def _phase(scene: Scene, index: int | None) -> str:
    phases = scene.ground.phases
    return f"phase {phases[min(index, len(phases) - 1)]}" if index is not None and phases else "no phase"


def _existing(path: str) -> str:
    while not os.path.isdir(path) and path != "/":
        path = os.path.dirname(path)
    return path
