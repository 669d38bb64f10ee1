"""An isolated agent, asked from inside: what it can reach, and what it cannot."""

from __future__ import annotations

import ast
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from loops.isolation.able import ability
from loops.supervisor import events as ev
from scratch import Scratch, checked

pytestmark = pytest.mark.skipif(not ability(own_network=True), reason=ability(own_network=True).reason)

PROBE = """
import json, os, socket, subprocess, sys

def tried(act):
    try:
        return [True, repr(act())[:300]]
    except Exception as error:
        return [False, f"{type(error).__name__}: {error}"]

def read(path):
    if os.path.isdir(path):
        return os.listdir(path)
    with open(path, "rb") as file:
        return file.read(100)

def write(path):
    with open(path, "ab") as file:
        file.write(b"x")

def connect(where):
    family = socket.AF_UNIX if isinstance(where, str) else socket.AF_INET
    with socket.socket(family) as s:
        s.settimeout(5)
        s.connect(where if isinstance(where, str) else tuple(where))

def run(words):
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise OSError(done.stdout + done.stderr)
    return done.stdout

asked = json.load(open("ask.json"))
acts = {"read": read, "write": write, "connect": connect, "run": run}
found = [[verb, what, *tried(lambda: acts[verb](what))] for verb, what in asked]
facts = {
    "found": found,
    "environ": dict(os.environ),
    "processes": {p: read(f"/proc/{p}/environ").decode() for p in os.listdir("/proc") if p.isdecimal()},
    "root of 1": os.listdir("/proc/1/root"),
    "root": os.listdir("/"),
}
json.dump(facts, open("answer.part", "w"))
os.rename("answer.part", "answer.json")
import time
time.sleep(600)
"""

BACKEND = """
[backend.probe]
bin = {python}
flags = ["-I", "-S", "probe.py"]
"""


def with_tables(scratch: Scratch, tables: dict[str, str], more: str = "") -> None:
    """Add lines to the tables of agents."""
    text = scratch.config_path.read_text()
    for name, lines in tables.items():
        head = f'dir = "work/{name}"\n'
        assert head in text
        text = text.replace(head, head + lines)
    scratch.config_path.write_text(text.replace("\n[loop]\n", f"{more}\n[loop]\n"))


def ask_from_inside(
    scratch: Scratch, asked: list[tuple[str, Any]], lines: str = "", **environment: str
) -> dict[str, Any]:
    """Start the Builder openly and the Adversary in its sandbox; return what the latter found."""
    clone = scratch.clone("adversary")
    (clone / "probe.py").write_text(PROBE)
    (clone / "ask.json").write_text(json.dumps(asked))
    with_tables(
        scratch,
        {
            "adversary": f'backend = "probe"\nisolate = true\n{lines}',
            "builder": "isolate = true\nreads = ['script.json']\n",
        },
        BACKEND.format(python=json.dumps(sys.executable)),
    )
    scratch.loops("up", **environment)
    answer = clone / "answer.json"
    scratch.wait_for(answer.exists, "the agent's answer")
    return json.loads(answer.read_text())


def outcomes(facts: dict[str, Any]) -> dict[tuple[str, str], tuple[bool, str]]:
    return {(verb, json.dumps(what)): (worked, said) for verb, what, worked, said in facts["found"]}


