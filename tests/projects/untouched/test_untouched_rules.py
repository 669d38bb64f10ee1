"""Rules: what they match, and every mistake of a file of them at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from loops.config.problems import ConfigProblems
from loops.projects.untouched.rules import KNOWN, known, load, matches
from loops.projects.untouched.touch import Cause, Change, Thing

GOOD = """\
[[rule]]
id = "notes"
why = "the assistant keeps its notes there"
thing = "file"
changes = ["added", "appended"]
names = ["notes/**"]
while = "*watchdog*"
"""


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("*.log", "/srv/live/logs/a.log", True),
        ("*.log", "/srv/live/a.log.old", False),
        ("logs/*.log", "logs/a.log", True),
        ("logs/*.log", "logs/deep/a.log", False),
        ("logs/**", "logs/deep/a.log", True),
        ("logs/**", "logs", True),
        ("logs/**", "logs2/a", False),
        ("**/state/*.id", "state/builder.id", True),
        ("**/state/*.id", "/srv/.ao/state/builder.id", True),
        ("**/state/*.id", "/srv/.ao/state/deep/builder.id", False),
        ("a?c", "abc", True),
        ("a.c", "abc", False),
        ("a[b]c", "a[b]c", True),
        ("**/x", "a\n/x", True),
    ],
)
def test_a_glob_fits_files_by_their_parts(pattern: str, name: str, fits: bool):
    assert matches(pattern, name, Thing.FILE) is fits


def test_a_glob_goes_over_the_whole_name_of_anything_else():
    assert matches("refs/remotes/*", "refs/remotes/origin/main", Thing.GIT)
    assert not matches("origin", "refs/remotes/origin", Thing.GIT)


def test_a_good_file_is_read(tmp_path: Path):
    (tmp_path / "rules.toml").write_text(GOOD)

    (rule,) = load(str(tmp_path / "rules.toml"))

    assert (rule.id, rule.thing, rule.changes) == ("notes", Thing.FILE, (Change.ADDED, Change.APPENDED))
    assert (rule.names, rule.lives, rule.cause) == (("notes/**",), "*watchdog*", Cause.LIVE)


def test_every_mistake_is_told_with_its_line(tmp_path: Path):
    path = tmp_path / "rules.toml"
    path.write_text(
        GOOD + '\n[[rule]]\nid = "Bad Id"\nwhy = ""\nthing = "fil"\nchanges = []\nnmaes = ["x"]\ncause = "mine"\n'
    )

    with pytest.raises(ConfigProblems) as raised:
        load(str(path))

    told = {(each.line, each.key.rpartition(".")[2]) for each in raised.value.problems}
    assert told == {(10, "id"), (11, "why"), (12, "thing"), (13, "changes"), (14, "nmaes"), (15, "cause")}
    assert 'did you mean "file"?' in str(raised.value)
    assert 'did you mean "names"?' in str(raised.value)


def test_a_rule_without_a_reason_is_refused(tmp_path: Path):
    path = tmp_path / "rules.toml"
    path.write_text('[[rule]]\nid = "x"\nthing = "file"\nchanges = ["added"]\nnames = ["x"]\n')

    with pytest.raises(ConfigProblems, match="why: is missing"):
        load(str(path))


def test_two_rules_of_one_id_are_refused(tmp_path: Path):
    (tmp_path / "rules.toml").write_text(GOOD + GOOD)

    with pytest.raises(ConfigProblems, match=r"rules\.toml:9: .*there is such a rule already, on line 1"):
        load(str(tmp_path / "rules.toml"))


def test_a_file_that_is_not_there_says_what_helps(tmp_path: Path):
    with pytest.raises(ConfigProblems, match=r"no such file.*\[\[rule\]\]"):
        load(str(tmp_path / "none.toml"))


def test_the_rules_that_come_with_the_engine_are_good_and_each_has_its_reason():
    rules = known()

    assert len({rule.id for rule in rules}) == len(rules) > 10
    assert all(rule.why for rule in rules)
    assert KNOWN.endswith("known.toml")


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("/srv/cc-ci/.phase-idx", Change.REPLACED, "launchers-phase"),
        ("/srv/cc-ci/.limited-cc-ci-builder", Change.ADDED, "launchers-limit"),
        ("/srv/cc-ci/.builder-session-id", Change.CONTENT, "launchers-conversation"),
        ("/srv/cc-ci/.run-upgrade-on-complete", Change.REMOVED, "launchers-on-complete"),
        ("/srv/cc-ci/JOURNAL.md", Change.APPENDED, "journal"),
        ("/srv/x/.ao-state/state/phase-idx", Change.CONTENT, "engine-phase"),
        ("/srv/x/.ao-state/state/builder.id", Change.CONTENT, "engine-conversation"),
        ("/srv/x/.ao-state/state/limited-builder.json", Change.REMOVED, "engine-limit"),
        ("/srv/x/.ao-state/builder.log", Change.APPENDED, "log"),
        ("/srv/x/.ao-state/token-log.jsonl", Change.APPENDED, "log"),
        ("/srv/x/.loops/state/journal/1.jsonl", Change.ADDED, "ours-state"),
        ("/srv/x/clone/.git/FETCH_HEAD", Change.CONTENT, "fetched-files"),
        ("/srv/x/.cc-ci-logs/watchdog-tick", Change.REPLACED, "heartbeat"),
        ("/srv/x/.cc-ci-logs/watchdog-tick.new", Change.ADDED, "heartbeat-draft"),
        ("/srv/x/.ao-state/state/watchdog-tick.new", Change.REMOVED, "heartbeat-draft"),
        # and what none of them may explain
        ("/srv/x/.ao-state/state/watchdog-tick", Change.REMOVED, ""),
        ("/srv/cc-ci/.phase-idx", Change.MODE, ""),
        ("/srv/cc-ci/.loop-model", Change.CONTENT, ""),
        ("/srv/cc-ci/.phases-spec", Change.CONTENT, ""),
        ("/srv/cc-ci/.run-upgrade-on-complete", Change.ADDED, ""),
        ("/srv/cc-ci/JOURNAL.md", Change.CONTENT, ""),
        ("/srv/x/.ao-state/builder.log", Change.CONTENT, ""),
        ("/srv/x/.ao-state/builder.log", Change.REMOVED, ""),
        ("/srv/x/agents.toml", Change.CONTENT, ""),
        ("/srv/x/prompts/builder.md", Change.APPENDED, ""),
        ("/srv/x/clone/.git/objects/ab/cd", Change.CONTENT, ""),
        ("/srv/x/clone/.git/refs/heads/main", Change.CONTENT, ""),
    ],
)
def test_the_live_system_s_own_files_are_known(name: str, change: Change, rule: str):
    found = next((each.id for each in known() if each.explains(Thing.FILE, change, (name,), ())), "")

    assert found == rule
