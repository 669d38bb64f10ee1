"""The units' text: from units.toml and one project to what systemd reads."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops.boot import units
from loops.errors import UsageError
from service_samples import DEMO, SOURCE

WEEKLY = replace(DEMO, schedules=(units.Schedule("upgrader", "Sun *-*-* 03:00"),))


def section(service: units.Service, unit: str, name: str = "Service") -> units.Section:
    return units.render(service, SOURCE)[unit][name]


# ---- what must hold, because agents' lives hang on it ------------------------------------------------------------------


def test_a_project_is_two_services_in_one_slice() -> None:
    assert list(units.render(DEMO, SOURCE)) == ["loops.slice", "loops-demo-holder.service", "loops-demo.service"]
    for unit, verb in (("loops-demo-holder.service", "holder"), ("loops-demo.service", "watchdog --no-holder")):
        keys = section(DEMO, unit)
        assert keys["ExecStart"] == (f"/usr/bin/loops --config /srv/demo/agents.toml {verb}",)
        assert (keys["User"], keys["Group"], keys["Slice"]) == (("bob",), ("staff",), ("loops.slice",))
        assert (keys["Type"], keys["Restart"]) == (("notify",), ("always",))
        assert section(DEMO, unit, "Unit")["StartLimitIntervalSec"] == ("0",)


def test_the_supervisor_only_wants_the_holder_for_systemd_restarts_what_requires_it() -> None:
    about = section(DEMO, "loops-demo.service", "Unit")
    assert "loops-demo-holder.service" in about["Wants"]
    assert "loops-demo-holder.service" in about["After"]
    assert not {"Requires", "BindsTo", "PartOf", "Requisite", "Upholds"} & set(about)


@pytest.mark.parametrize("personal", [False, True])
def test_nothing_that_a_main_process_s_death_takes_away_is_under_a_living_agent(personal: bool) -> None:
    keys = section(replace(DEMO, personal=personal), "loops-demo-holder.service")
    assert keys["KillMode"] == ("process",)
    assert keys["OOMPolicy"] == ("continue",)
    assert not {"PrivateTmp", "RemoveIPC", "DynamicUser", "BindsTo"} & set(keys)


@pytest.mark.parametrize("unit", ["loops-demo-holder.service", "loops-demo.service"])
def test_what_bubblewrap_does_not_survive_is_not_set_where_it_is_run_or_tried(unit: str) -> None:
    keys = section(DEMO, unit)
    breaking = {"ProtectKernelTunables", "ProtectKernelLogs", "ProcSubset", "RestrictNamespaces", "RestrictSUIDSGID"}
    assert not breaking & set(keys)
    assert "AF_NETLINK" in keys["RestrictAddressFamilies"]
    assert all(each.startswith("~") for each in keys["SystemCallFilter"])
    assert not {"~@mount", "~@privileged"} & set(keys["SystemCallFilter"])


def test_what_node_does_not_survive_is_not_set_where_agents_run() -> None:
    assert "MemoryDenyWriteExecute" not in section(DEMO, "loops-demo-holder.service")


def test_limits_are_the_agents_and_credentials_the_supervisor_s() -> None:
    service = replace(DEMO, limits=units.Limits("1G", "2G", "50", "7"), credentials=("a:/root/a", "b:/root/b"))
    holder, supervisor = (section(service, f"loops-demo{tail}.service") for tail in ("-holder", ""))
    assert [holder[key] for key in ("MemoryHigh", "MemoryMax", "TasksMax", "CPUWeight")] == [
        ("1G",),
        ("2G",),
        ("50",),
        ("7",),
    ]
    assert supervisor["LoadCredential"] == ("a:/root/a", "b:/root/b")
    assert "LoadCredential" not in holder
    assert holder["InaccessiblePaths"] == ("-/run/credentials",)
    assert not {"MemoryHigh", "MemoryMax", "TasksMax"} & set(supervisor)


def test_both_units_can_write_where_the_project_and_the_logins_are() -> None:
    for unit in ("loops-demo-holder.service", "loops-demo.service"):
        assert {"/srv/demo", "/home/bob"} <= set(section(DEMO, unit)["ReadWritePaths"])
        assert "ProtectHome" not in section(DEMO, unit)
        assert section(DEMO, unit)["ProtectSystem"] == ("strict",)


def test_other_places_that_agents_write_are_named_and_may_be_missing() -> None:
    service = replace(DEMO, writable=("-/srv/git",))
    assert "-/srv/git" in section(service, "loops-demo-holder.service")["ReadWritePaths"]
    assert "-/srv/git" in section(service, "loops-demo.service")["ReadWritePaths"]
    assert "ReadWritePaths" not in section(replace(service, personal=True), "loops-demo-holder.service")


def test_the_supervisor_knows_the_boot_the_calendar_and_its_own_name() -> None:
    environment = section(replace(DEMO, search_path="/opt/bin:/bin"), "loops-demo.service")["Environment"]
    assert environment == (
        "PATH=/opt/bin:/bin",
        "LOOPS_RUNTIME_DIR=%t/loops",
        "LOOPS_BOOT_ID=%b",
        "LOOPS_SCHEDULES=systemd",
        "LOOPS_UNIT=%N",
    )


def test_a_scheduled_task_is_a_timer_and_one_question_to_the_supervisor() -> None:
    rendered = units.render(WEEKLY, SOURCE)
    assert rendered["loops-demo-upgrader.timer"]["Timer"] == {
        "OnCalendar": ("Sun *-*-* 03:00",),
        "Persistent": ("true",),
    }
    task = rendered["loops-demo-upgrader.service"]
    assert task["Service"]["ExecStart"] == ("/usr/bin/loops --config /srv/demo/agents.toml run upgrader --scheduled",)
    assert task["Service"]["Type"] == ("oneshot",)
    assert "Install" not in task
    assert not {"Requires", "Wants"} & set(task["Unit"])  # a stopped project is not started by the calendar


def test_a_person_s_own_service_manager_gets_what_it_can_do() -> None:
    mine = units.render(replace(WEEKLY, personal=True), SOURCE)
    without = set(SOURCE.tables["user"]["without"])
    for unit in mine.values():
        for name, keys in unit.items():
            assert not without & set(keys), name
    assert mine["loops-demo.service"]["Install"]["WantedBy"] == ("default.target",)
    assert mine["loops-demo.service"]["Unit"]["Wants"] == ("loops-demo-holder.service",)
    assert mine["loops-demo-upgrader.timer"]["Install"]["WantedBy"] == ("timers.target",)
    assert mine["loops-demo-holder.service"]["Service"]["NoNewPrivileges"] == ("true",)


# ---- the text ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("personal", [False, True])
def test_every_placeholder_is_filled_and_the_text_reads_back(personal: bool) -> None:
    for unit in units.render(replace(WEEKLY, personal=personal), SOURCE).values():
        text = units.text(unit)
        assert text.startswith(units.MARK)
        assert not re.search(r"@[a-z-]+@", text)
        assert units.parse(text) == unit


def test_every_unit_but_the_slice_names_the_project_it_belongs_to() -> None:
    owners = {name: units.owner(units.text(unit)) for name, unit in units.render(WEEKLY, SOURCE).items()}
    assert owners.pop("loops.slice") == ""
    assert set(owners.values()) == {"/srv/demo/agents.toml"}


NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True)
PATHS = st.from_regex(r"(/[A-Za-z0-9._+:,=~-]{1,12}){1,4}", fullmatch=True)
WORDS = st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True).filter(lambda word: word != "holder")
CALENDARS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="%@"), min_size=1).filter(
    lambda text: text == text.strip()
)


@given(
    name=NAMES,
    config=PATHS,
    home=PATHS,
    credentials=st.lists(st.tuples(WORDS, PATHS), max_size=3),
    schedules=st.dictionaries(WORDS, CALENDARS, max_size=3),
    personal=st.booleans(),
)
def test_whatever_the_project_is_called_its_units_read_back_as_they_were_meant(
    name: str,
    config: str,
    home: str,
    credentials: list[tuple[str, str]],
    schedules: dict[str, str],
    personal: bool,
) -> None:
    service = replace(
        DEMO,
        name=name,
        config=f"{config}/agents.toml",
        home=home,
        credentials=tuple(":".join(pair) for pair in credentials),
        schedules=tuple(units.Schedule(*pair) for pair in schedules.items()),
        personal=personal,
    )
    rendered = units.render(service, SOURCE)
    assert {file: units.parse(units.text(unit)) for file, unit in rendered.items()} == rendered
    assert len(rendered) == 3 + 2 * len(schedules)
    for task, calendar in schedules.items():
        assert rendered[f"loops-{name}-{task}.timer"]["Timer"]["OnCalendar"] == (calendar,)


@given(st.text(min_size=1))
def test_a_path_is_written_as_it_is_or_refused(text: str) -> None:
    service = replace(DEMO, config=f"/srv/{text}/agents.toml")
    if re.search(r"""[\s"'\\%$;@]""", text):
        with pytest.raises(UsageError, match="cannot stand in a unit"):
            units.render(service, SOURCE)
        return
    read = units.parse(units.text(units.render(service, SOURCE)["loops-demo.service"]))
    assert read["Unit"]["X-Loops-Config"] == (service.config,)
    assert len(read["Service"]["ExecStart"]) == 1


