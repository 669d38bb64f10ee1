"""Answers requests of the command line: the operator's words become observations, questions get facts."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from loops.config.model import Kind
from loops.supervisor import approvals, runs, table
from loops.supervisor.announcing import NO_CHANNEL
from loops.supervisor.clock import Clock
from loops.supervisor.observation import Observation, Told
from loops.supervisor.state import AgentState, Approval, Life, State
from loops.supervisor.summary import summary

Request = dict[str, Any]


class Requests:
    """Answers one request at a time.

    *see* takes an observation; *settle* decides and acts on all that was seen; *trouble* says what keeps us from acting;
    *service*: a service manager runs this project, and keeps its supervisor when it is down.  *shared*: this process
    supervises other projects too, and goes on when this one is down.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        state: Callable[[], State],
        see: Callable[[Observation], None],
        settle: Callable[[], None],
        leave: Callable[[], None],
        started: float,
        trouble: Callable[[], str],
        service: bool = False,
        shared: bool = False,
    ) -> None:
        self._clock = clock
        self._state = state
        self._see = see
        self._settle = settle
        self._leave = leave
        self._started = started
        self._trouble = trouble
        self._service = service
        self._shared = shared

    def answer(self, line: bytes) -> bytes:
        """Return the answer to one request line."""
        if line.startswith(b"status "):
            return self._table(colour=line == b"status colour")
        try:
            request = json.loads(line)
            answer = self._dispatch(request)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            answer = {"ok": False, "error": f"not a request: {error}"}
        return json.dumps(answer).encode() + b"\n"

    def _table(self, *, colour: bool) -> bytes:
        text = table.text(
            self._state(), self._clock.now(), supervisor_pid=os.getpid(), started=self._started, colour=colour
        )
        trouble = self._trouble()
        return (f"{text}! {trouble}\n" if trouble else text).encode("utf-8", "replace")

    def _dispatch(self, request: Request) -> Request:
        if not isinstance(request, dict) or not isinstance(request.get("names", []), list):
            raise ValueError("an object with a verb, and perhaps a list of names, was expected")
        verb = str(request["verb"])
        if verb == "status":
            facts = table.as_json(self._state(), self._clock.now(), os.getpid(), self._started)
            facts["notes"] += filter(None, (self._trouble(),))
            return {"ok": True, "pid": os.getpid(), "service": self._service, "shared": self._shared, **facts}
        if verb == "summary":
            return {"ok": True, "pid": os.getpid(), **asdict(summary(self._state(), self._clock.now()))}
        if verb == "leave":
            self._leave()
            return {"ok": True}
        if verb in ("approve", "deny", "approvals"):
            return self._approvals(verb, request)
        if verb in ("run", "due"):
            return self._run(verb, request)
        names = tuple(str(name) for name in request.get("names", ()))
        complaint = self._check(verb, names, str(request.get("detail", "")))
        if complaint:
            return {"ok": False, "error": complaint}
        before = self._state()
        self._see(
            Told(
                self._clock.now(),
                verb,
                names,
                str(request.get("detail", "")),
                str(request.get("model", "")),
                str(request.get("backend", "")),
            )
        )
        self._settle()
        after = self._state()
        return {
            "ok": True,
            "started": _started(before, after),
            "ending": _ending(after),
            "running": _running(before),
            "nudge": f"n{after.nudges}" if after.nudges > before.nudges else "",
            "notice": f"notice-{after.notices.count}" if after.notices.count > before.notices.count else "",
            "phase": {"id": after.loop.phase, "index": after.loop.index},
        }

    def _approvals(self, verb: str, request: Request) -> Request:
        """List what waits for an approval, or answer one of them."""
        state, now = self._state(), self._clock.now()
        if verb == "approvals":
            return {"ok": True, "approvals": [_approval(*pair) for pair in approvals.waiting(state)]}
        found = approvals.find(state, str(request["approval"]))
        if isinstance(found, str):
            return {"ok": False, "error": found}
        agent, approval = found
        self._see(Told(now, verb, (agent.name,), str(request.get("detail", "")), approval=approval.id))
        self._settle()
        return {"ok": True, "approval": _approval(agent, approval)}

    def _run(self, verb: str, request: Request) -> Request:
        """Have one agent run once, or say what became of a task whose time has come."""
        name, before = str(request["name"]), self._state()
        complaint = self._known((name,)) or runs.complaint(before, verb, name)
        if complaint:
            return {"ok": False, "error": complaint}
        self._see(
            Told(
                self._clock.now(),
                verb,
                (name,),
                str(request.get("detail", "")),
                str(request.get("model", "")),
                str(request.get("backend", "")),
                fresh=request.get("fresh") is True,
                wall=self._clock.wall(),
            )
        )
        self._settle()
        return {"ok": True, **runs.outcome(before, self._state(), verb, name)}

    def _check(self, verb: str, names: tuple[str, ...], detail: str) -> str:
        """Say what is wrong with the operator's words, or nothing."""
        state = self._state()
        if verb not in ("up", "down", "estop", "phase", "nudge", "answered", "notify"):
            return f"unknown verb {verb!r}"
        unknown = self._known(names)
        if unknown or state.config is None:
            return unknown
        if verb == "notify" and not state.config.notify.channels:
            return NO_CHANNEL
        if verb == "nudge":
            silent = [n for n in names if state.config.agents[n].kind is Kind.SERVICE]
            if silent:
                return f"{silent[0]} is a service: it reads no messages"
        if verb == "phase":
            return self._check_phase(state, detail)
        return ""

    def _known(self, names: tuple[str, ...]) -> str:
        """Say that a name is unknown, or nothing."""
        config = self._state().config
        if config is None:
            return "no valid agents.toml has been read yet: see `loops validate`"
        unknown = [name for name in names if name not in config.agents]
        if not unknown:
            return ""
        known = ", ".join(config.agents)
        return f"no agent is called {', '.join(map(repr, unknown))}; agents.toml names: {known}"

    def _check_phase(self, state: State, detail: str) -> str:
        assert state.config is not None
        ids = [phase.id for phase in state.config.loop.phases]
        if not ids:
            return "agents.toml has no phases"
        if detail == "next":
            return "" if state.loop.index + 1 < len(ids) else f"{ids[-1]} is the last phase"
        if detail in ids or (detail.isdecimal() and 1 <= int(detail) <= len(ids)):
            return ""
        return f"no phase {detail!r}: name one of {', '.join(ids)}, or a number from 1 to {len(ids)}"


def _approval(agent: AgentState, approval: Approval) -> dict[str, object]:
    return {
        "id": approval.id,
        "agent": agent.name,
        "text": approval.text,
        "since": approval.since,
        "expires": approval.expires,
    }


def _started(before: State, after: State) -> list[dict[str, str]]:
    assert after.config is not None
    return [
        {"name": name, "session": after.config.agents[name].session, "backend": agent.backend}
        for name, agent in after.agents.items()
        if name in after.config.agents
        and agent.incarnation != (before.agents[name].incarnation if name in before.agents else 0)
    ]


def _ending(after: State) -> list[str]:
    return [name for name, agent in after.agents.items() if agent.life is Life.ENDING]


def _running(before: State) -> list[str]:
    return [name for name, agent in before.agents.items() if agent.life in (Life.RUNNING, Life.STARTING)]
