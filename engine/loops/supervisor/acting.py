"""Gives each action to the part of the supervisor that carries it out."""

from __future__ import annotations

from collections.abc import Callable

from loops.errors import SessionError
from loops.supervisor import action
from loops.supervisor.acts import Sessions
from loops.supervisor.announcing import Announcer
from loops.supervisor.repository import Repository
from loops.supervisor.writing import Writing


class Acting:
    """*touch*: an agent's timer is to be set anew; *leave*: everything has ended as asked; *say* tells the operator."""

    def __init__(
        self,
        sessions: Sessions,
        writing: Writing,
        repository: Repository,
        announcer: Announcer,
        *,
        touch: Callable[[str], None],
        leave: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self._sessions = sessions
        self._writing = writing
        self._repository = repository
        self._announcer = announcer
        self._touch = touch
        self._leave = leave
        self._say = say

    def act(self, act: action.Action) -> None:
        """Carry out one action, of which the intent is in the journal."""
        try:
            match act:
                case action.Start():
                    self._sessions.start(act)
                case action.End():
                    self._sessions.end(act)
                case action.Send():
                    self._sessions.send(act)
                case action.Answer():
                    self._writing.answer(act)
                case action.Look():
                    self._sessions.look(act)
                    self._touch(act.agent)
                case action.RunChecks():
                    self._sessions.run_checks(act)
                case action.ReadHistory():
                    self._repository.look_everywhere(again=True)
                case action.LogTokens():
                    self._writing.tokens(act)
                case action.LogReboots():
                    self._writing.reboots(act)
                case action.Notice(text=text):
                    self._say(text)
                case action.Notify():
                    self._announcer.send(act)
                case action.Leave():
                    self._leave()
        except SessionError:
            # The holder went away, which `Adopting.heard` tells the operator: its successor is asked for everything again.
            return
