"""What a switch to another system does with which unit: nixos/offline/switch.py, which stands in for NixOS' own."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

FILE = Path(__file__).resolve().parents[2] / "nixos" / "offline" / "switch.py"


def load():
    spec = importlib.util.spec_from_file_location("nixos_offline_switch", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


switch = load()

SERVICE = (
    "[Unit]\nDescription=A\nAfter=b.service\n\n[Service]\nExecStart=/bin/a\n\n[Install]\nWantedBy=multi-user.target\n"
)
STAYS = SERVICE.replace("[Service]\n", "[Service]\nX-RestartIfChanged=false\n")
AT_ONCE = SERVICE.replace("[Service]\n", "[Service]\nX-StopIfChanged=false\n")


def other(text):
    return text.replace("/bin/a", "/bin/b")


def system(wanted=(), **units):
    texts = {name.replace("_", "."): switch.parse(text) for name, text in units.items()}
    return switch.System(texts, frozenset(wanted))


def test_what_did_not_change_is_left_alone():
    same = system(["a.service"], a_service=SERVICE)
    assert switch.plan(same, same, {"a.service"}).lines == ["no unit changed"]


def test_a_changed_unit_that_runs_is_stopped_under_its_old_text_and_started_under_the_new():
    plan = switch.plan(
        system(["a.service"], a_service=SERVICE), system(["a.service"], a_service=other(SERVICE)), {"a.service"}
    )
    assert plan.pause == ["a.service"]
    assert plan.lines == ["restarting: a.service"]


def test_a_changed_unit_that_must_not_be_stopped_is_restarted_in_one_go():
    plan = switch.plan(system(a_service=AT_ONCE), system(a_service=other(AT_ONCE)), {"a.service"})
    assert (plan.restart, plan.pause) == (["a.service"], [])


def test_a_changed_unit_that_holds_the_agents_runs_on_and_this_is_said():
    plan = switch.plan(system(a_service=STAYS), system(a_service=other(STAYS)), {"a.service"})
    assert plan.lines == ["NOT restarting: a.service"]


@pytest.mark.parametrize("words", [("Description=A", "Description=B"), ("multi-user.target", "graphical.target")])
def test_a_change_that_says_nothing_about_how_it_runs_restarts_nothing(words):
    plan = switch.plan(system(a_service=SERVICE), system(a_service=SERVICE.replace(*words)), {"a.service"})
    assert plan.lines == ["no unit changed"]


def test_a_slice_takes_its_limits_over_at_the_reload():
    before, after = "[Slice]\nCPUWeight=100\n", "[Slice]\nCPUWeight=50\n"
    assert switch.plan(system(a_slice=before), system(a_slice=after), {"a.slice"}).lines == ["no unit changed"]


def test_a_unit_that_is_gone_is_stopped_if_it_runs():
    old = system(a_service=SERVICE, b_service=SERVICE)
    assert switch.plan(old, system(), {"a.service"}).stop == ["a.service"]


def test_what_a_target_wants_and_does_not_run_is_started():
    new = system(["a.service", "b.timer"], a_service=SERVICE, b_timer="[Timer]\nOnCalendar=daily\n", c_service=SERVICE)
    assert switch.plan(system(), new, {"a.service"}).start == ["b.timer"]


texts = st.sampled_from([SERVICE, other(SERVICE), STAYS, other(STAYS), AT_ONCE, other(AT_ONCE)])
systems = st.dictionaries(st.sampled_from(["a_service", "b_service", "c_service"]), texts).map(lambda u: system(**u))


@given(systems, systems, st.sets(st.sampled_from(["a.service", "b.service", "c.service"])))
def test_no_unit_is_in_two_places_of_a_plan_and_what_runs_without_change_is_in_none(old, new, active):
    plan = switch.plan(old, new, active)
    named = plan.stop + plan.pause + plan.restart + plan.leave + plan.start
    assert len(named) == len(set(named))
    assert not {name for name in named if name in active and old.units.get(name) == new.units.get(name)} - set(
        plan.stop
    )
    changed = {name for name in old.units.keys() & new.units.keys() & active if old.units[name] != new.units[name]}
    assert changed == {*plan.pause, *plan.restart, *plan.leave}


def test_a_link_is_replaced_and_never_missing(tmp_path):
    link, old, new = tmp_path / "deep" / "link", tmp_path / "old", tmp_path / "new"
    switch.point(link, old)
    switch.point(link, new)
    assert link.readlink() == new
    assert [each.name for each in link.parent.iterdir()] == ["link"]


def test_a_system_is_read_with_its_units_and_what_the_targets_want(tmp_path):
    units = tmp_path / "etc/systemd/system"
    (units / "multi-user.target.wants").mkdir(parents=True)
    (units / "a.service").write_text(SERVICE)
    (units / "b.service").write_text(SERVICE)
    (units / "multi-user.target.wants" / "a.service").symlink_to("../a.service")
    found = switch.read(tmp_path)
    assert found == switch.System(
        dict.fromkeys(["a.service", "b.service"], switch.parse(SERVICE)), frozenset({"a.service"})
    )
    assert switch.read(tmp_path / "absent") == switch.System({}, frozenset())
