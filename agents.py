#!/usr/bin/env python3
"""``python3 engine/agents.py VERB``, for a project that pins this repository as its ``engine/`` submodule.

The packages come from this checkout's own ``.venv`` where ``./dev setup`` made one, else from the calling
interpreter: verbs that need the standard library alone then work all the same.  The configuration is the
project's own ``agents.toml`` beside the submodule, from whatever directory the command is given.
"""

import os
import sys

ENGINE = os.path.dirname(os.path.realpath(__file__))
PROJECT_CONFIG = os.path.join(os.path.dirname(ENGINE), "agents.toml")
VENV_PYTHON = os.path.join(ENGINE, ".venv", "bin", "python")

if os.access(VENV_PYTHON, os.X_OK) and sys.executable != VENV_PYTHON:
    os.execv(VENV_PYTHON, [VENV_PYTHON, __file__, *sys.argv[1:]])
if sys.version_info < (3, 11):  # noqa: UP036 -- whatever `python3` is on the machine gets here first
    sys.exit(f"agents.py: needs Python 3.11 or newer, this is {sys.version.split()[0]}; {ENGINE}/dev setup finds one")
if os.path.isfile(PROJECT_CONFIG):
    os.environ.setdefault("LOOPS_CONFIG", PROJECT_CONFIG)
sys.path[0] = SOURCE = os.path.join(ENGINE, "engine")
if (
    sys.executable != VENV_PYTHON
):  # which knows the engine; any other interpreter that is started, the supervisor's, must find it
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (SOURCE, os.environ.get("PYTHONPATH"))))
try:
    from loops.__main__ import main

    sys.exit(main())
except ModuleNotFoundError as missing:
    if missing.name is None or missing.name.partition(".")[0] == "loops":
        raise
    sys.exit(f"agents.py: the Python package {missing.name!r} is not installed; run {ENGINE}/dev setup")
