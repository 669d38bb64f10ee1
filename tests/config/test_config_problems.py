"""What is wrong with a file, where, and what to do about it: one rule a line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from config_samples import Problems, Write
from loops import config
from loops.errors import ConfigError
from loops.secrets.key_shapes import KEY_SHAPES

HEAD = """\
[defaults]
session_prefix = "p-"
log_dir = ".loops"
backend = "demo"
"""
"""Four lines: what is added below starts on line 5."""

AGENT = '[[agent]]\nname = "a"\n'
SERVICE = '[[service]]\nname = "s"\ncommand = "true"\n'
KEY = KEY_SHAPES[0].sample
TASK = '[[agent]]\nname = "t"\nkind = "task"\n'


RULES = [
    # -- unknown keys, with the nearest known one, or the table that knows it
    ("[agents]\n", 5, "agents", 'did you mean "agent"?'),
    (f"{AGENT}rol = 'builder'\n", 7, "agent.a.rol", 'did you mean "role"?'),
    (f"{AGENT}zzz = 1\n", 7, "agent.a.zzz", "known here: backend, blind, budget"),
    (f"{AGENT}verdict_max_age = 1\n", 7, "agent.a.verdict_max_age", "there is no such key; known here"),
    (f"{AGENT}phases = []\n", 7, "agent.a.phases", "it belongs in [loop]"),
    ("[watchdog]\nstal_grace = 1\n", 6, "watchdog.stal_grace", 'did you mean "stall_grace"?'),
    ("[watchdog.budget]\ntoken = 1\n", 6, "watchdog.budget.token", 'did you mean "tokens"?'),
    ("[watchdog]\nrestart_backoff = { frist = 1 }\n", 6, "watchdog.restart_backoff.frist", 'mean "first"?'),
    ("[backend.demo]\nflag = []\n", 6, "backend.demo.flag", 'did you mean "flags"?'),
    (f"{SERVICE}model = 'm'\n", 8, "service.s.model", "it belongs in [defaults] or [[agent]]"),
    ("[loop]\nphases = [\n  { id = '1', pln = 'x' },\n]\n", 7, "loop.phases.1.pln", 'did you mean "plan"?'),
    ("[loop.handoff]\nrepo = '.'\nbrnch = 'x'\n", 7, "loop.handoff.brnch", 'did you mean "branch"?'),
    ("[loop]\ndone = { verdicts = 'no' }\n", 6, "loop.done.verdicts", 'must be "required" or "optional", not "no"'),
    # -- a phase that nobody would judge
    (
        "[loop]\ndone.verdicts = 'optional'\nphases = [\n  { id = '1', checks = ['true'] },\n  { id = '2' },\n]\n",
        9,
        "loop.phases.2",
        "nobody would judge it: verdicts are optional, and it has no checks; give it some",
    ),
    (
        "[loop]\ndone.verdicts = 'optional'\nphases = [{ id = '1', checks = [] }]\n",
        7,
        "loop.phases.1.checks",
        "nobody would judge it",
    ),
    # -- missing keys
    ("[[agent]]\nkind = 'task'\n", 5, "agent[0].name", 'is missing: add name = "builder"'),
    ("[[service]]\nname = 's'\n", 5, "service.s.command", 'is missing: add command = ["bin/cleanlogs"]'),
    ("[loop]\nhandoff = {}\n", 6, "loop.handoff.repo", 'is missing: add repo = "work/builder"'),
    ("[loop]\nphases = [\n{},\n]\n", 7, "loop.phases[0].id", 'is missing: add id = "1"'),
    (f"{AGENT}wake = {{ interval = 1 }}\n", 7, "agent.a.wake.prompt_file", "is missing: add prompt_file"),
    ("[backend.mine]\nflags = []\n", 5, "backend.mine.bin", 'is missing: add bin = "program"'),
    ("[prices.m]\ninput = 1\n", 5, "prices.m.output", "is missing: add output = 15.0  (USD for a million output"),
    ("[prices.m]\noutput = 1\n", 5, "prices.m.input", "is missing: add input = 3.0  (USD for a million input"),
    ("[backend.mine]\nadapter = 'acp'\n", 5, "backend.mine.command", 'is missing: add command = ["the-agent", "acp"]'),
    # -- what real agents are told
    (f"{AGENT}mode = 'gui'\n", 7, "agent.a.mode", 'must be "headless" or "tui", not "gui"'),
    (f"{AGENT}permissions = 'yolo'\n", 7, "agent.a.permissions", '"read", "ask", "edits" or "skip", not "yolo"'),
    (f"{AGENT}permissions = 'ask'\n", 7, "agent.a.permissions", 'cannot be "ask": nothing but its own flags'),
    (f"{AGENT}network = 'host'\n", 7, "agent.a.network", 'must be "open" or "none", not "host"'),
    ("[prices]\nm = 5\n", 6, "prices.m", "must be a table with input, cached and output, not 5"),
    ("[backend.claude]\nhome = { '/a' = 'x' }\n", 6, 'backend.claude.home."/a"', "must be a path in the private home"),
    ("[backend.mine]\ncommand = []\n", 6, "backend.mine.command", "must be not empty, not an empty list"),
    ("[backend.mine]\ncommand = ['x']\nmode = 'tui'\n", 7, "backend.mine.mode", 'cannot be "tui": the Agent Client'),
    (f"[backend.mine]\ncommand = 'x'\n{AGENT}backend = 'mine'\nmode = 'tui'\n", 10, "agent.a.mode", 'cannot be "tui"'),
    # -- secrets
    (f"{AGENT}env = {{ A = 'key {KEY}' }}\n", 7, "agent.a.env.A", "looks like a secret (provider key): put it into a file"),
    (f"{AGENT}credentials = {{ A = '{KEY}' }}\n", 7, "agent.a.credentials.A", "looks like a secret (provider key)"),
    (f"[backend.mine]\nbin = 'x'\nflags = ['--key', '{KEY}']\n", 7, "backend.mine.flags[1]", "looks like a secret"),
    (f"{AGENT}credentials = {{ A = 'a/b' }}\n", 7, "agent.a.credentials.A", "must be the name of a credential: letters"),
    (f"{AGENT}env = {{ A = 'x' }}\ncredentials = {{ A = 'a' }}\n", 8, "agent.a.credentials.A", "stands in env too"),
    # -- wrong types
    ("[agent]\nname = 'a'\n", 5, "agent", "must be a list, not a table: write [[agent]] with two brackets"),
    (f"{AGENT}enabled = 'yes'\n", 7, "agent.a.enabled", 'must be true or false, not "yes": write it without quotes'),
    (f"{AGENT}model = 5\n", 7, "agent.a.model", 'must be a text, not 5: write it in quotes, "5"'),
    (f"{AGENT}env = {{ A = true }}\n", 7, "agent.a.env.A", 'not true: write it in quotes, "true"'),
    (f"{AGENT}dir = 1979-05-27\n", 7, "agent.a.dir", "not the date or time 1979-05-27"),
    ("[loop]\nphases = { id = '1' }\n", 6, "loop.phases", "must be a list, not a table"),
    ("[loop]\nphases = [\n { id = 1 },\n]\n", 7, "loop.phases[0].id", 'must be a phase id: letters, digits'),
    ("[loop]\nphases = [{ id = '1', items = [\n 'D1',\n 2] }]\n", 8, "loop.phases.1.items[1]", "the id of an item"),
    ("[backend.demo]\nflags = 1\n", 6, "backend.demo.flags", "must be a list of texts, or one text that is split"),
    ("[[agent]]\nname = []\n", 6, "agent[0].name", "must be a name: letters, digits, - and _"),
    # -- closed sets, with the nearest member
    (f"{AGENT}kind = 'tsk'\n", 7, "agent.a.kind", '"loop", "persistent" or "task", not "tsk"; did you mean "task"?'),
    (f"{AGENT}watch = 'heal+stal'\n", 7, "agent.a.watch", 'did you mean "heal+stall"?'),
    ("[watchdog]\ntoken_granularity = 'gates'\n", 6, "watchdog.token_granularity", 'did you mean "gate"?'),
    ("[backend.demo]\nprompt_delivery = 7\n", 6, "backend.demo.prompt_delivery", '"arg", "ping" or "exec", not 7'),
    ("[backend.demo]\nadapter = 'magic'\n", 6, "backend.demo.adapter", '"opencode", "pi" or "acp", not "magic"'),
    # -- bounds
    ("[watchdog]\nsignal_interval = 0\n", 6, "watchdog.signal_interval", "must be a time of at least 0.1 s"),
    ("[watchdog]\nstall_grace = -1\n", 6, "watchdog.stall_grace", "must be a time: seconds (0 to 1000000000)"),
    ("[watchdog]\nstall_grace = nan\n", 6, "watchdog.stall_grace", "must be a number, not nan"),
    ("[watchdog]\nstall_grace = inf\n", 6, "watchdog.stall_grace", "must be a time: seconds (0 to 1000000000)"),
    ("[watchdog]\nstall_grace = '3 minutes'\n", 6, "watchdog.stall_grace", 'or a text such as "90s", "15m"'),
    ("[watchdog]\nstall_grace = '90s\\n'\n".replace("'", '"'), 6, "watchdog.stall_grace", "must be a time"),
    ("[watchdog]\nrestart_backoff = { jitter = 2 }\n", 6, "watchdog.restart_backoff.jitter", "at most 1, not 2"),
    ("[watchdog]\nrestart_backoff.factor = 0.5\n", 6, "watchdog.restart_backoff.factor", "must be at least 1, not 0.5"),
    (f"{AGENT}wake = {{ interval = 0, prompt_file = 'p' }}\n", 7, "agent.a.wake.interval", "of at least 0.1 s"),
    # -- forms
    ("[[agent]]\nname = 'a b'\n", 6, 'agent."a b".name', "must be a name: letters, digits, - and _"),
    (f"{AGENT}dir = '~/x'\n", 7, "agent.a.dir", "to the directory of this file (~ is not expanded)"),
    (f"{AGENT}dir = ''\n", 7, "agent.a.dir", "must be a path"),
    (f"{AGENT}env = {{ '1A' = 'x' }}\n", 7, 'agent.a.env.1A', "must be the name of an environment variable"),
    ("[backend.'a b']\nbin = 'x'\n", 5, 'backend."a b"', "must be a name"),
    ("[loop.handoff]\nrepo = '.'\ninbox = '../x'\n", 7, "loop.handoff.inbox", "without a leading / and without .."),
    ("[[service]]\nname = 's'\ncommand = []\n", 7, "service.s.command", "must be not empty, not an empty list"),
    ("[backend.demo]\nflags = 'it\\'s'\n".replace("\\'", '"'), 6, "backend.demo.flags", "close the quote"),
    # -- between the parts
    (f"{AGENT}{AGENT}", 8, "agent.a.name", 'the name "a" is taken'),
    (f"{AGENT}[[service]]\nname = 'a'\ncommand = 'true'\n", 8, "service.a.name", 'the name "a" is taken'),
    ("[[agent]]\nname = 'watchdog'\n", 6, "agent.watchdog.name", "is the name of the supervisor itself"),
    (f"{AGENT}session = 'p-b'\n[[agent]]\nname = 'b'\n", 9, "agent.b.name", 'the session "p-b" is that of "a"'),
    (f"{AGENT}session = 'p-watchdog'\n", 7, "agent.a.session", 'the session "p-watchdog" is that of "watchdog"'),
    (f"{AGENT}session = 'x.y'\n", 7, "agent.a.session", 'cannot name a tmux session: no "." in it'),
    (f"{AGENT}session = 'x:y'\n", 7, "agent.a.session", 'cannot name a tmux session: no ":" in it'),
    (f"{AGENT}session = 'x y'\n", 7, "agent.a.session", "cannot name a tmux session: no white space in it"),
    (f'{AGENT}session = "x\\u0007"\n', 7, "agent.a.session", "cannot name a tmux session: no control character in it"),
    (f"{AGENT}session = '=x'\n", 7, "agent.a.session", 'tmux reads a leading "=" as something else'),
    (f"{AGENT}session = '-x'\n", 7, "agent.a.session", 'tmux reads a leading "-" as something else'),
    (f"{AGENT}backend = 'claud'\n", 7, "agent.a.backend", 'there is no backend "claud"; did you mean "claude"?'),
    ("[backend.demo]\nactive_re = '('\n", 6, "backend.demo.active_re", "is not a regular expression: missing )"),
    ("[loop]\nphases = [{ id = '1' },\n { id = '1' }]\n", 7, "loop.phases.1.id", 'the phase "1" is there twice'),
    (
        f"{AGENT}[loop]\nphases = [{{ id = '1', models = {{ b = 'm' }} }}]\n",
        8,
        "loop.phases.1.models.b",
        'there is no agent "b"; known: a',
    ),
    ("[loop]\nphases = [{ id = '1', items = ['D', 'D'] }]\n", 6, "loop.phases.1.items[1]", 'item "D" is there twice'),
    ("[loop.handoff]\nrepo = '.'\nbuilder = 'x'\n", 7, "loop.handoff.builder", 'there is no agent "x"; known: none'),
    (
        f"{SERVICE}[loop.handoff]\nrepo = '.'\nadversary = ['s']\n",
        10,
        "loop.handoff.adversary[0]",
        '"s" is a service, and only an agent can stand here',
    ),
    (
        f"{AGENT}[loop.handoff]\nrepo = '.'\nbuilder = 'a'\nadversary = 'a'\n",
        10,
        "loop.handoff.adversary",
        "nobody judges their own claim",
    ),
    (f"{TASK}[loop.on_complete]\nrun = 'tt'\n", 9, "loop.on_complete.run", 'there is no agent "tt"'),
    (f"{AGENT}[loop.on_complete]\nrun = 'a'\n", 8, "loop.on_complete.run", 'kind loop, and only an agent of kind task'),
    ("[loop]\ndone_marker = 'A'\ndone.marker = 'B'\n", 6, "loop.done_marker", "keep one of them"),
    ("[watchdog]\nlog_tokens = true\n[loop]\nlog_tokens = false\n", 8, "loop.log_tokens", "keep one of them"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("added", "line", "key", "message"), RULES, ids=[f"{rule[2]}-{n}" for n, rule in enumerate(RULES)]
)
def test_a_broken_rule_is_reported_once_with_its_place_and_remedy(
    problems: Problems, added: str, line: int, key: str, message: str
) -> None:
    (problem,) = problems(HEAD + added)
    assert (problem.line, problem.key) == (line, key)
    assert message in problem.message
    assert str(problem) == f"{problem.path}:{line}: {key}: {problem.message}"


def test_a_misspelt_required_key_is_one_problem_and_not_two(problems: Problems) -> None:
    (problem,) = problems('[defaults]\nlog_dir = "l"\nsesion_prefix = "p-"\n')
    assert (problem.line, problem.key) == (3, "defaults.sesion_prefix")
    assert problem.message == 'there is no such key; did you mean "session_prefix"?'


@pytest.mark.parametrize("text", ["", "# nothing\n", "[defaults]\n"])
def test_an_empty_file_is_told_what_every_project_must_choose(problems: Problems, text: str) -> None:
    found = problems(text)
    assert [(problem.line, problem.key) for problem in found] == [
        (1, "defaults.log_dir"),
        (1, "defaults.session_prefix"),
    ]
    assert 'add session_prefix = "my-project-"' in found[1].message


def test_an_agent_without_any_backend_is_told_where_to_name_one(problems: Problems) -> None:
    (problem,) = problems('[defaults]\nsession_prefix = "p-"\nlog_dir = "l"\n[[agent]]\nname = "a"\n')
    assert (problem.line, problem.key) == (4, "agent.a.backend")
    assert "name a backend here or in [defaults]" in problem.message


def test_all_problems_of_a_file_come_at_once_in_the_order_of_its_lines(write: Write) -> None:
    path = write(
        """\
