"""As whom a cutover is typed: sessions, sockets and files of the live side belong to the user that its unit names."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator

from loops.errors import LoopsError
from loops.projects.cutover.plan import Ground


def known(word: str) -> str:
    """The user that ``User=`` names on this machine, by name; empty: there is none."""
    try:
        return (pwd.getpwuid(int(word)) if word.isdecimal() else pwd.getpwnam(word)).pw_name
    except KeyError:
        return ""


def myself() -> str:
    """Who runs this."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def refuse_another(ground: Ground) -> None:
    """Raise LoopsError unless we are who the live side runs as: anybody else sees other sessions, and none of its sockets."""
    if ground.user not in ("", myself()):
        raise LoopsError(
            f"the live side runs as {ground.user} (User= in {ground.unit_file}), and you are {myself()}: type this as that "
            f"user, `sudo -H -u {ground.user} -- loops cutover ...`; for anybody else its sessions and sockets are not there"
        )


def prefix(user: str) -> Iterator[str]:
    """The words by which *user* runs a command that we may not run as ourselves; nobody can be asked for a password."""
    if user and user != myself():
        yield from ("sudo", "-n", "-H", "-u", user, "--")
