"""Where the sides come from: files, captured status, a command that can change nothing; and several sources together."""

from __future__ import annotations

import io
import os
import socket
import sys
import textwrap
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from loops.errors import ConfigError
from loops.isolation import readonly
from loops.projects.deployment.model import Deployment, Document, Form, Member, Step
from loops.projects.deployment.surroundings import Surroundings
from loops.projects.parity import sources
from loops.projects.parity.asking import AskingError, ask
from loops.projects.parity.comparison import Standing, Verdict
from loops.projects.parity.looking import looked
from loops.projects.parity.rules import Rule
from loops.projects.parity.sources import SideError, read_asked, read_live
from loops.projects.parity.together import together
from loops.projects.parity.writing import WritingError, write
from parity_samples import TODAY, bad, changed, compared, places, sample, without

SAME = sample()
STATUS = """\
phase: 2w [3/4]  plan=2w.md  (in progress)
builder    loop        claude  large  heal+stall  RUNNING
adversary  loop        claude  small  heal        RUNNING
boss       persistent  claude  large  heal        RUNNING
cleanlogs  service     -       -      -           RUNNING
watchdog   service     -       -      -           RUNNING
"""
confined = pytest.mark.skipif(bool(readonly.hindrance()), reason=f"no read-only view here: {readonly.hindrance()}")


# ---- sources -----------------------------------------------------------------------------------------------------------


def test_a_captured_status_is_known_by_what_is_in_it(tmp_path: Path):
    (tmp_path / "captured.txt").write_text(STATUS)

    found = read_live(str(tmp_path / "captured.txt"), Surroundings())

    assert found.form is Form.STATUS
    assert compared(found, SAME).clean


def test_a_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(STATUS.encode() + b"\xff\n")))

    assert len(read_live("-", Surroundings()).members) == 4


def test_a_directory_with_agents_toml_is_read(tmp_path: Path):
    (tmp_path / "agents.toml").write_text('[defaults]\nsession_prefix = "x-"\nlog_dir = ".loops"\n')

    found = read_live(str(tmp_path), Surroundings())

    assert (found.prefix, found.log_dir) == ("x-", str(tmp_path / ".loops"))


@pytest.mark.parametrize("text", ["", "hello\n", "a = 1\n"])
def test_a_file_that_is_neither_says_so(tmp_path: Path, text: str):
    (tmp_path / "some.txt").write_text(text)

    with pytest.raises(ConfigError, match="holds no status"):
        read_live(str(tmp_path / "some.txt"), Surroundings())


def test_a_side_that_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(SideError, match="no such file or directory"):
        read_live(str(tmp_path / "nothing"), Surroundings())


# ---- asking a command --------------------------------------------------------------------------------------------------


def python(path: Path, code: str) -> str:
    path.write_text(textwrap.dedent(code))
    return f"{sys.executable} -I {path}"


@confined
def test_a_command_is_asked_and_its_states_are_not_believed(tmp_path: Path):
    (tmp_path / "status.txt").write_text(STATUS)

    found = read_asked(f"cat {tmp_path}/status.txt", Surroundings(), within=60, trusted=False)

    assert {member.state for member in found.members} == {None}
    assert compared(found, SAME).clean


@confined
def test_a_command_can_write_nothing(tmp_path: Path):
    (tmp_path / "kept").write_text("kept")
    command = python(
        tmp_path / "try.py",
        f"""
        import os
        for act in (
            lambda: open("{tmp_path}/new", "w"),
            lambda: open("{tmp_path}/kept", "a"),
            lambda: os.unlink("{tmp_path}/kept"),
            lambda: os.chmod("{tmp_path}/kept", 0),
            lambda: os.mkdir("{tmp_path}/made"),
            lambda: os.utime("{tmp_path}/kept"),
        ):
            try:
                act()
                print("changed")
            except OSError as error:
                print(error.errno)
        """,
    )
    before = os.stat(tmp_path / "kept")

    said = ask(command, within=60, trusted=False).text

    assert said.split() == ["30"] * 6  # EROFS
    assert os.stat(tmp_path / "kept") == before


@confined
def test_a_command_reaches_no_server_and_no_process(tmp_path: Path):
    path = f"/tmp/lp-{os.getpid()}.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        command = python(
            tmp_path / "try.py",
            f"""
            import os, signal, socket
            for act in (
                lambda: socket.socket(socket.AF_UNIX).connect("{path}"),
                lambda: socket.socket(socket.AF_INET),
                lambda: os.kill({os.getpid()}, signal.SIGUSR1),
            ):
                try:
                    act()
                    print("reached")
                except OSError as error:
                    print(type(error).__name__)
            """,
        )
        try:
            said = ask(command, within=60, trusted=False).text
        finally:
            os.unlink(path)

    assert said.split() == ["PermissionError", "PermissionError", "ProcessLookupError"]


