"""Hand-made lives of a project, event by event."""

from dataclasses import replace

from loops.config import encode as encode_config
from loops.config.model import Agent, Config, Item, Kind, Loop, Phase, Watchdog
from loops.journal import Record
from loops.protocol.encoding import encode as encode_evidence
from loops.protocol.evidence import ALL_CODE, Change, PhaseEvidence
from loops.protocol.review import Result
from loops.protocol.verdicts import Point, Verdict
from loops.supervisor import events as ev

T0 = 1_800_000_000.0
CLAIM, FAIL, MEND, PASS = (letter * 40 for letter in "abcd")


def config(agents=("builder", "adversary"), phases=("1", "2"), checks=("./check.sh",)):
    specs = {name: Agent(name, f"x-{name}", Kind.LOOP, "/p", role=name) for name in agents}
    specs["report"] = Agent("report", "x-report", Kind.TASK, "/p")
    plan = tuple(Phase(id, items=(Item("M1"),), checks=checks) for id in phases)
    loop = Loop(on_complete="report", phases=plan)
    return Config("/p/demo/agents.toml", "/p/demo", "f" * 64, "x-", "/p/.loops", Watchdog(), {}, specs, loop)


def evidence(phase, at, *, verdict=Result.PASS, judged=PASS, judged_at=5, changed_at=3):
    verdicts = {"M1": Verdict("M1", verdict, Point(judged_at, judged, at), "M1", "adversary@x")} if verdict else {}
    changes = {ALL_CODE: Change(Point(changed_at, MEND, at), "src/a.py")}
    fact = PhaseEvidence(phase, 6, judged, verdicts=verdicts, changes=changes)
    return ev.EvidenceTaken(phase, at, judged, encode_evidence(fact))


def starting(agent, at, number, *, phase="1", why="enabled", rule="wanted"):
    return ev.SessionStarting(agent, at, number, "", "id", phase, "small", "demo", "kickoff", why, rule)


def ended(agent, at, number, *, delay=-1.0, code=None, signal=15, why="all phases are done", rule="not-wanted"):
    return ev.SessionEnded(agent, at, number, code, signal, 1.0, delay, 0, False, why, rule)


def nudged(agent, at, id, kind="claim", cause=CLAIM):
    """A nudge from its reason to the turn that it began."""
    return [
        ev.NudgeQueued(agent, at, id, kind, "text", cause, f"{kind} was pushed", kind),
        ev.NudgeSending(agent, at + 0.1, id, 1),
        ev.NudgeDelivered(agent, at + 0.2, id),
    ]


def commit(phase, at, kind, sha, subject, author="builder"):
    return ev.CommitSeen(phase, at, sha, author, subject, kind)


def held(agent, at, until, probes=0):
    return ev.HoldBegan(agent, at, "limit", until, probes, "limit reached", "limit reached", "limit")


def first_phase():
    """A start, a false claim that is refused, a heal, a limit window, a mended claim, done."""
    return [
        ev.ConfigLoaded(T0, "f" * 64, encode_config(config())),
        ev.SupervisorStarted(T0, 10, 1, "boot", "1"),
        ev.OperatorAsked(T0, "up"),
        ev.PhaseStarted("1", T0, 0, "the project came up", "phase-first"),
        starting("builder", T0, 1),
        starting("adversary", T0, 1),
        ev.SessionStarted("builder", T0 + 1, 1, 20),
        ev.TurnStarted("builder", T0 + 1),
        commit("1", T0 + 5, "claim", CLAIM, "claim(1 M1): done"),
        *nudged("adversary", T0 + 5, "n1"),
        ev.TurnCompleted("builder", T0 + 6),
        commit("1", T0 + 9, "verdict", FAIL, "review(1): M1 FAIL", "adversary"),
        evidence("1", T0 + 9, verdict=Result.FAIL, judged=FAIL),
        *nudged("builder", T0 + 9, "n2", "verdict", FAIL),
        ended("builder", T0 + 10, 1, delay=0.0, signal=9, why="killed by signal 9", rule="heal"),
        starting("builder", T0 + 10, 2, why="killed by signal 9", rule="heal"),
        held("builder", T0 + 12, T0 + 20),
        held("builder", T0 + 20, T0 + 30, probes=1),
        ev.NudgeQueued("builder", T0 + 20, "n3", "probe", "go on", "1", "the window has passed", "limit-probe"),
        ev.NudgeSending("builder", T0 + 20, "n3", 2),
        ev.NudgeDelivered("builder", T0 + 20.1, "n3"),
        ev.HoldEnded("builder", T0 + 22, "a turn went through", "limit-over"),
        commit("1", T0 + 25, "claim", MEND, "claim(1 M1): mended"),
        commit("1", T0 + 30, "verdict", PASS, "review(1): M1 PASS", "adversary"),
        evidence("1", T0 + 30),
        ev.DoneRefused("1", T0 + 31, MEND, ("check-missing",), ("the checks have not run",)),
        ev.UsageUpdated("builder", T0 + 31, "1", 100, 20, 0.5),
        ev.CheckStarted("1", T0 + 31, MEND, 1),
        ev.CheckCompleted("1", T0 + 32, MEND, True, "1 checks succeeded"),
        ev.PhaseDone("1", T0 + 32, MEND, ("M1",), "marker, 1 items passed", "phase-done"),
    ]


def second_phase():
    """The next phase, its end, and the task that runs once."""
    return [
        ev.PhaseStarted("2", T0 + 32, 1, "phase 1 is done", "phase-next"),
        ended("builder", T0 + 33, 2, delay=0.0, why="phase 2 began", rule="wanted"),
        starting("builder", T0 + 33, 3, phase="2", why="phase 2 began", rule="phase-changed"),
        evidence("2", T0 + 40),
        ev.CheckCompleted("2", T0 + 41, MEND, True, "1 checks succeeded"),
        ev.PhaseDone("2", T0 + 42, MEND, ("M1",), "marker, 1 items passed", "phase-done"),
        ev.SequenceCompleted(T0 + 42, 2, "report"),
        starting("report", T0 + 42, 1, phase="", why="the task was asked for"),
        ended("builder", T0 + 43, 3),
        ended("adversary", T0 + 43, 1),
        ended("report", T0 + 44, 1, code=0, signal=None, why="the task ended: exit 0", rule="clean-task"),
    ]


def whole_life():
    return [*first_phase(), *second_phase()]


def replaced(events, index_of, **facts):
    """The events with the first one that *index_of* picks changed."""
    place = next(i for i, event in enumerate(events) if index_of(event))
    return [*events[:place], replace(events[place], **facts), *events[place + 1 :]]


def inserted(events, before, *new):
    """The events with *new* put in before the first one that *before* picks."""
    place = next(i for i, event in enumerate(events) if before(event))
    return [*events[:place], *new, *events[place:]]


def without(events, picked):
    return [event for event in events if not picked(event)]


def history(events):
    """As `loops.supervisor.ledger.history` gives it."""
    return [
        (Record(n, str(n), e.type, e.subject, {}, getattr(e, "at", T0), "", 1, ""), e) for n, e in enumerate(events, 1)
    ]
