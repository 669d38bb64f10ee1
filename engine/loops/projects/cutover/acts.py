"""The plan's own commands: noting how the live side is, carrying its state over, and carrying it back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from loops import config as configuration
from loops.errors import LoopsError
from loops.projects.cutover import handover, live_state, note, sighting, user
from loops.projects.cutover.checks_live import went_back
from loops.projects.cutover.plan import Ground
from loops.projects.cutover.record import Places, kept_plan
from loops.projects.cutover.scene import Scene
from loops.projects.deployment import reading
from loops.projects.deployment.model import Deployment
from loops.projects.migrate import transcripts
from loops.supervisor import offline


def scene_of(log_dir: str) -> Scene:
    """What the checks of the kept plan look at.  LoopsError: there is no plan, or it is for another user."""
    ground = kept_plan(Places(log_dir)).ground
    user.refuse_another(ground)
    return Scene(ground, lambda: reached(read_live(ground)))


def read_live(ground: Ground) -> Deployment:
    """The live deployment as its files are now."""
    return reading.read(ground.live, ground.around)


def reached(live: Deployment) -> note.Reached:
    """Where its files say that the work stands."""
    ids = {member.name: member.conversation for member in live.members if member.conversation}
    return note.Reached(live.at, bool(live.complete), ids)


def take_note(scene: Scene) -> list[str]:
    """Write down how the live side is; return it in words."""
    live = read_live(scene.ground)
    there = sighting.live_sessions(scene.ground)
    found = note.Note(
        reached(live),
        {name: each.pid for name, each in there.items()},
        tuple((each.pid, each.start_time) for each in sighting.trees(there.values())),
        note.save_files(scene.places, live_state.find(live)),
    )
    note.write(scene.places, found)
    return list(_said(scene.ground, found))


def _said(ground: Ground, found: note.Note) -> Iterator[str]:
    index = found.reached.index
    if index is not None and ground.phases:
        at = min(index, len(ground.phases) - 1)
        word = "complete" if found.reached.complete else "in progress"
        yield f"phase {ground.phases[at]} [{at + 1}/{len(ground.phases)}] ({word})"
    for name, id in sorted(found.reached.conversations.items()):
        yield f"conversation of {name}: {id}"
    for session, pid in sorted(found.sessions.items()):
        yield f"session {session}: pid {pid}"
    for member in ground.members:
        if member.session in found.sessions and not member.enabled:
            yield f"{member.name} runs although it is disabled: nothing starts it again, but `loops up {member.name}` does"


def carry_over(scene: Scene) -> list[str]:
    """Tell the staged project where the live side ended.  LoopsError: somebody lives, or it does not fit."""
    ground, places = scene.ground, scene.places
    _refuse(sighting.live_side(ground) + sighting.staged_side(ground))
    live = read_live(ground)
    config = configuration.load(ground.staged_config)
    now = reached(live)
    found = dataclasses.replace(
        note.read(places), reached=now, digests=note.save_files(places, live_state.find(live)), carried=False
    )
    note.write(places, found)
    phases = [phase.id for phase in config.loop.phases]
    index = handover.over(now, ground.phases, phases)
    source = f"the {ground.form} in {ground.live_root}"
    known = tuple(now.conversations.items())
    state = offline.carry(config, source, index, known, complete=now.complete, again=True)
    taken = transcripts.after(config, state, known)
    note.write(places, dataclasses.replace(found, carried=True))
    lines = [f"phase {state.loop.phase}" if state.loop.phase else "no phase"]
    lines += [f"{agent.name} goes on in {agent.conversation}" for agent in state.agents.values() if agent.conversation]
    return [*lines, *(str(each) for each in taken if each.why)]


def carry_back(scene: Scene) -> list[str]:
    """Write into the live side's own files what has moved on since; return what was changed."""
    ground = scene.ground
    _refuse(sighting.live_side(ground) + sighting.staged_side(ground))
    if not scene.noted.carried:
        return ["nothing was carried over, and nothing goes back"]
    wanted, files, there = went_back(scene), live_state.find(read_live(ground)), scene.reached()
    changed = []
    if wanted.index is not None and wanted.index != there.index and live_state.put(files.index, str(wanted.index)):
        changed.append(f"{files.index}: {wanted.index} (phase {ground.phases[wanted.index]})")
    if wanted.complete != there.complete and live_state.put(files.complete, "complete" if wanted.complete else ""):
        changed.append(f"{files.complete}: {'made' if wanted.complete else 'removed'}")
    for name, id in wanted.conversations.items():
        if name in files.ids and live_state.put(files.ids[name], id):
            changed.append(f"{files.ids[name]}: {id or 'removed, so that it begins afresh'}")
    changed += _taken_back(ground, wanted.conversations)
    return changed or ["the live side's files stay as they are"]


def _taken_back(ground: Ground, conversations: Mapping[str, str]) -> Iterator[str]:
    """What was said on the staged side goes back with the conversations."""
    config = configuration.load(ground.staged_config)
    for each in transcripts.take_back(config, conversations.items()):
        yield str(each) if each.why else f"{each}: what was said since is with it"


def _refuse(lives: list[str]) -> None:
    if lives:
        raise LoopsError(f"nothing is carried while somebody lives: {'; '.join(lives)}")
