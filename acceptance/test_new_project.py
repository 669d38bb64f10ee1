"""Gate: a project of `loops new` lives its full life as its own README tells, and leaves nothing; the transcript tells it all.

Scaffold in an isolated place, switch to the demo agents, remote and clones, up, RUNNING, every phase to its end, down, a cold
anonymous clone whose status says the same, deleted, nothing left.  And what is refused makes nothing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_source import TAG, EngineSource, engine_source, on_the_web
from operator_shell import Operator, Said

AGENTS = {
    "builder-adversary": ("builder", "adversary"),
    "solo": ("builder",),
    "reviewers": ("builder", "reviewer-1", "reviewer-2"),
}


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    person = Operator(tmp_path)
    yield person
    person.leaves()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> EngineSource:
    return engine_source(tmp_path_factory.mktemp("engine"))


@pytest.fixture(scope="module")
def web(engine: EngineSource) -> Iterator[str]:
    """The URL of the engine, for anybody."""
    where = subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True).stdout.strip()
    if not Path(where, "git-remote-http").exists():
        pytest.skip("this git knows no http (git-remote-http is not installed)")
    with on_the_web(engine.bare.parent) as url:
        yield f"{url}/{engine.bare.name}"


def typed(readme: Path, *, url: str) -> list[str]:
    """The commands of the README, the trial's first, without those for a person's own eyes."""
    blocks = re.findall(r"```console\n(.*?)```", readme.read_text(), re.DOTALL)
    assert len(blocks) == 2, "the README has lost a part"
    lines = [line.removeprefix("$ ") for block in (blocks[1], blocks[0]) for line in block.splitlines()]
    return [line.replace("URL", url) for line in lines if not re.search(r"EDITOR| attach |status$| down$", line)]


@pytest.mark.parametrize(
    ("template", "pinned"), [("builder-adversary", True), ("solo", False), ("reviewers", False)], ids=lambda v: str(v)
)
def test_a_new_project_lives_its_full_life_as_its_readme_tells(
    operator: Operator, engine: EngineSource, request: pytest.FixtureRequest, template: str, pinned: bool
) -> None:
    command = "python3 engine/agents.py" if pinned else "loops"
    engine_words = f" --engine {TAG} --engine-url {request.getfixturevalue('web')}" if pinned else ""
    root = operator.place / "scratch-one"

    operator.types(f"loops new scratch-one --template {template}{engine_words}")
    _pinned(root, engine if pinned else None)

    operator.notes("switch to the demo agents")
    operator.types("""sed -i 's/^backend = "claude"/backend = "demo"/' agents.toml""", at=root)
    pace = operator.home / "pace.json"
    # Alone, nobody but the engine can find out that the first claim is a lie.
    lie = [{"role": "solo", "mode": "false-claim", "times": 1}]
    pace.write_text(json.dumps({"pace": 0.2, "rules": lie}))
    operator.types(f"""printf '\\n[backend.demo]\\nflags = ["--script", "%s"]\\n' {pace} >>agents.toml""", at=root)

    operator.notes("as the README tells")
    for line in typed(root / "README.md", url="work/trial.git"):
        operator.types(line, at=root)

    operator.repeats(f"{command} status", lambda said: _running(said, AGENTS[template]), at=root)
    operator.repeats(f"{command} status", lambda said: "(complete)" in said.text.splitlines()[0], at=root)
    operator.types(f"{command} explain 1", at=root)
    operator.types("git -C work/trial.git log --reverse --format='%an: %s' main", at=root)
    operator.types(f"{command} down", at=root)
    operator.types(f"{command} journal verify", at=root)
    assert operator.tmux_servers() == []
    assert operator.sockets() == []

    operator.notes("anybody's cold clone")
    operator.types("git clone --quiet --recurse-submodules scratch-one cold")
    operator.types(f"{command} status", at=operator.place / "cold")
    if pinned:
        operator.types("git submodule status", at=operator.place / "cold")
    operator.types("git status --porcelain", at=operator.place / "cold")

    operator.notes("delete it")
    operator.types("rm -rf scratch-one cold && ls -A")
    left = operator.processes()
    operator.notes(f"left: {len(left)} processes, {len(operator.tmux_servers())} tmux servers")
    assert left == {}
    assert operator.tmux_servers() == []
    assert list(operator.place.iterdir()) == []
    _tells_the_whole_story(operator.transcript.read_text(), template, engine.tagged if pinned else "", command)


def _running(said: Said, agents: tuple[str, ...]) -> bool:
    rows = {line.split()[0]: line for line in said.text.splitlines()[1:] if line.strip()}
    return all(" RUNNING " in rows.get(name, "") for name in (*agents, "watchdog"))


def _pinned(root: Path, engine: EngineSource | None) -> None:
    """The pin is the tag's commit, and neither the tag object nor the newest commit."""
    recorded = subprocess.run(
        ["git", "-C", root, "ls-tree", "HEAD", "engine"], capture_output=True, text=True, check=True
    )
    wanted = f"160000 commit {engine.tagged}\tengine\n" if engine is not None else ""
    assert recorded.stdout == wanted
    assert engine is None or engine.tagged != engine.head
    looked = ["git", "-C", root, "status", "--porcelain", "--ignored"]
    assert subprocess.run(looked, capture_output=True, text=True, check=True).stdout == "", "something is left over"


