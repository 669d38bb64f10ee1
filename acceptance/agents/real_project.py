"""A scratch project whose agents are real command lines, in a room of its own, before a mock provider.

Everything is as in `scratch.Scratch`, except that ``loops`` is run in the room.  Neither the user's configuration nor a
key can reach it: the environment is empty but for what stands here, HOME is a directory that must be empty at the end,
and the room has no network but its own 127.0.0.1.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pinned import node, pin
from room import Provider, Room, children, command_line
from scratch import KICKOFF, PATIENCE, SOURCE_ROOT, Message, Outcome, PlannedPhase, Scratch

T = TypeVar("T")

LONGEST = 180.0
"""Seconds, at least, after which a real agent did not do what it should: opencode starts for half a minute when busy."""

NUDGE = re.compile(r"\[nudge (\w+)\]")
KEY = "mock-key-0123456789abcdefghij"
"""Made up; of the length of a real one, for some command lines look at its end."""
MODELS = {"claude": "claude-sonnet-4-5", "codex": "mock-model", "opencode": "mock/mock-model", "pi": "mock/mock-model"}
LARGER = {"claude": "claude-opus-4-5", "codex": "mock-large", "opencode": "mock/mock-large", "pi": "mock/mock-large"}
"""By backend: its usual model, and another one."""
BACKENDS = tuple(MODELS)


@dataclass(frozen=True, slots=True)
class Real:
    """One agent.  ``scenario``: what the provider plays for its backend at first; ``lines``: more of its table."""

    name: str
    backend: str
    scenario: str = "ok"
    kind: str = "persistent"
    mode: str = "headless"
    login: str = "key"
    """key, or (claude) token: that of a subscription."""
    permissions: str = "skip"
    prompt: str = "Write the greeting file."
    lines: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    """More keys of its table."""


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds: short, for a test waits for them, yet long enough for a busy machine."""

    hang_after: float = 120.0
    probe: float = 2.0
    stop_grace: float = 5.0
    approval_timeout: float = 120.0


