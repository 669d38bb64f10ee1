"""A live deployment as it was run before this engine: real files, a real tmux server, dummy agents, a plan under way.

`engine_live` writes one that the earlier engine runs (agents.toml, agents.py), `launchers_live` one that the launchers run
(launch.py and its dotfiles).  The tree under ``root``::

    cc-ci-plan/     what is migrated: programs, prompts, plans, settings, unit file; a git repository
    cc-ci/          the Builder's clone          cc-ci-adv/  the Adversary's clone
    cc-ci.git/      their remote                 .cc-ci-logs/  logs (and state/ of the earlier engine)
    bin/            `claude` and `opencode`, played by one program
    conversations/  a log for each conversation: who continues which, and what it was told
    home/ run/      HOME of everything (claude's own memory is below it), and the tmux socket

Nothing outside the tree is written.  A copy of it runs too: moved with `Live.at`, or at the same path in a namespace.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from scratch import json_lines

from .live_plan import AT, OPUS, PLAN, SONNET

FILES = Path(__file__).parent / "files"
PATIENCE = 240.0
GLANCE = 0.05
TICK = 0.3
"""Seconds between two looks of the live watchdog, whatever the configuration says: tests are in a hurry."""
ENGINE, LAUNCHERS = "engine", "launchers"
SESSIONS = {
    "orchestrator": "cc-ci-orchestrator-vm",
    "builder": "cc-ci-builder",
    "adversary": "cc-ci-adv",
    "assistant": "cc-ci-assistant",
    "upgrader": "cc-ci-upgrader",
    "report": "cc-ci-report",
    "cleanlogs": "cc-ci-cleanlogs",
    "opencode-server": "cc-ci-opencode-server",
    "watchdog": "cc-ci-watchdog",
}
STARTED = ("orchestrator", "builder", "adversary", "assistant", "cleanlogs", "opencode-server", "watchdog")
"""What runs after `Live.start`; the assistant although it is disabled: somebody wanted it."""
RESUMED = ("orchestrator", "builder", "adversary")
"""Whose conversation is older than the first start of the fixture."""
IDS = {name: str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.cc-ci.example")) for name in RESUMED}
_GIT = {
    **{f"GIT_{who}_NAME": "ci" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_EMAIL": "ci@example.org" for who in ("AUTHOR", "COMMITTER")},
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
}


@dataclass(frozen=True, slots=True)
class Live:
    """One live deployment on disk; `start` and `stop` run it."""

    root: Path
    """Of the whole tree."""
    form: str
    """ENGINE or LAUNCHERS."""
    port: int
    """Of the opencode server on 127.0.0.1."""

    # ---- where things are --------------------------------------------------------------------------------------------

    @property
    def source(self) -> Path:
        """What a migration is given."""
        return self.root / "cc-ci-plan"

    @property
    def config(self) -> Path | None:
        """agents.toml; the launchers have none."""
        return self.source / "agents.toml" if self.form == ENGINE else None

    @property
    def unit(self) -> Path | None:
        """The systemd unit, which is not installed anywhere."""
        return self.source / "systemd" / "cc-ci-loops.service"

    @property
    def log_dir(self) -> Path:
        return self.root / ".cc-ci-logs"

    @property
    def tmux_socket(self) -> str:
        return str(self.root / "run" / "tmux.sock")

    @property
    def program(self) -> Path:
        return self.source / ("agents.py" if self.form == ENGINE else "launch.py")

    @property
    def status_command(self) -> tuple[str, ...]:
        """Prints the table; starts nothing.  With `env`."""
        return (sys.executable, str(self.program), "status")

    @property
    def phase_index_file(self) -> Path:
        return self.log_dir / "state" / "phase-idx" if self.form == ENGINE else self.source / ".phase-idx"

    @property
    def settings(self) -> dict[str, str]:
        """What the unit's Environment= lines say."""
        assert self.unit is not None
        text = self.unit.read_text(encoding="utf-8").replace("\\\n", " ")
        words = [word for line in re.findall(r"^Environment=(.*)$", text, re.MULTILINE) for word in line.split()]
        return dict(word.strip('"').split("=", 1) for word in words)

    @property
    def env(self) -> dict[str, str]:
        """The whole environment that everything of it is run with."""
        path = os.pathsep.join((str(self.root / "bin"), os.path.dirname(sys.executable), os.environ["PATH"]))
        kept = {name: os.environ[name] for name in ("LANG", "LC_ALL") if name in os.environ}
        fixed = {"HOME": str(self.root / "home"), "TERM": "xterm-256color", "PYTHONDONTWRITEBYTECODE": "1", **_GIT}
        secrets = {"OPERATOR_SECRETS": str(self.root / "home" / "secrets.env")}
        return {**kept, **fixed, **secrets, **self.settings, "PATH": path, "LIVE_TICK": str(TICK)}

    def at(self, root: Path) -> Live:
        """The same deployment in a copy of its tree at *root*: the unit file and the clones name the paths of the copy."""
        moved = replace(self, root=root)
        assert moved.unit is not None
        moved.unit.write_text(moved.unit.read_text().replace(str(self.root), str(root)))
        for clone in ("cc-ci", "cc-ci-adv"):
            _git(root / clone, "remote", "set-url", "origin", str(root / "cc-ci.git"))
        for name in RESUMED:
            memory = Path(str(self.memory(name)).replace(str(self.root), str(root), 1))
            if memory != moved.memory(name):
                moved.memory(name).parent.mkdir(parents=True, exist_ok=True)
                memory.rename(moved.memory(name))
        return moved

    def copy(self, root: Path) -> Live:
        """Copy the whole tree (which should not run) and return the deployment there."""
        shutil.copytree(self.root, root, symlinks=True, ignore=shutil.ignore_patterns("tmux.sock"))
        return self.at(root)

    # ---- running it --------------------------------------------------------------------------------------------------

    def run(self, *words: str, program: str = "") -> str:
        """Run the deployment's own program (or another one beside it); return what it printed."""
        path = str(self.source / program) if program else str(self.program)
        done = subprocess.run(
            [sys.executable, path, *words],
            cwd=self.source, env=self.env, capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{path} {words}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self) -> None:
        """Start all that usually runs, and wait until every agent has taken up its conversation."""
        assert len(self.tmux_socket.encode()) < 104, f"too long for a socket: {self.tmux_socket}; use a shorter root"
        before = {name: len(self.conversation(name)) for name in RESUMED}
        self.start_again()
        self.wait(lambda: set(STARTED) <= set(self.pids()), "all sessions")
        self.wait(lambda: all(len(self.conversation(name)) > before[name] for name in RESUMED), "all conversations")

    def start_again(self) -> None:
        """Ask for all that usually runs; what runs already is left alone."""
        if self.form == ENGINE:
            self.run("up")
            self.run("up", "assistant")
        else:
            self.run("start")
            self.run("start", program="launch-orchestrator.py")
            self.run("start", program="launch-assistant.py")

    def stop(self) -> None:
        """Stop everything; what does not go is killed by its pid, and then it is an error."""
        if self.form == ENGINE:
            self.run("down")
        else:
            for program in ("launch.py", "launch-orchestrator.py", "launch-assistant.py"):
                self.run("stop", program=program)
        self.tmux("kill-server")  # a session that a test has added
        deadline = time.monotonic() + PATIENCE
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(GLANCE)
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        Path(self.tmux_socket).unlink(missing_ok=True)
        assert not left, f"these did not end: {left}"

    def status(self) -> str:
        """What its own status prints."""
        return self.run("status")

    def pids(self) -> dict[str, int]:
        """The first process of each session, by the agent's or service's name."""
        by_session = dict(line.rsplit("\t", 1) for line in self._panes().splitlines())
        return {name: int(by_session[session]) for name, session in SESSIONS.items() if session in by_session}

    def sessions(self) -> set[str]:
        """The sessions of its tmux server."""
        return {line.rsplit("\t", 1)[0] for line in self._panes().splitlines()}

    def processes(self) -> dict[int, str]:
        """Every living process of this tree, by its environment or arguments."""
        mark, found = str(self.root).encode(), {}
        for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):
            with suppress(OSError):
                line = Path(f"/proc/{pid}/cmdline").read_bytes()
                started = b"TMUX_SOCKET=" + mark + b"/" in Path(f"/proc/{pid}/environ").read_bytes()
                if line and pid != os.getpid() and (started or mark + b"/run/tmux.sock" in line):
                    found[pid] = line.replace(b"\0", b" ").decode("utf-8", "replace").strip()
        return found

    def _panes(self) -> str:
        return self.tmux("list-panes", "-a", "-F", "#{session_name}\t#{pane_pid}")

    def tmux(self, *words: str) -> str:
        """Say something to its tmux server; "" when there is none."""
        command = ["tmux", "-S", self.tmux_socket, *words]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=PATIENCE, check=False)
        return done.stdout if done.returncode == 0 else ""

    def git(self, clone: str, *words: str) -> None:
        """Run git in one of its repositories."""
        _git(self.root / clone, *words)

    # ---- what its agents remember ------------------------------------------------------------------------------------

    def id_of(self, name: str) -> str:
        """The id of an agent's conversation, as the live system keeps it; "" when it keeps none."""
        state = self.log_dir / "state" / f"{name}.id"
        path = state if self.form == ENGINE else self.source / f".{name}-session-id"
        return path.read_text().strip() if path.exists() else ""

    def kickoffs(self) -> dict[tuple[str, str], str]:
        """What its own program would start the loops with, by phase and agent; nothing is started."""
        words = [sys.executable, "-c", _KICKOFFS[self.form]]
        done = subprocess.run(words, cwd=self.source, env=self.env, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        return {(phase, agent): text for phase, agent, text in json.loads(done.stdout)}

    def memory(self, name: str) -> Path:
        """Where claude itself keeps the conversation that an agent had before the first start."""
        directory = self.root / {"builder": "cc-ci", "adversary": "cc-ci-adv"}.get(name, "cc-ci-plan")
        return self.root / "home" / ".claude" / "projects" / str(directory).replace("/", "-") / f"{IDS[name]}.jsonl"

    def conversation(self, name: str) -> list[dict[str, object]]:
        """The entries of an agent's conversation: event (started, resumed, told), pid, and more."""
        path = self.root / "conversations" / f"{self.id_of(name)}.log"
        return json_lines(path)

    def wait(self, condition: Callable[[], object], what: str) -> None:
        """Wait until *condition* holds."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"not within {PATIENCE:.0f} s: {what}; there are {self.processes()}"
            time.sleep(GLANCE)


def engine_live(root: Path) -> Live:
    """Write a deployment that the earlier engine runs into *root*, which must not exist yet."""
    live = _common(root, ENGINE)
    for name in ("agents.py", "agents.toml"):
        _put(FILES / "engine" / name, live.source / name, live)
    assert live.config is not None
    live.config.write_text(live.config.read_text().replace("@PHASES@", "\n".join(map(_phase_line, PLAN))))
    shutil.copytree(FILES / "engine" / "prompts", live.source / "prompts")
    for name in ("launch.py", "launch-orchestrator.py", "launch-upgrader.py"):  # what it replaced is kept, and not used
        _put(FILES / "launchers" / name, live.source / f"{name}.orig", live)
    state = live.log_dir / "state"
    state.mkdir(parents=True)
    (state / "phase-idx").write_text(f"{AT}\n")
    for name, id in IDS.items():
        (state / f"{name}.id").write_text(f"{id}\n")
    (state / f"limited-{SESSIONS['builder']}.json").write_text(_PAST_LIMIT)
    return _finished(live)


def launchers_live(root: Path) -> Live:
    """Write a deployment that the launchers run into *root*, which must not exist yet."""
    live = _common(root, LAUNCHERS)
    for path in sorted((FILES / "launchers").iterdir()):
        _put(path, live.source / path.name, live)
    prompts = live.source / "prompts"
    prompts.mkdir()
    for name in ("builder.md", "adversary.md"):
        shutil.copy(FILES / "engine" / "prompts" / name, prompts / name)
    monitor = "ai-progress-monitor-prompt.txt"
    shutil.copy(FILES / "engine" / "prompts" / monitor, live.source / monitor)
    live.log_dir.mkdir()
    dotfiles = {
        ".phases-spec": ";".join(f"{phase.id}|{phase.plan}|{phase.status}" for phase in PLAN) + ";",
        ".loop-backend": "claude",
        ".loop-model": SONNET,
        **{f".loop-model-{phase.id}": phase.models["builder"] for phase in PLAN if "builder" in phase.models},
        ".orch-model": OPUS,
        ".phase-idx": str(AT),
        **{f".{name}-session-id": id for name, id in IDS.items()},
    }
    for name, text in dotfiles.items():
        (live.source / name).write_text(f"{text}\n")
    (live.source / f".limited-{SESSIONS['builder']}").write_text(_PAST_LIMIT)
    (live.source / ".run-upgrade-on-complete").touch()
    return _finished(live)


_KICKOFFS = {
    ENGINE: """\
import agents, json
class Each(agents.Project):
    phase = None
project, found = Each("agents.toml"), []
for project.phase in project.phases:
    found += [[project.phase["id"], a["name"], project.text(a)] for a in project.agents() if a["kind"] == "loop"]
print(json.dumps(found))
""",
    LAUNCHERS: """\
import json, launch
print(json.dumps([[p[0], r, launch.build_loop_kickoff(r, *p)] for p in launch.phases() for r, _, _ in launch.LOOPS]))
""",
}
_LOGINS = {
    "secrets.env": "REGISTRY_TOKEN=nothing-real\n",
    ".claude/.credentials.json": '{"claudeAiOauth": {"accessToken": "nothing-real", "expiresAt": 4102444800000}}\n',
    ".local/share/opencode/auth.json": '{"anthropic": {"type": "api", "key": "nothing-real"}}\n',
}
_PAST_LIMIT = '{"until": "2026-06-13T15:00:45Z", "probes": 1, "looks": 4}\n'


def _common(root: Path, form: str) -> Live:
    """What both forms have."""
    root.mkdir(parents=True)
    live = Live(root, form, _free_port())
    for name in ("bin", "home", "run", "conversations", "cc-ci-plan/systemd", "cc-ci-plan/tools"):
        (root / name).mkdir(parents=True)
    program = (FILES / "bin" / "dummy_agent.py").read_text().partition("\n")[2]
    for name in ("claude", "opencode"):
        (root / "bin" / name).write_text(f"#!{sys.executable}\n{program}")
        (root / "bin" / name).chmod(0o755)
    for path in sorted((FILES / "plan").iterdir()):
        _put(path, live.source / path.name, live)
    _put(FILES / "tools" / "cleanlogs.py", live.source / "tools" / "cleanlogs.py", live)
    assert live.unit is not None
    _put(FILES / "systemd" / f"{form}.service", live.unit, live)
    for phase in PLAN:
        (live.source / phase.plan).write_text(phase.text)
    (live.source / "plan-now.md").symlink_to(PLAN[AT].plan)
    for name, text in _LOGINS.items():
        login = root / "home" / name
        login.parent.mkdir(parents=True, exist_ok=True)
        login.write_text(text)
        login.chmod(0o600)
    for name, id in IDS.items():
        entry = {"at": "2026-06-12T05:41:00Z", "event": "started", "pid": 1, "program": "claude", "model": SONNET}
        line = json.dumps({**entry, "agent": name}) + "\n"
        (root / "conversations" / f"{id}.log").write_text(line)
        memory = live.memory(name)
        memory.parent.mkdir(parents=True)
        memory.write_text(line)
    _repositories(root)
    return live


def _finished(live: Live) -> Live:
    """Make the plan directory the repository that it was, with its settings of the moment outside git."""
    (live.source / ".gitignore").write_text(".*\n!.gitignore\n__pycache__/\n")
    _git(live.source, "init", "-q", "-b", "main")
    _git(live.source, "add", "-A")
    _git(live.source, "commit", "-q", "-m", "Keep what runs the loops")
    return live


def _put(path: Path, to: Path, live: Live) -> None:
    """Copy a text with the places of this deployment filled in; programs stay programs."""
    slots = {
        "@ROOT@": str(live.root),
        "@PLAN@": str(live.source),
        "@SOCKET@": live.tmux_socket,
        "@PORT@": str(live.port),
        "@PROGRAM@": live.program.name,
    }
    text = path.read_text(encoding="utf-8")
    for slot, value in slots.items():
        text = text.replace(slot, value)
    to.write_text(text, encoding="utf-8")
    if text.startswith("#!"):
        to.chmod(0o755)


def _phase_line(phase) -> str:
    models = ", ".join(f'{agent} = "{model}"' for agent, model in phase.models.items())
    more = f", models = {{ {models} }}" if models else ""
    return f'  {{ id = "{phase.id}", plan = "{phase.plan}", status = "{phase.status}"{more} }},'


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _git(directory: Path, *words: str, minute: int = 0) -> None:
    when = f"2026-06-13T16:{minute:02}:00Z"
    env = {**_GIT, "PATH": os.environ["PATH"], "GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
    subprocess.run(["git", *words], cwd=directory, env=env, check=True, capture_output=True, timeout=PATIENCE)


def _repositories(root: Path) -> None:
    """The remote and the two clones, with a phase under way: claimed, refused, claimed again."""
    remote, builder, adversary = root / "cc-ci.git", root / "cc-ci", root / "cc-ci-adv"
    _git(root, "init", "-q", "--bare", "-b", "main", str(remote))
    _git(root, "clone", "-q", str(remote), str(builder))
    docs = {f"machine-docs/{phase.status}": f"# {phase.title}\n\n## DONE\n{phase.goal}\n" for phase in PLAN[:AT]}
    _commit(builder, {"README.md": "# Recipe CI\n", "check.sh": "#!/bin/sh\nexit 0\n", **docs}, "Close phase shot", 1)
    status = "machine-docs/STATUS-mailu.md"
    _commit(builder, {"backup.py": "RETRIES = 3\n", status: _CLAIM}, "claim(mailu): gate M1, a backup of mail", 2)
    _git(root, "clone", "-q", str(remote), str(adversary))
    review = "machine-docs/REVIEW-mailu.md"
    _commit(adversary, {review: _REFUSAL}, "review(mailu): M1 FAIL, one message twice (A-mailu-1)", 3)
    _git(builder, "pull", "-q", "--rebase")
    _commit(builder, {"backup.py": "RETRIES = 1\n"}, "claim(mailu): gate M1 again, nothing is sent twice", 4)
    _git(adversary, "fetch", "-q")  # it has not looked yet
    (builder / "notes-of-today.txt").write_text("restore takes 40 s with 2,000 messages\n")


def _commit(clone: Path, files: dict[str, str], subject: str, minute: int) -> None:
    for name, text in files.items():
        (clone / name).parent.mkdir(exist_ok=True)
        (clone / name).write_text(text)
    _git(clone, "add", "-A")
    _git(clone, "commit", "-q", "-m", subject, minute=minute)
    _git(clone, "push", "-q", "origin", "HEAD:main")


_CLAIM = """\
# A backup of mail

## Gate: M1 — CLAIMED, awaiting Adversary
**WHAT:** mail survives backup and restore  **WHERE:** backup.py, this commit
**HOW:** 1. `./check.sh`  **EXPECTED:** exit code 0

## DONE
Not yet: written when REVIEW-mailu.md has a PASS for both gates.
"""
_REFUSAL = """\
# Review of phase mailu

## M1: FAIL @2026-06-13T16:03Z
evidence: three retries, and the message is there twice.

## Adversary findings
### A-mailu-1 [adversary] OPEN — a message that arrives during the restore is there twice
"""
