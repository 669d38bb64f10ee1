"""What exactly is run for an agent: its command line, its environment, its files.  Reads the prompt files, nothing else."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from loops.agents.port import Adapter, Launch, Order
from loops.agents.registry import adapter
from loops.config.model import Agent, Config, Kind
from loops.errors import LoopsError
from loops.isolation import surroundings
from loops.isolation.confine import Confinement, Start, confine, git_settings, is_wanted
from loops.places import Runtime
from loops.places import State as StatePlaces
from loops.secrets import credentials
from loops.sessions.client import SpawnOrder
from loops.supervisor import texts
from loops.supervisor.state import AgentState, Nudge, NudgeKind

_FOREIGN = frozenset({"TMUX", "TMUX_PANE", "CLAUDECODE", "STY", "COLUMNS", "LINES", "LOOPS_CREDENTIALS"})
_SERVICE = (
    *("NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_", "INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID"),
    *("CREDENTIALS_DIRECTORY", "RUNTIME_DIRECTORY", "STATE_DIRECTORY", "MEMORY_PRESSURE_"),
    *("LOOPS_BOOT_ID", "LOOPS_SCHEDULES", "LOOPS_UNIT"),
)
"""Left over from the shell, or the service manager, that started us: an agent must not believe that it runs inside
somebody's session, nor tell the service manager that we are well, nor find the credentials of others."""

ROWS, COLUMNS = 50, 200


def marker(runtime: Runtime, name: str, incarnation: int) -> str:
    """The mark by which a session's processes are known, whoever became their parent."""
    return f"{os.path.basename(runtime.root)}/{name}/{incarnation}"


def signals_file(places: StatePlaces, name: str, incarnation: int) -> str:
    """Where the hooks of this incarnation write their JSON lines."""
    return os.path.join(places.signals, f"{name}.{incarnation}.jsonl")


def adapter_of(config: Config, agent: AgentState) -> Adapter | None:
    """The adapter of the backend that the agent's session was started with; a service has none."""
    backend = config.backends.get(agent.backend)
    if backend is None:
        return None
    spec = config.agents.get(agent.name)
    return adapter(replace(backend, mode=spec.mode) if spec is not None and spec.mode is not None else backend)


def confinement(config: Config, runtime: Runtime, spec: Agent, agent: AgentState) -> Confinement | None:
    """Return how the start of *agent* is confined; None when nobody wants that.

    Raises:
        LoopsError: it must be confined, and cannot be.
        OSError: its private files cannot be made.
    """
    backend = config.backends.get(agent.backend)
    if backend is None or not is_wanted(spec, backend):
        return None
    signals = signals_file(StatePlaces(config.log_dir), spec.name, agent.incarnation)
    return confine(Start(config, runtime, spec, backend, signals))


def launch(config: Config, runtime: Runtime, spec: Agent, agent: AgentState, wrap: tuple[str, ...] = ()) -> Launch:
    """Return what to run for the incarnation that *agent* is about to start.  *agent* is its state with the intent folded.

    *wrap*: words with which the runner confines the agent's program.
    """
    found = adapter_of(config, agent)
    if spec.kind is Kind.SERVICE or found is None:
        return Launch(spec.command)
    phase = next((p for p in config.loop.phases if p.id == agent.phase), None)
    places = StatePlaces(config.log_dir)
    kind = "resume" if agent.resuming else "kickoff" if spec.kind is Kind.LOOP else "prompt"
    return found.launch(
        Order(
            agent=spec.name,
            session=spec.session,
            role=spec.role or spec.name,
            model=agent.model,
            directory=spec.dir,
            kickoff=texts.kickoff(config, spec, phase, kind, agent.words, rebooted=agent.reboot > 0),
            conversation=agent.conversation if agent.resuming else "",
            resume=agent.resuming,
            fresh_id="" if agent.resuming else agent.conversation,
            task=spec.kind is Kind.TASK,
            incarnation=agent.incarnation,
            state_dir=places.root,
            runtime_dir=runtime.root,
            signals=signals_file(places, spec.name, agent.incarnation),
            effort=spec.effort,
            permissions=spec.permissions,
            approval_timeout=config.watchdog.approval_timeout,
            hang_after=config.watchdog.hang_after,
            wrap=wrap,
        )
    )


def write_files(ready: Launch) -> None:
    """Write what must stand before the start; what does already keeps its age.

    Raises:
        OSError: a file cannot be written.
    """
    for path, content in ready.files:
        if _stands(path, content):
            continue
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)


def _stands(path: str, content: bytes) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read() == content
    except OSError:
        return False


def message(config: Config, runtime: Runtime, spec: Agent, agent: AgentState, nudge: Nudge) -> str:
    """Return what is typed for *nudge*: a kickoff is the same that an argument would have been."""
    if nudge.kind is NudgeKind.KICKOFF:
        return launch(config, runtime, spec, agent).typed
    return texts.nudge(config, spec, nudge)


