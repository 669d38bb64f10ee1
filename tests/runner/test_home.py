"""The private home: logins that never become older, seeds that never take a file apart, links that lead nowhere."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import threading
import tomllib
from pathlib import Path
from typing import Any

import pytest
from loops.errors import ConfigError
from loops.known.all import KNOWN
from loops.runner import home
from loops.runner.order import RunOrder

CLAUDE, CODEX = KNOWN["claude"], KNOWN["codex"]


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own home, with nothing of a real one."""
    directory = tmp_path / "user"
    directory.mkdir()
    monkeypatch.setenv("HOME", str(directory))
    for known in KNOWN.values():
        for name in (*known.env, *known.keys):
            monkeypatch.delenv(name, raising=False)
    return directory


@pytest.fixture
def order(tmp_path: Path) -> RunOrder:
    return RunOrder(
        backend="claude",
        mode="tui",
        agent="builder",
        run="builder.1",
        directory='/srv/pro ject/with "quotes"',
        run_dir=str(tmp_path / "run"),
        home=str(tmp_path / "homes" / "builder"),
        signals="",
        answers="",
        bin="claude",
    )


def config(order: RunOrder, file: str = ".claude/.claude.json") -> dict[str, Any]:
    document: dict[str, Any] = json.loads((Path(order.home) / file).read_bytes())
    return document


def mode(path: str | Path) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def test_the_home_and_all_in_it_belong_to_the_run_alone(order: RunOrder, own: Path) -> None:
    (own / ".claude").mkdir()
    (own / ".claude" / ".credentials.json").write_text("{}")

    env = home.prepare(order, CLAUDE)

    assert env["CLAUDE_CONFIG_DIR"] == f"{order.home}/.claude"
    assert mode(order.home) == 0o700
    found = [path for path in Path(order.home).rglob("*") if path.is_file()]
    assert {path.name for path in found} == {".claude.json", ".credentials.json", "settings.json"}
    assert all(mode(path) == 0o600 for path in found)


@pytest.mark.parametrize("name", ["claude", "codex", "opencode", "pi"])
def test_every_directory_that_a_variable_names_is_there(name: str, order: RunOrder) -> None:
    env = home.prepare(order._replace(mode="headless"), KNOWN[name])
    places = [value for value in env.values() if value.startswith(order.home)]
    assert places
    assert all(os.path.isdir(place) and mode(place) == 0o700 for place in places)


@pytest.mark.parametrize("name", ["claude", "codex", "opencode", "pi"])
def test_a_second_time_changes_nothing(name: str, order: RunOrder, own: Path) -> None:
    for below in KNOWN[name].login:
        (own / below).parent.mkdir(parents=True)
        (own / below).write_text('{"token": 1}')
    home.prepare(order, KNOWN[name])
    before = {path: (path.stat().st_ino, path.read_bytes()) for path in Path(order.home).rglob("*") if path.is_file()}

    home.prepare(order, KNOWN[name])

    assert before
    assert before == {p: (p.stat().st_ino, p.read_bytes()) for p in Path(order.home).rglob("*") if p.is_file()}


def test_the_users_own_files_stay_as_they_are(order: RunOrder, own: Path) -> None:
    (own / ".codex").mkdir()
    for name in ("auth.json", "config.toml"):
        (own / ".codex" / name).write_text("# mine\n")
        os.utime(own / ".codex" / name, (1, 1))

    home.prepare(order, CODEX)

    assert sorted(os.listdir(own / ".codex")) == ["auth.json", "config.toml"]
    assert all((own / ".codex" / name).stat().st_mtime == 1 for name in ("auth.json", "config.toml"))
    assert "mine" not in (Path(order.home) / ".codex/config.toml").read_text()


def test_a_refreshed_token_is_not_overwritten_by_an_older_login_but_by_a_newer_one(order: RunOrder, own: Path) -> None:
    theirs = own / ".codex" / "auth.json"
    theirs.parent.mkdir()
    theirs.write_text("first login")
    os.utime(theirs, (1000, 1000))
    copy = Path(order.home) / ".codex" / "auth.json"
    home.prepare(order, CODEX)
    assert copy.read_text() == "first login"

    copy.write_text("refreshed")
    os.utime(copy, (2000, 2000))
    home.prepare(order, CODEX)
    assert copy.read_text() == "refreshed"

    theirs.write_text("second login")
    os.utime(theirs, (3000, 3000))
    home.prepare(order, CODEX)
    assert copy.read_text() == "second login"


