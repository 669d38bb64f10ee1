"""What an agent can see: a sandbox of its own, and a clone without what it must not read before it judges.

An isolated agent runs in bubblewrap.  It sees the system's programs (read only), the program of its backend, the engine
(for ``loops claim`` and ``loops verdict``), agents.toml and the prompts (read only), what its table declares in
``reads`` and ``writes``, and, as its own: its clone, the remote of that clone where it is a path, a private home, its
signals file, an empty /tmp.  Of the environment it gets what `loops.isolation.surroundings.kept` keeps.  It has
process numbers, System V memory and message queues of its own, no capability, and with ``network = "none"`` a network
with nobody on it.

What is not there: other agents' clones, homes, signals and answers; the journal, the state, all logs; the control and
the holder's socket (so it cannot approve its own requests); the user's home, /run, /var, /sys; other processes.

What this does not do:

- With ``network = "open"`` it is the machine's network, with whatever listens on 127.0.0.1 and in the abstract sockets.
- agents.toml can be read inside, and with it what stands in it: secrets belong into variables named by ``env_keep``.
- The remote is shared by design.  Its hooks and settings cannot be written, its branches can.
- A phase's own checks run outside, in a fresh clone: they are the operator's commands, but the code is the Builder's.
- The terminal: bubblewrap's ``--new-session`` is not used, for a terminal interface needs its controlling terminal.
  Pushing characters into it (TIOCSTI) reaches only what reads that terminal, and that is the agent itself: each
  incarnation has a pty of its own, which nobody else reads and which ends with it.  Of a headless agent the runner reads
  the terminal, so the runner starts the agent in a session of its own, without it.
"""
