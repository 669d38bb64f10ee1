"""mock-llm: a model provider without a model, on 127.0.0.1."""

from __future__ import annotations

import argparse
import signal
import sys
from types import FrameType
from typing import NoReturn

from loops.cli.answer import Answer, columns


def mock_llm(args: argparse.Namespace) -> Answer | int:
    """Serve until Ctrl-C or SIGTERM; print one line, ``listening HOST:PORT``, when ready."""
    from loops.projects.mock_llm.scenarios import SCENARIOS

    if args.scenario_help:
        facts = {scenario.name: scenario.help for scenario in SCENARIOS.values()}
        return Answer({"scenarios": facts}, columns(list(facts.items())))
    from loops.projects.mock_llm.roles import ROLES
    from loops.projects.mock_llm.script import Rule, read_script
    from loops.projects.mock_llm.server import HOST, MockServer, Settings

    rules: list[Rule] = []
    for each in args.script:
        rules += (ROLES[each],) if each in ROLES else read_script(each)
    usual = args.scenario or ("script" if rules else "ok")
    server = MockServer(
        Settings(args.port, args.log, args.command, args.text, tuple(rules), usual, slow=args.slow),
    )
    signal.signal(signal.SIGTERM, _end)
    try:
        print(f"listening {HOST}:{server.port}", flush=True)
        server.serve_forever(poll_interval=60)
    finally:
        server.close()
    return 0


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)
