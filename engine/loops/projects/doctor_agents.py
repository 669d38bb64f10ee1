"""The doctor's look at the agents' own command lines: found, of a version that is known, logged in, able to run unattended.

The command lines are asked for nothing but their version, with an empty directory as their home: the user's own
configuration is neither read by them nor written.  Of a login file only its presence is looked at.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence

from loops.config.model import Agent, Backend, Config, Kind, Mode, Permissions
from loops.isolation.able import ability
from loops.isolation.confine import is_wanted
from loops.known.all import KNOWN
from loops.known.model import Known
from loops.places import SOCKET_BYTES, Runtime
from loops.places import State as StatePlaces
from loops.projects.finding import Finding, fail, ok, warn
from loops.runner.home import login_source
from loops.secrets.credentials import PREFIX

ANSWER = 30.0
"""Seconds for a version: the slowest takes two on a busy machine."""
_VERSION = re.compile(r"\b(\d+)\.(\d+)\.(\d+)")
_SECRET = re.compile(r"(?:_KEY|_TOKEN)$")
_ELSEWHERE = ("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY")
"""Clouds with a login of their own, which nobody here can judge."""
_SSH = re.compile(r"^(?:ssh://|[^/:@]+@[^/:]+:)")


def known_agents(env: Mapping[str, str]) -> Iterator[Finding]:
    """Look for every command line that is known."""
    for known in KNOWN.values():
        if not known.bin:
            continue
        check = f"agent {known.name}"
        program = shutil.which(known.bin, path=env.get("PATH"))
        if program is None:
            yield warn(check, f"{known.bin!r} is not on PATH", _install(known))
            continue
        yield from _program(check, known, program, env)
        yield _login(check, known, None, env, ())


def used_backend(config: Config, backend: Backend, runtime: Runtime, env: Mapping[str, str]) -> Iterator[Finding]:
    """Look at one backend that enabled agents use, and at what would keep them from working unattended."""
    known, check = KNOWN[backend.adapter], f"backend {backend.name}"
    agents = [
        agent
        for agent in config.agents.values()
        if agent.enabled and agent.kind is not Kind.SERVICE and agent.backend == backend.name
    ]
    word = backend.bin or known.bin
    program = shutil.which(word, path=env.get("PATH"))
    if program is None:
        yield fail(check, f"{word!r} is not on PATH", f"{_install(known)}, or name its path in bin")
    else:
        yield from _program(check, known, program, env)
    if known.login or known.keys:
        yield _login(check, known, backend, env, agents)
    for agent in agents:
        yield from _unattended(config, backend, agent, runtime)
        yield from _uncounted(config, backend, agent)


# ---- the program -------------------------------------------------------------------------------------------------------


def _install(known: Known) -> str:
    if not known.package:
        return "install it"
    return f"npm install -g {known.package}@{known.tested[-1]}"


def _program(check: str, known: Known, program: str, env: Mapping[str, str]) -> Iterator[Finding]:
    """Its version against those that were tested, and the interpreter that it needs."""
    if _wants_node(program) and shutil.which("node", path=env.get("PATH")) is None:
        yield fail(check, f"{program} needs Node.js, and there is no node on PATH", "install Node.js 20 or later")
        return
    if not known.tested:
        yield ok(check, program)
        return
    said = _version_of(program, known, env)
    found = _VERSION.search(said)
    if found is None:
        text = f"{program} does not tell its version: {said[:160] or 'it said nothing'}"
        yield fail(check, text, f"reinstall it: {_install(known)}")
        return
    yield _judged(check, known, program, found[0])


def _judged(check: str, known: Known, program: str, version: str) -> Finding:
    tested = " and ".join(known.tested)
    place = f"{program}, {version}"
    mine, oldest, newest = _numbers(version), _numbers(known.tested[0]), _numbers(known.tested[-1])
    remedy = f"what its screens and streams say may differ; tested: {_install(known)}"
    if version in known.tested:
        return ok(check, place)
    if mine[0] != newest[0] and mine > newest:
        return warn(check, f"{place}: a major version that nobody has tried, tested are {tested}", remedy)
    if mine < oldest:
        return warn(check, f"{place}: older than what is tested ({tested})", remedy)
    if mine > newest:
        return warn(check, f"{place}: newer than what is tested ({tested})", remedy)
    return ok(check, f"{place}, between the tested {tested}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _version_of(program: str, known: Known, env: Mapping[str, str]) -> str:
    """What ``--version`` says."""
    with tempfile.TemporaryDirectory(prefix="loops-doctor-") as home:
        private = {name: value.replace("{home}", home) for name, value in known.env.items()}
        asked = {**{name: env[name] for name in ("PATH", "LANG") if name in env}, "HOME": home, **private}
        try:
            done = subprocess.run(
                [program, "--version"],
                env=asked,
                cwd=home,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=ANSWER,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"no answer to --version within {ANSWER:.0f} s"
        except OSError as error:
            return str(error.strerror)
    return f"{done.stdout}\n{done.stderr}".strip()


def _wants_node(program: str) -> bool:
    """Whether the program is a script for Node.js."""
    try:
        with open(program, "rb") as file:
            first = file.readline(200)
    except OSError:
        return False
    return first.startswith(b"#!") and b"node" in first


# ---- its login ---------------------------------------------------------------------------------------------------------


def _login(
    check: str, known: Known, backend: Backend | None, env: Mapping[str, str], agents: Sequence[Agent]
) -> Finding:
    """Where the agents' login comes from."""
    check = f"{check}: login"
    given = backend.env if backend is not None else {}
    if backend is not None and backend.home:
        files = [source for source in backend.home.values() if not source.startswith(PREFIX)]
        missing = [source for source in files if not os.path.exists(os.path.expanduser(source))]
        if missing:
            return fail(check, f"home names {missing[0]}, which is not there", "mend the path in agents.toml")
        return ok(check, f"from the files that home names: {', '.join(backend.home)}")
    secret = {name for agent in agents for name in agent.credentials}
    named = [name for name in (*given, *sorted(secret)) if _SECRET.search(name)]
    clouds = [name for name in _ELSEWHERE if given.get(name) or env.get(name)]
    if named or clouds:
        return ok(check, f"by {(named + clouds)[0]}")
    if backend is None or backend.home is None:
        for below in known.login:
            path = login_source(known, below)
            if os.path.isfile(path) and os.path.getsize(path) > 2:
                return ok(check, f"{path}; each agent gets a copy of its own")
    key = next((name for name in known.keys if env.get(name)), "")
    if not key:
        text = f"no login file, and none of {', '.join(known.keys)} in the environment"
        level = warn if backend is None else fail
        return level(check, text, f"log in once by hand (`{known.bin}`), or set the key in env of the backend")
    deaf = [a.name for a in agents if backend and _is_isolated(a, backend) and key not in a.env_keep]
    if deaf:
        text = f"{key} is in the environment, which {', '.join(deaf)} will not see: isolated"
        return fail(check, text, f'add env_keep = ["{key}"] to the agent, or set the key in env of the backend')
    return ok(check, f"by {key} in the environment")


