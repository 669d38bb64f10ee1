"""This checkout as an engine's own repository, with a tag behind which main has gone on; and that repository on the web."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
PARTS = (
    *("agents.py", "dev", "flake.nix", "flake.lock", "pyproject.toml", "LICENSE", ".gitignore"),
    *("engine", "schemas", "prompts", "nixos"),
)
TAG = "v9.1.0"


@dataclass(frozen=True, slots=True)
class EngineSource:
    """``bare``: its repository; ``tagged``: the commit of `TAG`, which holds the checkout; ``head``: that of main."""

    bare: Path
    tagged: str
    head: str


def engine_source(directory: Path) -> EngineSource:
    """Make it in *directory*, from the files as they are now."""
    work, bare = directory / "engine-work", directory / "engine.git"
    work.mkdir()
    for name in PARTS:
        if (CHECKOUT / name).is_dir():
            shutil.copytree(CHECKOUT / name, work / name, ignore=shutil.ignore_patterns("__pycache__", ".venv"))
        else:
            shutil.copy(CHECKOUT / name, work)
    _git(work, "init", "--quiet", "--initial-branch=main")
    tagged = _commit(work, "the engine")
    _git(work, "tag", "--annotate", TAG, "--message", TAG)
    (work / "NEWER").touch()
    head = _commit(work, "what came after the tag")
    _git(directory, "clone", "--quiet", "--bare", str(work), str(bare))
    _git(bare, "update-server-info")
    shutil.rmtree(work)
    return EngineSource(bare, tagged, head)


@contextmanager
def on_the_web(directory: Path) -> Iterator[str]:
    """Serve *directory* to anybody on 127.0.0.1; yield its URL."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(directory)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _commit(work: Path, message: str) -> str:
    _git(work, "add", "--all")
    _git(work, "-c", "user.name=Somebody", "-c", "user.email=somebody@example.org", "commit", "--quiet", "-m", message)
    return _git(work, "rev-parse", "HEAD")


def _git(directory: Path, *words: str) -> str:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    env = {**inherited, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_COMMITTER_NAME": "Somebody"}
    env["GIT_COMMITTER_EMAIL"] = "somebody@example.org"
    done = subprocess.run(["git", *words], cwd=directory, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
