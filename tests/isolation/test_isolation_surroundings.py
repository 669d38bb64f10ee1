"""What of the machine is shown: programs with what belongs to them, and the variables that are left."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import loops
import pytest
from loops.isolation import surroundings
from loops.isolation.sandbox import Access, Link, Mount, within


def program(place: Path, text: str = "#!/bin/sh\n") -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    place.chmod(0o755)
    return place


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path.resolve() / "home"
    (home / ".local" / "bin").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{home}/.local/bin:/usr/bin:/bin")
    return home


def shown(command: str) -> list[str]:
    return [each.path for each in surroundings.program(command) if isinstance(each, Mount)]


def test_a_program_of_its_own_shows_nothing_beside_it(home: Path) -> None:
    agent = program(home / ".local" / "bin" / "agent")
    assert str(agent) in shown("agent")
    assert all(not within(str(home / ".local" / "bin"), path) for path in shown("agent"))


def test_a_package_of_npm_shows_its_node_modules_and_stays_a_link(home: Path) -> None:
    real = program(home / ".npm" / "lib" / "node_modules" / "@x" / "agent" / "cli.js", "#!/usr/bin/env node\n")
    node = program(home / ".nvm" / "bin" / "node")
    (home / ".local" / "bin" / "agent").symlink_to(real)
    (home / ".local" / "bin" / "node").symlink_to(node)
    found = list(surroundings.program("agent"))
    assert Mount(str(home / ".npm" / "lib" / "node_modules"), Access.READ) in found
    assert Link(str(home / ".local" / "bin" / "agent"), str(real)) in found
    assert Mount(str(node), Access.READ) in found
    assert Link(str(home / ".local" / "bin" / "node"), str(node)) in found


def test_a_program_of_a_python_environment_shows_the_environment(home: Path) -> None:
    program(home / "env" / "bin" / "tool")
    (home / "env" / "pyvenv.cfg").touch()
    assert str(home / "env") in shown(str(home / "env" / "bin" / "tool"))


def test_a_script_that_runs_itself_does_not_lead_on_for_ever(home: Path) -> None:
    agent = home / ".local" / "bin" / "agent"
    program(agent, f"#!{agent}\n")
    assert set(shown("agent")) == {str(agent)}


def test_a_program_that_is_not_there_shows_nothing(home: Path) -> None:
    assert shown("no-such-agent") == []
    assert shown("") == []


def test_the_engine_and_its_python_are_shown() -> None:
    found = [each.path for each in surroundings.engine() if isinstance(each, Mount)]
    needed = (os.path.dirname(loops.__file__), os.path.realpath(sys.prefix), os.path.realpath(sys.base_prefix))
    assert all(any(within(os.path.realpath(path), each) for each in found) for path in needed)


def test_nothing_secret_of_etc_is_shown() -> None:
    paths = [each.path for each in surroundings.system()]
    for secret in ("/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/etc/ssh/ssh_host_ed25519_key", "/etc/ssl/private"):
        assert not any(within(secret, path) for path in paths)
    assert any(within("/etc/passwd", path) for path in paths)
    assert not any(within(place, path) for place in ("/root", "/home", "/var", "/run", "/sys") for path in paths)


def test_of_the_environment_only_what_is_known_or_named_is_left() -> None:
    everything = {
        "PATH": "/bin",
        "LC_TIME": "C",
        "LOOPS_AGENT": "a",
        "GIT_AUTHOR_NAME": "A",
        "ANTHROPIC_API_KEY": "k",
        "AWS_SECRET_ACCESS_KEY": "k",
        "SSH_AUTH_SOCK": "/run/agent",
        "OWN": "1",
        "MINE": "1",
        "GIT_CONFIG_PARAMETERS": "x",
        "PYTHONPATH": "/elsewhere",
    }
    left = surroundings.kept(everything, {"OWN": "1"}, ("MINE",))
    assert sorted(left) == ["GIT_AUTHOR_NAME", "LC_TIME", "LOOPS_AGENT", "MINE", "OWN", "PATH"]


def test_an_engine_that_runs_from_its_source_does_so_inside() -> None:
    source = os.path.dirname(os.path.dirname(os.path.realpath(loops.__file__)))
    assert surroundings.kept({"PYTHONPATH": f"/elsewhere:{source}"}, {}, ())["PYTHONPATH"] == source
