"""Fleets of any form, and small projects and engines with real git repositories."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from hypothesis import strategies as st
from loops.config.fleet import Entry

WHO = ("-c", "user.name=x", "-c", "user.email=x@example.invalid", "-c", "init.defaultBranch=main")


def git(directory: Path, *words: str) -> str:
    """Run git as nobody in particular."""
    command = ["git", *WHO, "-c", "protocol.file.allow=always", *words]
    return subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True).stdout.strip()


# ---- texts of fleet.toml -----------------------------------------------------------------------------------------------

names = st.from_regex(r"[a-z0-9]{1,6}(-[a-z0-9]{1,4})?", fullmatch=True)
_word = st.from_regex(r"[a-z/.:]{1,12}", fullmatch=True).filter(lambda word: not word.startswith("-"))
_comment = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12).map(
    lambda text: f"# {text}"
)
_gap = st.lists(st.just("") | st.just("  \t") | _comment | _comment.map(lambda text: f"   {text}"), max_size=3)
_tail = st.just("") | _comment.map(lambda text: f"  {text}") | st.just("  ")


def _quoted(text: str) -> st.SearchStrategy[str]:
    return st.sampled_from([f'"{text}"', f"'{text}'", f'"""{text}"""', f"'''\n{text}'''"])


@st.composite
def _project(draw: st.DrawFn, name: str) -> list[str]:
    equals = draw(st.sampled_from([" = ", "=", "   =  "]))
    keys = {
        "name": draw(_quoted(name)),
        "location": draw(_word.flatmap(_quoted)),
        "ref": draw(st.sampled_from(["v1.2", "main", ""]).flatmap(_quoted)),
        "enabled": draw(st.sampled_from(["true", "false"])),
        "secrets": draw(st.sampled_from(['""', "[ 'a/b', # why\n  'c/d',\n]", '"sops:x"'])),
        "owner": draw(st.sampled_from(['"me"', "{ a = 1, b = [2, 3] }", "1979-05-27"])),
    }
    chosen = ["name", "location", *draw(st.lists(st.sampled_from(["ref", "enabled", "secrets", "owner"]), unique=True))]
    lines = [draw(st.sampled_from(["[[project]]", "[[ project ]]", '[["project"]]', "  [[project]]"])) + draw(_tail)]
    for key in draw(st.permutations(chosen)):
        lines += [*draw(_gap), f"{draw(st.sampled_from(['', '  ']))}{key}{equals}{keys[key]}{draw(_tail)}"]
    if draw(st.booleans()):
        lines += [*draw(_gap), "[project.more]", f"x{equals}1"]
    return lines


@st.composite
def texts(draw: st.DrawFn) -> tuple[bytes, list[str]]:
    """A file of any form, and the names of its projects."""
    present = draw(st.lists(names, unique=True, max_size=4))
    lines = draw(_gap)
    blocks = [draw(_project(name)) for name in present]
    if draw(st.booleans()):
        blocks.insert(draw(st.integers(0, len(blocks))), ["[fleet]", "version = 1"])
    for block in blocks:
        lines += [*block, *draw(_gap)]
    text = "\n".join(lines) + draw(st.sampled_from(["", "\n", "\n\n"]))
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    return draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + text.encode(), present


entries = st.builds(
    Entry,
    name=st.just("brand-new"),
    location=st.sampled_from(["projects/x", 'a "quoted" one', "https://h/x.git", "back\\slash"]),
    harness=st.sampled_from(["loops", "agent-orchestrator"]),
    ref=st.sampled_from(["", "v1", "main"]),
    enabled=st.booleans(),
    secrets=st.sampled_from([(), ("sops:x",), ("a/b", "c/d")]),
    config=st.sampled_from(["agents.toml", "ops/agents.toml"]),
    dir=st.sampled_from(["", "elsewhere"]),
)


# ---- projects ----------------------------------------------------------------------------------------------------------


def project(root: Path, prefix: str, *, log_dir: str = ".loops", more: str = "") -> Path:
    """A directory with an agents.toml."""
    root.mkdir(parents=True, exist_ok=True)
    text = f'[defaults]\nsession_prefix = "{prefix}"\nlog_dir = "{log_dir}"\nbackend = "demo"\n{more}'
    (root / "agents.toml").write_text(text)
    return root


ENGINE = """\
import json, sys
SAYS = {says}
config = sys.argv[sys.argv.index("--config") + 1]
text = open(config).read()
if sys.argv[1] not in SAYS["verbs"]:
    sys.exit(2)
if SAYS["refuses"] in text:
    print(f"{{config}}:1: {{SAYS['refuses']}} is refused", file=sys.stderr)
    sys.exit(3)
if sys.argv[1] == "config":
    rows = [dict(key=key, value=value, origin="default") for key, value in SAYS["values"].items()]
    print(json.dumps(dict(ok=True, values=rows)))
"""
"""Stands in for an engine: answers the two questions that an update asks, and refuses what it is told to."""


def engine(
    root: Path,
    tag: str,
    values: dict[str, object],
    *,
    refuses: str = "\0",
    verbs: Sequence[str] = ("validate", "config"),
) -> str:
    """Commit the next version of the engine in *root*, with the *tag*; return the commit."""
    if not root.exists():
        root.mkdir()
        git(root, "init", "--quiet")
    says = {"values": values, "refuses": refuses, "verbs": list(verbs)}
    (root / "agents.py").write_text(ENGINE.format(says=repr(says)))
    (root / "schemas").mkdir(exist_ok=True)
    keys = {key: {"default": value} for key, value in values.items()}
    (root / "schemas" / "agents.schema.json").write_text(json.dumps({"$defs": {"defaults": {"properties": keys}}}))
    (root / "prompts").mkdir(exist_ok=True)
    (root / "prompts" / "builder.md").write_text(f"{tag}\n")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "-m", f"Engine {tag}")
    git(root, "tag", tag)
    return git(root, "rev-parse", "HEAD")


def pinned(root: Path, prefix: str, url: str, tag: str, *, more: str = "") -> Path:
    """A project that pins the engine at *url* as its submodule."""
    project(root, prefix, more=more)
    git(root, "init", "--quiet")
    git(root, "submodule", "--quiet", "add", url, "engine")
    git(root / "engine", "checkout", "--quiet", "--detach", tag)
    (root / ".gitignore").write_text(".loops/\n")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "-m", "Begin")
    return root
