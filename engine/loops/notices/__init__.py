"""Notices: telling the operator, wherever they are.  A process of its own sends one (``python -m loops.notices``).

Below the supervisor, which decides what is told and remembers what was.  The standard library, and apprise where it is used.
"""