def test_a_login_is_found_where_the_users_own_variable_has_it(
    order: RunOrder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "auth.json").write_text("mine")
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "elsewhere"))

    env = home.prepare(order, CODEX)

    assert (Path(order.home) / ".codex" / "auth.json").read_text() == "mine"
    assert env["CODEX_HOME"] == f"{order.home}/.codex"


@pytest.mark.parametrize("elsewhere", [False, True], ids=["in ~/.config", "where XDG_CONFIG_HOME has them"])
def test_a_private_config_directory_hides_no_git_settings_of_the_user(
    elsewhere: bool, order: RunOrder, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    above = own / 'the "other"' if elsewhere else own / ".config"
    if elsewhere:
        monkeypatch.setenv("XDG_CONFIG_HOME", str(above))
    (above / "git").mkdir(parents=True)
    (above / "git" / "config").write_text("[user]\n\tname = Somebody\n")
    (own / ".gitconfig").write_text("[user]\n\temail = somebody@example.invalid\n")
    variables = home.prepare(order._replace(backend="opencode"), KNOWN["opencode"])

    def asked(*words: str) -> str:
        env = {"PATH": os.environ["PATH"], "HOME": str(own), "GIT_CONFIG_NOSYSTEM": "1", **variables}
        return subprocess.run(
            ["git", "config", *words], env=env, cwd=own, capture_output=True, text=True
        ).stdout.strip()

    assert (asked("user.name"), asked("user.email")) == ("Somebody", "somebody@example.invalid")
    (Path(order.home) / ".config" / "git" / "config").write_text("[user]\n\tname = The agent\n")
    home.prepare(order._replace(backend="opencode"), KNOWN["opencode"])
    assert asked("user.name") == "The agent"
    assert (above / "git" / "config").read_text() == "[user]\n\tname = Somebody\n"


def test_files_named_in_agents_toml_replace_the_login(order: RunOrder, own: Path, tmp_path: Path) -> None:
    (own / ".codex").mkdir()
    (own / ".codex" / "auth.json").write_text("mine")
    (tmp_path / "config.toml").write_text('model = "m"\n')

    home.prepare(order._replace(home_files=((".codex/config.toml", str(tmp_path / "config.toml")),)), CODEX)

    assert os.listdir(Path(order.home) / ".codex") == ["config.toml"]
    written = tomllib.loads((Path(order.home) / ".codex/config.toml").read_text())
    assert written == {"model": "m", "projects": {order.directory: {"trust_level": "trusted"}}}


@pytest.mark.parametrize("place", ["../out", "/etc/passwd", "a/../../b", ""])
def test_a_file_outside_the_home_is_refused(place: str, order: RunOrder, tmp_path: Path) -> None:
    (tmp_path / "source").write_text("x")

    with pytest.raises(ConfigError, match="inside the private home"):
        home.prepare(order._replace(home_files=((place, str(tmp_path / "source")),)), CODEX)


def test_a_named_file_that_is_missing_is_said(order: RunOrder) -> None:
    with pytest.raises(ConfigError, match=r"'/no/such'.*agents\.toml"):
        home.prepare(order._replace(home_files=(("a", "/no/such"),)), CODEX)


def test_what_the_agent_changed_keeps_its_other_keys(order: RunOrder) -> None:
    home.prepare(order, CLAUDE)
    path = Path(order.home) / ".claude/.claude.json"
    changed = config(order) | {"numStartups": 7, "theme": "light"}
    changed["projects"][order.directory] = {"hasTrustDialogAccepted": False, "history": ["a"]}
    path.write_text(json.dumps(changed))

    home.prepare(order, CLAUDE)

    after = config(order)
    assert (after["numStartups"], after["theme"]) == (7, "light")
    assert after["projects"][order.directory] == {"hasTrustDialogAccepted": True, "history": ["a"]}


@pytest.mark.parametrize("broken", ["", "{", "[]", "\xff", '{"projects": 3}', "[" * 100_000])
def test_a_broken_configuration_is_begun_anew(broken: str, order: RunOrder) -> None:
    (Path(order.home) / ".claude").mkdir(parents=True)
    (Path(order.home) / ".claude/.claude.json").write_text(broken)

    home.prepare(order, CLAUDE)

    assert config(order)["projects"] == {order.directory: {"hasTrustDialogAccepted": True}}


@pytest.mark.parametrize(
    "standing", ['model = "a"', '[projects."/other"]\ntrust_level = "untrusted"\n', "# nothing\n\n", "[tui]\nx = 1\n"]
)
def test_a_toml_file_is_only_added_to(standing: str, order: RunOrder) -> None:
    path = Path(order.home) / ".codex/config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(standing)

    home.prepare(order, CODEX)

    text = path.read_text()
    assert text.startswith(standing)
    assert tomllib.loads(text)["projects"][order.directory] == {"trust_level": "trusted"}


@pytest.mark.parametrize("standing", ["projects = {}\n", "no toml", '[projects]\n"/x" = 1\n['])
def test_a_toml_file_that_cannot_be_added_to_is_left(standing: str, order: RunOrder) -> None:
    path = Path(order.home) / ".codex/config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(standing)

    home.prepare(order, CODEX)

    assert path.read_text() == standing


def test_only_the_end_of_a_key_that_is_there_is_seeded(order: RunOrder, monkeypatch: pytest.MonkeyPatch) -> None:
    home.prepare(order, CLAUDE)
    assert "customApiKeyResponses" not in config(order)

    monkeypatch.setenv("ANTHROPIC_API_KEY", "made-up-key-abcdefghijklmnopqrst")
    home.prepare(order, CLAUDE)
    home.prepare(order, CLAUDE)

    assert config(order)["customApiKeyResponses"] == {"approved": ["abcdefghijklmnopqrst"], "rejected": []}


def test_permissions_are_skipped_only_when_agents_toml_says_so(order: RunOrder) -> None:
    home.prepare(order._replace(permissions="ask"), CLAUDE)
    assert "skipDangerousModePermissionPrompt" not in config(order, ".claude/settings.json")

    home.prepare(order, CLAUDE)
    assert config(order, ".claude/settings.json")["skipDangerousModePermissionPrompt"] is True


def test_what_the_seeds_allow_is_told_as_approvals_without_the_key(
    order: RunOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "made-up-key-abcdefghijklmnopqrst")

    told = home.grants(order, CLAUDE)

    assert [name for name, _ in told] == ["trust", "key", "skip"]
    assert told[0][1] == f"trust the folder {order.directory}"
    assert "qrst" not in str(told)
    assert home.grants(order, KNOWN["opencode"]) == []


def test_without_a_terminal_interface_nothing_is_allowed_beforehand(order: RunOrder) -> None:
    headless = order._replace(mode="headless")
    home.prepare(headless, CLAUDE)
    assert "projects" not in config(order)
    assert home.grants(headless, CLAUDE) == []
    home.prepare(order, CLAUDE)
    assert config(order)["projects"][order.directory] == {"hasTrustDialogAccepted": True}


def test_an_agents_links_lead_nothing_out_of_its_home(order: RunOrder, own: Path) -> None:
    (own / "config").mkdir()
    (own / "config" / ".claude.json").write_text('{"mine": 1}')
    (own / "settings.json").write_text('{"mine": 2}')
    Path(order.home).mkdir(parents=True)
    (Path(order.home) / ".claude").symlink_to(own / "config")
    home.prepare(order, CLAUDE)
    (Path(order.home) / ".claude/settings.json").unlink()
    (Path(order.home) / ".claude/settings.json").symlink_to(own / "settings.json")

    home.prepare(order, CLAUDE)

    assert (own / "config" / ".claude.json").read_text() == '{"mine": 1}'
    assert (own / "settings.json").read_text() == '{"mine": 2}'
    assert "mine" not in config(order)
    assert "mine" not in config(order, ".claude/settings.json")


def test_several_at_a_time_lose_nothing(order: RunOrder) -> None:
    orders = [order._replace(directory=f"/srv/{number}") for number in range(8)]
    threads = [threading.Thread(target=home.prepare, args=(each, CLAUDE)) for each in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(config(order)["projects"]) == {each.directory for each in orders}
    assert not list(Path(order.home).rglob("*.new"))


def test_the_users_own_variables_win_over_defaults_only(order: RunOrder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAUDE_CODE_NO_FLICKER", "1")
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", "/mine")

    env = home.prepare(order, CLAUDE)

    assert "CLAUDE_CODE_NO_FLICKER" not in env
    assert env["CLAUDE_CONFIG_DIR"] == f"{order.home}/.claude"


@pytest.mark.parametrize("known", KNOWN.values(), ids=lambda known: known.name)
def test_every_variable_and_login_of_the_home_agree(known: Any) -> None:
    roots = [value.removeprefix("{home}/") for value in known.env.values() if "{home}" in value]
    for place in (*known.login.values(), *(seed.file for seed in known.seeds)):
        assert any(place.startswith(f"{root}/") for root in roots), place
