"""Where a secret lies that agents.toml names by ``credential:NAME`` or by a path; the file never holds the secret itself.

Standard library only: small processes of their own read their secrets by it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

from loops.config.addresses import CREDENTIAL, is_credential
from loops.errors import LoopsError

LARGEST = 64 * 1024
"""Bytes; a key has a hundredth of it."""


def places(name: str, env: Mapping[str, str]) -> tuple[str, ...]:
    """Return the paths at which *name* is looked for, the first that exists wins.

    A credential: ``$CREDENTIALS_DIRECTORY`` (systemd's), ``$LOOPS_CREDENTIALS``, ``~/.config/loops/credentials``.
    """
    if not is_credential(name):
        return (name,)
    home = os.path.join(env.get("HOME") or os.path.expanduser("~"), ".config", "loops", "credentials")
    roots = (env.get("CREDENTIALS_DIRECTORY", ""), env.get("LOOPS_CREDENTIALS", ""), home)
    return tuple(os.path.join(root, name.removeprefix(CREDENTIAL)) for root in roots if root)


def locate(name: str, env: Mapping[str, str]) -> str:
    """Return the path of the file.  LoopsError: it is nowhere."""
    looked = places(name, env)
    for path in looked:
        if os.path.exists(path):
            return path
    raise LoopsError(
        f"{name}: there is no file {' or '.join(looked)}; write it, readable by its owner alone (chmod 600)"
    )


def strangers(path: str, env: Mapping[str, str]) -> int:
    """Return the mode bits by which others than the owner may use the file; 0: it is private.

    systemd guards its own directory: there an access list shows as the group's bits.
    """
    given = env.get("CREDENTIALS_DIRECTORY", "")
    if given and os.path.dirname(os.path.abspath(path)) == os.path.abspath(given):
        return 0
    return stat.S_IMODE(os.stat(path).st_mode) & 0o077


def read(name: str, env: Mapping[str, str]) -> str:
    """Return the text of the secret.  LoopsError names the file, never what is in it."""
    path = locate(name, env)
    try:
        if strangers(path, env) & 0o007:
            raise LoopsError(f"{path}: every user of this machine may use it; chmod 600 it, then make a new key")
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            raw = file.read(LARGEST + 1)
    except OSError as error:
        raise LoopsError(f"{path}: cannot be read: {error.strerror}") from None
    if len(raw) > LARGEST:
        raise LoopsError(f"{path}: is larger than {LARGEST} bytes, so it is no key")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise LoopsError(f"{path}: is not UTF-8 text") from None
