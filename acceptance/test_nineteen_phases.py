"""Gate: a plan of nineteen phases runs from the first to the last, also when the supervisor is killed fifty times on the way.

Ids and plan names are those of the project that the engine was first written for.  Both runs are held against the same
expectation, from two witnesses: the journal, and what the agents themselves noted down that they received.
"""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from loops.sessions.launch import ensure_holder
from loops.supervisor import events as ev
from loops.supervisor.run import supervisor_command
from scratch import PATIENCE, PlannedPhase, Scratch, Told, polled

PLAN = {
    "1": "plan.md",
    "1b": "plan-phase1b-review-lint.md",
    "1c": "plan-phase1c-full-reproducibility.md",
    "1d": "plan-phase1d-generic-test-suite.md",
    "1e": "plan-phase1e-harness-corrections.md",
    "2": "plan-phase2-recipe-tests.md",
    "2b": "plan-phase2b-test-performance.md",
    "2w": "plan-phase2w-warm-canonical-quick.md",
    "3": "plan-phase3-results-ux.md",
    "4": "plan-phase4-final-review.md",
    "5": "plan-phase5-verify-upgrade-flow.md",
    "mirror": "plan-phase-mirror-recipes.md",
    "conc": "plan-phase-conc-concurrency.md",
    "rcust": "plan-phase-rcust-recipe-customization.md",
    "shot": "plan-phase-shot-screenshots.md",
    "lvl5": "plan-phase-lvl5-lint-rung.md",
    "mailu": "plan-phase-mailu-backup.md",
    "aoeng": "plan-phase-aoeng-engine.md",
    "poe2e": "plan-phase-poe2e-end-to-end.md",
}
MODELS = {
    "1c": {"builder": "demo-large"},
    "2": {"builder": "demo-large", "adversary": "demo-huge"},
    "lvl5": {"adversary": "demo-large"},
    "poe2e": {"builder": "demo-huge", "adversary": "demo-huge"},
}
KILLS = 50
LONGEST = 900.0
"""Seconds for a whole run on a machine that is busy with other things."""


def plan() -> list[PlannedPhase]:
    assert len(PLAN) == 19
    return [
        PlannedPhase(id, file, checks=(f"./check.sh {id}",), models=MODELS.get(id, {})) for id, file in PLAN.items()
    ]


@dataclass(frozen=True, slots=True)
class Course:
    """How a run went, as far as it must go the same way every time."""

    begun: list[str]
    done: list[str]
    claims: list[str]
    """The phase of each claim for which the Adversary was told."""
    verdicts: list[str]
    models: dict[tuple[str, str], str]
    """By (phase, agent), of each start."""
    kickoffs: dict[str, list[str]]
    """By agent: the phases of the kickoffs that it received."""
    completions: int
    reports: int
    """How often the task of on_complete was asked to work."""


def expected() -> Course:
    ids = list(PLAN)
    agents = ("builder", "adversary")
    return Course(
        begun=ids,
        done=ids,
        claims=ids,
        verdicts=ids,
        models={(id, name): MODELS.get(id, {}).get(name, "demo-small") for id in ids for name in agents},
        kickoffs=dict.fromkeys(agents, ids),
        completions=1,
        reports=1,
    )


def course_of(scratch: Scratch) -> Course:
    """Read the journal and the agents' own records."""
    phase = ""
    claims: list[str] = []
    verdicts: list[str] = []
    journal = scratch.journal()
    for event in journal:
        if isinstance(event, ev.PhaseStarted):
            phase = event.phase
        elif isinstance(event, ev.NudgeQueued):
            told = {"claim": claims, "verdict": verdicts}[event.kind]
            told.append(phase)
    starts = [e for e in journal if isinstance(e, ev.SessionStarting) and e.phase]
    return Course(
        begun=[e.phase for e in journal if isinstance(e, ev.PhaseStarted)],
        done=[e.phase for e in journal if isinstance(e, ev.PhaseDone)],
        claims=claims,
        verdicts=verdicts,
        models={(e.phase, e.agent): e.model for e in starts},
        kickoffs={name: _kickoffs(scratch, name) for name in ("builder", "adversary")},
        completions=len(scratch.events(ev.SequenceCompleted)),
        reports=sum(m.kind == "kickoff" for m in scratch.received("report")),
    )


def _kickoffs(scratch: Scratch, name: str) -> list[str]:
    texts = [m.text for m in scratch.received(name) if m.kind == "kickoff"]
    return [text.partition(":")[0].removeprefix("Phase ") for text in texts]


