"""Where notices go: what can be said of an address without showing it, for at most services it is the key itself."""

from __future__ import annotations

_HIDDEN = "[a key, not shown]"
PUBLIC = frozenset({"json", "jsons", "xml", "xmls", "form", "forms", "syslog", "dbus", "glib", "gnome"})
"""Schemes whose address is a place and not a key, unless a name or a password stands in it."""


def scheme(url: str) -> str:
    """Return the part before ``://``, which names the service; "?" when there is none."""
    name, found, _ = url.partition("://")
    return name.strip().lower() if found and name.strip().isascii() else "?"


def holds_key(url: str) -> bool:
    """Whether somebody who reads *url* could send, or read, in our name."""
    name, _, rest = url.partition("://")
    place, _, query = rest.partition("?")
    return name.strip().lower() not in PUBLIC or "@" in place.partition("/")[0] or bool(query)


def shown(url: str) -> str:
    """*url* for somebody's eyes: of one that holds a key no more than its scheme."""
    return f"{scheme(url)}://{_HIDDEN}" if holds_key(url) else url


def is_hidden(url: str) -> bool:
    """Whether *url* is what `shown` left of one that holds a key."""
    return url.endswith(f"://{_HIDDEN}")