def test_the_adversary_cannot_reach_what_is_the_builders_or_the_engines(scratch: Scratch) -> None:
    scratch.create([checked("1")], working=False)
    state = scratch.log_dir / "state"
    secret = scratch.clone("builder") / "machine-docs" / "JOURNAL-1.md"
    secret.write_text("why I did it\n")
    (scratch.home / "id_ed25519").write_text("key\n")
    closed = [
        ("read", str(secret)),
        ("read", str(scratch.clone("builder"))),
        ("read", str(scratch.clone("builder") / ".git" / "config")),
        ("read", str(state / "journal")),
        ("read", str(state / "homes" / "builder")),
        ("read", str(state / "signals" / "builder.1.jsonl")),
        ("read", str(state / "answers")),
        ("read", str(scratch.log_dir / "builder.log")),
        ("read", str(scratch.home / "id_ed25519")),
        ("read", str(scratch.root / "seed")),
        ("read", "/etc/shadow"),
        ("read", "/var/log"),
        ("read", "/run/user"),
        ("read", f"/proc/{os.getpid()}/environ"),
        ("write", "/outside"),
        ("write", "/usr/outside"),
        ("write", str(scratch.config_path)),
        ("write", str(scratch.root / "remote.git" / "hooks" / "post-receive")),
        ("write", str(scratch.root / "remote.git" / "config")),
        ("connect", scratch.runtime.control_socket),
        ("connect", scratch.runtime.holder_socket),
        ("connect", ("127.0.0.1", 22)),
        ("connect", ("192.0.2.1", 80)),
        ("run", ["kill", "-0", str(os.getpid())]),
    ]
    shown = [scratch.root, scratch.root / "work", scratch.log_dir, state, state / "homes", state / "signals"]
    listed = [("read", str(path)) for path in shown]
    outside = scratch.root / "outside"
    facts = ask_from_inside(
        scratch, [*closed, *listed, ("write", str(outside))], 'network = "none"\n', SECRET_TOKEN="hidden"
    )
    (scratch.home / "id_ed25519").unlink()
    found = outcomes(facts)
    assert [each for each in closed if found[each[0], json.dumps(each[1])][0]] == []
    names = ["agents.toml prompts remote.git work .loops", "adversary", "state", "homes signals", "adversary"]
    for each, known in zip(listed, [*names, "adversary.1.jsonl"], strict=True):
        assert sorted(ast.literal_eval(found[each[0], json.dumps(each[1])][1])) == sorted(known.split())
    assert not outside.exists()  # below the sandbox's own /tmp it may well write
    assert not Path("/outside").exists()
    assert "SECRET_TOKEN" not in facts["environ"]
    assert "hidden" not in str(facts["processes"])
    assert 1 < len(facts["processes"]) < 5  # bubblewrap and itself
    assert sorted(facts["root of 1"]) == sorted(facts["root"])


def test_what_is_its_own_works(scratch: Scratch) -> None:
    scratch.create([checked("1")], working=False)
    extra = scratch.root / "shared"
    extra.mkdir()
    (extra / "facts").write_text("declared\n")
    scratch.git(scratch.clone("adversary"), "config", "user.name", "The Adversary")
    loops = json.dumps([sys.executable, "-m", "loops"])
    verdict = f"{sys.executable} -m loops verdict M1=FAIL:no --phase 1"
    asked = [
        ("write", str(scratch.clone("adversary") / "new")),
        ("read", str(scratch.config_path)),
        ("read", str(extra / "facts")),
        ("write", "/tmp/mine"),
        ("read", "/etc/passwd"),
        ("run", ["git", "fetch", "origin"]),
        ("run", ["sh", "-c", "rm new ask.json.x 2>/dev/null; git pull --quiet --rebase"]),
        ("run", ["sh", "-c", verdict]),
    ]
    facts = ask_from_inside(scratch, asked, f"reads = [{json.dumps(str(extra))}]\nenv_keep = ['MY_KEY']\n", MY_KEY="k")
    failed = [entry for entry in facts["found"] if not entry[2]]
    assert failed == []
    assert facts["environ"]["MY_KEY"] == "k"
    assert facts["environ"]["HOME"] == str(scratch.log_dir / "state" / "homes" / "adversary")
    assert facts["environ"]["LOOPS_BIN"] == loops
    assert "review(1)" in scratch.git(scratch.root / "remote.git", "log", "-1", "--format=%s")
    seen = scratch.wait_event(ev.AgentConfined, "what it can see", lambda e: e.agent == "adversary")
    assert str(extra) in seen.reads
    assert str(scratch.clone("adversary")) in seen.writes
    assert seen.lack == ""


def test_two_isolated_agents_bring_a_phase_to_its_end(scratch: Scratch) -> None:
    scratch.create([checked("1")])
    lines = f"isolate = true\nreads = [{json.dumps(str(scratch.root / 'script.json'))}]\n"
    with_tables(scratch, {"builder": lines, "adversary": lines})
    scratch.loops("up")
    scratch.wait_event(ev.PhaseDone, "the phase is done")
    assert {event.agent for event in scratch.events(ev.AgentConfined)} == {"builder", "adversary"}