def assert_nothing_lost_or_doubled(scratch: Told, *others: str) -> None:
    """Hold the journal against what the agents received: Builder, Adversary and *others*."""
    journal = scratch.journal()
    queued = {e.id: e for e in journal if isinstance(e, ev.NudgeQueued)}
    delivered = Counter(e.id for e in journal if isinstance(e, ev.NudgeDelivered))
    dropped = {e.id for e in journal if isinstance(e, ev.NudgeDropped) and e.rule == "nudge-stale"}
    received = Counter(
        m.id for name in ("builder", "adversary", *others) for m in scratch.received(name) if m.kind == "nudge"
    )
    doubled = {id: queued[id].text[:90] for id, times in (received + delivered).items() if received[id] > 1}
    assert not doubled, f"typed twice: {doubled}"
    assert max(delivered.values()) == 1, f"journaled as delivered twice: {delivered}"
    lost = {id: queued[id].text[:90] for id in queued if id not in {*received, *dropped}}
    assert not lost, f"neither received nor dropped with their reason: {lost}"
    assert set(delivered) <= set(received), f"journaled as delivered, not received: {set(delivered) - set(received)}"
    causes = Counter((e.agent, e.kind, e.cause) for e in queued.values())
    assert max(causes.values()) == 1, f"told twice of one cause: {causes.most_common(3)}"
    starts = Counter((e.agent, e.incarnation) for e in journal if isinstance(e, ev.SessionStarted))
    assert max(starts.values()) == 1, f"one incarnation started twice: {starts.most_common(3)}"


@pytest.mark.heavy
def test_nineteen_phases_run_to_the_end_with_their_models(scratch: Scratch) -> None:
    scratch.create(plan())
    scratch.loops("up")
    real: dict[tuple[str, str], str] = {}
    for _ in polled(lambda: real.update(_real_models(scratch)), LONGEST):
        if _is_over(scratch):
            break
    scratch.wait_for(lambda: _is_over(scratch), "all nineteen phases and the report", 1.0)

    assert course_of(scratch) == expected()
    assert real == expected().models, "the models with which the processes really ran"
    assert_nothing_lost_or_doubled(scratch)
    assert "poe2e [19/19]" in scratch.loops("status").out


@pytest.mark.heavy
def test_nineteen_phases_survive_fifty_kills_of_the_supervisor(scratch: Scratch) -> None:
    scratch.create(plan())
    scratch.loops("up")
    moments = _moments(random.Random(19))
    killed: list[int] = []
    for sequence in polled(lambda: len(scratch.journal()), LONGEST):
        if moments and sequence >= moments[0] and (victims := _kill_supervisors(scratch)):
            moments.pop(0)
            killed += victims
        if _is_over(scratch):
            break
    scratch.wait_for(lambda: _is_over(scratch), "all nineteen phases and the report, in spite of the kills", 1.0)

    assert len(killed) >= KILLS, f"only {len(killed)} kills hit a supervisor"
    assert course_of(scratch) == expected()
    assert_nothing_lost_or_doubled(scratch)
    assert len(scratch.events(ev.SupervisorStarted)) > 1


EVENTS_A_PHASE = 30
"""Fewer than a phase writes, so that every moment comes."""


def _moments(chance: random.Random) -> list[int]:
    """Lengths of the journal at which to kill, spread over the whole run: as random as where the supervisor then stands."""
    return sorted(chance.sample(range(5, EVENTS_A_PHASE * len(PLAN)), KILLS))


def _kill_supervisors(scratch: Scratch) -> list[int]:
    """Kill whatever supervisor there is, however far it has come, and return its pid; then let the next one start."""
    killed = []
    for pid in _supervisors():
        if _is_ours(scratch, pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
            _wait_until_reaped(scratch, pid)
    # The holder waits longer and longer with a supervisor that dies; an operator's `loops up` does not.
    ensure_holder(
        scratch.runtime,
        supervisor=supervisor_command(str(scratch.config_path)),
        env=scratch.environment,
        log_path=str(scratch.log_dir / "holder.log"),
        timeout=PATIENCE,
    )
    return killed


def _wait_until_reaped(scratch: Scratch, pid: int) -> None:
    scratch.wait_for(lambda: not Path(f"/proc/{pid}").exists(), f"the end of {pid}, seen by its parent")


def _supervisors() -> Iterator[int]:
    for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):
        with suppress(OSError):
            if b"loops.supervisor\0" in Path(f"/proc/{pid}/cmdline").read_bytes():
                yield pid


def _is_ours(scratch: Scratch, pid: int) -> bool:
    with suppress(OSError):
        return str(scratch.config_path).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def _is_over(scratch: Scratch) -> bool:
    return any(isinstance(e, ev.SessionEnded) and e.agent == "report" for e in scratch.journal())


def _real_models(scratch: Scratch) -> dict[tuple[str, str], str]:
    """By (phase, agent): the model in the command line of the process that runs now.

    A process that has ended, or that is in the middle of its exec, has neither word nor variable yet: it is looked at
    again the next time.
    """
    found = {}
    for row in scratch.rows:
        if row["kind"] == "loop" and row["pid"]:
            with suppress(OSError):
                words = Path(f"/proc/{row['pid']}/cmdline").read_bytes().decode().split("\0")
                environment = Path(f"/proc/{row['pid']}/environ").read_bytes().decode().split("\0")
                models = [word for before, word in pairwise(words) if before == "--model"]
                phases = [e.partition("=")[2] for e in environment if e.startswith("LOOPS_PHASE=")]
                found |= {(phase, row["name"]): model for phase in phases for model in models}
    return found
