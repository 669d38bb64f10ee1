"""Whatever is live: the staged project is the same deployment, the same twice, and the live one is untouched."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from live_strategies import Launchers, Tree, engine_trees, launcher_trees
from loops import resources
from loops.errors import LoopsError
from loops.projects.deployment.facts import Place, facts
from loops.projects.deployment.model import Deployment
from loops.projects.deployment.reading import read
from loops.projects.migrate.staging import Staged, stage

OFTEN = settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
REACHED = {"state", "conversation", "phase index", "complete", "log_dir"}


@pytest.fixture(autouse=True)
def no_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit takes longer than all the rest of a migration; other tests look at it."""
    monkeypatch.setattr("loops.projects.migrate.staging.shutil.which", lambda name: None)


@contextmanager
def laid_out(tree: Tree) -> Iterator[tuple[Path, Path]]:
    """The tree on disk: the directory of everything, and that of the deployment."""
    root = Path(tempfile.mkdtemp(prefix="mig-"))
    try:
        yield root, tree.write(root)
    finally:
        shutil.rmtree(root)


def looks(root: Path) -> Mapping[str, object]:
    """All that a change would show in."""
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        about = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (about.st_ino, about.st_mtime_ns, about.st_mode, about.st_size, content)
    return found


def files_of(root: str) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(Path(root).rglob("*")) if path.is_file()}


def lasting(deployment: Deployment) -> dict[Place, str]:
    return {place: value for place, value in facts(deployment).items() if place.field not in REACHED}


def is_the_same(live: Deployment, staged: Staged) -> None:
    here = lasting(read(staged.root))
    there = lasting(live)
    assert {place: here.get(place) for place in there} == there
    assert {p for p in here if p.field == "present"} == {p for p in there if p.field == "present"}


@OFTEN
@given(engine_trees())
def test_a_migrated_engine_project_is_the_same_deployment_and_the_live_one_is_untouched(tree: Tree):
    with laid_out(tree) as (root, live):
        before = looks(live.parent)

        deployment = read(str(live))
        first = stage(deployment, str(root / "one"))
        second = stage(read(str(live)), str(root / "two"))

        is_the_same(deployment, first)
        assert files_of(first.root) == files_of(second.root)
        assert looks(live.parent) == before
        assert sorted(os.listdir(root)) == ["live", "one", "two"]


@OFTEN
@given(launcher_trees())
def test_migrated_launchers_are_the_same_deployment_and_nothing_of_them_was_run(tree: Launchers):
    with laid_out(tree) as (root, live):
        before = looks(live.parent)

        deployment = read(str(live))
        first = stage(deployment, str(root / "one"))
        second = stage(read(str(live)), str(root / "two"))

        is_the_same(deployment, first)
        assert len(deployment.kickoffs or ()) == 2 * len(tree.spec)
        assert [(s.id, s.plan, s.status) for s in deployment.steps or ()] == tree.spec
        assert files_of(first.root) == files_of(second.root)
        assert looks(live.parent) == before
        assert not list(root.rglob("ran"))


@OFTEN
@given(launcher_trees())
def test_no_value_of_a_secret_gets_into_the_staged_project(tree: Launchers):
    with laid_out(tree) as (root, live):
        staged = stage(read(str(live)), str(root / "one"))

        everything = b"\n".join(files_of(staged.root).values())
        assert b"not-a-real-one-but-a-secret" not in everything
        assert (b"credential:anthropic-api-key" in everything) is ("ANTHROPIC_API_KEY" in tree.settings)


@OFTEN
@given(launcher_trees())
def test_every_setting_becomes_a_fact_or_is_listed(tree: Launchers):
    with laid_out(tree) as (_, live):
        deployment = read(str(live))

        said = " ".join(f"{note.place} {note.what}" for note in deployment.untranslated)
        origins = " ".join(deployment.origins.values())
        for name in tree.files:
            if name.startswith(".") and not name.startswith((".loop-", ".phase")):
                assert name in said or name in origins, name
        if tree.settings.get("RESUME_PHASE", "0") != "1":
            assert "RESUME_PHASE" in said
        if "LOUD" in tree.settings:
            assert "LOUD" in said


@OFTEN
@given(engine_trees())
def test_the_reports_account_is_in_its_form(tree: Tree):
    with open(resources.schema("migration"), encoding="utf-8") as file:
        schema = json.load(file)
    with laid_out(tree) as (root, live):
        staged = stage(read(str(live)), str(root / "one"))

        told = json.loads(Path(staged.facts).read_text())
        jsonschema.validate(told, schema)
        assert {each["path"] for each in told["read"]} >= {str(live / "agents.toml")}
        assert all(line.isprintable() for line in Path(staged.report).read_text().splitlines())


@OFTEN
@given(engine_trees())
def test_what_is_carried_is_where_the_live_deployment_was(tree: Tree):
    with laid_out(tree) as (root, live):
        deployment = read(str(live))
        if deployment.at is None and not any(member.conversation for member in deployment.members):
            with pytest.raises(LoopsError, match="no state to carry"):
                stage(deployment, str(root / "one"), carry_state=True)
            assert not (root / "one").exists()
            return
        staged = stage(deployment, str(root / "one"), carry_state=True)

        again = read(staged.root)
        if deployment.at is not None and deployment.steps:
            assert again.at == deployment.at
        assert [m.conversation for m in again.members if m.kind != "task"] == [
            m.conversation for m in deployment.members if m.kind != "task"
        ]
