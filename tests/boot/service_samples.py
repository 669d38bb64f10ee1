"""A service as `loops service install` knows it, for the tests of its units."""

from __future__ import annotations

from loops.boot import units

SOURCE = units.load()
DEMO = units.Service(
    name="demo",
    command="/usr/bin/loops",
    config="/srv/demo/agents.toml",
    user="bob",
    group="staff",
    home="/home/bob",
    limits=SOURCE.defaults,
)
