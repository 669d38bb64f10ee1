"""Tells what a script's constants and pure functions come to, from its syntax tree: nothing of it is ever imported or run."""
