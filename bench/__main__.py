"""The benchmark: ``python -m bench [SCENARIO …]``; see README.md beside this file."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from subprocess import CalledProcessError

from bench import (
    acknowledged,
    adopt,
    chatter,
    commands,
    decide,
    fleet,
    flood,
    handoff,
    journal,
    markdown,
    normalise,
    runner,
    summary,
    untouched,
    views,
)
from bench.contest import SCENARIOS, Pace, Result, contest, times
from bench.peers import PEERS
from bench.peers.peer import Peer
from bench.table import Row, Table

PYTHON = "python3 -c pass"
AGAINST = {"status": PYTHON}
"""The row that is the ratio's 1, where it is not the first contestant."""
BY = {"idle": 2}
"""The column that the ratio is of, where it is not the first."""
COLUMNS = {
    "start": ("start: all sessions, from the command to the last child's first instruction", ["ms"]),
    "idle": ("idle: what the supervision costs", ["CPU ms/s", "switches/s", "MB", "KB/session", "processes"]),
    "status": ("status: the contestant's own list of all sessions", ["ms", "worst"]),
    "heal": ("heal: one is killed, until its successor's first instruction", ["ms", "p95", "worst"]),
    "mass": ("mass: all are killed at once, until the last is back", ["ms", "came back"]),
}


Tables = Callable[[list[int], bool], list[Table]]
OWN: dict[str, Tables] = {
    "journal": lambda _sizes, quick: journal.tables(quick),
    "acknowledged": lambda _sizes, quick: acknowledged.tables(quick),
    "decide": lambda _sizes, quick: decide.tables(quick),
    "handoff": lambda _sizes, quick: handoff.tables(quick),
    "flood": lambda _sizes, _quick: flood.tables(),
    "normalise": lambda _sizes, quick: normalise.tables(quick),
    "runner": lambda _sizes, quick: runner.tables(quick),
    "untouched": lambda _sizes, quick: untouched.tables(quick),
    "commands": commands.tables,
    "views": views.tables,
    "chatter": chatter.tables,
    "adopt": adopt.tables,
    "fleet": lambda _sizes, quick: fleet.tables(quick),
}
"""What only the engine does, or does differently from all peers; its table says so."""


def main(words: list[str] | None = None) -> int:
    """Measure, print the tables and the summary, return 0."""
    options = parse(words)
    chosen = [peer for peer in PEERS if not options.peers or peer.name in options.peers]
    if options.install:
        install(chosen)
        if not options.scenario:
            return 0
    if options.summary:
        where, tables = load(options.summary)
    else:
        where, tables = machine(), []
        print(where, flush=True)
        for table in measure(options, chosen):
            print(f"\n{table.text()}", flush=True)
            tables.append(table)
    print(f"\n{summary.text(tables)}", flush=True)
    if options.json:
        store(options.json, where, tables)
    if options.markdown:
        markdown.write(options.markdown, where, tables)
    return 0


def measure(options: argparse.Namespace, chosen: list[type[Peer]]) -> Iterator[Table]:
    """Measure what was asked for, and give each table when it is ready."""
    wanted = options.scenario or [*OWN, *SCENARIOS]
    for scenario, tables in OWN.items():
        if scenario in wanted:
            progress(scenario)
            try:
                found = tables(options.sessions, not options.full)
            except (OSError, RuntimeError, CalledProcessError) as error:
                found = [Table(scenario, [], "", rows=[Row("loops", skipped=f"{type(error).__name__}: {error}")])]
            progress("")
            yield from found
    if live := [scenario for scenario in SCENARIOS if scenario in wanted]:
        for size in options.sessions:
            yield from compare(chosen, size, live, Pace.of(not options.full))


def store(path: str, where: str, tables: list[Table]) -> None:
    """Write everything that was found as JSON."""
    found = [dict(zip(summary.HEAD, finding.cells(), strict=True)) for finding in summary.findings(tables)]
    with open(path, "w", encoding="utf-8") as file:
        whole = {"machine": where, "tables": [asdict(table) for table in tables], "summary": found}
        json.dump(whole, file, indent=1)


