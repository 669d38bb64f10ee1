"""One decision under way: the state so far, the events that change it, the actions that follow."""

from __future__ import annotations

from loops.config.model import Agent, Config, Kind, NoticeKind, Phase
from loops.secrets.redaction import redact
from loops.supervisor import events as ev
from loops.supervisor.action import Action, Notice
from loops.supervisor.fold import Fold
from loops.supervisor.fold_notices import named
from loops.supervisor.state import NudgeKind, State

LONGEST_NOTICE = 400


class Step(Fold):
    """A `Fold` that remembers its events and actions.  ``at``: the steady time of what was seen."""

    def __init__(self, state: State, at: float) -> None:
        super().__init__(state)
        self.at = at
        self.events: list[ev.Event] = []
        self.actions: list[Action] = []
        self.touched: dict[str, None] = {}

    def emit(self, event: ev.Event) -> None:
        """Take *event* into the state and the journal."""
        self.events.append(event)
        self.apply(event)

    def act(self, action: Action) -> None:
        self.actions.append(action)

    def touch(self, name: str) -> None:
        """Look at this agent again before the decision ends."""
        self.touched[name] = None

    @property
    def config(self) -> Config:
        config = self.state.config
        assert config is not None, "decide() lets nothing in before a configuration"
        return config

    def spec(self, name: str) -> Agent | None:
        return self.config.agents.get(name)

    @property
    def phase(self) -> Phase | None:
        """The current phase, None without phases or after the last one."""
        phases = self.config.loop.phases
        if self.loop.complete or not 0 <= self.loop.index < len(phases):
            return None
        return phases[self.loop.index]

    def loop_agents(self) -> list[str]:
        return [name for name, spec in self.config.agents.items() if spec.kind is Kind.LOOP]

    def say(self, text: str) -> None:
        """Tell whoever reads the supervisor's log; *text* may hold what an agent said."""
        self.act(Notice(text))

    def notice(self, kind: NoticeKind, key: str, text: str, said: str | None = None) -> None:
        """The same, and send the operator a notice, once for the event that *kind* and *key* name.

        *text* is the engine's own words and never an agent's, for it leaves the machine; *said* is what the log gets instead,
        "": nothing.
        """
        if said != "":
            self.say(text if said is None else said)
        notices, notify = self.state.notices, self.config.notify
        wanted = notify.channels and (kind in notify.events or kind is NoticeKind.TEST)
        if wanted and named(kind.value, key) not in notices.told:
            id = f"notice-{notices.count + 1}"
            self.emit(ev.NoticeDue(self.at, id, kind.value, key, _presentable(text), "notice"))

    def queue(self, name: str, kind: NudgeKind, text: str, *, cause: str, why: str, rule: str) -> None:
        """Queue one nudge, unless the same one (by kind and cause) is waiting already."""
        if name not in self.agents or any(n.kind is kind and n.cause == cause for n in self.agent(name).nudges):
            return
        nudge = f"n{self.state.nudges + 1}"
        self.emit(ev.NudgeQueued(name, self.at, nudge, kind.value, text, cause, why, rule))
        self.touch(name)


def _presentable(text: str) -> str:
    """One printable line of at most `LONGEST_NOTICE` characters, without keys: all that a notice says goes through here."""
    line = "".join(c if c.isprintable() else "?" for c in " ".join(redact(text).split()))
    return line if len(line) <= LONGEST_NOTICE else line[: LONGEST_NOTICE - 3] + "..."
