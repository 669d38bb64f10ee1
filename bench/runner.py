"""The runner of one headless agent: how long until the agent hears of it, what it weighs, how fast its events are known.

Beside it, in the same run: an empty Python, and node, which is what most of the agents' own programs are started by.
"""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import loops
from loops.runner.order import RunOrder, encode

from bench.measure import median, quantile
from bench.table import Row, Table

PROGRAM = Path(loops.__file__).parent / "runner" / "program.py"
AGENT = Path(__file__).parent / "runner_agent.py"
PYTHON = "python3, empty"
PATIENCE = 20.0


def tables(quick: bool) -> list[Table]:
    """Measure and return the tables."""
    starts, turns = (10, 100) if quick else (50, 1000)
    weight = Table(
        "runner: an agent's runner beside bare interpreters", ["first byte ms", "p95", "MB", "private MB"], PYTHON, 2
    )
    weight.scenario = "runner"
    weight.rows.append(_bare(PYTHON, [sys.executable, "-I", "-S", "-E", "-c", "import time; time.sleep(60)"], starts))
    node = shutil.which("node")
    if node:
        weight.rows.append(_bare("node, empty", [node, "-e", "setTimeout(() => {}, 60000)"], starts))
    else:
        weight.rows.append(Row("node, empty", skipped="no node in PATH"))
    weight.rows.append(_loops(starts))
    latency = Table("runner events: from the agent's line to the supervisor's", ["ms", "p95", "worst"], "")
    latency.scenario = "runner events"
    latency.rows.append(Row("loops runner", _latency(turns)))
    return [weight, latency]


# ---- one runner ------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Run:
    """A runner at a terminal."""

    directory: Path
    process: subprocess.Popen[bytes]
    master: int
    began: float
    """Epoch seconds, just before its start."""

    @property
    def signals(self) -> Path:
        return self.directory / "signals.jsonl"

    def wait(self, what: bytes, times: int = 1) -> float:
        """Wait until the signals hold *what* so many times; return when that was seen, in epoch seconds."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self.signals.exists() and self.signals.read_bytes().count(what) >= times:
                return time.time()
            time.sleep(0.0001)
        raise RuntimeError(f"the runner never told {what!r}")


@contextmanager
def _running(kickoff: str) -> Iterator[_Run]:
    with tempfile.TemporaryDirectory(prefix="loops-bench-") as name:
        directory = Path(name)
        agent = directory / "agent"
        agent.write_text(f"#!{sys.executable} -IS\n{AGENT.read_text()}")
        agent.chmod(0o755)
        order = RunOrder(
            backend="claude",
            mode="headless",
            agent="a",
            run="a.1",
            directory=name,
            run_dir=f"{name}/run",
            home=f"{name}/home",
            signals=f"{name}/signals.jsonl",
            answers=f"{name}/answers",
            bin=str(agent),
            kickoff=kickoff,
        )
        path = directory / "order.json"
        path.write_bytes(encode(order))
        master, slave = pty.openpty()
        began = time.time()
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-E", str(PROGRAM), str(path)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={"PATH": os.environ["PATH"], "HOME": name, "TERM": "xterm-256color"},
            start_new_session=True,
        )
        os.close(slave)
        os.set_blocking(master, False)
        try:
            yield _Run(directory, process, master, began)
        finally:
            process.terminate()
            process.wait()
            os.close(master)


def _loops(samples: int) -> Row:
    first, weights = [], []
    for _ in range(samples):
        with _running("hello") as run:
            run.wait(b"turn.completed")
            index = (run.directory / "run" / "raw" / "index").read_text().splitlines()
            # The runner's own record of its first line to the agent, made just before the write.
            sent = next(float(line.split()[1]) for line in index if line.startswith("in "))
            first.append((sent - run.began) * 1000)
            weights.append(_weight(run.process.pid))
    return Row("loops runner", (median(first), quantile(first, 0.95), *_medians(weights)))


def _latency(turns: int) -> tuple[float, float, float]:
    found = []
    with _running("hello") as run:
        for turn in range(1, turns + 1):
            seen = run.wait(b'"dev.loops.turn.completed"', turn)
            lines = (run.directory / "run" / "raw" / "out.jsonl").read_bytes().splitlines()
            answered = int(lines[-1].rpartition(b'"result": "')[2].partition(b'"')[0]) / 1e9
            found.append((seen - answered) * 1000)
            _drain(run.master)
            os.write(run.master, b"hello\r")
    return median(found), quantile(found, 0.95), max(found)


def _drain(master: int) -> None:
    try:
        while os.read(master, 65536):
            pass
    except OSError:
        return


# ---- what it is measured against ---------------------------------------------------------------------------------------


def _bare(name: str, words: list[str], samples: int) -> Row:
    """An interpreter that does nothing: until it has started (its stack is that of a sleeper), and what it weighs."""
    weights = []
    for _ in range(min(samples, 10)):
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            time.sleep(0.3)
            weights.append(_weight(process.pid))
        finally:
            process.kill()
            process.wait()
    empty = [words[0], "-I", "-S", "-E", "-c", "pass"] if name == PYTHON else [words[0], "-e", "0"]
    lengths = []
    for _ in range(samples):
        begin = time.monotonic()
        subprocess.run(empty, check=True)
        lengths.append((time.monotonic() - begin) * 1000)
    return Row(name, (median(lengths), quantile(lengths, 0.95), *_medians(weights)))


def _weight(pid: int) -> tuple[float, float]:
    """Resident and private memory in MB."""
    resident = private = 0
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        words = line.split()
        if words[0] == "Rss:":
            resident += int(words[1])
        elif words[0].startswith("Private_"):
            private += int(words[1])
    return resident / 1024, private / 1024


def _medians(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    return median([pair[0] for pair in pairs]), median([pair[1] for pair in pairs])
