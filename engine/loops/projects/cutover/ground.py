"""From two deployments and the operator's words to what a plan is made of: looks at the files, changes nothing."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from loops.errors import LoopsError
from loops.projects.cutover import user
from loops.projects.cutover.plan import ROOT, Command, Ground, Member
from loops.projects.cutover.say import Words
from loops.projects.deployment import reading, unit_file
from loops.projects.deployment.environment import gather
from loops.projects.deployment.facts import effective_model, facts
from loops.projects.deployment.files import Files
from loops.projects.deployment.model import Deployment, Form
from loops.projects.deployment.model import Member as DeploymentMember
from loops.projects.deployment.surroundings import Surroundings

SOAK = 600.0
"""Seconds that the staged side is watched for."""
_MOVING = frozenset({"state", "conversation", "phase index", "complete"})
"""Fields that change by themselves while a deployment runs: no part of what it is."""
_LAUNCHERS = (
    "launch.py",
    "launch-orchestrator.py",
    "launch-upgrader.py",
    "launch-assistant.py",
    "launch-report.py",
    "launch.sh",
)
_ENGINE = ("agents.py", "engine/agents.py")


@dataclass(frozen=True, slots=True)
class Asked:
    """The operator's own words.  Each command in the form in which it is typed; none: those that the form is known for."""

    live: str
    staged: str
    stop: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    status: str = ""
    unit: str = ""
    personal: bool = False
    tmux: str = ""
    soak: float = SOAK
    allow: str = ""
    env_files: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UnitFile:
    """What a unit's file says of the live side."""

    env: tuple[tuple[str, str], ...] = ()
    start: tuple[tuple[str, ...], ...] = ()
    stop: tuple[tuple[str, ...], ...] = ()
    cwd: str = ""
    user: str = ""
    hidden: tuple[str, ...] = ()
    """Variables that are left out of the runbook, for their values may be secrets."""
    files: tuple[str, ...] = ()
    """Files of variables that were read."""


def digest(deployment: Deployment) -> str:
    """SHA-256 of what a deployment is, without what changes by itself while it runs."""
    lasting = sorted((str(place), value) for place, value in facts(deployment).items() if place.field not in _MOVING)
    return sha256(json.dumps(lasting).encode()).hexdigest()


def surroundings(asked: Asked, told: Surroundings) -> Surroundings:
    """With what the live side is started: each as it is *asked* for, else as the migration was *told*."""
    directory = asked.live if os.path.isdir(asked.live) else os.path.dirname(os.path.abspath(asked.live))
    unit = _unit_path(asked, directory) or told.unit or reading.unit_beside(directory)
    return Surroundings(
        os.path.abspath(unit) if unit else "",
        tuple(map(os.path.abspath, asked.env_files)) or told.env_files,
        asked.settings or told.settings,
    )


def survey(
    live: Deployment, staged: Deployment, asked: Asked, around: Surroundings, *, staged_config: str, log_dir: str
) -> tuple[Ground, Words, tuple[str, ...]]:
    """Return the ground, the live side's commands, and what the operator must be told of how they were found.

    *around*: that by which *live* was read.

    Raises:
        LoopsError: the live side's commands are not known and were not given.
    """
    root = _root(live)
    unit = read_unit(around, root)
    lasting = around.lasting()
    scripts = tuple(path for name in (*_ENGINE, *_LAUNCHERS) if os.path.isfile(path := os.path.join(root, name)))
    prefix = live.prefix or staged.prefix or ""
    words, notes = _words(live, root, unit, asked)
    runs_as = "" if asked.personal else user.known(unit.user)
    if unit.user and not asked.personal and not runs_as:
        notes.append(
            f"{around.unit} runs it as {unit.user}, whom this machine does not know: type each command as whoever it runs as."
        )
    ground = Ground(
        live=os.path.abspath(asked.live),
        live_root=root,
        form=live.form.value,
        live_digest=digest(live),
        staged_root=os.path.dirname(staged_config),
        staged_config=staged_config,
        staged_digest=digest(staged),
        log_dir=log_dir,
        prefix=prefix,
        scripts=scripts,
        watchdogs=(f"{prefix}watchdog",),
        tmux=asked.tmux or dict(unit.env).get("TMUX_SOCKET", ""),
        unit=asked.unit if "/" not in asked.unit else "",
        unit_file=around.unit,
        personal=asked.personal,
        phases=tuple(step.id for step in live.steps or ()),
        members=tuple(_member(live, each, prefix) for each in live.members if each.name != "watchdog"),
        soak=asked.soak,
        allow=os.path.abspath(asked.allow) if asked.allow else "",
        env_files=lasting.env_files,
        settings=lasting.settings,
        user="" if runs_as == ROOT else runs_as,
    )
    if asked.unit and not around.unit:
        notes.append(
            f"No file of {asked.unit} was found, so nobody knows with which variables and as whom it starts the live side: "
            "name the file with `--unit` for the migration."
        )
    if unit.hidden:
        notes.append(
            f"Left out of the commands, for their values may be secrets: {', '.join(unit.hidden)}. Set them in the shell "
            "in which this is run, if the live side needs them."
        )
    return ground, words, tuple(notes)


def _root(live: Deployment) -> str:
    if live.root:
        return os.path.abspath(live.root)
    path = os.path.abspath(live.source)
    return path if os.path.isdir(path) else os.path.dirname(path)


def _member(live: Deployment, member: DeploymentMember, prefix: str) -> Member:
    models = {"": member.model or ""}
    if member.kind == "loop":
        models |= {step.id: effective_model(step.models or {}, member) for step in live.steps or ()}
    return Member(
        member.name,
        member.kind or "persistent",
        member.session or f"{prefix}{member.name}",
        member.enabled is not False,
        {phase: model for phase, model in models.items() if model},
    )


