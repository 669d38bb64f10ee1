"""Whether notices can go out: files that are there and private, the library where it is needed, the command."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from importlib.util import find_spec

from loops.config.model import Config
from loops.errors import LoopsError
from loops.notices import keyfile
from loops.notices.by_apprise import MISSING
from loops.notices.channel import Unusable, channels
from loops.projects.finding import Finding, fail, ok, warn


def notify(config: Config, env: Mapping[str, str]) -> Iterator[Finding]:
    """Look at every channel; nothing is sent."""
    ways = config.notify
    if not ways.channels:
        return
    broken = False
    for name in (*ways.url_files, *filter(None, (ways.ntfy_token_file,))):
        yield from _private(name, env)
    for channel in channels(ways, config.root, env):
        if isinstance(channel, Unusable):
            broken = True
            yield fail("notify", f"{channel.name}: {channel.why}", "mend it, then `loops notify test`")
    if (ways.urls or ways.url_files) and find_spec("apprise") is None:
        broken = True
        yield fail("notify", "urls and url_files need apprise", MISSING)
    if ways.command and shutil.which(ways.command[0], path=env.get("PATH")) is None:
        broken = True
        yield fail(
            "notify", f"command: {ways.command[0]} is no program that can be run", "install it, or name its path"
        )
    if not broken:
        yield ok("notify", "its channels look usable; `loops notify test` sends by each")


def _private(name: str, env: Mapping[str, str]) -> Iterator[Finding]:
    try:
        path = keyfile.locate(name, env)
        mode = keyfile.strangers(path, env)
    except (LoopsError, OSError):
        return  # its channel says what is wrong
    if mode and not mode & 0o007:
        yield warn("notify", f"{path} may be used by its group", f"chmod 600 {path}")