@pytest.mark.parametrize("facts", [{"command": "/opt/my engine/loops"}, {"search_path": "/usr/bin:/opt/50%/bin"}])
def test_a_command_or_a_search_path_that_systemd_would_take_apart_is_refused(facts: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="cannot stand in a unit"):
        units.check(replace(DEMO, **facts))  # type: ignore[arg-type]
    units.check(replace(DEMO, command="/usr/bin/python3 -m loops", search_path="/usr/bin:/bin"))


@pytest.mark.parametrize(
    ("limit", "values"),
    [
        ("memory_max", ["8GB", "8 G", "8g", "", "lots", "-1"]),
        ("memory_high", ["75 %"]),
        ("tasks_max", ["1K"]),
        ("cpu_weight", ["0", "10001", "50%"]),
    ],
)
def test_a_limit_that_systemd_would_leave_out_is_refused(limit: str, values: list[str]) -> None:
    for value in values:
        with pytest.raises(UsageError, match=f"^--{limit.replace('_', '-')} .*: systemd takes "):
            units.check(replace(DEMO, limits=replace(DEMO.limits, **{limit: value})))


@pytest.mark.parametrize("value", ["8G", "1.5T", "512M", "90%", "infinity", "1000000"])
def test_a_limit_is_written_as_systemd_takes_it(value: str) -> None:
    units.check(replace(DEMO, limits=replace(DEMO.limits, memory_max=value)))


