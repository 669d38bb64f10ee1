"""The scripted agent: a real terminal program that behaves, or misbehaves, as its script says.

It stands in for a coding agent where none may be used: in tests, in the demonstration, and when somebody must see
what the engine does with a crash, a hang or a false claim.  Standard library only, and only its quick parts are
imported at the start: ``python -I -S .../demo_agent/__main__.py``.
"""