@confined
def test_a_command_gets_no_variable_of_ours(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AGENT_MODEL_builder", "secret")

    said = ask("env", within=60, trusted=False).text

    assert {line.partition("=")[0] for line in said.split("\n") if line} <= {"PATH", "LC_ALL", "PWD"}


@confined
def test_a_command_gets_the_variables_that_the_live_system_is_started_with(tmp_path: Path):
    command = python(
        tmp_path / "status.py", f"import os; print(os.environ['STATUS'], open({str(tmp_path / 's')!r}).read())"
    )
    (tmp_path / "s").write_text(STATUS)
    (tmp_path / "live.service").write_text("[Service]\nEnvironment=STATUS=first\nExecStart=/bin/true\n")
    around = Surroundings(unit=str(tmp_path / "live.service"), settings={"STATUS": "\n"})

    assert len(read_asked(command, around, within=60, trusted=False).members) == 4


@confined
@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("false", "failed with exit code 1: it said nothing"),
        ("sh -c 'echo broken >&2; exit 3'", "failed with exit code 3: broken"),
        ("sh -c 'sleep 600 & sleep 600'", "took longer than 1 s"),
        ("yes", "took longer than 1 s|printed more than"),
        ("'", "No closing quotation"),
        ("   ", "the command is empty"),
        ("there-is-no-such-program-here", "there-is-no-such-program-here"),
    ],
)
def test_a_command_that_gives_no_answer_is_an_error(command: str, words: str):
    with pytest.raises(AskingError, match=words) as raised:
        ask(command, within=1 if "longer" in words else 60, trusted=False)

    assert raised.value.exit_code == 3


def test_where_it_cannot_be_confined_a_command_is_refused_unless_it_is_trusted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(readonly, "hindrance", lambda: "this is a test")
    (tmp_path / "status.txt").write_text(STATUS)
    command = f"cat {tmp_path}/status.txt"

    with pytest.raises(AskingError, match=r"this is a test.*--trust-command"):
        ask(command, within=60, trusted=False)
    trusted = read_asked(command, Surroundings(), within=60, trusted=True)

    assert {member.state for member in trusted.members} == {"RUNNING"}


