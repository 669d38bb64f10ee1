"""Parity: a live deployment held against a staged one, fact by fact, each difference with its class and its reason."""
