"""Live deployments of both forms, drawn at random: every key, path and dotfile that they may have, in many spellings."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomlkit
from hypothesis import strategies as st

MODELS = st.sampled_from(["", "claude-opus-4-8", "claude-sonnet-4-6", "anthropic/claude-sonnet-4-6", "a 'b' \"c\""])
WATCHES = st.sampled_from(["none", "heal", "heal+stall"])
TEXTS = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [b"", b"You build.\n", b"You build.", b"\n\n You build \n\n", b"a\r\nb\r\n", "ein Gru\u00df\n".encode()]
    ),
    st.sampled_from([b"{role} {plan} {strange} {{x}}\n", b"=== {role_text} ===\n", b"a | b `c`\n"]),
)
"""Of prompts, as bytes."""
IDS = st.sampled_from(["1", "1b", "2w", "poe2e", "v.1", "long-id", "A_b"])
PLANS = st.sampled_from(["plan.md", "plans/a plan.md", "../elsewhere.md", "/srv/plans/x.md", "plan-{id}.md", "p'q.md"])
SECONDS = st.sampled_from([1, 30, 45.5, 300, "90s", "5m"])
CONVERSATION = "0f1de1a2-2f3c-4c55-8d6b-7b7b7c0d2f11"


@dataclass
class Tree:
    """Files to write, by path relative to the tree; the deployment lies in ``live/plan``."""

    files: dict[str, bytes] = field(default_factory=dict)

    def write(self, root: Path) -> Path:
        """Write everything below *root* and return the deployment's directory."""
        live = root / "live" / "plan"
        live.mkdir(parents=True)
        for name, content in self.files.items():
            path = live / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return live


def _maybe(draw: st.DrawFn, table: dict[str, Any], **strategies: st.SearchStrategy[Any]) -> None:
    for key, strategy in strategies.items():
        if draw(st.booleans()):
            table[key] = draw(strategy)


@st.composite
def engine_trees(draw: st.DrawFn) -> Tree:
    """An agents.toml of the earlier engine, with all that it names (sometimes a file is missing)."""
    tree = Tree()
    document: dict[str, Any] = {}
    _maybe(
        draw,
        document,
        watchdog=st.fixed_dictionaries(
            {}, optional={"signal_interval": SECONDS, "stall_grace": SECONDS, "log_tokens": st.booleans()}
        ),
    )
    log_dir = draw(st.sampled_from([".ao-state", "../logs", "state dir"]))
    document["defaults"] = {
        "session_prefix": draw(st.sampled_from(["cc-ci-", "x_"])),
        "log_dir": log_dir,
        "backend": "claude",
    }
    _maybe(draw, document["defaults"], model=MODELS, watch=WATCHES)
    document["backend"] = {"own": {"bin": draw(st.sampled_from(["bin/own", "/usr/bin/own", "own"]))}}
    _maybe(
        draw,
        document["backend"]["own"],
        flags=st.sampled_from(["--a 'b c'", ["--a", "b c"]]),
        stall_idle=SECONDS,
        prompt_delivery=st.sampled_from(["arg", "ping", "exec"]),
        fatal_re=st.just(r"it's \d+ \\ over"),
        preamble=st.just('Read $SECRETS.\n"Now."'),
    )
    document["agent"] = [_agent(draw, tree, name) for name in draw(_NAMES)]
    document["service"] = [
        _service(draw, name) for name in draw(st.lists(st.sampled_from(["logs", "web"]), unique=True))
    ]
    loop = _loop(draw, tree, [each["name"] for each in document["agent"]])
    if loop or draw(st.booleans()):
        document["loop"] = loop
    text = tomlkit.dumps({key: value for key, value in document.items() if value or key == "loop"})
    comment = draw(st.sampled_from(["", "# one file for everything\n\n"]))
    tree.files["agents.toml"] = (comment + text).replace("\n", draw(st.sampled_from(["\n", "\r\n"]))).encode()
    _engine_state(draw, tree, log_dir, len(loop.get("phases", ())))
    return tree


_NAMES = st.lists(st.sampled_from(["orchestrator", "report"]), unique=True).map(
    lambda more: ["builder", "adversary", *more]
)


def _agent(draw: st.DrawFn, tree: Tree, name: str) -> dict[str, Any]:
    table: dict[str, Any] = {"name": name}
    loop = name in ("builder", "adversary")
    table["kind"] = "loop" if loop else draw(st.sampled_from(["persistent", "task"]))
    _maybe(
        draw,
        table,
        session=st.just(f"other-{name}"),
        dir=st.sampled_from([".", "work", "../clone", "/srv/clone of it"]),
        backend=st.sampled_from(["own", "claude", "demo"]),
        model=MODELS,
        watch=WATCHES,
        enabled=st.booleans(),
        resume=st.booleans(),
    )
    if loop or draw(st.booleans()):
        table["role"] = name
    if not loop and draw(st.booleans()):
        table["prompt_file"] = draw(st.sampled_from([f"prompts/{name}.md", f"../outside/{name}.md", "MIGRATION.md"]))
        if draw(st.booleans()):
            tree.files[table["prompt_file"]] = draw(TEXTS)
    if table["kind"] == "persistent" and draw(st.booleans()):
        table["wake"] = {"interval": draw(SECONDS), "prompt_file": "prompts/wake up.txt"}
        tree.files["prompts/wake up.txt"] = draw(TEXTS)
    return table


