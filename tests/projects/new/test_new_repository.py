"""``loops new`` on real repositories: what is made, what is pinned, and that nothing is left of what fails."""

from __future__ import annotations

import json
import os
import re
import threading
from pathlib import Path

import pytest
from engine_repository import EngineRepository, git
from loops import config, resources
from loops.cli import entry
from loops.config.backends import BUILT_IN
from loops.config.model import Verdicts
from loops.errors import LoopsError, UsageError
from loops.projects import new_engine
from loops.projects.new import Made, Order, create
from loops.projects.new_engine import Kind, Pin, flake_url
from loops.projects.new_names import Neighbour
from loops.projects.scaffold import AGENTS, Template, first_files
from loops.secrets.key_shapes import KEY_SHAPES

FLEET_WORDS = re.compile(r"(?i)fleet|sibling|neighbour|registered|other projects")


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    place = tmp_path / "projects"
    place.mkdir()
    return place


def files(root: Path) -> set[str]:
    return set(git(root, "ls-files").splitlines())


# ---- what is made ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("template", Template)
def test_every_template_is_a_valid_project_with_a_clone_for_each_agent(parent: Path, template: Template) -> None:
    made = create(Order("recipes", str(parent), template=template))

    project = config.load(f"{made.root}/agents.toml")
    assert config.check_files(project) == ()
    assert project.notes == ()
    assert project.session_prefix == "recipes-"
    assert {name: agent.dir for name, agent in project.agents.items()} == {
        name: f"{made.root}/work/{name}" for name in AGENTS[template]
    }
    handoff = project.loop.handoff
    assert handoff is not None
    assert (*handoff.builder, *handoff.adversary) == AGENTS[template]
    assert (project.loop.done.verdicts is Verdicts.OPTIONAL) == (template is Template.SOLO)


@pytest.mark.parametrize("backend", BUILT_IN)
@pytest.mark.parametrize("template", Template)
def test_every_template_goes_with_every_backend(tmp_path: Path, template: Template, backend: str) -> None:
    for name, text in first_files("recipes-", template, backend).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    project = config.load(str(tmp_path / "agents.toml"))

    assert config.check_files(project) == ()
    assert {agent.backend for agent in project.agents.values()} == {backend}


