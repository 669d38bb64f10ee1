"""The benchmark: ``python -m bench [SCENARIO …] [--sessions 1,100,1000] [--peers NAME,…] [--quick] [--install]``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict
from subprocess import CalledProcessError

from bench import journal
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


def main(words: list[str] | None = None) -> int:
    """Measure, print the tables, return 0."""
    options = parse(words)
    chosen = [peer for peer in PEERS if not options.peers or peer.name in options.peers]
    if options.install:
        install(chosen)
        if not options.scenario:
            return 0
    wanted = options.scenario or [*SCENARIOS, "journal"]
    print(machine(), flush=True)
    tables = journal.tables(options.quick) if "journal" in wanted else []
    for table in tables:
        print(f"\n{table.text()}", flush=True)
    if live := [scenario for scenario in SCENARIOS if scenario in wanted]:
        for size in options.sessions:
            found = compare(chosen, size, live, Pace.of(options.quick))
            for table in found:
                print(f"\n{table.text()}", flush=True)
            tables += found
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"machine": machine(), "tables": [asdict(table) for table in tables]}, file, indent=1)
    return 0


def parse(words: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure the engine beside its peers. Ratios are to the C floor, or to the way that is named.",
        epilog="example: python -m bench heal mass --sessions 100 --peers 'C floor,runit' --quick",
    )
    known = (*SCENARIOS, "journal")
    parser.add_argument(
        "scenario", nargs="*", metavar="SCENARIO", help=f"{', '.join(known)}; all unless some are named"
    )
    parser.add_argument("--sessions", type=sizes, default=[1, 100, 1000], help="how many, separated by commas")
    parser.add_argument("--peers", type=lambda text: text.split(","), help=", ".join(peer.name for peer in PEERS))
    parser.add_argument("--quick", action="store_true", help="few samples: minutes instead of a quarter of an hour")
    parser.add_argument("--install", action="store_true", help="install the missing peers first (apt, pip, npm)")
    parser.add_argument("--json", metavar="FILE", help="also write the figures there")
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
