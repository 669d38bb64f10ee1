"""``loops service ...``: what an operator types, and what he is told when it cannot be done."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
from pathlib import Path

import pytest
from cli_scratch import LOOPS, Done, Scratch, until
from loops import places
from loops.boot import installed
from loops.cli import entry, service
from loops.supervisor import processes

FAKE = """\
#!/bin/sh
echo "$*" >>"$SYSTEMCTL_TOLD"
case " $* " in *" $SYSTEMCTL_REFUSES "*) echo "no $SYSTEMCTL_REFUSES today" >&2; exit 1;; esac
"""


class Machine:
    """A machine with systemd, of which only our own service manager is real enough to write down what it was told."""

    def __init__(self, scratch: Scratch, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self.scratch = scratch
        self._capfd = capfd
        tools = scratch.root.parent / "tools"
        tools.mkdir()
        (tools / "systemctl").write_text(FAKE)
        (tools / "systemctl").chmod(0o755)
        self._told = tools / "told"
        self._told.touch()
        self.units = scratch.home / ".config" / "systemd" / "user"
        monkeypatch.setattr(service, "BOOTED", str(tools))
        monkeypatch.setattr(service, "LINGERING", str(tools / "linger"))
        monkeypatch.setattr(installed, "SYSTEM", str(tools / "system"))
        for name, value in {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "XDG_CONFIG_HOME": str(scratch.home / ".config"),
            "LOOPS_RUNTIME_DIR": scratch.runtime_root,
            "SYSTEMCTL_TOLD": str(self._told),
            "SYSTEMCTL_REFUSES": "",
        }.items():
            monkeypatch.setenv(name, value)

    def loops(self, *words: str) -> Done:
        code = entry.run(["--config", str(self.scratch.config_path), *words])
        out, err = self._capfd.readouterr()
        return Done(code, out, err)

    @property
    def told(self) -> list[str]:
        return self._told.read_text().splitlines()

    @property
    def name(self) -> str:
        return self.scratch.prefix.strip("-")


@pytest.fixture
def machine(scratch: Scratch, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Machine:
    return Machine(scratch, monkeypatch, capfd)


def test_print_shows_every_unit_with_its_place_and_touches_nothing(machine: Machine) -> None:
    done = machine.loops("service", "print", "--user", "--memory-max", "3G", "--credential", "key=/etc/key")
    assert done.code == 0, done.err
    assert f"# {machine.units}/loops-{machine.name}.service" in done.out
    assert "\nMemoryMax=3G\n" in done.out
    assert "\nLoadCredential=key:/etc/key\n" in done.out
    facts = machine.loops("service", "print", "--user", "--json").facts
    assert set(facts["units"]) == {
        "loops.slice",
        f"loops-{machine.name}-holder.service",
        f"loops-{machine.name}.service",
    }
    assert not machine.units.exists()
    assert machine.told == []


def test_a_task_with_a_schedule_gets_a_timer(machine: Machine) -> None:
    task = '\n[[agent]]\nname = "upgrader"\nkind = "task"\nschedule = "Sun *-*-* 03:00"\n'
    machine.scratch.write(machine.scratch.config_path.read_text() + task)
    found = machine.loops("service", "print", "--user", "--json").facts["units"]
    assert "OnCalendar=Sun *-*-* 03:00\n" in found[f"loops-{machine.name}-upgrader.timer"]


def test_a_schedule_that_no_timer_has_is_found_by_doctor(machine: Machine) -> None:
    assert machine.loops("service", "install", "--user").code == 0
    assert "runs the project" in machine.loops("doctor").out
    task = '\n[[agent]]\nname = "upgrader"\nkind = "task"\nschedule = "weekly"\n'
    machine.scratch.write(machine.scratch.config_path.read_text() + task)
    assert "agents.toml says weekly, and its timer is missing" in machine.loops("doctor").out
    assert machine.loops("service", "install", "--user").code == 0
    assert "its timer" not in machine.loops("doctor").out


def test_what_agents_write_elsewhere_is_made_writable(machine: Machine) -> None:
    machine.scratch.write(machine.scratch.config_path.read_text().replace('".loops"', '"/var/log/agents"'))
    found = machine.loops("service", "print", "--writable", "/srv/git").out
    assert "\nReadWritePaths=-/srv/git\nReadWritePaths=-/var/log/agents\n" in found


def test_the_log_of_a_service_s_supervisor_is_where_the_message_says(machine: Machine) -> None:
    assert machine.loops("service", "install", "--user").code == 0
    done = machine.loops("logs", "watchdog")
    assert done.code == 2
    assert f"journalctl --user -u loops-{machine.name}.service" in done.err


def test_no_supervisor_of_one_s_own_beside_a_service(machine: Machine) -> None:
    assert machine.loops("service", "install", "--user").code == 0
    done = machine.loops("watchdog")
    assert done.code == 2
    assert f"systemctl --user start loops-{machine.name}.service" in done.err


def test_install_and_uninstall_for_oneself(machine: Machine) -> None:
    done = machine.loops("service", "install", "--user")
    assert done.code == 0, done.err
    assert f"systemctl --user status loops-{machine.name}.service" in done.out
    assert "loginctl enable-linger" in done.out
    assert sorted(os.listdir(machine.units)) == sorted(
        ["loops.slice", f"loops-{machine.name}-holder.service", f"loops-{machine.name}.service"]
    )
    assert machine.told[0] == "--user show-environment"
    assert machine.told[-1] == f"--user restart loops-{machine.name}.service"
    before = machine.scratch.config_path.read_bytes()
    done = machine.loops("service", "uninstall", "--user", "--json")
    assert done.code == 0, done.err
    assert done.facts["done"]
    assert os.listdir(machine.units) == []
    assert machine.scratch.config_path.read_bytes() == before


def test_uninstall_leaves_no_directory_of_sockets_that_would_be_taken_for_a_service_s(machine: Machine) -> None:
    assert machine.loops("service", "install", "--user").code == 0
    machine.scratch.runtime.create()
    (Path(machine.scratch.runtime.root) / "holder.lock").touch()
    assert machine.loops("service", "uninstall", "--user").code == 0
    assert not os.path.exists(machine.scratch.runtime.root)


def test_up_finds_the_sockets_that_a_service_makes_when_it_is_started(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert machine.loops("service", "install", "--user").code == 0
    services = Path(machine.scratch.runtime_root, "s")
    monkeypatch.setattr(places, "SERVICES", str(services))
    monkeypatch.setenv("XDG_RUNTIME_DIR", machine.scratch.runtime_root)
    monkeypatch.delenv("LOOPS_RUNTIME_DIR")
    started: list[subprocess.Popen[bytes]] = []

    def start(_: object) -> None:
        environment = {**machine.scratch.env, "LOOPS_RUNTIME_DIR": str(services)}
        for words in (["holder"], ["watchdog", "--no-holder"]):
            argv = [*LOOPS, "--config", str(machine.scratch.config_path), *words]
            started.append(subprocess.Popen(argv, env=environment, stderr=subprocess.DEVNULL))

    monkeypatch.setattr(installed, "start", start)
    try:
        done = machine.loops("up")
        assert done.code == 0, done.err
        assert os.listdir(services) == [os.path.basename(machine.scratch.runtime.root)]
        assert "the service itself runs on" in machine.loops("down").out
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(60)


def test_uninstall_finds_the_name_that_was_given(machine: Machine) -> None:
    assert machine.loops("service", "install", "--user", "--name", "mine").code == 0
    done = machine.loops("service", "uninstall", "--user")
    assert done.code == 0, done.err
    assert os.listdir(machine.units) == []


SAID = (
    *("--name", "mine", "--credential", "key=/etc/key", "--credential", "more=/etc/more", "--writable", "/srv/git"),
    *("--path", "/opt/tools/bin:/usr/bin:/bin", "--memory-high", "2G", "--memory-max", "3G"),
    *("--tasks-max", "200", "--cpu-weight", "20"),
)


def written(machine: Machine) -> dict[str, str]:
    return {name: (machine.units / name).read_text() for name in os.listdir(machine.units)}


def test_installing_again_keeps_all_that_was_said_and_says_so(machine: Machine) -> None:
    words = ("service", "install", "--user")
    assert machine.loops(*words, *SAID).code == 0
    before = written(machine)

    done = machine.loops(*words)

    assert done.code == 0, done.err
    assert "still so where it is not said anew: --path /opt/tools/bin:/usr/bin:/bin --memory-high 2G" in done.out
    assert "no longer gets" not in done.out
    assert written(machine) == before
    printed = machine.loops("service", "print", "--user", "--json").facts["units"]
    assert printed == before


def test_what_is_said_anew_takes_the_place_of_what_was_said_or_adds_to_it(machine: Machine) -> None:
    words = ("service", "install", "--user")
    assert machine.loops(*words, *SAID).code == 0
    again = ("--memory-max", "4G", "--credential", "key=/etc/new", "--credential", "third=/etc/third")

    assert machine.loops(*words, *again).code == 0
    assert machine.loops(*words, "--dry-run", "--json").facts["kept"].split() == [
        *("--path", "/opt/tools/bin:/usr/bin:/bin", "--memory-high", "2G", "--memory-max", "4G"),
        *("--tasks-max", "200", "--cpu-weight", "20", "--credential", "key=/etc/new", "--credential", "more=/etc/more"),
        *("--credential", "third=/etc/third", "--writable", "/srv/git"),
    ]

    units_of = written(machine)
    assert "\nMemoryHigh=2G\nMemoryMax=4G\n" in units_of["loops-mine-holder.service"]
    loaded = "LoadCredential=key:/etc/new\nLoadCredential=more:/etc/more\nLoadCredential=third:/etc/third\n"
    assert loaded in units_of["loops-mine.service"]


def test_what_is_forgotten_is_as_if_it_had_never_been_said_but_the_name(machine: Machine) -> None:
    words = ("service", "install", "--user")
    assert machine.loops(*words, "--name", "mine").code == 0
    plain = written(machine)
    assert machine.loops(*words, *SAID).code == 0
    assert written(machine) != plain

    done = machine.loops(*words, "--forget")

    assert done.code == 0, done.err
    assert "to keep it, install again with --credential key=FILE" in done.out
    assert written(machine) == plain
    assert "still so" not in machine.loops(*words).out


def test_what_nobody_said_follows_the_defaults_of_the_engine_that_installs(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("service", "install", "--user")
    assert machine.loops(*words, "--memory-max", "3G").code == 0
    tables = {**service.units.load().tables}
    tables["defaults"] = {**tables["defaults"], "tasks-max": "77", "memory-max": "50%"}
    monkeypatch.setattr(service.units, "load", lambda: service.units.Source(tables))

    assert machine.loops(*words).code == 0

    holder = written(machine)[f"loops-{machine.name}-holder.service"]
    assert "\nTasksMax=77\n" in holder
    assert "\nMemoryMax=3G\n" in holder


def test_whose_agents_they_are_is_kept(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 0)
    other = next(each for each in pwd.getpwall() if each.pw_uid not in (0, os.stat(machine.scratch.root).st_uid))
    monkeypatch.setattr(installed, "personal_directory", lambda: "/nonexistent")
    assert machine.loops("service", "install", "--run-as", other.pw_name).code == 0

    done = machine.loops("service", "install")

    assert done.code == 0, done.err
    unit = Path(installed.SYSTEM, f"loops-{machine.name}.service").read_text()
    assert f"\nUser={other.pw_name}\n" in unit


def test_a_project_is_one_service_and_no_second_one_beside_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert machine.loops("service", "install", "--user").code == 0
    before = sorted(os.listdir(machine.units))
    done = machine.loops("service", "install", "--user", "--name", "another")
    assert done.code == 1
    assert f"first `loops service uninstall --user --name {machine.name}`" in done.err
    assert sorted(os.listdir(machine.units)) == before
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert machine.loops("service", "install").code == 1
    assert not os.path.exists(installed.SYSTEM)


def test_a_dry_run_says_what_would_be_done(machine: Machine) -> None:
    done = machine.loops("service", "install", "--user", "--dry-run")
    assert done.code == 0, done.err
    assert f"write {machine.units}/loops-{machine.name}.service" in done.out
    assert machine.told == []
    assert not machine.units.exists()


def test_a_file_that_is_wrong_installs_nothing(machine: Machine) -> None:
    machine.scratch.config_path.write_text("[defaults]\nsession_prefix = 7\n")
    done = machine.loops("service", "install", "--user")
    assert done.code == 3
    assert "agents.toml:2" in done.err
    assert machine.told == []


def test_a_machine_without_systemd_is_told_what_works_there(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "BOOTED", "/nonexistent")
    done = machine.loops("service", "install", "--user")
    assert done.code == 6
    assert "systemd does not run this machine" in done.err
    assert "`loops up` needs no service" in done.err


def test_only_root_changes_the_system_s_services(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    done = machine.loops("service", "install", "--run-as", "root")
    assert done.code == 6
    assert "only root" in done.err
    assert "--user" in done.err
    assert not os.path.exists(installed.SYSTEM)


def test_without_a_login_session_the_remedy_is_named(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYSTEMCTL_REFUSES", "show-environment")
    done = machine.loops("service", "install", "--user")
    assert done.code == 6
    assert "no show-environment today" in done.err
    assert "enable-linger" in done.err
    assert not machine.units.exists()


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["--credential", "key"], "NAME=FILE"),
        (["--credential", "a:b=/x"], "NAME=FILE"),
        (["--name", "No Name"], "--name NAME"),
        (["--user", "--run-as", "root"], "--user means yourself"),
        (["--run-as", "no-such-person"], "--run-as"),
    ],
)
def test_wrong_words_are_told_with_their_remedy(machine: Machine, words: list[str], remedy: str) -> None:
    done = machine.loops("service", "print", *words)
    assert done.code == 2
    assert remedy in done.err


def test_a_project_that_somebody_runs_by_hand_is_not_taken_from_him(machine: Machine) -> None:
    assert machine.scratch.loops("up").code == 0
    done = machine.loops("service", "install", "--user")
    assert done.code == 1
    assert "runs already, started by hand" in done.err
    assert not machine.units.exists()


def test_up_has_the_service_manager_start_what_it_runs(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.loops("service", "install", "--user").code == 0
    monkeypatch.setenv("SYSTEMCTL_REFUSES", "start")
    done = machine.loops("up")
    assert done.code == 6
    assert f"type `systemctl --user start loops-{machine.name}.service`" in done.err
    assert not processes.holder(machine.scratch.runtime)  # and starts none of its own
    monkeypatch.setenv("SYSTEMCTL_REFUSES", "")
    monkeypatch.setattr(installed, "COMES_WITHIN", 0.2)
    done = machine.loops("up")
    assert "was started and does not answer" in done.err


def test_up_waits_for_the_supervisor_that_the_service_manager_starts(machine: Machine) -> None:
    assert machine.loops("service", "install", "--user").code == 0
    quiet = {"stderr": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    holder = machine.scratch.start("holder", **quiet)
    until(lambda: os.path.exists(machine.scratch.runtime.holder_socket))
    supervisor = machine.scratch.start("watchdog", "--no-holder", **quiet)
    try:
        done = machine.loops("up")
        assert done.code == 0, done.err
        machine.scratch.wait(lambda _: set(machine.scratch.pids()) == {"builder", "ticker"})
    finally:
        machine.scratch.loops("down")
        for process in (supervisor, holder):
            process.terminate()
            process.wait(60)


def test_prepare_says_what_it_changed(machine: Machine, tmp_path: Path) -> None:
    root = tmp_path / "prepared"
    words = ["service", "prepare", "--root", str(root), "--json"]
    first = machine.loops(*words)
    assert first.code == 0, first.err
    assert len(first.facts["changed"]) == 1
    assert (root / "agents.toml").read_bytes() == machine.scratch.config_path.read_bytes()
    assert machine.loops(*words).facts["changed"] == []


@pytest.mark.parametrize(
    ("words", "remedy"),
    [(["--clone", "work/builder"], "DIR=URL"), (["--revision", "main"], "--source, which is missing")],
)
def test_prepare_refuses_half_words(machine: Machine, tmp_path: Path, words: list[str], remedy: str) -> None:
    done = machine.loops("service", "prepare", "--root", str(tmp_path / "prepared"), *words)
    assert done.code == 2
    assert remedy in done.err


def test_json_has_the_error_too(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYSTEMCTL_REFUSES", "daemon-reload")
    done = machine.loops("service", "install", "--user", "--json")
    assert json.loads(done.out)["exit"] == 6
    assert "no daemon-reload today" in json.loads(done.out)["error"]
