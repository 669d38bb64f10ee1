"""The benchmark's own arithmetic: what it says of figures that are known."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from bench import markdown, summary
from bench.__main__ import load, main, parse, store
from bench.measure import cost, median, quantile, with_environment
from bench.table import Row, Table, number


def heal(sessions: int, **ms: float) -> Table:
    table = Table("heal", ["ms", "p95"], "C floor", scenario="heal", sessions=sessions)
    table.rows = [Row(name.replace("_", " "), (figure, figure)) for name, figure in ms.items()]
    return table


def verdicts(*tables: Table) -> dict[tuple[str, int], str]:
    return {(f.target.text(), f.sessions): f.verdict for f in summary.findings(tables) if f.target.scenario == "heal"}


def test_quantiles_are_interpolated() -> None:
    assert median([3, 1, 2]) == 2
    assert median([1, 2]) == 1.5
    assert quantile([0, 10], 0.95) == 9.5
    assert quantile([7], 0.95) == 7


@pytest.mark.parametrize(
    ("figure", "text"), [(None, "-"), (0.0, "0"), (1234.5, "1,234"), (2.345, "2.35"), (0.001234, "0.0012")]
)
def test_a_number_has_the_digits_that_count(figure: float | None, text: str) -> None:
    assert number(figure) == text


def test_the_ratio_is_to_the_row_that_is_the_measure() -> None:
    lines = heal(1, C_floor=2.0, loops=5.0).text().splitlines()
    assert lines[2].split() == ["C", "floor", "2", "2", "1.00"]
    assert lines[3].split() == ["loops", "5", "5", "2.50"]


def test_a_skipped_contestant_is_named_with_its_reason() -> None:
    table = heal(1, loops=5.0)
    table.rows.append(Row("pm2", skipped="not installed"))
    assert table.text().splitlines()[-1] == "pm2: skipped: not installed"


def test_a_target_is_met_at_its_limit_and_missed_beyond_it() -> None:
    at = verdicts(heal(1, C_floor=2.0, loops=5.0, runit=5.0))
    beyond = verdicts(heal(1, C_floor=2.0, loops=5.01, runit=5.0))
    assert (at["at most 2.5 x C floor", 1], at["at most 1 x runit", 1]) == ("met", "met")
    assert (beyond["at most 2.5 x C floor", 1], beyond["at most 1 x runit", 1]) == ("MISSED", "MISSED")


def test_a_target_is_looked_at_for_every_number_of_sessions() -> None:
    found = verdicts(heal(1, C_floor=2.0, loops=3.0), heal(1000, C_floor=2.0, loops=9.0))
    assert found["at most 2.5 x C floor", 1] == "met"
    assert found["at most 2.5 x C floor", 1000] == "MISSED"


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    assert set(verdicts().values()) == {"not measured"}
    assert verdicts(heal(1, loops=3.0))["at most 2.5 x C floor", 1] == "no figure of C floor"
    assert verdicts(heal(1, C_floor=2.0))["at most 2.5 x C floor", 1] == "no figure of loops"


def test_a_rate_has_to_be_at_least_its_limit() -> None:
    table = Table("journal", ["events/s"], "SQLite WAL FULL", scenario="journal")
    table.rows = [Row("loops journal", (90.0,)), Row("SQLite WAL FULL", (100.0,))]
    found = [f.verdict for f in summary.findings([table]) if f.target.scenario == "journal"]
    assert found == ["MISSED"]


def test_nothing_lost_is_met_only_by_zero() -> None:
    for lost, verdict in ((0.0, "met"), (1.0, "MISSED")):
        table = Table("acknowledged", ["lost"], "", scenario="acknowledged", rows=[Row("loops journal", (lost,))])
        found = [f.verdict for f in summary.findings([table]) if f.target.scenario == "acknowledged"]
        assert found == [verdict]


def test_a_run_survives_its_json(tmp_path: Path) -> None:
    tables = [heal(1, C_floor=2.0, loops=5.0), Table("x", [], "", rows=[Row("pm2", skipped="why")])]
    store(str(tmp_path / "run.json"), "a machine", tables)
    assert load(str(tmp_path / "run.json")) == ("a machine", tables)
    assert json.loads((tmp_path / "run.json").read_text())["summary"][0]["verdict"] == "met"


def test_the_figures_in_a_readme_are_replaced_and_its_text_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "strftime", lambda form: f"the day as {form}")
    readme = tmp_path / "README.md"
    readme.write_text(f"# Before\n\n{markdown.BEGIN}\nyesterday\n{markdown.END}\n\nafter\n")
    markdown.write(str(readme), "2 processors", [heal(1, C_floor=2.0, loops=5.0)])
    text = readme.read_text()
    assert text.startswith(f"# Before\n\n{markdown.BEGIN}\nMeasured on the day as %Y-%m-%d: 2 processors.")
    assert text.endswith(f"{markdown.END}\n\nafter\n")
    assert "| loops | 5 | 5 | 2.50 |" in text
    assert "yesterday" not in text


def test_a_mark_without_its_end_is_refused() -> None:
    with pytest.raises(ValueError, match="without"):
        markdown.replaced(f"{markdown.BEGIN}\nno end", "body")


def test_the_benchmarks_readme_has_both_marks() -> None:
    text = Path(summary.__file__).with_name("README.md").read_text()
    assert markdown.replaced(text, "body").count("body") == text.count("body") + 1


@pytest.mark.parametrize(
    ("words", "reason"),
    [(["nonsense"], "nonsense"), (["--peers", "nobody"], "nobody"), (["--sessions", "0"], "at least 1")],
)
def test_unknown_words_are_refused(words: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(words)
    assert reason in capsys.readouterr().err


def test_an_earlier_run_is_summed_up_without_measuring(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store(str(tmp_path / "run.json"), "a machine", [heal(1, C_floor=2.0, loops=5.0)])
    assert main(["--summary", str(tmp_path / "run.json")]) == 0
    assert "at most 2.5 x C floor" in capsys.readouterr().out


def test_a_process_costs_memory_and_one_that_is_gone_costs_nothing() -> None:
    ours = cost([os.getpid(), 2**22 + 1])
    assert ours.processes == 1
    assert ours.pss > 1_000_000


def test_a_process_is_found_by_its_environment() -> None:
    import subprocess

    here = f"here-{os.getpid()}"  # a run of these tests beside this one has a child of its own
    mark = f"LOOPS_BENCH_TEST={here}".encode()
    with subprocess.Popen(["sleep", "600"], env={**os.environ, "LOOPS_BENCH_TEST": here}) as child:
        try:
            deadline = time.monotonic() + 60
            while child.pid not in with_environment(mark) and time.monotonic() < deadline:
                time.sleep(0.01)
            assert with_environment(mark) == [child.pid]
        finally:
            child.kill()
