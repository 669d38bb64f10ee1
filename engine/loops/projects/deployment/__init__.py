"""Deployments as facts: what is run by launchers, by the earlier engine, or by this one, in one form that can be compared."""
