"""The ways of a notice, against a real server and a real program: what arrives, what is said of a failure, what is never said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from email.header import decode_header
from pathlib import Path

import pytest
from listener import Listener
from loops.config.addresses import shown
from loops.config.model import Notify
from loops.notices import by_command, call
from loops.notices.channel import channels, send_all
from loops.notices.order import Fate, Message, Order, Outcome, decode_outcomes, encode_outcomes

KEY = "tk-planted-hunter2"
MESSAGE = Message("notice-1", "reboot", "demo: reboot", "the machine rebooted", "demo", "here", "2026-01-02T03:04:05Z")


def send(notify: Notify, root: Path, message: Message = MESSAGE, seconds: float = 30.0) -> tuple[Outcome, ...]:
    return send_all(list(channels(notify, str(root), os.environ, str(root / "agents.toml"))), message, seconds)


def private(path: Path, text: str, mode: int = 0o600) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return str(path)


# ---- ntfy ----------------------------------------------------------------------------------------------------------------


def ntfy(server: Listener, **more: str) -> Notify:
    return Notify(ntfy=f"http://{server.host}/my-topic", **more)


def test_a_topic_gets_the_text_with_title_kind_and_token(server: Listener, tmp_path: Path) -> None:
    token = private(tmp_path / "token", f"{KEY}\n")
    (outcome,) = send(ntfy(server, ntfy_token_file=token), tmp_path)
    assert outcome == Outcome("ntfy (127.0.0.1)", Fate.DELIVERED)
    (post,) = server.posts
    assert (post.path, post.body) == ("/my-topic", "the machine rebooted")
    assert (post.headers["title"], post.headers["tags"]) == ("demo: reboot", "reboot")
    assert post.headers["authorization"] == f"Bearer {KEY}"


def test_a_title_in_any_script_arrives(server: Listener, tmp_path: Path) -> None:
    send(ntfy(server), tmp_path, replace(MESSAGE, title="Über: 再起動", text="再起動"))
    ((raw, charset),) = decode_header(server.posts[0].headers["title"])
    assert raw.decode(charset) == "Über: 再起動"
    assert server.posts[0].body == "再起動"


@pytest.mark.parametrize("code", [401, 403, 404, 429, 500])
def test_a_refusal_is_a_failure_with_its_code(server: Listener, tmp_path: Path, code: int) -> None:
    server.answers = [code]
    (outcome,) = send(ntfy(server), tmp_path)
    assert outcome.fate is Fate.FAILED
    assert str(code) in outcome.why


def test_a_server_that_is_away_is_a_failure(server: Listener, tmp_path: Path) -> None:
    (outcome,) = send(Notify(ntfy="http://127.0.0.1:1/topic"), tmp_path)
    assert (outcome.fate, outcome.why) == (Fate.FAILED, "the server cannot be reached: Connection refused")


def test_an_answer_that_is_lost_may_mean_a_delivery(server: Listener, tmp_path: Path) -> None:
    server.answers = ["drop"]
    (outcome,) = send(ntfy(server), tmp_path)
    assert outcome.fate is Fate.UNKNOWN


def test_a_redirect_is_not_followed_with_the_token(server: Listener, tmp_path: Path) -> None:
    server.answers, server.redirect = [302], f"http://{server.host}/elsewhere"
    (outcome,) = send(ntfy(server, ntfy_token_file=private(tmp_path / "token", KEY)), tmp_path)
    assert outcome.fate is Fate.FAILED
    assert [post.path for post in server.posts] == ["/my-topic"]


def test_a_channel_that_hangs_holds_up_no_other_and_may_have_delivered(server: Listener, tmp_path: Path) -> None:
    server.answers = ["hang"]
    hung, ran = send(replace(ntfy(server), command=("true",)), tmp_path, seconds=3.0)
    assert (hung.fate, ran.fate) == (Fate.UNKNOWN, Fate.DELIVERED)


# ---- apprise -------------------------------------------------------------------------------------------------------------


def test_apprise_posts_to_its_address(server: Listener, tmp_path: Path) -> None:
    pytest.importorskip("apprise", reason="apprise is not installed")
    (outcome,) = send(Notify(urls=(f"json://{server.host}/hook",)), tmp_path)
    assert outcome == Outcome("urls 1 (json)", Fate.DELIVERED)
    (post,) = server.posts
    assert post.path.rstrip("/") == "/hook"
    assert (post.json["title"], post.json["message"]) == ("demo: reboot", "the machine rebooted")


def test_addresses_come_from_private_files_one_a_line(server: Listener, tmp_path: Path) -> None:
    pytest.importorskip("apprise", reason="apprise is not installed")
    text = f"# where we sit\njson://{server.host}/one\n\njson://user:{KEY}@{server.host}/two\n"
    private(tmp_path / ".config/loops/credentials/notify", text)
    outcomes = send(Notify(url_files=("credential:notify",)), tmp_path)
    assert [each.channel for each in outcomes] == ["url_files 1 line 2 (json)", "url_files 1 line 4 (json)"]
    assert {each.fate for each in outcomes} == {Fate.DELIVERED}
    assert {post.path.rstrip("/") for post in server.posts} == {"/one", "/two"}


def test_of_an_address_that_holds_a_key_the_file_alone_has_all(server: Listener, tmp_path: Path) -> None:
    pytest.importorskip("apprise", reason="apprise is not installed")
    hidden = Notify(urls=(f"json://{server.host}/one", shown(f"json://user:{KEY}@{server.host}/two")))
    (tmp_path / "agents.toml").write_text(
        f'[notify]\nurls = ["json://{server.host}/one", "json://user:{KEY}@{server.host}/two"]\n'
    )
    outcomes = send(hidden, tmp_path)
    assert KEY not in str(hidden)
    assert outcomes == (Outcome("urls 1 (json)", Fate.DELIVERED), Outcome("urls 2 (json)", Fate.DELIVERED))
    assert {post.path.rstrip("/") for post in server.posts} == {"/one", "/two"}


@pytest.mark.parametrize(
    "text",
    [
        None,
        f'urls = "discord://{KEY}',
        'notify = "no table"',
        "[notify]\nurls = 7",
        "[notify]\nurls = [7]",
        f'[notify]\nurls = ["tgram://{KEY}"]',
        f'[notify]\nurls = []\n# "discord://{KEY}"',
    ],
    ids=["no file", "no TOML", "no table", "no list", "no address", "another service", "no longer there"],
)
def test_an_address_that_the_file_no_longer_has_is_a_failure_that_shows_no_key(
    tmp_path: Path, text: str | None
) -> None:
    if text is not None:
        (tmp_path / "agents.toml").write_text(text)
    (outcome,) = send(Notify(urls=(shown(f"discord://{KEY}"),)), tmp_path)
    assert (outcome.channel, outcome.fate) == ("urls 1 (discord)", Fate.FAILED)
    assert "is not to be found in" in outcome.why
    assert KEY not in outcome.why


@pytest.mark.parametrize(("answer", "fate"), [(500, Fate.FAILED), ("drop", Fate.UNKNOWN)])
def test_what_apprise_could_not_send_is_told_without_the_address(
    server: Listener, tmp_path: Path, answer: int | str, fate: Fate
) -> None:
    pytest.importorskip("apprise", reason="apprise is not installed")
    server.answers = [answer]
    (outcome,) = send(Notify(urls=(f"json://user:{KEY}@{server.host}/{KEY}",)), tmp_path)
    assert outcome.fate is fate
    assert KEY not in outcome.channel + outcome.why


def test_an_address_that_apprise_does_not_know_is_a_failure(tmp_path: Path) -> None:
    pytest.importorskip("apprise", reason="apprise is not installed")
    (outcome,) = send(Notify(urls=(f"nosuchservice://{KEY}",)), tmp_path)
    assert (outcome.fate, outcome.why) == (Fate.FAILED, "apprise does not understand this address")


def test_without_apprise_the_error_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    (outcome,) = send(Notify(urls=("json://127.0.0.1/",)), tmp_path)
    assert outcome.fate is Fate.FAILED
    assert "pip install apprise" in outcome.why


# ---- files ---------------------------------------------------------------------------------------------------------------


def test_a_file_that_others_may_read_is_refused_with_the_remedy(server: Listener, tmp_path: Path) -> None:
    path = private(tmp_path / "urls", f"json://{server.host}/{KEY}\n", mode=0o640)
    (outcome,) = send(Notify(url_files=(path,)), tmp_path)
    assert (outcome.channel, outcome.fate) == ("url_files 1", Fate.FAILED)
    assert "chmod 600" in outcome.why
    assert server.posts == []


@pytest.mark.parametrize("name", ["/nowhere/urls", "credential:nowhere"])
def test_a_file_that_is_missing_is_named(tmp_path: Path, name: str) -> None:
    (outcome,) = send(Notify(url_files=(name,)), tmp_path)
    assert outcome.fate is Fate.FAILED
    assert "nowhere" in outcome.why


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_a_file_without_an_address_is_a_failure(tmp_path: Path, text: str) -> None:
    (outcome,) = send(Notify(url_files=(private(tmp_path / "urls", text),)), tmp_path)
    assert outcome.fate is Fate.FAILED


# ---- a command -----------------------------------------------------------------------------------------------------------


def test_a_command_gets_json_a_small_environment_and_the_projects_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    script = "cat > got.json; env > env.txt; pwd > pwd.txt"
    (outcome,) = send(Notify(command=("sh", "-c", script, "$(touch evil)")), tmp_path)
    assert outcome == Outcome("command", Fate.DELIVERED)
    assert json.loads((tmp_path / "got.json").read_text()) == {
        "id": "notice-1",
        "kind": "reboot",
        "title": "demo: reboot",
        "text": "the machine rebooted",
        "project": "demo",
        "host": "here",
        "at": "2026-01-02T03:04:05Z",
    }
    environment = (tmp_path / "env.txt").read_text()
    assert "LOOPS_NOTICE_KIND=reboot" in environment
    assert KEY not in environment
    assert (tmp_path / "pwd.txt").read_text().strip() == str(tmp_path.resolve())
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    ("script", "why"), [("exit 3", "sh ended with exit code 3"), ("kill -9 $$", "sh ended with signal 9")]
)
def test_a_command_that_fails_is_a_failure_and_its_words_are_not_passed_on(
    tmp_path: Path, script: str, why: str
) -> None:
    (outcome,) = send(Notify(command=("sh", "-c", f"echo {KEY} >&2; {script}")), tmp_path)
    assert (outcome.fate, outcome.why) == (Fate.FAILED, why)


def test_a_command_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    (outcome,) = send(Notify(command=("/no/such/program",)), tmp_path)
    assert (outcome.fate, outcome.why) == (Fate.FAILED, "program cannot be run: No such file or directory")


def gone(stat: Path) -> bool:
    try:
        return " Z " in stat.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_command_that_does_not_end_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_command, "PATIENCE", 3.0)
    (outcome,) = send(Notify(command=("sh", "-c", "sleep 600 & echo $! > pid; wait")), tmp_path)
    assert outcome.fate is Fate.UNKNOWN
    stat = Path("/proc", (tmp_path / "pid").read_text().strip(), "stat")
    deadline = time.monotonic() + 60.0
    while not gone(stat):  # it is killed, and dies when it is its turn
        assert time.monotonic() < deadline, "it lives on"
        time.sleep(0.02)


def test_a_command_that_reads_nothing_is_no_trouble(tmp_path: Path) -> None:
    (outcome,) = send(Notify(command=("true",)), tmp_path, replace(MESSAGE, text="x" * 1_000_000))
    assert outcome.fate in (Fate.DELIVERED, Fate.FAILED)


# ---- the process ---------------------------------------------------------------------------------------------------------


def process(order: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(call.COMMAND, input=order, capture_output=True, cwd="/", timeout=60, check=False)


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))


def test_the_process_sends_what_is_on_its_standard_input(server: Listener, tmp_path: Path) -> None:
    order = Order(MESSAGE, replace(ntfy(server), command=("sh", "-c", "cat > got.json")), str(tmp_path))
    ran = process(order.encode())
    assert call.outcomes(ran.returncode, ran.stdout) == (
        Outcome("ntfy (127.0.0.1)", Fate.DELIVERED),
        Outcome("command", Fate.DELIVERED),
    )
    assert len(server.posts) == 1
    assert ran.stderr == b""


def test_a_channel_that_has_it_does_not_get_it_again(server: Listener, tmp_path: Path) -> None:
    ways = replace(ntfy(server), command=("sh", "-c", "cat > got.json"))
    ran = process(Order(MESSAGE, ways, str(tmp_path), settled=("ntfy (127.0.0.1)",)).encode())
    assert [each.channel for each in call.outcomes(ran.returncode, ran.stdout) or ()] == ["command"]
    assert server.posts == []


def test_no_key_shows_in_what_the_process_prints_or_in_its_arguments(server: Listener, tmp_path: Path) -> None:
    server.answers = [500, 500]
    ways = replace(
        ntfy(server, ntfy_token_file=private(tmp_path / "token", KEY)),
        urls=(f"json://user:{KEY}@{server.host}/{KEY}", f"bad://{KEY}"),
        command=("sh", "-c", "tr '\\0' '\\n' < /proc/$PPID/cmdline > argv; cat /proc/$PPID/environ > env; exit 1"),
    )
    ran = process(Order(MESSAGE, ways, str(tmp_path)).encode())
    assert KEY.encode() not in ran.stdout + ran.stderr
    assert KEY not in (tmp_path / "argv").read_text()
    assert KEY.encode() not in (tmp_path / "env").read_bytes()


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b'{"message": 1, "notify": {}}', b"\xff", KEY.encode()])
def test_an_order_that_is_none_is_refused_without_a_traceback(raw: bytes) -> None:
    ran = process(raw)
    assert ran.returncode == 1
    assert b"Traceback" not in ran.stderr
    assert KEY.encode() not in ran.stderr
    assert call.outcomes(ran.returncode, ran.stdout) is None


def test_an_order_and_its_outcomes_come_back_as_they_were(tmp_path: Path) -> None:
    ways = Notify(
        urls=("json://x",), url_files=("/f",), ntfy="http://n/t", ntfy_token_file="credential:t", command=("c",)
    )
    order = Order(MESSAGE, ways, str(tmp_path), ("command",), "/p/agents.toml")
    assert Order.decode(order.encode()) == order
    older = json.loads(order.encode())
    del older["config"]
    assert Order.decode(json.dumps(older).encode()) == replace(order, config="")
    outcomes = (Outcome("a", Fate.DELIVERED), Outcome("b", Fate.UNKNOWN, "why"))
    assert decode_outcomes(encode_outcomes(outcomes).encode()) == outcomes


@pytest.mark.parametrize("output", [b"", b"{}", b"[[1]]", b'[["a", "strange", ""]]', b"\xff"])
def test_an_answer_that_is_none_says_that_nobody_knows(output: bytes) -> None:
    assert call.outcomes(0, output) in (None, ())
