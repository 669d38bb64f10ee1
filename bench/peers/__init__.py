"""The contestants, one module each."""

from __future__ import annotations

from bench.peers.cao import CliAgentOrchestrator
from bench.peers.floor import Floor
from bench.peers.loops import Loops
from bench.peers.peer import Peer
from bench.peers.pm2 import Pm2
from bench.peers.runit import Runit
from bench.peers.s6 import S6
from bench.peers.supervisord import Supervisord
from bench.peers.systemd import Systemd
from bench.peers.tmux_poll import TmuxPoll

PEERS: tuple[type[Peer], ...] = (Floor, Loops, Runit, S6, Supervisord, Pm2, Systemd, TmuxPoll, CliAgentOrchestrator)
"""In the order of the tables; the first is the measure of the ratios."""