# ---- what would keep an agent from working unattended --------------------------------------------------------------------


def _unattended(config: Config, backend: Backend, agent: Agent, runtime: Runtime) -> Iterator[Finding]:
    check = f"agent {agent.name}"
    isolated = _is_isolated(agent, backend)
    skips = agent.permissions is Permissions.SKIP
    if KNOWN[backend.adapter].env_root_skips and skips and os.geteuid() == 0 and not isolated:
        text = f"runs as root, unconfined, and asks for nothing; by itself {backend.adapter} would refuse that"
        yield warn(check, text, 'isolate = true, permissions = "ask", or run loops as another user')
    home = os.path.realpath(os.path.join(StatePlaces(config.log_dir).root, "homes"))
    if backend.adapter == "codex" and not skips and home.startswith("/tmp/"):
        text = f"its home would be below /tmp ({home}), where codex' own sandbox fails every command without a word"
        yield fail(check, text, "set a log_dir outside /tmp")
    if (agent.mode or backend.mode) is Mode.TUI:
        socket = os.path.join(runtime.root, f"{agent.name}.hook")
        if len(os.fsencode(socket)) > SOCKET_BYTES:
            text = f"{socket}: too long for a socket, its hooks could report nothing"
            yield fail(check, text, "name a shorter place in LOOPS_RUNTIME_DIR, or the agent more shortly")
    if isolated and (url := _push_url(agent.dir, config)) and _SSH.match(url):
        text = f"isolated, and pushes to {url} by ssh, whose keys it cannot see"
        yield warn(check, text, "a remote by path or https, or reads = [...] with a key that is for this alone")


def _uncounted(config: Config, backend: Backend, agent: Agent) -> Iterator[Finding]:
    """A budget in USD of what nobody prices would never be used up."""
    mode, known = agent.mode or backend.mode, KNOWN[backend.adapter]
    shared = config.watchdog.budget.usd or (agent.kind is Kind.LOOP and any(p.budget.usd for p in config.loop.phases))
    models = {agent.model, *(phase.models.get(agent.name, "") for phase in config.loop.phases)} - {""}
    if not (agent.budget.usd or shared) or mode.value in known.costs or (models and models <= config.prices.keys()):
        return
    lack = sorted(models - config.prices.keys())
    text = f"has a budget in USD, and {backend.adapter} in mode {mode.value} does not tell what it costs"
    yield warn(
        f"agent {agent.name}", text, f'add [prices."{lack[0] if lack else "THE MODEL"}"], or give it a budget of tokens'
    )


def _is_isolated(agent: Agent, backend: Backend) -> bool:
    return is_wanted(agent, backend) and bool(ability())


def _push_url(directory: str, config: Config) -> str:
    remote = config.loop.handoff.remote if config.loop.handoff is not None else "origin"
    try:
        done = subprocess.run(
            ["git", "-C", directory, "remote", "get-url", "--push", remote],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
