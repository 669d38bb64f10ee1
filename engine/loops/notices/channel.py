"""The ways by which a notice goes out: each has a name that can be shown, and sends a message."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Protocol

from loops.config.addresses import is_hidden, scheme, shown
from loops.config.model import Notify
from loops.errors import LoopsError
from loops.notices import by_apprise, by_command, by_ntfy, keyfile
from loops.notices.order import Fate, Message, Outcome


class Channel(Protocol):
    """One way."""

    @property
    def name(self) -> str:
        """What it is called in the journal: a place in agents.toml and the service, never an address."""

    def send(self, message: Message) -> tuple[Fate, str]:
        """Send *message*; return what became of it, and why in words without any key."""


class Unusable:
    """One that cannot even be made; ``why`` says what helps."""

    def __init__(self, name: str, why: str) -> None:
        self.name, self.why = name, why

    def send(self, _message: Message) -> tuple[Fate, str]:
        """Nothing is sent."""
        return Fate.FAILED, self.why


def channels(notify: Notify, root: str, env: Mapping[str, str], config: str) -> Iterator[Channel]:
    """Yield every channel that *notify* names.

    *root* is the project's directory, *config* the path of agents.toml, which alone has what is hidden.
    """
    whole = _in_file(config) if any(map(is_hidden, notify.urls)) else []
    for number, url in enumerate(notify.urls, 1):
        yield _service(f"urls {number} ({scheme(url)})", url, whole[number - 1 : number], config)
    for number, name in enumerate(notify.url_files, 1):
        yield from _of_file(f"url_files {number}", name)
    if notify.ntfy:
        yield _ntfy(notify)
    if notify.command:
        yield by_command.Command(notify.command, root, env)


def _service(name: str, url: str, whole: list[object], config: str) -> Channel:
    """The channel of *url*; where that is hidden, of what stands in its place in the file, if that is still the same."""
    if not is_hidden(url):
        return by_apprise.Service(name, url)
    for each in whole:
        if isinstance(each, str) and shown(each) == url:
            return by_apprise.Service(name, each)
    return Unusable(
        name, f"its address is not to be found in {config}; `loops validate` says what is wrong with that file"
    )


def _in_file(config: str) -> list[object]:
    """The addresses as the file has them now; none when it cannot be read."""
    from loops.config.toml_file import read_toml

    with suppress(LoopsError):  # its words could show a key
        table = read_toml(config, name="agents.toml", absent="").document.get("notify")
        urls = table.get("urls") if isinstance(table, dict) else None
        return urls if isinstance(urls, list) else []
    return []


def _of_file(name: str, path: str) -> Iterator[Channel]:
    try:
        text = keyfile.read(path, "for notices")
    except LoopsError as error:
        yield Unusable(name, str(error))
        return
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    addresses = [(number, line) for number, line in lines if line and not line.startswith("#")]
    if not addresses:
        yield Unusable(name, "the file holds no address; write one apprise address a line")
    for number, url in addresses:
        yield by_apprise.Service(f"{name} line {number} ({scheme(url)})", url)


def _ntfy(notify: Notify) -> Channel:
    token = ""
    if notify.ntfy_token_file:
        try:
            token = keyfile.read(notify.ntfy_token_file, "for ntfy").strip()
        except LoopsError as error:
            return Unusable("ntfy", str(error))
        if not token.isascii() or not token.isprintable() or " " in token:
            return Unusable("ntfy", "the token's file must hold one line, the token")
    return by_ntfy.Topic(notify.ntfy, token)


def send_all(ways: list[Channel], message: Message, seconds: float) -> tuple[Outcome, ...]:
    """Send *message* by all *ways* at once; one that has not ended after *seconds* may or may not have delivered."""
    import threading
    import time

    found: dict[str, Outcome] = {}

    def deliver(way: Channel) -> None:
        try:
            fate, why = way.send(message)
        except Exception as error:  # nothing that a library raises may show what it was given
            fate, why = Fate.FAILED, type(error).__name__
        found[way.name] = Outcome(way.name, fate, why)

    threads = [threading.Thread(target=deliver, args=(way,), daemon=True) for way in ways]
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    late = f"no answer within {seconds:.0f} s"
    return tuple(found.get(way.name, Outcome(way.name, Fate.UNKNOWN, late)) for way in ways)
