"""What of the machine every sandbox shows: the system's programs, the agent's own, the engine.  Looks, changes nothing."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Container, Iterator, Mapping

import loops
from loops.isolation.sandbox import Access, Link, Mount

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store")
_ETC = (
    # names, users, time
    *(
        "resolv.conf",
        "hosts",
        "host.conf",
        "nsswitch.conf",
        "gai.conf",
        "hostname",
        "networks",
        "services",
        "protocols",
    ),
    *("passwd", "group", "localtime", "timezone", "locale.conf", "locale.alias", "default/locale", "os-release"),
    # programs and libraries
    *("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "ld.so.preload", "debian_version", "java", "fonts"),
    *("profiles", "static", "set-environment", "terminfo", "inputrc", "mime.types", "magic", "lsb-release"),
    # certificates
    *("ssl/certs", "ssl/openssl.cnf", "ssl/cert.pem", "pki/tls/certs", "pki/tls/cert.pem", "pki/tls/openssl.cnf"),
    *("pki/ca-trust", "ca-certificates", "ca-certificates.conf", "crypto-policies"),
    # shells, git, ssh, npm
    *("profile", "profile.d", "bash.bashrc", "bashrc", "gitconfig", "ssh/ssh_config", "ssh/ssh_config.d"),
    *("ssh/ssh_known_hosts", "npmrc"),
)
"""Below /etc: what programs need, and nothing that is there to be secret (shadow, ssh/ssh_host_*, ssl/private, sudoers)."""

_KEPT = frozenset(
    (
        *("PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TERM", "COLORTERM", "SHELL", "USER", "LOGNAME"),
        *(
            "SSL_CERT_FILE",
            "SSL_CERT_DIR",
            "NIX_SSL_CERT_FILE",
            "NODE_EXTRA_CA_CERTS",
            "LOCALE_ARCHIVE",
            "TERMINFO_DIRS",
        ),
        *("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"),
        *("GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH"),
    )
)
_ENGINE = os.path.dirname(os.path.realpath(loops.__file__))


def kept(environment: Mapping[str, str], own: Container[str], keep: Container[str]) -> dict[str, str]:
    """Return what of *environment* an isolated agent gets: names, language, certificates, the engine's own variables.

    *own*: names that its table and its backend's set; *keep*: names that its table keeps.  Keys and tokens that the
    supervisor happens to have are not among them unless they are named.  HOME is for the runner; inside it is another.
    """
    left = {
        name: value
        for name, value in environment.items()
        if name in _KEPT or name.startswith(("LOOPS_", "LC_")) or name in own or name in keep
    }
    source = os.path.dirname(_ENGINE)
    if any(os.path.realpath(path) == source for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path):
        left.setdefault("PYTHONPATH", source)  # the engine runs from its source, and does so inside as well
    return left


def system() -> Iterator[Mount | Link]:
    """The system's directories, read only, and the links between them (/bin -> usr/bin)."""
    for path in (*_SYSTEM, *(f"/etc/{name}" for name in _ETC)):
        if os.path.islink(path) and not path.startswith("/etc/"):
            yield Link(path, os.readlink(path))
        elif os.path.exists(path):
            yield Mount(path, Access.READ)  # a link below /etc: bubblewrap mounts what it leads to
    if os.path.islink("/run/current-system"):  # NixOS
        yield Link("/run/current-system", os.readlink("/run/current-system"))


def engine() -> Iterator[Mount | Link]:
    """The engine, with the Python that runs it: ``loops claim`` and ``loops verdict`` work inside."""
    yield Mount(_ENGINE, Access.READ)
    repository = os.path.dirname(os.path.dirname(_ENGINE))
    for folder in ("schemas", "prompts"):  # beside the source; an installed engine has them inside
        path = os.path.join(repository, folder)
        if os.path.isdir(path):
            yield Mount(path, Access.READ)
    libraries = (path for path in sys.path if os.path.basename(path) in ("site-packages", "dist-packages"))
    for path in (sys.prefix, sys.base_prefix, sys.exec_prefix, *libraries):
        if os.path.isdir(path):
            yield Mount(os.path.realpath(path), Access.READ)
            yield from links(path)
    yield from program(sys.executable)
    yield from program("loops")


def links(path: str) -> Iterator[Link]:
    """The link by which *path* leads to its real place, when it has another name."""
    real, name = os.path.realpath(path), os.path.abspath(path)
    if name != real:
        yield Link(name, real)


def program(command: str, *, deep: int = 3) -> Iterator[Mount | Link]:
    """What the program *command* needs of the places outside the system's: itself, its package, its interpreter.

    A program in a ``node_modules`` gets that directory, one in a Python environment that environment, one below /opt
    its directory there; any other only itself: what else it needs is for the agent's ``reads``.
    """
    found = shutil.which(command)
    if found is None or deep == 0:
        return
    real = os.path.realpath(found)
    named = os.path.join(os.path.realpath(os.path.dirname(found)), os.path.basename(found))
    yield Mount(_package(real), Access.READ)
    if _package(named) != named:  # a link in a package's directory (node_modules/.bin) leads on from there
        yield Mount(_package(named), Access.READ)
    yield from links(found)
    yield from program(_interpreter(real), deep=deep - 1)


def _package(path: str) -> str:
    """The directory that belongs to the program at *path*, or the program alone."""
    head, found, _ = path.partition("/node_modules/")
    if found:
        return f"{head}/node_modules"
    words = path.split("/")
    if words[1] == "opt" and len(words) > 3:
        return "/".join(words[:3])
    above = os.path.dirname(os.path.dirname(path))
    if words[-1].startswith(("python", "pypy")) or os.path.exists(os.path.join(above, "pyvenv.cfg")):
        return above
    return path


def _interpreter(path: str) -> str:
    """The program that a script's first line names; empty for any other file."""
    try:
        with open(path, "rb") as file:
            line = os.fsdecode(file.readline(256))
    except OSError:
        return ""
    words = line[2:].split() if line.startswith("#!") else []
    if words and os.path.basename(words[0]) == "env":
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    return words[0] if words else ""


def first_word(command: str) -> str:
    """The program that a shell command begins with; empty where that cannot be told."""
    try:
        words = shlex.split(command)
    except ValueError:
        return ""
    return words[0] if words else ""