def _toml(value: Any) -> str:
    """A TOML value; JSON is one, but for tables."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(each)}" for key, each in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)


def _table(head: str, facts: Mapping[str, Any]) -> str:
    return f"\n{head}\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in facts.items())


class RealProject(Scratch):
    """One scratch project with real agents."""

    def __init__(self, *, script: Sequence[str] = ()) -> None:
        """Open a room with a provider.  *script*: more words of ``loops mock-llm``."""
        # Not below /tmp: codex' own sandbox refuses a home there.
        top = Path(tempfile.mkdtemp(prefix="loops-real-", dir="/var/tmp"))
        super().__init__(top)
        self.environment = {
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "PATH": self._path(),
            "LOOPS_RUNTIME_DIR": self.runtime_root,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "PYTHONPATH": SOURCE_ROOT,
        }
        self._look_at = 0.0
        self.room = Room(self.environment, (top, self.runtime_root))
        try:
            self.provider = Provider(self.room, top / "requests.jsonl", *script)
        except BaseException:
            self.room.close()
            raise

    def _path(self) -> str:
        """Where programs are: ours and the pinned ones, then the machine's."""
        own = self.root / "bin"
        own.mkdir()
        for name, words in (("loops", "-m loops"), ("python3", "")):
            (own / name).write_text(f'#!/bin/sh\nexec {sys.executable} {words} "$@"\n')
            (own / name).chmod(0o755)
        tools = [shutil.which(tool) for tool in ("git", "tmux", "bwrap", "sh", "sleep")]
        places = [str(own), *(str(found.parent) for found in (node((16, 0)),) if found)]
        places += [os.path.dirname(tool) for tool in tools if tool] + ["/usr/local/bin", "/usr/bin", "/bin"]
        return os.pathsep.join(dict.fromkeys(places))

    # ---- making it -------------------------------------------------------------------------------------------------

    def write(
        self,
        agents: Sequence[Real],
        *,
        phases: Sequence[PlannedPhase] = (),
        times: Times | None = None,
        more: str = "",
    ) -> RealProject:
        """Write agents.toml, a working directory for each agent, and with *phases* the repository that they share.

        *more*: further TOML.  Each backend talks to the provider's path of its own name.
        """
        if phases:
            self._repository(phases)
            prompts = self.root / "prompts"
            prompts.mkdir()
            (prompts / "kickoff.md").write_text(KICKOFF)
        for name, scenario in {agent.backend: agent.scenario for agent in agents}.items():
            if scenario != "refused":
                self.provider.control(name, scenario)
        text = self._head(times or Times())
        text += "".join(self._backend(agent) for agent in {agent.backend: agent for agent in agents}.values())
        text += "".join(self._agent(agent) for agent in agents)
        if phases:
            handoff = {"repo": "work/builder", "branch": "main"}
            text += _table("[loop]", {"roles_dir": "prompts", "kickoff_template": "prompts/kickoff.md"})
            text += f"handoff = {_toml(handoff)}\n" + "".join(phase.toml() for phase in phases)
        self.config_path.write_text(text + more)
        return self

    def _head(self, times: Times) -> str:
        defaults = {"session_prefix": self.prefix, "log_dir": str(self.log_dir), "watch": "heal+stall"}
        backoff = {"first": 0.2, "factor": 2, "max": 4, "jitter": 0.2, "healthy_after": 60, "park_after": 40}
        watchdog = {
            "signal_interval": 5.0,
            "limit_reset_slack": 0.5,
            "limit_probe_fallback": times.probe,
            "stop_grace": times.stop_grace,
            "hang_after": times.hang_after,
            "approval_timeout": times.approval_timeout,
            "restart_backoff": backoff,
        }
        return _table("[defaults]", defaults) + _table("[watchdog]", watchdog)

    def _backend(self, agent: Real) -> str:
        url = self.provider.url(agent.backend, agent.scenario)
        return _table(f"[backend.{agent.backend}]", {"bin": str(pin(agent.backend).path), **self._tables(agent, url)})

    def _tables(self, agent: Real, url: str) -> dict[str, Any]:
        """How a backend is told to use the mock provider."""
        if agent.backend == "claude":
            retries = {"CLAUDE_CODE_MAX_RETRIES": "2", "API_TIMEOUT_MS": "600000"}
            login = "ANTHROPIC_API_KEY" if agent.login == "key" else "CLAUDE_CODE_OAUTH_TOKEN"
            return {"env": {"ANTHROPIC_BASE_URL": url, login: KEY, **retries}, "home": {}}
        if agent.backend == "codex":
            bounds = "request_max_retries=1,stream_max_retries=1,stream_idle_timeout_ms=600000"
            mock = f'{{name="mock",base_url="{url}/v1",env_key="MOCK_KEY",wire_api="responses",{bounds}}}'
            flags = ["-c", 'model_provider="mock"', "-c", f"model_providers.mock={mock}"]
            return {"flags": flags, "env": {"MOCK_KEY": KEY}, "home": {}}
        if agent.backend == "opencode":
            return {"env": {"OPENCODE_CONFIG_CONTENT": self._opencode(url), **OPENCODE}, "home": {}}
        models = self.root / f"models-{agent.backend}.json"
        mock = {
            "baseUrl": f"{url}/v1",
            "api": "openai-completions",
            "apiKey": KEY,
            "models": [{"id": "mock-model"}, {"id": "mock-large"}],
        }
        models.write_text(json.dumps({"providers": {"mock": mock}}))
        return {"home": {".pi/agent/models.json": str(models)}}

    def _opencode(self, url: str) -> str:
        limits = {"context": 128000, "output": 8192}
        cost = {"input": 1, "output": 2, "cache_read": 0.1}
        mock = {
            "npm": "@ai-sdk/openai-compatible",
            "name": "Mock",
            "options": {"baseURL": f"{url}/v1", "apiKey": KEY},
            "models": {name: {"name": name, "limit": limits, "cost": cost} for name in ("mock-model", "mock-large")},
        }
        return json.dumps(
            {"autoupdate": False, "share": "disabled", "model": "mock/mock-model", "provider": {"mock": mock}}
        )

    def _agent(self, agent: Real) -> str:
        facts: dict[str, Any] = {"name": agent.name, "kind": agent.kind, "backend": agent.backend}
        facts |= {"model": MODELS[agent.backend], "mode": agent.mode, "permissions": agent.permissions}
        facts |= {"dir": f"work/{agent.name}", "isolate": False}
        if agent.kind == "loop":
            facts["role"] = agent.name
        else:
            (self.root / f"{agent.name}.md").write_text(agent.prompt + "\n")
            facts["prompt_file"] = f"{agent.name}.md"
        if agent.kind == "persistent":
            facts["resume"] = True
        if not self.clone(agent.name).exists():
            self.clone(agent.name).mkdir(parents=True)
            self.git(self.clone(agent.name), "init", "--quiet", "--initial-branch=main")
        return _table("[[agent]]", {**facts, **agent.options}) + agent.lines

    # ---- the command line, in the room -----------------------------------------------------------------------------

    def loops(self, *words: str, code: int = 0, timeout: float = LONGEST, **environment: str) -> Outcome:
        """Run ``loops WORDS`` in the room; it must end with *code*."""
        done = self.room.run(
            self.command(*words),
            environment={**self.environment, **environment},
            directory=self.root,
            timeout=timeout,
        )
        self.said.append(f"$ loops {' '.join(words)}\n{done.stdout}{done.stderr}[exit {done.returncode}]\n")
        assert done.returncode == code, f"`loops {' '.join(words)}`: not {code}\n{self.said[-1]}{self.story()}"
        return Outcome(done.returncode, done.stdout, done.stderr)

    # ---- looking at it ---------------------------------------------------------------------------------------------

    def normalized(self, agent: str) -> list[dict[str, Any]]:
        """Every normalized event of all runs of *agent* so far; their types without ``dev.loops.``."""
        found: list[dict[str, Any]] = []
        for path in self.run_files(agent, "events.normalized.jsonl"):
            lines = path.read_bytes().split(b"\n")[:-1]  # the last line may be half written
            found += [json.loads(line) for line in lines]
        return [{**event, "type": event["type"].removeprefix("dev.loops.")} for event in found]

    def run_files(self, agent: str, name: str) -> list[Path]:
        """The files called *name* of all runs of *agent*, oldest run first."""
        runs = self.log_dir.glob(f"state/runs/{agent}/*")
        return [path for run in sorted(runs, key=lambda run: int(run.name)) if (path := run / name).exists()]

    def wait_for(self, condition: Callable[[], T], what: str, seconds: float = PATIENCE) -> T:
        """As for every scratch project, but longer, and an agent in a crash loop ends it: nothing more will come."""

        def found() -> T:
            result = condition()
            if not result and time.monotonic() >= self._look_at:
                self._look_at = time.monotonic() + 2.0
                parked = [row["name"] for row in self.rows if row["state"] == "CRASH LOOP"]
                assert not parked, f"in a crash loop: {', '.join(parked)}; waited for: {what}\n{self.story()}"
            return result

        return super().wait_for(found, what, max(seconds, LONGEST))

    def wait_normalized(self, agent: str, kind: str, seconds: float = PATIENCE, **data: Any) -> dict[str, Any]:
        """Wait for a normalized event of *kind* whose data holds *data*; return the first."""

        def found() -> dict[str, Any]:
            events = (each for each in self.normalized(agent) if each["type"] == kind)
            return next((each for each in events if data.items() <= each["data"].items()), {})

        return self.wait_for(found, f"{kind} {data or ''} in the events of {agent}", seconds)

    def received(self, agent: str) -> list[Message]:
        """What its runs were told: the messages that really went to the agent's program."""
        found = []
        for path in self.run_files(agent, "events.normalized.jsonl"):
            events = [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
            for text in (event["data"]["text"] for event in events if event["type"] == "dev.loops.message.user"):
                nudge = NUDGE.match(text)
                found.append(
                    Message("nudge" if nudge else "kickoff", nudge[1] if nudge else "", text, int(path.parent.name))
                )
        return found

    # ---- its processes ---------------------------------------------------------------------------------------------

    def pids(self) -> dict[int, str]:
        """Every living process of the project: in the room, or known by our directories."""
        found = {**super().pids(), **self.room.pids()}
        return {pid: line for pid, line in found.items() if pid not in (*self.provider.pids, *self.room.own)}

    def runner(self, agent: str) -> int:
        """The pid of an agent's runner, when there is one: a busy supervisor may not answer at once."""
        return self.wait_for(lambda: int(self.agent(agent).get("pid") or 0), f"a runner of {agent}")

    def program(self, agent: str) -> int:
        """The pid of the agent's own program, when its runner has started it."""
        return self.wait_for(lambda: self._program(agent), f"a program of {agent}")

    def _program(self, agent: str) -> int:
        return next((pid for pid in children(self.runner(agent)) if command_line(pid)), 0)

    # ---- the end ---------------------------------------------------------------------------------------------------

    def story(self) -> str:
        """All that helps to understand a failure."""
        parts = [super().story()]
        for name in self._names():
            parts += [f"--- {name}: transcript (newest)", self.log(name)[-1500:].decode("utf-8", "replace")]
            for path in self.run_files(name, "raw/err.txt")[-1:]:
                parts += [f"--- {name}: stderr (newest)", path.read_bytes()[-1500:].decode("utf-8", "replace")]
            events = [(event["type"], json.dumps(event["data"])[:200]) for event in self.normalized(name)[-15:]]
            parts += [f"--- {name}: events (newest)", *(f"{kind} {data}" for kind, data in events)]
        newest = [f"{each['path']} {each['scenario']} refused={each['refused']}" for each in self.provider.requests()]
        return "\n".join([*parts, "--- requests (newest)", *newest[-10:]])

    def _names(self) -> Iterable[str]:
        runs = {path.parent.parent.name for path in self.log_dir.glob("state/runs/*/*/order.json")}
        return sorted(runs)

    def teardown(self) -> None:
        """End the project, then the room; fail when something is left, or when something wrote into HOME."""
        try:
            super().teardown()
        finally:
            self.provider.end()
            self.room.close()
            shutil.rmtree(self.root, ignore_errors=True)


OPENCODE = {"OPENCODE_DISABLE_MODELS_FETCH": "1"}
