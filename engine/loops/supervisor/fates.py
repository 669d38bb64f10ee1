"""What becomes of a session that has ended, and after what pause it is started again: pure rules of healing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from loops.config.model import Backoff, Kind
from loops.supervisor.observation import Exited
from loops.supervisor.state import AgentState, Life
from loops.supervisor.step import Step

PARKED_RETRY = 3600.0
"""Seconds between tries of a parked agent: a week's work must not be lost to an hour of a full disk."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of an ended session.  ``delay`` in seconds until the restart; < 0: none."""

    delay: float
    why: str
    rule: str
    failures: int = 0
    parked: bool = False
    notice: str = ""
    said: str | None = None
    """What the log gets instead of the notice; None: the same."""


def fate(step: Step, agent: AgentState, seen: Exited, lived: float, lost: str) -> Fate:
    """Say what becomes of the session that ended after *lived* seconds; *lost*: why it vanished together with its holder."""
    spec = step.spec(agent.name)
    if agent.life is Life.ENDING:
        if not agent.again:
            return Fate(-1.0, agent.why, "not-wanted")
        most = step.config.watchdog.restart_backoff.park_after
        parked = agent.failures >= most
        notice, said = _crash_loop(agent, "it has to be ended", agent.why) if agent.failures == most else ("", None)
        return Fate(max(0.0, agent.restart_at - step.at), agent.why, "wanted", agent.failures, parked, notice, said)
    if lost:  # with its holder, or in a reboot: no fault of the agent, whatever it is
        return Fate(0.0, lost, "lost", agent.failures)
    how = status_text(seen.code, seen.signal)
    if spec is not None and spec.kind is Kind.TASK:
        if agent.again:
            return Fate(0.0, "it was asked for once more while it ran", "wanted")
        notice = "" if seen.code == 0 else f"task {agent.name} ended badly: {how}"
        return Fate(-1.0, f"the task ended: {how}", "clean-task", notice=notice)
    if spec is None or not spec.watch.heals:
        return Fate(-1.0, how, "unwatched")
    backoff = step.config.watchdog.restart_backoff
    failures = failures_after(step, agent, lived)
    delay = pause(step, agent, failures)
    if failures < backoff.park_after:
        return Fate(delay, how, "heal", failures)
    notice, said = _crash_loop(agent, how, how) if failures == backoff.park_after else ("", None)
    why = f"{failures} quick ends in a row, the last: {how}"
    return Fate(delay, why, "crash-loop", failures, True, notice, said)


def _crash_loop(agent: AgentState, how: str, why: str) -> tuple[str, str | None]:
    """The notice and the log's line; *why* may hold what an agent said."""
    again = "it is tried again once an hour"
    return f"{agent.name} is in a crash loop: {how}; {again}", f"{agent.name} is in a crash loop: {why}; {again}"


def failures_after(step: Step, agent: AgentState, lived: float) -> int:
    """How many failures in a row it is, now that the session failed after *lived* seconds."""
    return 1 if lived >= healthy(step) else agent.failures + 1


def healthy(step: Step) -> float:
    """Seconds after which the end of a session is no quick one."""
    return step.config.watchdog.restart_backoff.healthy_after


def pause(step: Step, agent: AgentState, failures: int) -> float:
    """Seconds to wait before the restart after this many failures in a row."""
    backoff = step.config.watchdog.restart_backoff
    return PARKED_RETRY if failures >= backoff.park_after else delay(backoff, failures, agent)


def delay(backoff: Backoff, failures: int, agent: AgentState) -> float:
    """Seconds to wait before the restart after this many failures in a row: 0 the first time.

    The jitter comes from a digest, not from a random number: a replay must decide the same.
    """
    if failures <= 1:
        return 0.0
    full = min(backoff.max, backoff.first * backoff.factor ** min(failures - 2, 64))
    spread = int.from_bytes(hashlib.sha256(f"{agent.name}/{agent.incarnation}".encode()).digest()[:4], "big") / 2**32
    return full * (1.0 - backoff.jitter * spread)


def status_text(code: int | None, signal: int | None) -> str:
    """Say how a process ended, in words."""
    if code is not None:
        return f"exit {code}"
    if signal is not None:
        return f"killed by signal {signal}"
    return "ended, nobody could say how"
