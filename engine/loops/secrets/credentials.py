"""Secrets by name: a file each, that systemd, sops-nix, agenix or the operator puts there, read when it is needed.

agents.toml names a credential, never its value.  The first of these directories that has the file counts:

1. ``$CREDENTIALS_DIRECTORY``: what systemd loaded for the unit (``LoadCredential``, systemd.exec(5));
2. ``$LOOPS_CREDENTIALS``;
3. ``~/.config/loops/credentials``.

Only the user may read a file of the last two: others must have no right to it.
"""

from __future__ import annotations

import os
import stat

from loops.errors import LoopsError

PREFIX = "credential:"
"""Before a name where agents.toml may also name a path."""
MOST = 1 << 20
"""Bytes, as systemd has it."""


def directories() -> list[tuple[str, bool]]:
    """Return where credentials are looked for, and whether the files there are the operator's own to protect."""
    found = [(os.environ.get("CREDENTIALS_DIRECTORY", ""), False), (os.environ.get("LOOPS_CREDENTIALS", ""), True)]
    return [*((path, own) for path, own in found if path), (os.path.expanduser("~/.config/loops/credentials"), True)]


def read(name: str, wanted: str) -> bytes:
    """Return the credential's bytes, as they are.  *wanted*: for what, in words.

    Raises:
        LoopsError: no file, not readable, too large, or open to others.
    """
    for directory, own in directories():
        path = os.path.join(directory, name)
        try:
            with open(path, "rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                if own and mode & 0o077:
                    raise _refused(name, wanted, f"{path} has mode {stat.S_IMODE(mode):o}; chmod 600 it")
                content = file.read(MOST + 1)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise _refused(name, wanted, f"{path}: {error.strerror}") from None
        if len(content) > MOST:
            raise _refused(name, wanted, f"{path} is larger than {MOST} bytes")
        return content
    known = directories()
    places = ", ".join(directory for directory, _ in known)
    mine = next(directory for directory, own in known if own)
    help = f"put it into {mine}, mode 600"
    if mine != known[0][0]:  # nobody but the service manager writes its own
        help = f"`loops service install --credential {name}=FILE` (NixOS: credentials.{name}), or {help}"
    raise _refused(name, wanted, f"no file of that name in {places}; {help}")


def value(name: str, wanted: str) -> str:
    """Return the credential as the value of a variable: text, without the newline that an editor put at its end.

    Raises:
        LoopsError: as `read`; or it is no text, empty, or more than one line.
    """
    try:
        text = read(name, wanted).decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise _refused(name, wanted, "its file is no text (UTF-8)") from None
    if not text or "\n" in text or "\0" in text:
        raise _refused(name, wanted, "its file must hold one line, the value")
    return text


def _refused(name: str, wanted: str, why: str) -> LoopsError:
    return LoopsError(f"credential {name!r}, wanted {wanted}: {why}")
