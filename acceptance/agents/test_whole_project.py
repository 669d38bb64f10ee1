"""Gate: two real agents of different makers take a project from its start to its verified end, whatever is killed.

The model is scripted; everything else is real: the command lines, their shells, git, ``loops claim`` and ``loops
verdict``, the checks in a fresh clone.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from loops.supervisor import events as ev
from real_project import LARGER, MODELS, Real, RealProject
from scratch import PlannedPhase, checked
from test_nineteen_phases import assert_nothing_lost_or_doubled

LONGEST = 150.0
IDS = ("one", "two")


@dataclass(frozen=True, slots=True)
class Pair:
    """Who works, and what is killed on the way."""

    builder: str
    adversary: str
    kills: tuple[Callable[[RealProject], None], ...]

    @property
    def backends(self) -> dict[str, str]:
        return {"builder": self.builder, "adversary": self.adversary}

    def phases(self) -> list[PlannedPhase]:
        """Two phases, the second with other models."""
        first, second = map(checked, IDS)
        models = {name: LARGER[backend] for name, backend in self.backends.items()}
        return [first, PlannedPhase(second.id, second.plan, checks=second.checks, models=models)]

    def models(self) -> dict[tuple[str, str], str]:
        both = zip(IDS, (MODELS, LARGER), strict=True)
        return {(id, name): models[backend] for id, models in both for name, backend in self.backends.items()}


def _kill(project: RealProject, pid: int, what: str) -> None:
    os.kill(pid, signal.SIGKILL)
    project.said.append(f"(killed {what}: {pid})\n")


def _in_a_turn(project: RealProject, agent: str, phase: str) -> None:
    """Wait until *agent* works in *phase*."""

    def works() -> bool:
        begun = False
        for event in project.journal():
            if isinstance(event, ev.PhaseStarted):
                begun = event.phase == phase
            elif begun and isinstance(event, ev.TurnStarted) and event.agent == agent:
                return True
        return False

    project.wait_for(works, f"a turn of {agent} in phase {phase}", LONGEST)


def the_program_of(agent: str, phase: str) -> Callable[[RealProject], None]:
    def kill(project: RealProject) -> None:
        _in_a_turn(project, agent, phase)
        _kill(project, project.program(agent), f"the program of {agent}")

    return kill


def the_runner_of(agent: str, phase: str) -> Callable[[RealProject], None]:
    def kill(project: RealProject) -> None:
        _in_a_turn(project, agent, phase)
        _kill(project, project.runner(agent), f"the runner of {agent}")

    return kill


def the_supervisor(project: RealProject) -> None:
    """When the first claim is pushed: somebody has to tell the Adversary."""
    project.wait_event(ev.CommitSeen, "a claim", lambda e: e.kind == "claim", LONGEST)
    _kill(project, project.wait_for(lambda: project.supervisor, "one that answers"), "the supervisor")


PAIRS = (
    Pair(
        "claude",
        "codex",
        (
            the_program_of("builder", "one"),
            the_supervisor,
            the_runner_of("adversary", "two"),
            the_runner_of("builder", "two"),
        ),
    ),
    Pair(
        "pi",
        "opencode",
        (
            the_program_of("adversary", "one"),
            the_supervisor,
            the_program_of("builder", "two"),
            the_runner_of("adversary", "two"),
        ),
    ),
    Pair("codex", "claude", (the_program_of("builder", "one"), the_supervisor, the_program_of("adversary", "two"))),
)


@pytest.mark.heavy
@pytest.mark.parametrize("pair", [pytest.param(pair, id=f"{pair.builder}-{pair.adversary}") for pair in PAIRS])
def test_two_phases_run_to_their_verified_end_in_spite_of_kills(
    new_real: Callable[..., RealProject], pair: Pair
) -> None:
    project = new_real(pair.builder, pair.adversary, script=("--script", "builder", "--script", "adversary"))
    project.write(
        [Real(name, backend, "script", kind="loop") for name, backend in pair.backends.items()], phases=pair.phases()
    )
    project.loops("up")
    for kill in pair.kills:
        kill(project)
    project.wait_event(ev.SequenceCompleted, "the end of the plan", seconds=LONGEST)

    _the_course(project, pair)
    assert_nothing_lost_or_doubled(project)
    _what_is_pushed(project)
    assert "two [2/2]" in project.loops("status").out


def _the_course(project: RealProject, pair: Pair) -> None:
    journal = project.journal()
    assert [e.phase for e in journal if isinstance(e, ev.PhaseStarted)] == list(IDS)
    assert [e.phase for e in journal if isinstance(e, ev.PhaseDone)] == list(IDS)
    assert len(project.events(ev.SequenceCompleted)) == 1
    starts = [e for e in journal if isinstance(e, ev.SessionStarting) and e.phase]
    assert {(e.phase, e.agent): e.model for e in starts} == pair.models()
    # At the provider: claude also asks a smaller model of its own choice, beside the conversation.
    for name, backend in pair.backends.items():
        asked = {each["model"] for each in project.provider.requests(backend) if "agent" not in each}
        wanted = {models[backend].rpartition("/")[2] for models in (MODELS, LARGER)}
        assert wanted <= asked, f"{name} really asked {asked}"


def _what_is_pushed(project: RealProject) -> None:
    """Each piece of work once, although some of it was begun twice."""
    subjects = project.git(project.root / "remote.git", "log", "--format=%s", "main").splitlines()
    kinds = Counter(subject.partition(":")[0] for subject in subjects)
    for id in IDS:
        assert kinds[f"feat({id})"] == 1, subjects
        assert kinds[f"claim({id} M1)"] == 1, subjects
        assert kinds[f"status({id})"] == 1, subjects
        assert sum(subject.startswith(f"review({id}") and "PASS" in subject for subject in subjects) == 1, subjects
