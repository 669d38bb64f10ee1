"""``python -m loops.supervisor`` as a process: how it starts, what it survives, how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from loops.supervisor import events as ev
from shell_project import ShellProject, alive


def test_the_supervisor_imports_nothing_heavy(project: ShellProject) -> None:
    project.write("one")
    script = (
        "import sys; from loops.supervisor.crew import Supervisor, run_alone\n"
        "turn, n = Supervisor.turn, []\n"
        "def few(s):\n"
        "    n.append(0); turn(s)\n"
        "    if len(n) > 3: s.leave()\n"
        "Supervisor.turn = few\n"
        "run_alone(sys.argv[1], up=True); print(*sys.modules)"
    )
    argv = [sys.executable, "-c", script, str(project.config_path)]
    first = subprocess.run(argv, env=project.environment, capture_output=True, text=True, check=True, timeout=60)
    loaded = {name.partition(".")[0] for name in first.stdout.split()}
    assert loaded & {"jsonschema", "tomllib", "tomli", "tomlkit", "rich", "jinja2", "pyte", "asyncio", "shtab"} == set()


# ---- refusals ------------------------------------------------------------------------------------------------------


def test_without_agents_toml_it_says_so_and_ends_with_3(project: ShellProject) -> None:
    code, said = project.fails()
    assert code == 3
    assert "agents.toml" in said
    assert "loops init" in said


def test_a_broken_agents_toml_is_told_with_the_line_and_ends_with_3(project: ShellProject) -> None:
    project.config_path.write_text("[defaults]\nsession_prefix = 7\n")
    code, said = project.fails()
    assert code == 3
    assert "agents.toml:2" in said


def test_a_log_dir_that_cannot_be_made_is_told_with_its_path(project: ShellProject) -> None:
    project.write("one")
    (project.root / ".loops").write_text("a file stands in its place")
    code, said = project.fails()
    assert code == 6
    assert str(project.root / ".loops") in said
    assert "log_dir" in said


def test_a_broken_journal_ends_it_with_5_and_the_place(project: ShellProject) -> None:
    project.write("one")
    first = project.start("--up")
    project.wait_running("one")
    project.leave(first)
    segment = next(Path(project.places.journal).glob("*.jsonl"))
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join([lines[0], lines[1].replace(b"one", b"two", 1), *lines[2:]]) + b"x")
    for snapshot in Path(project.places.journal).glob("snapshot*"):
        snapshot.unlink()
    code, said = project.fails()
    assert code == 5
    assert segment.name in said


def test_a_second_supervisor_ends_with_5_and_names_the_first(project: ShellProject) -> None:
    project.write("one")
    first = project.start("--up")
    project.wait_running("one")
    code, said = project.fails("--up")
    assert code == 5
    assert f"process {first.pid}" in said
    assert project.ask("status")["pid"] == first.pid


def test_without_a_configuration_named_it_says_how_it_is_called(project: ShellProject) -> None:
    argv = [sys.executable, "-m", "loops.supervisor"]
    done = subprocess.run(argv, env=project.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "agents.toml" in done.stderr


# ---- coming and going ----------------------------------------------------------------------------------------------


def test_sigterm_ends_the_supervisor_alone_and_the_next_one_adopts(project: ShellProject) -> None:
    project.write("one")
    first = project.start("--up")
    before = project.wait_running("one")
    project.leave(first)
    assert alive(before["one"])
    project.start()
    assert project.wait_running("one") == before


def test_agents_outlive_a_holder_that_cannot_be_replaced_for_a_while(project: ShellProject) -> None:
    project.write("one", "two")
    process = project.start("--up")
    before = project.wait_running("one", "two")
    holder = project.holder
    os.chmod(project.runtime.root, 0o755)  # against the rule: no holder may be started there
    os.kill(holder, signal.SIGKILL)
    assert process.stderr is not None
    said = ""
    while "tried again" not in said:
        said = process.stderr.readline()
        assert said, "the supervisor ended"
    os.kill(before["two"], signal.SIGKILL)  # while nobody but us holds it
    assert alive(before["one"])
    os.chmod(project.runtime.root, 0o700)
    project.until(lambda: project.pids().get("two", before["two"]) != before["two"], "the killed one is started again")
    assert project.pids()["one"] == before["one"]
    assert project.holder != holder
    assert len(project.events(ev.SessionStarting)) == 3


def test_an_agent_whose_start_met_no_holder_is_started_by_the_next(project: ShellProject) -> None:
    project.write("one")
    process = project.start("--up")
    project.wait_running("one")
    os.chmod(project.runtime.root, 0o755)
    os.kill(project.holder, signal.SIGKILL)
    assert process.stderr is not None
    while "tried again" not in (said := process.stderr.readline()):
        assert said, "the supervisor ended"
    project.write("one", "late")
    project.until(lambda: len(project.events(ev.SessionStarting)) == 2, "the intent is written")
    os.chmod(project.runtime.root, 0o700)
    project.wait_running("one", "late")
    assert len(project.events(ev.SessionStarting)) == 2


# ---- its configuration ---------------------------------------------------------------------------------------------


def test_an_edit_by_rename_is_taken_up_at_once(project: ShellProject) -> None:
    project.write("one")
    project.start("--up")
    project.wait_running("one")
    project.write("one", "two")
    project.wait_running("one", "two")


def test_a_file_that_is_away_for_a_moment_is_not_reported(project: ShellProject) -> None:
    project.write("one")
    project.start("--up")
    before = project.wait_running("one")
    aside = project.root / "aside"
    for _ in range(3):
        project.config_path.rename(aside)
        project.config_path.write_text("")  # an editor that truncates first
        project.config_path.write_text("[defaults\n")
        project.config_path.unlink()
        aside.rename(project.config_path)
    project.write("one", "two")
    assert project.wait_running("one", "two")["one"] == before["one"]
    assert project.events(ev.ConfigRefused) == []


def test_a_file_that_stays_away_or_broken_is_reported_once(project: ShellProject) -> None:
    project.write("one")
    project.start("--up", PYTHONUNBUFFERED="1")
    project.wait_running("one")
    text = project.config_path.read_text()
    project.config_path.unlink()
    project.until(lambda: len(project.events(ev.ConfigRefused)) == 1, "the missing file is reported")
    project.config_path.write_text("[defaults\n")
    project.until(lambda: len(project.events(ev.ConfigRefused)) == 2, "the broken file is reported")
    project.config_path.write_text(text)
    project.until(lambda: not project.ask("status")["notes"], "the good file is in force")
    assert project.pids().keys() == {"one", "watchdog"}


def test_a_link_that_is_turned_to_another_file_is_followed(project: ShellProject, tmp_path: Path) -> None:
    project.write("one")
    project.start("--up")
    project.wait_running("one")
    other = tmp_path / "releases"
    other.mkdir()
    text = project.config_path.read_text()
    (other / "agents.toml").write_text(text + '\n[[service]]\nname = "two"\ncommand = ["sleep", "600"]\n')
    (tmp_path / "link").symlink_to(other / "agents.toml")
    (tmp_path / "link").rename(project.config_path)
    project.wait_running("one", "two")
    part = other / "part"
    part.write_text(text + '\n[[service]]\nname = "three"\ncommand = ["sleep", "600"]\n')
    part.rename(other / "agents.toml")  # in a directory that only the link leads to
    project.wait_running("one", "three")


def test_another_log_dir_is_refused_while_the_journal_is_in_the_old_one(project: ShellProject) -> None:
    project.write("one")
    project.start("--up")
    before = project.wait_running("one")
    project.config_path.write_text(project.config_path.read_text().replace(".loops", ".other"))
    refused = project.until(lambda: project.events(ev.ConfigRefused), "the edit is refused")
    assert "log_dir" in refused[0].problems[0]
    assert project.pids()["one"] == before["one"]


def test_a_supervisor_that_is_started_again_during_a_bad_edit_goes_on_with_the_last_good_file(
    project: ShellProject,
) -> None:
    project.write("one")
    first = project.start("--up")
    before = project.wait_running("one")
    project.config_path.write_text("[defaults\n")
    first.kill()  # the holder starts another one
    first.wait()
    project.until(lambda: project.pids().get("watchdog", first.pid) != first.pid, "another supervisor answers")
    assert project.wait_running("one") == before
    project.until(lambda: project.events(ev.ConfigRefused), "the bad edit is reported")
    os.kill(before["one"], signal.SIGKILL)
    project.until(lambda: project.pids().get("one", before["one"]) != before["one"], "it is healed all the same")


def test_a_holder_that_is_stopped_keeps_nobody_waiting_for_ever(project: ShellProject) -> None:
    project.write("one")
    first = project.start("--up")
    project.wait_running("one")
    project.leave(first)
    os.kill(project.holder, signal.SIGSTOP)
    code, said = project.fails()
    os.kill(project.holder, signal.SIGCONT)
    assert code == 6
    assert "kill -CONT" in said


def test_a_tick_whose_time_has_passed_is_not_repeated_without_end(project: ShellProject) -> None:
    project.write("one")
    script = (
        "import sys; from loops.supervisor import crew, deciding, run\n"
        "deciding.due = lambda state, name: 1.0\n"
        "begin, tick, ticks = run.Supervisor.begin, deciding.Deciding._tick, []\n"
        "def begin_and_leave_later(s, ready):\n"
        "    begin(s, ready); s._reactor.at('over', s._clock.now() + 2.5, s.leave)\n"
        "run.Supervisor.begin = begin_and_leave_later\n"
        "deciding.Deciding._tick = lambda s, name: (ticks.append(name), tick(s, name))\n"
        "crew.run_alone(sys.argv[1], up=True); print(len(ticks))"
    )
    argv = [sys.executable, "-c", script, str(project.config_path)]
    done = subprocess.run(argv, env=project.environment, capture_output=True, text=True, check=True, timeout=60)
    assert 1 <= int(done.stdout) <= 50  # one a second; without the pause it would be thousands


def test_a_handoff_that_is_added_later_is_watched_at_once(project: ShellProject) -> None:
    project.write("one")
    project.start("--up")
    project.wait_running("one")
    environment = {**project.environment, "GIT_CONFIG_GLOBAL": os.devnull}
    script = (
        "git init -q --bare -b main remote.git && git clone -q remote.git work && cd work && git symbolic-ref HEAD "
        "refs/heads/main && git -c user.name=a -c user.email=a@x commit -q --allow-empty -m begin && git push -q origin main"
    )
    subprocess.run(["sh", "-c", script], cwd=project.root, env=environment, check=True, capture_output=True)
    project.write("one", more='[loop]\nhandoff = { repo = "work" }\n[[loop.phases]]\nid = "1"\nitems = ["M1"]\n')
    project.until(lambda: project.events(ev.EvidenceTaken), "the history is read")
    push = "git -c user.name=a -c user.email=a@x commit -q --allow-empty -m 'claim(M1): x' && git push -q origin main"
    subprocess.run(["sh", "-c", push], cwd=project.root / "work", env=environment, check=True, capture_output=True)
    seen = project.until(lambda: project.events(ev.CommitSeen), "the push is seen through the clone")
    assert seen[0].subject_line == "claim(M1): x"