def test_a_trusted_command_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(readonly, "hindrance", lambda: "this is a test")

    with pytest.raises(AskingError, match="took longer"):
        ask(f"sh -c 'echo $$ > {tmp_path}/pid; sleep 600'", within=3, trusted=True)

    pid = int((tmp_path / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


# ---- several live sources ----------------------------------------------------------------------------------------------

SHOWN = Deployment(
    "status.txt",
    Form.STATUS,
    members=(
        Member("builder", "loop", backend="claude", watch="heal+stall", enabled=True, state="RUNNING"),
        Member("adversary", "loop", backend="claude", watch="heal", enabled=True, state="RUNNING"),
        Member("boss", "persistent", backend="claude", model="large", watch="heal", enabled=True, state="RUNNING"),
        Member("cleanlogs", "service", enabled=True, state="RUNNING"),
    ),
    now=Step("2w", models={"builder": "large", "adversary": "small"}),
)


def test_a_captured_status_adds_the_states_to_a_directory():
    found = together([compared(SAME, SAME), compared(SHOWN, SAME)])

    assert found.clean
    assert not found.gaps
    assert {str(f.place) for f in found.findings if f.verdict is Verdict.EXPECTED} == {
        f"agent {name}: state" for name in ("builder", "adversary", "boss", "cleanlogs")
    }


def test_what_runs_counts_even_where_it_is_written_otherwise():
    """The directory says large, and so does staged; but it was started with another model by hand."""
    runs = replace(SHOWN, members=(*SHOWN.members[:2], replace(SHOWN.members[2], model="tiny"), SHOWN.members[3]))

    [difference] = bad(together([compared(SAME, SAME), compared(runs, SAME)]))

    assert (str(difference.place), difference.live, difference.source) == ("agent boss: model", "tiny", "status.txt")


def test_no_place_is_classed_twice_when_sources_contradict_each_other():
    fewer = replace(SHOWN, members=SHOWN.members[:3])

    found = together([compared(SAME, SAME), compared(fewer, SAME), compared(without("boss"), SAME)])

    classed = [place for f in found.findings for place in (f.place, *f.covers)] + [gap.place for gap in found.gaps]
    assert len(classed) == len(set(classed))
    assert places(found) == ["agent boss: present", "agent cleanlogs: present"]


def test_a_rule_is_used_when_any_source_uses_it():
    rule = Rule("r", "agent boss: model", "agreed", TODAY)
    tiny = changed("boss", model="tiny")

    found = together([compared(SAME, SAME, rule), compared(SAME, tiny, rule)])

    assert [(use.standing, use.matches) for use in found.rules] == [(Standing.USED, 1)]


# ---- looking at files --------------------------------------------------------------------------------------------------


def with_role(root: Path, data: bytes) -> Deployment:
    root.mkdir()
    (root / "builder.md").write_bytes(data)
    document = Document("builder.md", sha256(data).hexdigest(), len(data))
    return sample(root=str(root), source=str(root), roles={"builder": document})


@pytest.mark.parametrize(
    ("live", "staged", "at", "mine", "other"),
    [
        (b"one\ntwo\nthree\n", b"one\ntwO\nthree\n", "line 2, byte 6", "two", "twO"),
        (b"one\n", b"one\ntwo\n", "line 2, byte 4", "(nothing more)", "two"),
        (b"one\n", b"one", "line 1, byte 3", "one⏎", "one"),
        (b"one two\n", b"one  two\n", "line 1, byte 4", "one·two", "one··two"),
        (b"a\r\n", b"a\n", "line 1, byte 1", "a␍", "a"),
        (b"\xff\n", b"\xfe\n", "line 1, byte 0", "\\xff", "\\xfe"),
        (b"", b"x", "line 1, byte 0", "(nothing more)", "x"),
    ],
)
def test_a_different_prompt_says_in_which_byte(tmp_path: Path, live: bytes, staged: bytes, at: str, mine, other):
    sides = with_role(tmp_path / "live", live), with_role(tmp_path / "staged", staged)

    [difference] = bad(looked(compared(*sides), sides[:1], sides[1]))

    assert (difference.parting.at, difference.parting.live, difference.parting.staged) == (at, mine, other)


def test_a_prompt_that_stands_in_a_script_is_looked_at_too(tmp_path: Path):
    staged = with_role(tmp_path / "staged", b"one\n")
    text = "two\n"
    live = replace(
        staged,
        roles={"builder": Document("launch.py:12", sha256(text.encode()).hexdigest(), len(text))},
        texts={"launch.py:12": text},
    )

    [difference] = bad(looked(compared(live, staged), [live], staged))

    assert difference.parting.live == "two"


@pytest.mark.parametrize("lose", [lambda path: path.unlink(), lambda path: path.write_bytes(b"changed since")])
def test_a_prompt_that_cannot_be_read_as_it_was_compared_is_told_without_detail(tmp_path: Path, lose):
    sides = with_role(tmp_path / "live", b"one\n"), with_role(tmp_path / "staged", b"two\n")
    lose(tmp_path / "live" / "builder.md")

    [difference] = bad(looked(compared(*sides), sides[:1], sides[1]))

    assert difference.parting is None


# ---- writing -----------------------------------------------------------------------------------------------------------


def test_a_report_replaces_an_earlier_one_and_nothing_else(tmp_path: Path):
    path, other = tmp_path / "report.md", tmp_path / "notes.md"
    other.write_text("mine")

    write(str(path), "# Parity: old\n", mark="# Parity: ")
    write(str(path), "# Parity: new\n", mark="# Parity: ")
    with pytest.raises(WritingError, match="something else"):
        write(str(other), "# Parity: new\n", mark="# Parity: ")

    assert path.read_text() == "# Parity: new\n"
    assert other.read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == ["notes.md", "report.md"]


def test_a_report_is_not_written_through_a_link(tmp_path: Path):
    (tmp_path / "real.md").write_text("# Parity: old\n")
    (tmp_path / "link.md").symlink_to("real.md")

    with pytest.raises(WritingError):
        write(str(tmp_path / "link.md"), "# Parity: new\n", mark="# Parity: ")


def test_a_report_that_cannot_be_written_says_why(tmp_path: Path):
    with pytest.raises(WritingError, match="cannot be written") as raised:
        write(str(tmp_path / "no" / "report.md"), "x", mark="x")

    assert raised.value.exit_code == 3


def test_an_error_of_a_reader_is_never_told_as_no_parity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    from loops.errors import JournalError

    def broken(*_: object, **__: object) -> Deployment:
        raise JournalError("the chain is broken")

    monkeypatch.setattr(sources.reading, "read", broken)

    with pytest.raises(SideError, match="chain") as raised:
        read_live(str(tmp_path), Surroundings())

    assert raised.value.exit_code == 3
