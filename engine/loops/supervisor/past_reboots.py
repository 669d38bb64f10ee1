"""What the journal tells of the reboots that the project lived through: pure, one pass over its events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from loops.supervisor import events as ev

RESUMED, AFRESH, AGAIN, WAITING = "resumed", "started afresh", "started again", "not back yet"
"""How a session came back: in its conversation, in a new one, as the plain command that it is; or it has not yet."""


@dataclass(slots=True)
class PastReboot:
    """One reboot.  ``came_back``: by agent whose session went down with the machine, how it came back."""

    event: ev.MachineRebooted
    came_back: dict[str, str] = field(default_factory=dict)

    @property
    def resumed(self) -> str:
        """How, in words."""
        ways = {way: [name for name, how in self.came_back.items() if how == way] for way in self.came_back.values()}
        return "; ".join(f"{', '.join(names)} {way}" for way, names in ways.items())


@dataclass(frozen=True, slots=True)
class Boots:
    """All reboots, and the id of the last boot that the journal knows ("": of none)."""

    reboots: tuple[PastReboot, ...]
    last: str


def boots(history: Iterable[ev.Event]) -> Boots:
    """Gather them from the journal's events, oldest first."""
    found: list[PastReboot] = []
    last = ""
    for event in history:
        match event:
            case ev.MachineRebooted():
                found.append(PastReboot(event))
                last = event.boot_id
            case ev.SupervisorStarted(boot_id=boot_id):
                last = boot_id or last
            case ev.SessionEnded(rule="lost", agent=name) if found and event.at == found[-1].event.at:
                found[-1].came_back[name] = WAITING
            case ev.SessionStarted(agent=name) if found and name in _half_started(found[-1]):
                found[-1].came_back.setdefault(name, AGAIN)
            case ev.SessionStarting(agent=name) if found and found[-1].came_back.get(name) == WAITING:
                found[-1].came_back[name] = _how(event)
            case _:
                pass
    return Boots(tuple(found), last)


def _how(event: ev.SessionStarting) -> str:
    if event.conversation:
        return RESUMED
    return AGAIN if event.kickoff == "none" else AFRESH


def _half_started(past: PastReboot) -> tuple[str, ...]:
    """Whose start was under way: the same start is made good."""
    document = past.event.document
    return tuple(document.get("starting", ())) if isinstance(document, dict) else ()
