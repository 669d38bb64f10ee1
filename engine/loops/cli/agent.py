"""agent try: whether an agent can be had to work here, unattended."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict

from loops.cli.answer import Answer


def attempt(args: argparse.Namespace) -> Answer:
    """Have a backend do one small task in a scratch repository; exit code 1 when it does not."""
    from loops.config.model import Mode
    from loops.errors import ConfigError
    from loops.places import find_config
    from loops.projects import agent_try
    from loops.projects.try_verdict import lines

    path = find_config(args.config)
    backend, model = agent_try.backend_of(args.backend, path)
    if args.config and not _is_file(path):
        raise ConfigError(f"{path}: there is no such file; leave --config out to try the backend as it is built in")
    live = not args.json and sys.stderr.isatty()
    verdict = agent_try.run(
        backend,
        model=args.model or model,
        mode=Mode(args.mode) if args.mode else None,
        patience=args.timeout,
        tell=(lambda line: print(line, file=sys.stderr, flush=True)) if live else (lambda line: None),
    )
    facts = {"ready": verdict.ready, **asdict(verdict)}
    told = lines(verdict)
    if live:  # the events were shown as they came
        told = told[len(verdict.events) :]
    return Answer(facts, told, 0 if verdict.ready else 1)


def _is_file(path: str) -> bool:
    import os

    return os.path.isfile(path)
