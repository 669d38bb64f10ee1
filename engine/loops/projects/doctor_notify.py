"""Whether notices can go out: files that are there and private, the library where it is needed, the command."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from importlib.util import find_spec

from loops.config.model import Config
from loops.notices.by_apprise import MISSING
from loops.notices.channel import Unusable, channels
from loops.projects.finding import Finding, fail, ok

CHECK = "notify"


def notify(config: Config, env: Mapping[str, str]) -> Iterator[Finding]:
    """Look at every channel as the supervisor would; nothing is sent."""
    ways = config.notify
    if not ways.channels:
        return
    found = [
        fail(CHECK, f"{channel.name}: {channel.why}", "mend it; `loops notify test` lets the service itself try")
        for channel in channels(ways, config.root, env, config.path)
        if isinstance(channel, Unusable)
    ]
    if (ways.urls or ways.url_files) and find_spec("apprise") is None:
        found.append(fail(CHECK, "urls and url_files need a library", MISSING))
    if ways.command and shutil.which(ways.command[0], path=env.get("PATH")) is None:
        text = f"command: {ways.command[0]} is no program that can be run"
        found.append(fail(CHECK, text, "install it, or name its path"))
    yield from found or [ok(CHECK, "every channel looks usable; `loops notify test` sends by each")]