def spawn_order(
    config: Config, runtime: Runtime, spec: Agent, agent: AgentState, ready: Launch, confined: Confinement | None = None
) -> SpawnOrder:
    """Return the holder's order for *ready*, which *confined* may put into a sandbox.

    LoopsError: a credential that the agent needs cannot be read.
    """
    places = StatePlaces(config.log_dir)
    secret = {key: credentials.value(name, f"as {key} of {spec.name}") for key, name in spec.credentials.items()}
    own = {**ready.env, **spec.env, **secret}
    env = environment(config, runtime, spec.name, agent.incarnation, agent.phase, own)
    if confined:
        env = confined_environment(env, own, spec, confined)
    return SpawnOrder(
        name=spec.name,
        incarnation=agent.incarnation,
        argv=(*confined.wrap, *ready.argv) if confined and confined.around_session else ready.argv,
        env=env,
        cwd=spec.dir,
        rows=ROWS,
        cols=COLUMNS,
        log_path=places.session_log(spec.name),
    )


def confined_environment(
    env: Mapping[str, str], own: Mapping[str, str], spec: Agent, confined: Confinement
) -> dict[str, str]:
    """What is left of *env* for an isolated agent.

    It is the session's whole environment: were it bubblewrap that takes it away, the agent could read bubblewrap's.
    """
    left = surroundings.kept(env, own, (*spec.env_keep, *confined.keeps))
    settings = git_settings()
    if settings:
        left.setdefault("GIT_CONFIG_GLOBAL", settings[-1])
    if confined.around_session:
        left["HOME"] = confined.home
        # Inside, only the home is its own: what the scripted agent notes and remembers goes there.
        left["LOOPS_RECEIVED"] = os.path.join(confined.home, "received.jsonl")
        left["LOOPS_DEMO_STATE"] = os.path.join(confined.home, "memory.json")
    return left


def environment(
    config: Config, runtime: Runtime, name: str, incarnation: int, phase: str, extra: Mapping[str, str]
) -> dict[str, str]:
    """The whole environment of a session: the supervisor's, less what is foreign, plus what `loops` inside it needs."""
    places = StatePlaces(config.log_dir)
    return {
        **_inherited(),
        "LOOPS_SESSION": marker(runtime, name, incarnation),
        "LOOPS_CONFIG": config.path,
        "LOOPS_RUNTIME_DIR": os.path.dirname(runtime.root),
        "LOOPS_AGENT": name,
        "LOOPS_PHASE": phase,
        "LOOPS_INCARNATION": str(incarnation),
        "LOOPS_SIGNALS": signals_file(places, name, incarnation),
        "LOOPS_ANSWERS": os.path.join(places.answers, f"{name}.{incarnation}"),
        "LOOPS_RECEIVED": os.path.join(places.received, f"{name}.jsonl"),
        "LOOPS_DEMO_STATE": os.path.join(places.memory, f"{name}.json"),
        **extra,
    }


@cache
def _inherited() -> dict[str, str]:
    """What every session of this supervisor gets."""
    own = {k: v for k, v in os.environ.items() if k not in _FOREIGN and not k.startswith(("AGENT_", *_SERVICE))}
    # `loops claim` must work inside: the command's own directory goes last, so that it shadows nothing of the agent's.
    beside = os.path.dirname(os.path.abspath(sys.executable))
    path = own.get("PATH", os.defpath)
    if beside not in path.split(os.pathsep):
        path = f"{path}{os.pathsep}{beside}"
    command = json.dumps([sys.executable, "-m", "loops"])
    return {**own, "PATH": path, "TERM": "xterm-256color", "LOOPS_BIN": command}


def check_order(config: Config, runtime: Runtime, phase: str, commit: str, number: int) -> SpawnOrder:
    """Return the holder's order for one run of a phase's own checks (`loops.supervisor.checking`).

    LoopsError: agents.toml no longer has that phase, or no handoff.
    """
    places = StatePlaces(config.log_dir)
    spec = next((p for p in config.loop.phases if p.id == phase), None)
    handoff = config.loop.handoff
    if spec is None or handoff is None:
        raise LoopsError(f"{config.path} has no phase {phase!r} with a handoff any more: its checks cannot be run")
    order = {
        "repo": handoff.repo,
        "remote": handoff.remote,
        "commit": commit,
        "work": os.path.join(places.checks, f"{number}"),
        "answer": check_answer(places, number),
        "commands": list(spec.checks),
        "timeout": spec.check_timeout,
    }
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "checking.py")
    name = f"check:{number}"
    return SpawnOrder(
        name=name,
        incarnation=1,
        argv=(sys.executable, "-I", "-S", program, json.dumps(order)),
        env=environment(config, runtime, name, 1, phase, {}),
        cwd=places.root,
        rows=ROWS,
        cols=COLUMNS,
        log_path=places.session_log("checks"),
    )


def check_answer(places: StatePlaces, number: int) -> str:
    """Where a run of the checks leaves its answer."""
    return os.path.join(places.checks, f"{number}.json")