def _tells_the_whole_story(text: str, template: str, pin: str, command: str) -> None:
    """Each step stands in the transcript, with its outcome, in its order."""
    judged = {
        "builder-adversary": {"explained": [], "pushed": [r"adversary: review\(1\): M1 PASS"]},
        "reviewers": {"explained": [], "pushed": [r"reviewer-[12]: review\(1\): M1 PASS"]},
        "solo": {
            "explained": [r"the checks of phase 1 .* failed", r"phase 1 is not done"],
            "pushed": [r"claim\(1 M1\)"],
        },
    }[template]
    steps = [
        rf"\$ loops new scratch-one --template {template}",
        rf"engine pinned at {pin} \({re.escape(TAG)}\)" if pin else "engine not pinned",
        r"config: agents\.toml \(session_prefix = scratch-one-\)\nnext:",
        r"# switch to the demo agents",
        r"\$ git init --bare .*trial\.git",
        *(rf"\$ git clone work/trial\.git work/{name}" for name in AGENTS[template]),
        rf"agents\.toml: good: {len(AGENTS[template])} agents and services, 1 phases",
        rf"\$ {command} up\nstarting watchdog",
        r"\(in progress\)",
        *(rf"{name} +loop +demo .* RUNNING " for name in AGENTS[template]),
        r"watchdog +service .* RUNNING ",
        r"\(complete\)",
        *judged["explained"],
        r"phase 1 is done",
        r"builder: claim\(1 M1\)",
        *judged["pushed"],
        r"builder: status\(1\): ## DONE",
        rf"\$ {command} down\n",
        r"# anybody's cold clone",
        rf"\$ {command} status\nphase: 1 \[1/1\] .*\(not started\)",
        r"builder +loop +claude .* stopped ",
        *([rf"{pin} engine"] if pin else []),
        r"\$ git status --porcelain\n\[exit 0\]",
        r"\$ rm -rf scratch-one cold && ls -A\n\[exit 0\]",
        r"# left: 0 processes, 0 tmux servers",
    ]
    at = 0
    for step in steps:
        found = re.compile(step).search(text, at)
        assert found, f"the transcript does not tell, after position {at}: {step}\n{text}"
        at = found.end()
    assert "Traceback" not in text
    assert set(re.findall(r"^\[exit (\d+)\]$", text, re.MULTILINE)) == {"0"}


@pytest.mark.parametrize("how", ["--engine", "--flake"])
def test_a_registered_projects_pin_can_be_moved_and_taken_back(
    operator: Operator, engine: EngineSource, how: str
) -> None:
    operator.types(f"loops new recipes --register . {how} {TAG} --engine-url {engine.bare}")
    operator.types("git config --global user.name Somebody && git config --global user.email somebody@example.org")
    operator.types("git config --global protocol.file.allow always")
    operator.types("loops fleet validate")

    operator.types("loops fleet update recipes --to main")
    moved = operator.types("loops fleet get recipes").text
    operator.types("loops fleet update recipes --undo")
    back = operator.types("loops fleet get recipes").text

    assert engine.head in moved
    assert engine.tagged in back
    operator.types("loops fleet validate")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ("Scratch_One", 2, "try 'scratch-one'"),
        ("taken", 2, "is there already, and is not written over"),
        ("tak", 0, ""),  # "tak-" and "taken-" leave each other alone
        ("other --prefix taken-", 2, "is that of taken"),
        ("other --prefix take", 2, "--prefix other-"),
        ("other --engine v0 --engine-url {url}", 2, f"has no tag, branch or commit 'v0'; its newest tags: {TAG}"),
        ("other --flake v0 --engine v0", 2, "not allowed with argument"),
        ("other --engine-url {url}", 2, "--engine REF or --flake REF"),
        ("other --template duo", 2, "invalid choice: 'duo'"),
        ("other --backend demmo", 2, 'did you mean "demo"?'),
    ],
)
def test_what_is_refused_says_what_helps_and_makes_nothing(
    operator: Operator, engine: EngineSource, words: str, code: int, told: str
) -> None:
    operator.types("loops new taken")
    before = _tree(operator.place)

    said = operator.types(f"loops new {words.format(url=engine.bare)}", code=code)

    assert told in said.text
    shutil.rmtree(operator.place / "tak", ignore_errors=True)
    assert _tree(operator.place) == before


def test_ctrl_c_in_the_middle_leaves_nothing(operator: Operator, engine: EngineSource) -> None:
    """A git that waits for ever stands in for a slow network: the interrupt comes while the engine is fetched."""
    waiting = operator.home / "waiting"
    ssh = operator.home / "ssh"
    ssh.write_text(f"#!/bin/sh\n: >{waiting}\nexec sleep 600\n")
    ssh.chmod(0o755)
    line = f"GIT_SSH_COMMAND={ssh} loops new scratch-one --dir deep/below --engine {TAG} --engine-url ssh://host/engine.git"
    started = subprocess.Popen(
        ["sh", "-c", f"exec env {line}"],
        cwd=operator.place,
        env=operator.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # the tests may run where it is ignored
    )
    operator.repeats(f"test -e {waiting}", lambda said: said.code == 0)
    assert list((operator.place / "deep" / "below").iterdir()), "it had not begun"

    os.killpg(started.pid, signal.SIGINT)  # as a terminal does: the whole foreground group

    assert started.wait(operator.patience) == 130
    assert list(operator.place.iterdir()) == []


def _tree(place: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in sorted(place.rglob("*"))}
