"""A plan of a cutover: steps that a runbook prints and that the executor runs, the same objects.  Pure.

Times are seconds, paths absolute.  Every step can be taken back: it names its way back, or says why nothing has to be
done for that.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from hashlib import sha256
from typing import Any

from loops.projects.deployment.surroundings import Surroundings

VERSION = 1
"""Of the plan's JSON form (schemas/cutover.schema.json)."""
ROOT = "root"
"""Who may do all of a plan, and whom no step has to name."""


class Side(Enum):
    """Who supervises the agents."""

    LIVE = "live"
    STAGED = "staged"

    @property
    def other(self) -> Side:
        """The other one, which must not run while this one starts."""
        return Side.STAGED if self is Side.LIVE else Side.LIVE


@dataclass(frozen=True, slots=True)
class Command:
    """One command, as it is typed and as it is run."""

    words: tuple[str, ...]
    cwd: str = ""
    """Empty: anywhere."""
    env: tuple[tuple[str, str], ...] = ()
    """Variables that are set for it alone."""
    starts: Side | None = None
    """It brings this side's supervisor up: the other side's must be proved gone right before."""
    may_fail: str = ""
    """Why its exit code says nothing (the checks after it do); empty: it must be 0."""
    timeout: float = 600.0
    """Seconds after which it counts as failed."""
    user: str = ""
    """As whom it is run; empty: as whoever carries the plan out."""

    def __str__(self) -> str:
        """As a person copies it into a shell, whoever that is."""
        # zsh takes a word that begins with = as the path of a program
        words = " ".join(f"'{word}'" if word.startswith("=") else shlex.quote(word) for word in self.words)
        if self.env:
            words = " ".join([*(f"{name}={shlex.quote(value)}" for name, value in self.env), words])
        if self.cwd:
            words = f"cd {shlex.quote(self.cwd)} && {words}"
        if self.user == "root":
            sudo = "sudo"
        elif self.user:
            sudo = f"sudo -H -u {shlex.quote(self.user)} --"
        else:
            return f"({words})" if self.cwd else words
        return f"{sudo} sh -c {shlex.quote(words)}" if self.cwd or self.env else f"{sudo} {words}"


@dataclass(frozen=True, slots=True)
class Check:
    """Something that must be seen: the command's exit code is 0, and its output holds each of ``shows``."""

    sees: str
    """What, in words."""
    command: Command
    shows: tuple[str, ...] = ()
    lasting: bool = False
    """It still holds when later steps are done: it is asked again when a cutover goes on after an interruption."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a step is taken back.  No commands: ``why`` says why there is nothing to do.

    Where a command starts a side, the last check is that it runs: what runs already is not started a second time.
    """

    why: str
    commands: tuple[Command, ...] = ()
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the cutover."""

    id: str
    title: str
    why: str
    commands: tuple[Command, ...]
    before: tuple[Check, ...]
    after: tuple[Check, ...]
    back: Way
    seconds: float
    """An estimate of the whole step with its checks."""
    measured: str = ""
    """Where the estimate is from."""

    @property
    def reversible(self) -> bool:
        """Whether the way back is written down."""
        return bool(self.back.why)


@dataclass(frozen=True, slots=True)
class Member:
    """One agent or service, as far as the cutover has to know it."""

    name: str
    kind: str
    session: str
    enabled: bool
    models: Mapping[str, str]
    """Its effective model by phase id; "" outside any phase."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What stands on the machine: where both sides are and how each is known."""

    live: str
    """As the operator named it."""
    live_root: str
    form: str
    live_digest: str
    staged_root: str
    staged_config: str
    staged_digest: str
    log_dir: str
    """Of the staged project: the cutover's own files are below it."""
    prefix: str
    scripts: tuple[str, ...]
    """Programs of the live side: whoever runs one of them as ``watchdog`` or ``start`` is its supervisor."""
    watchdogs: tuple[str, ...]
    """tmux sessions in which the live supervisor runs."""
    tmux: str
    """The live side's tmux socket; empty: the user's own server."""
    unit: str
    """The systemd unit of the live side; empty: none."""
    unit_file: str
    """The unit's file, from which the live side's environment is read; empty: none."""
    personal: bool
    """The unit belongs to the user's own service manager."""
    phases: tuple[str, ...]
    members: tuple[Member, ...]
    soak: float
    """Seconds."""
    allow: str = ""
    """The operator's file of differences that parity accepts; empty: none."""
    env_files: tuple[str, ...] = ()
    """Files of variables that the live side is started with, over its unit's."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Variables over all the others, without secrets."""
    user: str = ""
    """Whom the unit runs it as; empty: it names none, and all is done by whoever carries the plan out."""

    @property
    def around(self) -> Surroundings:
        """With what the live side is started, by which it is read."""
        return Surroundings(self.unit_file, self.env_files, self.settings)


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole cutover."""

    ground: Ground
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()
    """What the operator must know that no step shows."""

    @property
    def seconds(self) -> float:
        """The sum of the estimates."""
        return sum(step.seconds for step in self.steps)

    @property
    def digest(self) -> str:
        """By which a person can tell that what is run is what was reviewed."""
        return sha256(repr(encode(self)).encode()).hexdigest()

    def irreversible(self) -> tuple[str, ...]:
        """The ids of steps without a way back: none, or the plan is not run."""
        return tuple(step.id for step in self.steps if not step.reversible)

    def backward(self) -> Iterator[Step]:
        """The steps in the order in which they are taken back."""
        return reversed(self.steps)


# ---- JSON --------------------------------------------------------------------------------------------------------------


def encode(value: Any) -> Any:
    """A plan, or a part of it, as JSON."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): encode(each) for key, each in sorted(value.items())}
    if isinstance(value, tuple):
        return [encode(each) for each in value]
    if hasattr(value, "__dataclass_fields__"):
        return {each.name: encode(getattr(value, each.name)) for each in fields(value)}
    return value


def decode(facts: Mapping[str, Any]) -> Plan:
    """The plan that `encode` has written.  KeyError, TypeError, ValueError: it is none."""
    ground = dict(facts["ground"])
    members = tuple(Member(**each) for each in ground.pop("members"))
    for key in ("scripts", "watchdogs", "phases", "env_files"):
        ground[key] = tuple(ground.get(key, ()))
    steps = tuple(_step(each) for each in facts["steps"])
    return Plan(Ground(**ground, members=members), steps, tuple(facts["notes"]))


def _step(facts: Mapping[str, Any]) -> Step:
    back = facts["back"]
    return Step(
        id=facts["id"],
        title=facts["title"],
        why=facts["why"],
        commands=tuple(map(_command, facts["commands"])),
        before=tuple(map(_check, facts["before"])),
        after=tuple(map(_check, facts["after"])),
        back=Way(back["why"], tuple(map(_command, back["commands"])), tuple(map(_check, back["checks"]))),
        seconds=facts["seconds"],
        measured=facts["measured"],
    )


def _command(facts: Mapping[str, Any]) -> Command:
    return Command(
        words=tuple(facts["words"]),
        cwd=facts["cwd"],
        env=tuple((name, value) for name, value in facts["env"]),
        starts=Side(facts["starts"]) if facts["starts"] else None,
        may_fail=facts["may_fail"],
        timeout=facts["timeout"],
        user=facts.get("user", ""),
    )


def _check(facts: Mapping[str, Any]) -> Check:
    return Check(facts["sees"], _command(facts["command"]), tuple(facts["shows"]), facts["lasting"])