def load(path: str) -> tuple[str, list[Table]]:
    """Undo `store`."""
    with open(path, encoding="utf-8") as file:
        whole = json.load(file)
    tables = []
    for fields in whole["tables"]:
        rows = [Row(row["name"], tuple(row["figures"]), row["skipped"]) for row in fields.pop("rows")]
        tables.append(Table(**fields, rows=rows))
    return whole["machine"], tables


def parse(words: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure the engine beside its peers. Ratios are to the C floor, or to the way that is named.",
        epilog="example: python -m bench heal mass --sessions 100 --peers 'C floor,loops,runit'",
    )
    known = (*OWN, *SCENARIOS)
    parser.add_argument(
        "scenario", nargs="*", metavar="SCENARIO", help=f"{', '.join(known)}; all unless some are named"
    )
    parser.add_argument("--sessions", type=sizes, default=[1, 100, 1000], help="how many, separated by commas")
    parser.add_argument("--peers", type=lambda text: text.split(","), help=", ".join(peer.name for peer in PEERS))
    parser.add_argument("--full", action="store_true", help="many samples: most of an hour instead of ten minutes")
    parser.add_argument("--install", action="store_true", help="install the missing peers first (apt, pip, npm)")
    parser.add_argument("--json", metavar="FILE", help="also write the figures there")
    parser.add_argument(
        "--markdown", metavar="FILE", help="also write the tables there, between its marks if it has any"
    )
    parser.add_argument("--summary", metavar="FILE", help="measure nothing: read the figures that --json wrote there")
    options = parser.parse_args(words)
    for given, allowed in ((options.scenario, known), (options.peers or [], [peer.name for peer in PEERS])):
        if unknown := [word for word in given if word not in allowed]:
            parser.error(f"unknown: {', '.join(unknown)}; known are {', '.join(allowed)}")
    return options


def sizes(text: str) -> list[int]:
    """Read a list of numbers of sessions."""
    found = [int(word) for word in text.split(",")]
    if min(found) < 1:
        raise argparse.ArgumentTypeError("at least 1 session")
    return found


def install(peers: list[type[Peer]]) -> None:
    """Install what is missing; say what could not be."""
    for peer in peers:
        if peer.missing():
            print(f"{peer.name}: installing", flush=True)
            try:
                peer.install()
            except (OSError, CalledProcessError) as error:
                print(f"{peer.name}: {error}", flush=True)
        print(f"{peer.name}: {peer.missing() or 'ready'}", flush=True)


def compare(peers: list[type[Peer]], size: int, wanted: list[str], pace: Pace) -> list[Table]:
    """Run each contestant once with *size* sessions and return a table a scenario."""
    results: dict[str, Result] = {}
    for peer in peers:
        if not peer.missing() and size <= peer.limit:
            progress(f"{peer.name}, {size} sessions")
            results[peer.name] = contest(peer, size, set(wanted), pace)
    progress("")
    tables = []
    for scenario in wanted:
        title, columns = COLUMNS[scenario]
        against = AGAINST.get(scenario, PEERS[0].name)
        table = Table(f"{title}; {size} sessions", columns, against, BY.get(scenario, 0))
        table.scenario, table.sessions = scenario, size
        if against == PYTHON:
            table.rows.append(Row(PYTHON, times([sys.executable, "-c", "pass"], dict(os.environ), pace.status)))
        for peer in peers:
            table.rows.append(row(peer, scenario, results.get(peer.name)))
        tables.append(table)
    return tables


def row(peer: type[Peer], scenario: str, result: Result | None) -> Row:
    """Return the contestant's line in the table of *scenario*."""
    if result is None:
        return Row(peer.name, skipped=peer.missing() or f"takes no more than {peer.limit} sessions in a sensible time")
    if scenario not in result.figures:
        return Row(peer.name, skipped="; ".join(result.notes) or "not measured")
    return Row(peer.name, result.figures[scenario])


def progress(text: str) -> None:
    """Say on a terminal what runs now."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def machine() -> str:
    """Return one line about where the figures come from."""
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} processors, Linux {platform.release()}, Python {platform.python_version()}, load {load:.1f}"
    )


if __name__ == "__main__":
    sys.exit(main())