def test_what_was_made_is_told_to_people_and_to_programs(
    parent: Path, engine: EngineRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--dir", str(parent), "--engine", "v1", "--engine-url", engine.url]
    assert entry.run(["new", "recipes", *words]) == 0
    said = capsys.readouterr().out.splitlines()
    assert entry.run(["new", "lint", *words, "--template", "solo", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)

    assert f"engine pinned at {engine.tagged} (v1)" in said
    assert f"note: its URL is a path of this machine ({engine.url}); --engine-url names one for everybody" in said
    assert "config: agents.toml (session_prefix = recipes-)" in said
    assert said[-1] == "  " + " && ".join(f"python3 engine/agents.py {verb}" for verb in ("validate", "doctor", "up"))
    assert facts == {
        "ok": True,
        "root": f"{parent}/lint",
        "commit": git(parent / "lint", "rev-parse", "HEAD"),
        "session_prefix": "lint-",
        "template": "solo",
        "engine": {"kind": "submodule", "url": engine.url, "ref": "v1", "commit": engine.tagged},
        "command": "python3 engine/agents.py",
        "fleet": None,
    }


def test_what_is_to_be_typed_next_can_be_pasted_wherever_the_project_lies(
    parent: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert entry.run(["new", "recipes", "--dir", str(parent / "my work")]) == 0

    assert f"  cd '{parent}/my work/recipes'" in capsys.readouterr().out.splitlines()


def test_a_flake_input_that_nobody_else_can_fetch_is_said(
    parent: Path, engine: EngineRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    assert entry.run(["new", "recipes", "--dir", str(parent), "--flake", "v1", "--engine-url", engine.url]) == 0

    assert f"note: its URL is a path of this machine ({engine.url})" in capsys.readouterr().out


def test_it_is_a_repository_on_main_with_one_commit_and_nothing_left_over(parent: Path) -> None:
    made = create(Order("recipes", str(parent)))

    root = parent / "recipes"
    assert made.root == str(root)
    assert git(root, "symbolic-ref", "HEAD") == "refs/heads/main"
    assert git(root, "log", "--format=%H %s") == f"{made.commit} Begin recipes"
    assert git(root, "status", "--porcelain") == ""
    assert os.listdir(parent) == ["recipes"]
    assert files(root) == {
        ".gitignore",
        "README.md",
        "agents.toml",
        "plans/plan-phase1.md",
        "prompts/adversary.md",
        "prompts/builder.md",
        "prompts/kickoff.md",
    }


def test_what_the_engine_and_the_agents_make_is_ignored(parent: Path) -> None:
    root = Path(create(Order("recipes", str(parent))).root)

    for place in (".loops/state", "work/builder"):
        (root / place).mkdir(parents=True)
        (root / place / "file").touch()

    assert git(root, "status", "--porcelain", "--untracked-files=all") == ""


@pytest.mark.parametrize("template", Template)
@pytest.mark.parametrize("kind", Kind)
def test_a_project_knows_nothing_of_any_fleet(
    parent: Path, engine: EngineRepository, template: Template, kind: Kind
) -> None:
    order = Order("recipes", str(parent), template=template, engine=kind, ref="v1", url=engine.url)

    root = Path(create(order).root)

    for name in files(root) - {"engine"}:
        said = FLEET_WORDS.findall((root / name).read_text())
        assert not said, f"{name} speaks of {said}"


def test_the_readme_names_the_clones_and_the_command_of_this_project(parent: Path, engine: EngineRepository) -> None:
    order = Order("recipes", str(parent), template=Template.REVIEWERS, engine=Kind.SUBMODULE, ref="v1", url=engine.url)

    text = Path(create(order).root, "README.md").read_text()

    assert "$ git clone URL work/reviewer-2\n" in text
    assert "$ python3 engine/agents.py up\n" in text
    assert f"{engine.tagged[:10]} (v1)" in text
    assert not re.search(r"@[A-Z]+@", text)


# ---- who commits -------------------------------------------------------------------------------------------------------


def test_where_git_knows_nobody_the_first_commit_is_made_all_the_same(parent: Path) -> None:
    root = Path(create(Order("recipes", str(parent))).root)

    assert git(root, "log", "--format=%an <%ae> %cn <%ce>") == "loops <loops@localhost> loops <loops@localhost>"
    assert "user" not in Path(root, ".git", "config").read_text()


def test_the_users_own_name_signs_the_first_commit(
    parent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home" / ".gitconfig").write_text("[user]\nname = Ada\nemail = ada@example.org\n")
    monkeypatch.setenv("GIT_COMMITTER_NAME", "Grace")

    root = Path(create(Order("recipes", str(parent))).root)

    assert git(root, "log", "--format=%an <%ae> %cn <%ce>") == "Ada <ada@example.org> Grace <ada@example.org>"


def test_what_the_user_ignores_everywhere_is_committed_all_the_same(
    parent: Path, engine: EngineRepository, tmp_path: Path
) -> None:
    (tmp_path / "ignored").write_text("prompts/\n*.toml\nengine\n")
    (tmp_path / "home" / ".gitconfig").write_text(f"[core]\n\texcludesFile = {tmp_path}/ignored\n")

    create(Order("recipes", str(parent), engine=Kind.SUBMODULE, ref="v1", url=engine.url))

    committed = git(parent / "recipes", "ls-files").splitlines()
    assert {"agents.toml", "prompts/builder.md", "prompts/kickoff.md", "engine"} <= set(committed)


def test_a_first_commit_that_git_refuses_is_said_and_nothing_is_made(parent: Path, tmp_path: Path) -> None:
    (tmp_path / "home" / ".gitconfig").write_text("[commit]\n\tgpgsign = true\n[gpg]\n\tprogram = /bin/false\n")

    with pytest.raises(LoopsError, match=r"/recipes: git commit failed: .*gpg.*; nothing was made") as caught:
        create(Order("recipes", str(parent)))

    assert ".recipes.new-" not in str(caught.value)
    assert os.listdir(parent) == []


def test_inside_a_hook_of_another_repository_it_is_a_repository_of_its_own(
    parent: Path, engine: EngineRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(engine.root / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(engine.root))
    monkeypatch.setenv("GIT_INDEX_FILE", str(engine.root / ".git" / "index"))

    root = Path(create(Order("recipes", str(parent))).root)

    monkeypatch.delenv("GIT_DIR")
    monkeypatch.delenv("GIT_WORK_TREE")
    monkeypatch.delenv("GIT_INDEX_FILE")
    assert "agents.toml" in files(root)
    assert git(engine.root, "rev-parse", "main") == engine.head


# ---- the engine --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ref", "wanted", "name"),
    [
        ("v1", "tagged", "refs/tags/v1"),
        ("main", "head", "refs/heads/main"),
    ],
)
def test_a_tag_or_branch_is_pinned_at_its_own_commit(
    parent: Path, engine: EngineRepository, ref: str, wanted: str, name: str
) -> None:
    made = create(Order("recipes", str(parent), engine=Kind.SUBMODULE, ref=ref, url=engine.url))

    commit = getattr(engine, wanted)
    root = Path(made.root)
    assert made.pin == Pin(engine.url, ref, commit, name)
    assert git(root, "ls-tree", "HEAD", "engine").split()[:3] == ["160000", "commit", commit]
    assert git(root / "engine", "rev-parse", "HEAD") == commit
    assert git(root / "engine", "rev-parse", "--abbrev-ref", "HEAD") == "HEAD"  # detached
    assert git(root, "config", "--file", ".gitmodules", "submodule.engine.url") == engine.url
    assert git(root, "submodule", "status").startswith(f"{commit} engine")


def test_a_tag_that_is_called_like_a_branch_comes_first(parent: Path, engine: EngineRepository) -> None:
    git(engine.root, "branch", "v1", "main")

    made = create(Order("recipes", str(parent), engine=Kind.SUBMODULE, ref="v1", url=engine.url))

    assert made.pin is not None
    assert made.pin.commit == engine.tagged


@pytest.mark.parametrize("length", [8, 40])
def test_a_commit_can_be_named_itself(parent: Path, engine: EngineRepository, length: int) -> None:
    made = create(Order("recipes", str(parent), engine=Kind.SUBMODULE, ref=engine.tagged[:length], url=engine.url))

    assert made.pin == Pin(engine.url, engine.tagged[:length], engine.tagged)


def test_a_commit_that_no_branch_leads_to_is_asked_for(parent: Path, engine: EngineRepository) -> None:
    git(engine.root, "config", "uploadpack.allowAnySHA1InWant", "true")

    made = create(Order("recipes", str(parent), engine=Kind.SUBMODULE, ref=engine.lone, url=f"file://{engine.root}"))

    assert made.pin is not None
    assert made.pin.commit == engine.lone


def test_the_submodule_is_whole_wherever_the_project_is_moved(parent: Path, engine: EngineRepository) -> None:
    made = create(Order("recipes", str(parent), engine=Kind.SUBMODULE, ref="v1", url=engine.url))

    moved = parent / "elsewhere"
    os.rename(made.root, moved)

    assert git(moved / "engine", "status", "--porcelain") == ""
    assert git(moved, "status", "--porcelain") == ""
    assert (moved / "engine" / ".git").is_file()


def test_a_clone_of_the_project_has_the_engine_at_the_pin(
    parent: Path, engine: EngineRepository, tmp_path: Path
) -> None:
    made = create(Order("recipes", str(parent), engine=Kind.SUBMODULE, ref="v1", url=engine.url))

    allowed = ("-c", "protocol.file.allow=always")
    git(tmp_path, *allowed, "clone", "--quiet", "--recurse-submodules", made.root, "cold")

    assert git(tmp_path / "cold" / "engine", "rev-parse", "HEAD") == engine.tagged


@pytest.mark.parametrize(
    ("ref", "told"),
    [
        ("v2", "has no tag, branch or commit 'v2'; its newest tags: v1"),
        ("--upload-pack=x", "names no tag, branch or commit"),
        ("main~1", "names no tag, branch or commit"),
        ("", "names no tag, branch or commit"),
        ("0" * 40, "has no tag, branch or commit"),
        ("HEAD", "has no tag, branch or commit 'HEAD'"),
        ("old", "is no engine that a project can pin: it has no agents.py"),
    ],
)
def test_a_ref_that_is_no_engine_is_refused_and_nothing_is_made(
    parent: Path, engine: EngineRepository, ref: str, told: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(told)):
        create(Order("recipes", str(parent), engine=Kind.SUBMODULE, ref=ref, url=engine.url))

    assert os.listdir(parent) == []


@pytest.mark.parametrize("kind", [Kind.SUBMODULE, Kind.FLAKE])
def test_an_engine_that_refuses_the_template_is_not_pinned(parent: Path, engine: EngineRepository, kind: Kind) -> None:
    (engine.root / "agents.py").write_text("import sys\nsys.exit(f'{sys.argv[-1]}:40: there is no such key')\n")
    git(engine.root, "commit", "--quiet", "-am", "an engine of its own mind")

    with pytest.raises(LoopsError, match="main is too old for this template, or broken") as caught:
        create(Order("recipes", str(parent), engine=kind, ref="main", url=engine.url))

    assert f"{parent}/recipes/agents.toml:40: there is no such key" in str(caught.value)
    assert os.listdir(parent) == []


def test_a_flake_needs_an_engine_with_a_flake(parent: Path, engine: EngineRepository) -> None:
    with pytest.raises(UsageError, match=r"no flake\.nix and no agents\.py"):
        create(Order("recipes", str(parent), engine=Kind.FLAKE, ref="old", url=engine.url))


def test_a_word_of_nix_can_be_the_name_of_a_project(parent: Path, engine: EngineRepository) -> None:
    made = create(Order("with", str(parent), engine=Kind.FLAKE, ref="v1", url=engine.url))

    assert 'services.loops.projects."with" = {' in Path(made.root, "flake.nix").read_text()


def test_a_flake_names_the_commit_and_brings_no_submodule(parent: Path, engine: EngineRepository) -> None:
    made = create(Order("recipes", str(parent), engine=Kind.FLAKE, ref="v1", url=engine.url))

    text = Path(made.root, "flake.nix").read_text()
    assert f'inputs.loops.url = "git+file://{engine.root}?rev={engine.tagged}&ref=refs/tags/v1";' in text
    assert not Path(made.root, "engine").exists()
    assert ".gitmodules" not in files(Path(made.root))
    assert made.loops == "nix run . --"


@pytest.mark.parametrize(
    ("url", "flake"),
    [
        ("https://git.example.org/a/b.git", "git+https://git.example.org/a/b.git?rev=c0&ref=refs/heads/x"),
        ("ssh://git@example.org:22/a/b", "git+ssh://git@example.org:22/a/b?rev=c0&ref=refs/heads/x"),
        ("git@example.org:a/b.git", "git+ssh://git@example.org/a/b.git?rev=c0&ref=refs/heads/x"),
        ("/srv/my git/b", "git+file:///srv/my%20git/b?rev=c0&ref=refs/heads/x"),
    ],
)
def test_every_kind_of_url_is_written_as_nix_wants_it(url: str, flake: str) -> None:
    assert flake_url(Pin(url, "x", "c0", "refs/heads/x")) == flake


def test_a_commit_of_no_branch_is_looked_for_everywhere() -> None:
    assert flake_url(Pin("https://h/b", "c0", "c0")) == "git+https://h/b?rev=c0&allRefs=1"


# ---- where the engine is -----------------------------------------------------------------------------------------------


def test_by_itself_the_engine_is_the_one_that_runs_by_its_origin(
    engine: EngineRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "repository", lambda: engine.url)

    alone = new_engine.engine_url("")
    git(engine.root, "remote", "add", "origin", "https://git.example.org/engine.git")

    assert alone == engine.url
    assert new_engine.engine_url("") == "https://git.example.org/engine.git"


def test_an_installed_engine_asks_for_its_url(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "repository", lambda: "")

    with pytest.raises(UsageError, match="name it with --engine-url URL"):
        create(Order("recipes", str(parent), engine=Kind.SUBMODULE, ref="v1"))


@pytest.mark.parametrize(
    "url",
    [
        "https://me:s3cret@h/x.git",
        "https://s3cret@h/x.git",
        "HTTPS://s3cret@h/x.git",
        "ssh://git:s3cret@h/x.git",
        f"https://h/x.git?token={KEY_SHAPES[0].sample}s3cret",
        f"ssh://{KEY_SHAPES[0].sample}s3cret@h/x.git",
    ],
)
def test_a_url_with_a_password_is_refused_and_not_repeated(parent: Path, url: str) -> None:
    with pytest.raises(UsageError, match="credential helper") as caught:
        create(Order("recipes", str(parent), engine=Kind.SUBMODULE, ref="v1", url=url))

    assert "s3cret" not in str(caught.value)
    assert KEY_SHAPES[0].sample not in str(caught.value)


def test_a_url_that_nobody_answers_at_is_said_and_nothing_is_made(parent: Path, tmp_path: Path) -> None:
    url = f"file://{tmp_path}/nowhere"

    with pytest.raises(LoopsError, match="nothing was made: git clone failed") as caught:
        create(Order("recipes", str(parent), engine=Kind.SUBMODULE, ref="v1", url=url))

    assert str(caught.value).startswith(f"{url}: ")
    assert ".recipes.new-" not in str(caught.value)
    assert os.listdir(parent) == []


# ---- prefixes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "prefix", "told"),
    [
        ("re", "", "is the beginning of that of recipes"),
        ("re", "recipes-", "is that of recipes"),
        ("re", "recipes-x-", "begins like that of recipes, 'recipes-'"),
        ("other", "far", "'far-away-'"),
    ],
)
def test_a_prefix_that_could_be_taken_for_a_neighbours_is_refused(
    parent: Path, name: str, prefix: str, told: str
) -> None:
    create(Order("recipes", str(parent), prefix="re-cipes-" if name == "re" and not prefix else ""))
    far = Neighbour("far-away", "far-away-", "/elsewhere/agents.toml")

    with pytest.raises(UsageError, match=re.escape(told)) as caught:
        create(Order(name, str(parent), prefix=prefix, neighbours=[far]))

    proposed = re.search(r"--prefix (\S+)$", str(caught.value))
    assert proposed
    create(Order(name, str(parent), prefix=proposed[1], neighbours=[far]))


@pytest.mark.parametrize("prefix", ["a b", "-x", "a.b", "a:b", "ä-"])
def test_a_prefix_that_no_session_can_begin_with_is_refused(parent: Path, prefix: str) -> None:
    with pytest.raises(UsageError, match="choose another"):
        create(Order("recipes", str(parent), prefix=prefix))


def test_an_unknown_backend_is_refused_with_the_nearest(parent: Path) -> None:
    with pytest.raises(UsageError, match='did you mean "claude"'):
        create(Order("recipes", str(parent), backend="cluade"))

    assert os.listdir(parent) == []


# ---- all or nothing ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "put",
    [
        lambda path: path.mkdir(),
        lambda path: path.write_text("mine"),
        lambda path: path.symlink_to("nowhere"),
    ],
    ids=["an empty directory", "a file", "a dangling link"],
)
def test_what_is_there_is_never_written_over(parent: Path, put: object) -> None:
    put(parent / "recipes")  # type: ignore[operator]
    before = os.lstat(parent / "recipes")

    with pytest.raises(UsageError, match="is there already"):
        create(Order("recipes", str(parent)))

    assert os.lstat(parent / "recipes") == before
    assert os.listdir(parent) == ["recipes"]


def test_what_comes_there_meanwhile_is_not_written_over_either(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = config.check_files
    monkeypatch.setattr(config, "check_files", lambda read: (os.mkdir(parent / "recipes"), check(read))[1])

    with pytest.raises(UsageError, match="is there by now"):
        create(Order("recipes", str(parent)))

    assert list((parent / "recipes").iterdir()) == []
    assert os.listdir(parent) == ["recipes"]


@pytest.mark.parametrize("what", [KeyboardInterrupt, LoopsError, OSError])
def test_what_fails_at_the_last_step_takes_everything_back(parent: Path, what: type[BaseException]) -> None:
    seen: list[bool] = []

    def refuse(made: Made) -> None:
        seen.append(Path(made.root, "agents.toml").is_file())
        raise what("no")

    with pytest.raises((what, LoopsError)):
        create(Order("recipes", str(parent / "deep" / "below")), refuse)

    assert seen == [True]
    assert os.listdir(parent) == []


def test_an_interrupt_in_the_middle_leaves_nothing(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("loops.projects.new._first_commit", interrupted)

    with pytest.raises(KeyboardInterrupt):
        create(Order("recipes", str(parent / "deep")))

    assert os.listdir(parent) == []


def test_a_parent_that_may_not_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(UsageError, match=r"/file: is in the way and no directory; nothing was made"):
        create(Order("recipes", str(tmp_path / "file" / "below")))


def test_a_parent_that_somebody_makes_meanwhile_is_used_and_left(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mkdir = os.mkdir

    def late(path: str, mode: int = 0o777) -> None:
        monkeypatch.setattr(os, "mkdir", mkdir)
        mkdir(path)
        mkdir(path)

    def refuse(made: Made) -> None:
        raise LoopsError("no")

    monkeypatch.setattr(os, "mkdir", late)

    with pytest.raises(LoopsError, match=r"^no$"):
        create(Order("recipes", str(parent / "deep")), refuse)

    assert os.listdir(parent) == ["deep"]
    assert os.listdir(parent / "deep") == []


def test_of_two_at_the_same_time_one_wins_and_the_other_changes_nothing(parent: Path) -> None:
    both = threading.Barrier(2)
    ended: list[str] = []

    def one() -> None:
        both.wait()
        try:
            ended.append(create(Order("recipes", str(parent))).commit)
        except UsageError as error:
            ended.append(str(error))

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    won = git(parent / "recipes", "rev-parse", "HEAD")
    assert won in ended
    assert sum("is not written over" in each for each in ended) == 1
    assert os.listdir(parent) == ["recipes"]