[[agent]]
name = "a"
kind = "tsk"
[defaults]
sesion_prefix = "p-"
log_dir = 5
backend = "nowhere"
[loop]
on_complete = { run = "a" }
phases = [
  { id = "1", plam = "x" },
  { id = "1", models = { zed = "m" } },
]
"""
    )
    with pytest.raises(ConfigError) as raised:
        config.load(path)
    lines = str(raised.value).splitlines()
    assert [line.removeprefix(f"{path}:").split(": ")[:2] for line in lines] == [
        ["3", "agent.a.kind"],
        ["5", "defaults.sesion_prefix"],
        ["6", "defaults.log_dir"],
        ["7", "defaults.backend"],
        ["11", "loop.phases.1.plam"],
        ["12", "loop.phases.1.id"],
        ["12", "loop.phases.1.models.zed"],
    ]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("[defaults]\nx = \n", 2, "this is not TOML: Invalid value (column 5)"),
        ("[defaults\n", 1, "this is not TOML"),
        ("a = 1\na = 2\n", 2, "this is not TOML: Cannot overwrite a value"),
        ("a = 1\n\nb = [1,\n", 3, "this is not TOML"),
        (f"a = {'9' * 5000}\n", 1, "this is not TOML"),
        ("a = 1\nb = '\x07'\n", 2, "this is not TOML"),
    ],
)
def test_what_is_not_toml_is_reported_with_line_and_column(
    problems: Problems, text: str, line: int, message: str
) -> None:
    (problem,) = problems(text)
    assert problem.line == line
    assert message in problem.message


def test_text_that_is_not_utf8_is_reported_with_its_byte(tmp_path: Path) -> None:
    path = tmp_path / "agents.toml"
    path.write_bytes(b'[defaults]\nlog_dir = "caf\xe9"\n')
    with pytest.raises(
        ConfigError, match=r"agents\.toml:2: byte 0xe9 at column 15 is not UTF-8: save the file as UTF-8"
    ):
        config.load(str(path))


def test_lists_that_are_nested_without_end_are_refused(problems: Problems) -> None:
    (problem,) = problems(f"a = {'[' * 20_000}{']' * 20_000}\n")
    assert problem.message == "its lists or tables are nested too deeply"


def test_a_missing_file_a_directory_and_a_fifo_are_named_as_such(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path, message in [
        (tmp_path / "none.toml", "there is no such file: write one with `loops init`, or name another with --config"),
        (tmp_path, "is a directory: name the agents.toml in it"),
        (fifo, "is not a regular file"),
        (tmp_path / "fifo" / "agents.toml", "there is no such file: a part of its path is not a directory"),
    ]:
        with pytest.raises(ConfigError) as raised:
            config.load(str(path))
        assert str(raised.value) == f"{path}: {message}"


def test_a_file_that_may_not_be_read_is_told_apart(write: Write) -> None:
    path = write(HEAD)
    config.load(path)
    os.chmod(path, 0)
    me = os.geteuid()
    os.seteuid(me or 65534)  # root may read everything
    try:
        with pytest.raises(ConfigError, match="may not be read by this user: change its owner or mode"):
            config.load(path)
    finally:
        os.seteuid(me)


def test_what_a_terminal_would_obey_is_shown_and_not_obeyed(problems: Problems) -> None:
    escape = '"\\u001b[2J\\u009b\\n"'
    found = problems(f"{HEAD}{AGENT}session = {escape}\n{escape} = 1\nkind = {escape}\n")
    assert len(found) == 3
    for problem in found:
        assert str(problem).isprintable()
        assert "\\u001b[2J\\u009b" in str(problem)


def test_a_key_in_a_wrong_place_is_refused_and_not_shown(problems: Problems) -> None:
    found = problems(f'{HEAD}"{KEY}" = 1\n{AGENT}permissions = "{KEY}"\n[[agent]]\nname = "{KEY}"\nbackend = "{KEY}"\n')
    assert len(found) >= 3
    assert not [problem for problem in found if KEY in str(problem)]
