"""Gate: the token log has one row for each gate and phase, exactly once, whenever the supervisor is killed."""

from __future__ import annotations

import json
import os
import signal

from loops.supervisor.events import CommitSeen, SequenceCompleted, TokensMeasured, UsageUpdated
from scratch import Scratch, checked

PRICES = """
[prices.demo-small]
input = 1.0
cached = 0.1
output = 10.0
"""


def test_each_gate_and_phase_is_logged_once_though_the_supervisor_is_killed(scratch: Scratch) -> None:
    scratch.create([checked("1"), checked("2")], script={"pace": 0.1, "tokens": 1000}, more=PRICES)
    text = scratch.config_path.read_text()
    scratch.config_path.write_text(text.replace("[watchdog]\n", "[watchdog]\nlog_tokens = true\n", 1))
    scratch.loops("up")
    for kind in ("claim", "verdict"):
        scratch.wait_event(CommitSeen, f"a {kind}", lambda e, kind=kind: e.kind == kind)  # type: ignore[misc]
        status = scratch.status()
        if status is not None:
            os.kill(status["pid"], signal.SIGKILL)
    scratch.wait_event(SequenceCompleted, "all phases done")

    scratch.loops("down")

    rows = [json.loads(line) for line in (scratch.log_dir / "token-log.jsonl").read_text().splitlines()]
    measured = scratch.events(TokensMeasured)
    assert [row["row"] for row in rows] == [event.row for event in measured]
    assert len({row["row"] for row in rows}) == len(rows)
    assert {"1:M1", "1", "2:M1", "2"} <= {row["phase_id"] for row in rows}
    by_gate = json.loads(scratch.loops("tokens", "--by", "gate", "--json").out)["tokens"]
    reported = sum(event.input_tokens + event.output_tokens for event in scratch.events(UsageUpdated))
    assert sum(row["total"] for row in by_gate) == reported
    assert all(row["usd"] is not None for row in by_gate)
