"""The real agents' command lines are installed once, whole or not at all, and nothing of theirs is run by it.

npm is a stand-in that writes down what is asked of it: no test needs a registry.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pinned
import pytest
from pinned import NODE, PINS, STAMP

INSTALL = Path(__file__).with_name("install.py")
NAMES = ("claude", "codex", "opencode", "pi")

# npm install --prefix DIR ... PACKAGE@VERSION: lays down what the pins look for.
NPM = f"""#!{sys.executable} -I
import json, os, pathlib, sys, time
words = sys.argv[1:]
with open(os.environ["CALLS"], "a") as calls:
    calls.write(" ".join(words) + "\\n")
if os.environ.get("NPM_HANGS"):
    print("hanging", file=open(os.environ["NPM_HANGS"], "w"))
    time.sleep(600)
if os.environ.get("NPM_FAILS"):
    sys.exit("npm error code ENOTFOUND\\nnpm error network request to https://registry.invalid/x failed")
top = pathlib.Path(words[words.index("--prefix") + 1])
package, _, version = words[-1].rpartition("@")
layout = json.loads(os.environ["LAYOUT"])
for place in (f"node_modules/{{package}}/package.json", *layout[package]):
    (top / place).parent.mkdir(parents=True, exist_ok=True)
    (top / place).write_text(json.dumps({{"version": os.environ.get("NPM_VERSION", version)}}))
    (top / place).chmod(0o755)
"""


class Machine:
    """A cache, and a PATH with a stand-in for npm and Node."""

    def __init__(self, top: Path) -> None:
        self.cache = top / "cache"
        self.calls = top / "calls"
        self.bin = top / "bin"
        self.bin.mkdir()
        self.provide("npm", NPM)
        self.provide("node", "#!/bin/sh\necho v20.20.2\n")

    def provide(self, name: str, script: str) -> None:
        (self.bin / name).write_text(script)
        (self.bin / name).chmod(0o755)

    def environment(self, **more: str) -> dict[str, str]:
        layout = {pin.package: [pin.program] for pin in (*PINS, NODE)}
        own = {"PATH": str(self.bin), "CALLS": str(self.calls), "LOOPS_AGENTS_CACHE": str(self.cache)}
        return {**own, "LAYOUT": json.dumps(layout), **more}

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, INSTALL, *words],
            env=self.environment(**more),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @property
    def asked(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []

    @property
    def there(self) -> list[str]:
        return sorted(path.name for path in self.cache.iterdir() if path.is_dir())


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_every_pinned_command_line_is_installed_once_and_then_without_a_network(machine):
    first = machine.run()
    assert (first.returncode, len(machine.asked)) == (0, len(NAMES)), first.stderr
    assert machine.there == sorted(f"{name}-{pinned.pin(name).version}" for name in NAMES)
    assert all("--ignore-scripts" in line for line in machine.asked)

    second = machine.run(NPM_FAILS="1")

    assert (second.returncode, second.stderr, len(machine.asked)) == (0, "", len(NAMES))


def test_check_only_tells(machine):
    assert machine.run("--check").returncode == 1
    assert machine.asked == []
    machine.run()
    assert machine.run("--check").returncode == 0


def test_older_versions_come_with_all(machine):
    machine.run("--all", "claude")
    assert machine.there == ["claude-2.1.197", "claude-2.1.329"]


def test_what_npm_complained_of_is_said_and_nothing_is_left_of_it(machine):
    failed = machine.run("codex", NPM_FAILS="1")
    assert failed.returncode == 1
    assert "npm error code ENOTFOUND" in failed.stderr
    assert "./dev test --real-agents" in failed.stderr
    assert machine.there == []
    assert machine.run("codex").returncode == 0


def test_another_version_than_the_pinned_one_is_none(machine):
    wrong = machine.run("codex", NPM_VERSION="0.1.0")
    assert wrong.returncode == 1
    assert "something else" in wrong.stderr
    assert machine.there == []


def test_an_installation_that_was_killed_is_swept_away_and_done_again(machine, tmp_path):
    hangs = tmp_path / "hangs"
    first = subprocess.Popen(
        [sys.executable, INSTALL, "codex"], env=machine.environment(NPM_HANGS=str(hangs)), start_new_session=True
    )
    deadline = time.monotonic() + 30
    while not hangs.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert [name.startswith(".new-") for name in machine.there] == [True]

    assert machine.run("codex").returncode == 0
    assert machine.there == [f"codex-{pinned.pin('codex').version}"]


def test_a_directory_without_a_stamp_is_taken_when_it_is_whole_and_replaced_when_not(machine):
    machine.run("codex", "claude")
    (machine.cache / "codex-0.169.0" / STAMP).unlink()
    (machine.cache / "claude-2.1.329" / STAMP).unlink()
    (machine.cache / "claude-2.1.329" / pinned.pin("claude").program).unlink()
    assert machine.run("codex", "claude").returncode == 0
    assert len(machine.asked) == 3


def test_without_npm_it_says_what_to_type(machine):
    (machine.bin / "npm").unlink()
    done = machine.run("codex")
    assert done.returncode == 1
    assert "sudo apt-get install nodejs npm" in done.stderr


def test_a_node_too_old_for_pi_gets_a_newer_one_beside_it(machine):
    machine.provide("node", "#!/bin/sh\necho v18.19.0\n")
    assert machine.run("pi").returncode == 0
    assert machine.there == [f"node-{NODE.version}", f"pi-{pinned.pin('pi').version}"]


def test_an_unknown_name_is_a_usage_error(machine):
    done = machine.run("cluade")
    assert done.returncode == 2
    assert "there is no agent 'cluade'" in done.stderr