def _service(draw: st.DrawFn, name: str) -> dict[str, Any]:
    table: dict[str, Any] = {"name": name, "command": draw(st.sampled_from([["bin/x", "a b"], "exec x | y"]))}
    _maybe(draw, table, dir=st.just("sub"), watch=WATCHES, enabled=st.booleans(), env=st.just({"A": "b"}))
    return table


def _loop(draw: st.DrawFn, tree: Tree, agents: list[str]) -> dict[str, Any]:
    loop: dict[str, Any] = {}
    roles = draw(st.sampled_from(["prompts", "../roles", "."]))
    if draw(st.booleans()):
        loop["roles_dir"] = roles
        tree.files[f"{roles}/kept.txt"] = b"so that the directory is there"
        for role in ("builder", "adversary"):
            if draw(st.booleans()):
                tree.files[f"{roles}/{role}.md"] = draw(TEXTS)
    if draw(st.booleans()):
        loop["kickoff_template"] = draw(st.sampled_from(["prompts/kickoff.md", "../kick.md", "prompts/builder.md"]))
        tree.files.setdefault(loop["kickoff_template"], draw(TEXTS))
    _maybe(draw, loop, done_marker=st.just("## COMPLETE"), done_nudge=st.booleans())
    if draw(st.booleans()):
        loop["handoff"] = {"repo": draw(st.sampled_from(["work", "../clone", "/srv/x"]))}
        _maybe(
            draw, loop["handoff"], builder=st.just("builder"), adversary=st.just(["adversary"]), branch=st.just("trunk")
        )
    if "report" in agents:
        _maybe(draw, loop, done_nudge=st.booleans())
    phases = []
    for id in draw(st.lists(IDS, unique=True, max_size=4)):
        phase: dict[str, Any] = {"id": id}
        _maybe(draw, phase, plan=PLANS, status=st.just(f"STATUS-{id}.md"), models=_OVERRIDES)
        if not os.path.isabs(phase.get("plan", "/")) and draw(st.booleans()):
            tree.files[phase["plan"]] = draw(TEXTS)
        phases.append(phase)
    if phases:
        loop["phases"] = phases
    return loop


_OVERRIDES = st.fixed_dictionaries({}, optional={"builder": MODELS, "adversary": MODELS})


def _engine_state(draw: st.DrawFn, tree: Tree, log_dir: str, phases: int) -> None:
    if draw(st.booleans()):
        index = draw(st.integers(0, max(phases - 1, 0)))
        tree.files[f"{log_dir}/state/phase-idx"] = f"{index}\n".encode()
    if draw(st.booleans()):
        tree.files[f"{log_dir}/state/builder.id"] = f"{CONVERSATION}\n".encode()
    if draw(st.booleans()):
        tree.files[f"{log_dir}/state/limited-x.json"] = b"{}"


# ---- launchers ---------------------------------------------------------------------------------------------------------

_KICKOFFS = (
    '    return f"Phase {phase_id} for {role}: {plan} and {status} in {PLAN_DIR}.\\n\\n" + standing(role)\n',
    '    text = "Phase " + phase_id + "\\n"\n    text += "plan: %s, status: %s\\n" % (plan, status)\n'
    '    if os.environ.get("LOUD") == "1":\n        text += "!\\n"\n    return text + standing(role)\n',
    '    head = textwrap.dedent("""\n        You are the {role} in {phase_id}.\n          {plan}\n        {status}\n        """)\n'
    "    return head.format(role=role, phase_id=phase_id, plan=plan, status=status).strip() + standing(role).rstrip()\n",
    '    parts = [f"{key}={value}" for key, value in (("p", phase_id), ("plan", plan), ("s", status))]\n'
    '    return "\\n".join(parts) + "\\n\\n" + standing(role)\n',
)
_STANDING = (
    '    return (Path(__file__).resolve().parent / "prompts" / f"{role}.md").read_text(encoding="utf-8")\n',
    '    with open(os.path.join(PLAN_DIR, "prompts", role + ".md"), encoding="utf-8") as file:\n'
    "        return file.read()\n",
    '    try:\n        return Path(PLAN_DIR, "prompts", f"{role}.md").read_text()\n'
    '    except FileNotFoundError:\n        return ""\n',
)
_HEAD = """\
import os, sys, textwrap
import subprocess
from pathlib import Path

PLAN_DIR = os.environ.get("PLAN_DIR", os.path.dirname(os.path.abspath(__file__)))
BUILDER_DIR = os.getenv("BUILDER_DIR", "/srv/builder")
ADV_DIR = os.environ.get("ADV_DIR") or f"{BUILDER_DIR}-adv"
LOOP_BACKEND = os.environ.get("LOOP_BACKEND", "claude")
LOOP_MODEL = os.environ.get("LOOP_MODEL", "claude-sonnet-4-5")
ADV_MODEL = os.environ.get("ADV_MODEL", "")
CLAUDE_BIN = os.environ.get("CLAUDE_BIN", "claude")
SIGNAL_INTERVAL = int(os.environ.get("SIGNAL_INTERVAL", "30"))
STALL_IDLE = int(os.environ.get("STALL_IDLE", "300"))
STALL_GRACE = float(os.environ.get("STALL_GRACE", 180))
PHASES_SPEC = os.environ.get("PHASES_SPEC", "1|plan.md|STATUS.md;")
BUILDER_SESSION = "cc-ci-builder"
ADV_SESSION = "cc-ci-" + "adv"
"""
_TOUCHED = '\nsubprocess.run(["touch", "{mark}"])\nPath("{mark}").write_text("x")\n'
"""What must never be run."""