# ---- the live side's commands ------------------------------------------------------------------------------------------


def _words(live: Deployment, root: str, unit: UnitFile, asked: Asked) -> tuple[Words, list[str]]:
    env = unit.env
    if live.form is Form.LAUNCHERS:
        env = (*(each for each in env if each[0] != "RESUME_PHASE"), ("RESUME_PHASE", "1"))
    notes = []
    if live.form is Form.LAUNCHERS:
        notes.append(
            "RESUME_PHASE=1 is set wherever the launchers are started: without it they begin the plan again at its first phase."
        )

    def command(words: tuple[str, ...]) -> Command:
        return Command(words, cwd=unit.cwd or root, env=env)

    def given(texts: tuple[str, ...]) -> list[Command]:
        return [command(tuple(shlex.split(text))) for text in texts]

    known = _known(live, root)
    stop = given(asked.stop) or [command(each) for each in unit.stop or known.get("stop", ())]
    start = given(asked.start) or [command(each) for each in unit.start or known.get("start", ())]
    status = given((asked.status,) if asked.status else ()) or [command(each) for each in known.get("status", ())]
    missing = [f"--live-{word}" for word, found in (("stop", stop), ("start", start), ("status", status)) if not found]
    if missing:
        raise LoopsError(
            f"{asked.live}: nobody knows how this is run ({live.form.value}); say it with {', '.join(missing)} 'COMMAND'"
        )
    keeps = live.form is not Form.LAUNCHERS or dict(unit.env).get("RESUME_PHASE") == "1"
    if asked.unit and "/" not in asked.unit and not keeps:
        notes.append(
            f"{asked.unit} does not set RESUME_PHASE=1, so the way back starts the launchers by themselves, not by it."
        )
    return Words(tuple(stop), tuple(start), status[0], keeps and not asked.start), notes


def _known(live: Deployment, root: str) -> Mapping[str, tuple[tuple[str, ...], ...]]:
    """How each form is run: by the programs that are there."""
    if live.form is Form.ENGINE:
        program = next((path for name in _ENGINE if os.path.isfile(path := os.path.join(root, name))), "")
        if not program:
            return {}
        config = next(
            (each for each in live.documents if each.endswith("agents.toml")), os.path.join(root, "agents.toml")
        )
        words = ("python3", program, "--config", config)
        return {"stop": ((*words, "down"),), "start": ((*words, "up"),), "status": ((*words, "status"),)}
    if live.form is Form.LAUNCHERS and os.path.isfile(os.path.join(root, "launch.py")):
        launch = ("python3", os.path.join(root, "launch.py"))
        orchestrator = os.path.join(root, "launch-orchestrator.py")
        beside = (("python3", orchestrator),) if os.path.isfile(orchestrator) else ()
        return {
            "stop": ((*launch, "stop"), *((*each, "stop") for each in beside)),
            "start": ((*launch, "start"), *((*each, "start") for each in beside)),
            "status": ((*launch, "status"),),
        }
    return {}


# ---- the unit's file ---------------------------------------------------------------------------------------------------


def _unit_path(asked: Asked, directory: str) -> str:
    if asked.live.endswith(".service"):
        return asked.live
    if not asked.unit:
        return ""
    if "/" in asked.unit:
        return asked.unit
    personal = os.path.expanduser("~/.config/systemd/user")
    folders = (
        "/etc/systemd/system",
        personal,
        "/run/systemd/system",
        "/usr/local/lib/systemd/system",
        "/usr/lib/systemd/system",
        "/lib/systemd/system",
        os.path.join(directory, "systemd"),
    )
    return next((path for folder in folders if os.path.isfile(path := os.path.join(folder, asked.unit))), "")


def read_unit(around: Surroundings, root: str) -> UnitFile:
    """What the unit's file, the environment files and the operator's own settings say.

    An environment file is where secrets are kept, under whatever names: of it only what a script in *root* names is shown.

    Raises:
        ConfigProblems: it is not there, or a line of it cannot be read.
    """
    files = Files(os.path.dirname(around.unit) if around.unit else root)
    found = gather(files, around.unit, around.env_files, around.settings)
    unit = os.path.basename(around.unit)
    said = {name for name, each in found.settings.items() if each.origin.rpartition(":")[0] == unit}
    unnamed = {*found.settings} - {*said, *around.settings, "PATH", *_named(root)}
    hidden = tuple(sorted({*found.secrets, *unnamed}))
    shown = tuple((name, value) for name, value in found.values.items() if name not in hidden)
    start = tuple(_open(words, hidden) for words in found.started if words)
    stop = tuple(_open(words, hidden) for words in _stopping((files.text(around.unit) if around.unit else "") or ""))
    return UnitFile(shown, start, stop, found.directory, found.user, hidden, tuple(found.files))


def _named(root: str) -> Iterator[str]:
    """Every word that stands in a script of *root*."""
    files = Files(root)
    for name in files.names("."):
        if name.endswith((".py", ".sh")):
            yield from re.findall(r"\w+", files.text(os.path.join(root, name)) or "")


def _open(words: tuple[str, ...], hidden: tuple[str, ...]) -> tuple[str, ...]:
    """A command without the secrets that it sets behind ``env``."""
    return tuple(word for word in words if "=" not in word or word.partition("=")[0] not in hidden)


def _stopping(text: str) -> Iterator[tuple[str, ...]]:
    for line in unit_file.lines(text):
        if line.section == "Service" and line.key == "ExecStop" and line.value:
            words = unit_file.words(line.value.lstrip("-@:+!"))
            if words:
                yield words
