"""Agents: the backends behind one port (`loops.agents.port`)."""
