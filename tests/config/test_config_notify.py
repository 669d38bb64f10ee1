"""[notify]: where notices go."""

from __future__ import annotations

import json
import os

import pytest
from config_samples import Problems, Write
from loops import config
from loops.config.model import NoticeKind, Notify

HEAD = '[defaults]\nsession_prefix = "p-"\nlog_dir = ".loops"\n'
WHOLE = """
[notify]
urls = ["json://127.0.0.1/hook"]
url_files = ["keys/urls", "/run/urls", "credential:notify"]
ntfy = "https://ntfy.invalid/topic"
ntfy_token_file = "credential:ntfy"
command = ["bin/tell", "--loud"]
events = ["reboot", "limit"]
limit_after = "30m"
per_hour = 3
"""


def test_every_key_has_its_meaning(write: Write) -> None:
    path = write(HEAD + WHOLE)
    root = os.path.dirname(path)
    assert config.load(path).notify == Notify(
        urls=("json://127.0.0.1/hook",),
        url_files=(f"{root}/keys/urls", "/run/urls", "credential:notify"),
        ntfy="https://ntfy.invalid/topic",
        ntfy_token_file="credential:ntfy",
        command=(f"{root}/bin/tell", "--loud"),
        events=(NoticeKind.REBOOT, NoticeKind.LIMIT),
        limit_after=1800.0,
        per_hour=3,
    )


def test_without_the_table_everything_would_be_told_but_nothing_is_sent(write: Write) -> None:
    notify = config.load(write(HEAD)).notify
    assert not notify.channels
    assert set(notify.events) == set(NoticeKind) - {NoticeKind.TEST}
    assert (notify.limit_after, notify.per_hour) == (7200.0, 12)


def test_a_program_without_a_slash_is_looked_for_on_the_path(write: Write) -> None:
    assert config.load(write(f'{HEAD}[notify]\ncommand = ["notify-send"]\n')).notify.command == ("notify-send",)


def test_it_survives_the_cache_and_the_journal(write: Write) -> None:
    loaded = config.load(write(HEAD + WHOLE))
    assert config.decode(json.loads(json.dumps(config.encode(loaded)))) == loaded


def test_a_journal_of_an_engine_without_notices_can_still_be_read(write: Write) -> None:
    loaded = config.load(write(HEAD))
    encoded = config.encode(loaded)
    del encoded["notify"]
    assert config.decode(encoded) == loaded


def test_each_value_and_its_line_can_be_shown(write: Write) -> None:
    rows = {row.key: row for row in config.rows_with_origin(write(HEAD + WHOLE))}
    assert rows["notify.per_hour"].value == 3
    assert str(rows["notify.per_hour"].origin).endswith(":13")
    assert rows["notify.events"].value == ["reboot", "limit"]


@pytest.mark.parametrize(
    "url",
    [
        "discord://4711/hunter2",
        "tgram://hunter2/1",
        "json://user:hunter2@host/",
        "jsons://host/hook?token=hunter2",
        "JSON://hunter2@host",
    ],
)
def test_a_key_among_the_urls_is_noted_without_being_shown_and_stays_in_the_file(write: Write, url: str) -> None:
    path = write(f'{HEAD}[notify]\nurls = ["{url}"]\n')
    loaded = config.load(path)
    (note,) = loaded.notes
    assert loaded.notify.channels
    assert "hunter2" not in json.dumps(config.encode(loaded))  # which is what the journal and the cache keep
    assert "url_files" in note
    assert "hunter2" not in note
    (shown,) = [row.value for row in config.rows_with_origin(path) if row.key == "notify.urls"]
    assert shown == [f"{url.partition('://')[0].lower()}://[a key, not shown]"]


@pytest.mark.parametrize("url", ["json://127.0.0.1:8080/hook", "xmls://host/a/b", "syslog://"])
def test_an_address_without_a_key_is_no_note(write: Write, url: str) -> None:
    text = f'{HEAD}[notify]\nurls = ["{url}"]\n'
    if url.endswith("//"):
        text = text.replace("//", "//localhost")
    assert config.load(write(text)).notes == ()


def test_a_table_that_names_no_way_is_noted(write: Write) -> None:
    (note,) = config.load(write(f"{HEAD}[notify]\nper_hour = 2\n")).notes
    assert "nothing is sent" in note


@pytest.mark.parametrize(
    ("line", "key", "words"),
    [
        ('urls = ["hunter2"]', "notify.urls[0]", "must be an address such as json://host/path"),
        ('urls = "discord://4711/hunter2"', "notify.urls", "must be a list"),
        ('ntfy = "https://u:hunter2@ntfy.invalid/t"', "notify.ntfy", "without a name, a password or a query"),
        ('ntfy = "https://ntfy.invalid/t?auth=hunter2"', "notify.ntfy", "without a name, a password or a query"),
        ('ntfy = "https://ntfy.invalid"', "notify.ntfy", "a host and a topic"),
        ('ntfy_token_file = "t"', "notify.ntfy_token_file", "is for ntfy, which is missing"),
        ('url_files = ["credential:"]', "notify.url_files[0]", "must be a path, or credential:"),
        ('url_files = ["credential:../x"]', "notify.url_files[0]", "must be a path, or credential:"),
        ('events = ["rebot"]', "notify.events[0]", 'did you mean "reboot"?'),
        ("events = ['test']", "notify.events[0]", "must be"),
        ("per_hour = 0", "notify.per_hour", "must be at least 1"),
        ("command = []", "notify.command", "must be not empty"),
        ('comand = ["x"]', "notify.comand", 'did you mean "command"?'),
    ],
)
def test_a_mistake_is_told_with_its_place_and_never_with_a_key(
    problems: Problems, line: str, key: str, words: str
) -> None:
    (problem,) = problems(f"{HEAD}[notify]\n{line}\n")
    assert (problem.line, problem.key) == (5, key)
    assert words in problem.message
    assert "hunter2" not in problem.message


def test_an_address_in_the_place_of_the_table_is_not_shown_either(problems: Problems) -> None:
    (problem,) = problems(f'notify = "discord://4711/hunter2"\n{HEAD}')
    assert (problem.line, problem.key, problem.message) == (1, "notify", "must be a table that says where notices go")