@dataclass
class Launchers(Tree):
    """``spec``: phases of the plan; ``settings``: the unit's variables; ``mark``: a file that only a run would make."""

    spec: list[tuple[str, str, str]] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)


_TEXT_ROLES = st.sampled_from(
    [b"You build.\n", b"You build.", b"# Role\n\n{plan} {{x}}\n\n\n", "Gr\u00fc\u00dfe\n".encode()]
)
_VALUES: dict[str, st.SearchStrategy[str]] = {
    "LOOP_BACKEND": st.sampled_from(["claude", "opencode"]),
    "LOOP_MODEL": st.sampled_from(["claude-opus-4-8", "x y"]),
    "ADV_MODEL": st.just("claude-opus-4-8"),
    "BUILDER_DIR": st.just("/srv/other place"),
    "CLAUDE_BIN": st.sampled_from(["/opt/claude", "claude2"]),
    "SIGNAL_INTERVAL": st.just("7"),
    "STALL_GRACE": st.just("11"),
    "RESUME_PHASE": st.sampled_from(["0", "1"]),
    "LOUD": st.sampled_from(["0", "1"]),
    "ANTHROPIC_API_KEY": st.just("not-a-real-one-but-a-secret"),
}
_DOTFILES: dict[str, st.SearchStrategy[str]] = {
    ".loop-backend": st.sampled_from(["claude", "opencode"]),
    ".loop-model": st.just("claude-haiku-4-5"),
    ".builder-session-id": st.just(CONVERSATION),
    ".limited-cc-ci-adv": st.just("1765400000"),
    ".strange": st.text(max_size=5),
}


@st.composite
def launcher_trees(draw: st.DrawFn) -> Launchers:
    """A directory of launchers with its dotfiles and, often, its unit."""
    tree = Launchers()
    body = f"\n\ndef standing(role):\n{draw(st.sampled_from(_STANDING))}"
    body += f"\n\ndef build_loop_kickoff(role, phase_id, plan, status):\n{draw(st.sampled_from(_KICKOFFS))}"
    tree.files["launch.py"] = (_HEAD + _TOUCHED.format(mark="ran") + body).encode()
    for role in ("builder", "adversary"):
        tree.files[f"prompts/{role}.md"] = draw(_TEXT_ROLES)
    ids = draw(st.lists(IDS, unique=True, min_size=1, max_size=4))
    tree.spec = [(id, draw(st.sampled_from([f"plan-{id}.md", "plan.md"])), f"STATUS-{id}.md") for id in ids]
    text = draw(st.sampled_from([";", ";\n", " ; "])).join("|".join(each) for each in tree.spec)
    tree.files[".phases-spec"] = f"{text};\n".encode()
    for name, values in _DOTFILES.items():
        if draw(st.booleans()):
            tree.files[name] = f"{draw(values)}\n".encode()
    for id in ids:
        if draw(st.booleans()):
            tree.files[f".loop-model-{id}"] = b"claude-opus-4-8\n"
    if draw(st.booleans()):
        tree.files[".phase-idx"] = str(draw(st.integers(0, len(ids) - 1))).encode()
    if draw(st.booleans()):
        tree.settings = {name: draw(values) for name, values in _VALUES.items() if draw(st.booleans())}
        quoted = [f'Environment="{name}={value}"' for name, value in tree.settings.items()]
        lines = ["[Service]", *quoted, "ExecStart=/usr/bin/env python3 launch.py start", ""]
        tree.files["systemd/loops.service"] = "\n".join(lines).encode()
    return tree
