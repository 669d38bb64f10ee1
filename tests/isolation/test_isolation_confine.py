"""What one start's sandbox is made of: a real project on disk, and a bubblewrap that is taken for granted."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from loops.config.model import Agent, Backend, Config, Handoff, Kind, Loop, Phase, Watchdog
from loops.errors import LoopsError
from loops.isolation import confine
from loops.isolation.able import Ability
from loops.places import Runtime


def git(directory: Path, *words: str) -> None:
    who = ("-c", "user.name=x", "-c", "user.email=x@example.invalid", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", "-C", str(directory), *who, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class Made:
    """A project with a Builder and an Adversary."""

    def __init__(self, root: Path) -> None:
        self.root = root
        git(root, "init", "--quiet", "--bare", "remote.git")
        for name in ("builder", "adversary"):
            git(root, "clone", "--quiet", "remote.git", f"work/{name}")
        git(root / "work" / "builder", "commit", "--quiet", "--allow-empty", "--message", "x")
        (root / "agents.toml").touch()
        for folder in ("plans", ".loops/state/signals"):
            (root / folder).mkdir(parents=True)
        (root / "plans" / "one.md").write_text("plan")

    def confined(self, isolate: bool | None = True, **facts) -> confine.Confinement:
        root = self.root
        backend = Backend("claude", "claude")
        agents = [
            Agent(name, name, Kind.LOOP, str(root / "work" / name), backend="claude", isolate=isolate)
            for name in ("builder", "adversary")
        ]
        spec = replace(agents[1], **facts)
        config = Config(
            path=str(root / "agents.toml"),
            root=str(root),
            digest="",
            session_prefix="x-",
            log_dir=str(root / ".loops"),
            watchdog=Watchdog(),
            backends={"claude": backend},
            agents={"builder": agents[0], "adversary": spec},
            loop=Loop(handoff=Handoff(str(root / "work" / "builder")), phases=(Phase("1", plan="plans/one.md"),)),
        )
        signals = str(root / ".loops" / "state" / "signals" / "adversary.1.jsonl")
        how = confine.confine(confine.Start(config, Runtime(config.path), spec, backend, signals))
        assert how is not None
        return how


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    monkeypatch.setattr(confine, "ability", lambda **_: Ability("/usr/bin/bwrap"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    return Made(tmp_path.resolve())


def test_the_journal_is_told_what_is_its_own_and_what_it_may_read(made: Made) -> None:
    how, root = made.confined(), made.root
    assert set(how.reads) == {
        f"{root}/agents.toml",
        f"{root}/plans/one.md",
        *(f"{root}/remote.git/{n}" for n in ("config", "hooks")),
    }
    assert set(how.writes) == {
        f"{root}/work/adversary",
        f"{root}/remote.git",
        f"{root}/.loops/state/homes/adversary",
        f"{root}/.loops/state/signals/adversary.1.jsonl",
    }


def test_a_clone_with_the_repository_of_another_is_refused_or_goes_without(made: Made) -> None:
    subprocess.run(["rm", "-r", str(made.root / "work" / "adversary")], check=True)
    git(made.root / "work" / "builder", "worktree", "add", "--quiet", "../adversary")
    with pytest.raises(LoopsError, match="the repository of builder as well"):
        made.confined()
    assert "the repository of builder as well" in made.confined(None).lack


def test_an_agent_cannot_free_itself_by_leading_its_clone_elsewhere(made: Made) -> None:
    made.confined(None)
    git(made.root / "work" / "adversary", "remote", "set-url", "origin", str(made.root / "work" / "builder"))
    with pytest.raises(LoopsError, match="leads elsewhere"):
        made.confined(None)


def test_what_is_declared_in_anothers_clone_is_refused_even_by_default(made: Made) -> None:
    with pytest.raises(LoopsError, match="the clone of builder"):
        made.confined(None, reads=(str(made.root / "work" / "builder" / "docs"), str(made.root / "work" / "builder")))


def test_a_project_that_is_declared_whole_shows_all_but_the_others(made: Made) -> None:
    how = made.confined(reads=(str(made.root),))
    words = " ".join(how.wrap)
    assert f"--ro-bind {made.root} {made.root}" in words
    for hidden in (made.root / "work" / "builder", made.root / ".loops"):
        assert f"--tmpfs {hidden}" in words
        assert f"--remount-ro {hidden}" in words


def test_a_link_that_the_agent_could_have_made_is_not_followed(made: Made) -> None:
    secret = made.root / "secret"
    secret.mkdir()
    link = made.root / "work" / "adversary" / "shared"
    link.symlink_to(secret)
    with pytest.raises(LoopsError, match="declare the place that it leads to"):
        made.confined(reads=(str(link),))
    plan = made.root / "plans" / "one.md"
    plan.unlink()
    plan.symlink_to(secret)
    assert str(secret) in made.confined().reads  # the operator's own
    assert str(secret) not in made.confined(writes=(str(made.root / "plans"),)).reads


def test_it_is_wrapped_inside_by_the_runner_that_it_dies_with(made: Made) -> None:
    how = made.confined()
    assert not how.around_session
    assert 'exec "$@"' in how.wrap[2]