@pytest.mark.parametrize("name", ["", "Demo", "-demo", "demo/x", "demo x", "1demo", "demo.service", "démo"])
def test_a_name_that_is_no_part_of_a_unit_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="--name NAME"):
        units.render(replace(DEMO, name=name), SOURCE)


@pytest.mark.parametrize(
    ("task", "calendar"),
    [("holder", "daily"), ("a/b", "daily"), ("a b", "daily"), ("a", "x\nExecStart=/bin/sh"), ("a", "%h")],
)
def test_a_task_that_is_no_part_of_a_unit_is_refused(task: str, calendar: str) -> None:
    with pytest.raises(UsageError):
        units.render(replace(DEMO, schedules=(units.Schedule(task, calendar),)), SOURCE)


# ---- systemd's own judgement -------------------------------------------------------------------------------------------

EXPOSED = {"loops-demo-holder.service": 3.7, "loops-demo.service": 3.7, "loops-demo-upgrader.service": 0.8}
"""At most, by `systemd-analyze security`; newer versions of it say a little less."""


@pytest.fixture
def written(tmp_path: Path) -> Path:
    service = replace(WEEKLY, command=sys.executable, user="daemon", group="daemon")  # all three exist
    service = replace(service, said=("memory-max 8G", "credential a=/root/a", "credential b=/root/b"))
    for name, unit in units.render(service, SOURCE).items():
        (tmp_path / name).write_text(units.text(unit))
    return tmp_path


@pytest.fixture
def analyze() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("systemd-analyze is not installed (Debian: systemd)")
    return found


def test_systemd_understands_every_line(written: Path, analyze: str) -> None:
    paths = [str(path) for path in written.iterdir()]
    done = subprocess.run([analyze, "verify", *paths], capture_output=True, text=True, timeout=120, check=False)
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith(str(written))]
    version = subprocess.run([analyze, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout
    if int(version.split()[1].partition("~")[0].partition(".")[0]) < 254:
        said = [line for line in said if "RestartSteps" not in line and "RestartMaxDelaySec" not in line]
    assert said == []


@pytest.mark.parametrize("unit", sorted(EXPOSED))
def test_the_exposure_is_what_is_promised(written: Path, analyze: str, unit: str) -> None:
    argv = [analyze, "security", "--no-pager", "--offline=true", str(written / unit)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    if found is None:
        pytest.skip(f"this systemd-analyze judges no files: {done.stderr.strip()}")
    assert float(found[1]) <= EXPOSED[unit]
