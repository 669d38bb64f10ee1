"""Days of trouble in virtual time: the real brain and the real journal encoding in a simulated, seeded, faulty world.

LOOPS_SIM_SEEDS (default 200) worlds of LOOPS_SIM_DAYS (default 10) days each; LOOPS_SIM_SEED plays one of them alone.
"""

from __future__ import annotations

import os

import pytest
from simulation.world import Simulation

SEEDS = int(os.environ.get("LOOPS_SIM_SEEDS", "200"))
DAYS = float(os.environ.get("LOOPS_SIM_DAYS", "10"))
ALONE = os.environ.get("LOOPS_SIM_SEED", "")
CHUNK = 10
CHUNKS = [[int(ALONE)]] if ALONE else [list(range(n, min(n + CHUNK, SEEDS))) for n in range(0, SEEDS, CHUNK)]


@pytest.mark.parametrize("seeds", CHUNKS, ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_days_of_trouble_break_no_promise(seeds: list[int]):
    for seed in seeds:
        Simulation(seed, DAYS).run()
