"""Built-in scripts: a Builder and an Adversary that take a phase from its kickoff to DONE.

Each command puts aside what a turn that was cut off left uncommitted, and looks at what is committed: so it can be done
again from any point.  Commands that were cut must have ended; beside a living one, nobody can tell what is left over.  The
work is the demo's: ``src/PHASE.py`` holds a median, ``./check.sh PHASE`` tells whether it is right, ``M1`` is the only item.
"""

from __future__ import annotations

import re

from loops.agents.demo_agent.sample import RIGHT
from loops.projects.mock_llm.script import Rule

_TURN = re.compile(r"\A\[nudge |you are the |this conversation goes on|Go on with your work")
"""A kickoff, a nudge, a resumed conversation, or a probe after a limit."""

# Half-written files, and what `loops claim` has staged but not yet committed: `git commit` would take it along under a
# subject of its own.  Locks first, or nothing works.  codex refuses whatever looks like `rm -f` (0.169.0 [run]).
_PULL = """\
find "$(git rev-parse --git-dir)" -name '*.lock' -delete
git rebase --abort 2>/dev/null
git stash push --quiet --include-untracked && git pull --quiet --rebase || exit 1
"""
_LAST_WORD = """\
last=$(git log --format=%s | grep -E '^(claim|review)\\({{phase}}[ )]' | head -n 1)
status=machine-docs/STATUS-{{phase}}.md
"""

_BUILD = f"""{_PULL}\
if [ ! -f src/{{{{phase}}}}.py ]; then
  mkdir -p src && cat >src/{{{{phase}}}}.py <<'PYTHON'
{RIGHT.replace("{phase}", "{{phase}}")}PYTHON
fi
git add src
git diff --cached --quiet || git commit --quiet -m 'feat({{{{phase}}}}): add src/{{{{phase}}}}.py'
git push --quiet origin HEAD && ./check.sh {{{{phase}}}}
"""

_CLAIM_OR_FINISH = f"""{_PULL}{_LAST_WORD}\
case $last in
  'review('*PASS*)
    if grep -q '^## DONE' "$status"; then echo 'already done'; git push --quiet origin HEAD; exit; fi
    printf '\\n## DONE\\n\\nM1 of phase {{{{phase}}}} has a PASS, given after a cold run of ./check.sh.\\n' >>"$status"
    git add "$status" && git commit --quiet -m 'status({{{{phase}}}}): ## DONE' && git push --quiet origin HEAD ;;
  'claim('*) echo 'the claim waits for its verdict' ;;
  *)
    loops claim M1 --phase '{{{{phase}}}}' --what 'src/{{{{phase}}}}.py: the median of some numbers' \\
      --how './check.sh {{{{phase}}}}, from a fresh clone' --expected '3 examples passed' --where 'src/{{{{phase}}}}.py' ;;
esac
"""

_VERIFY_COLD = """\
cold=$(mktemp -d) && git clone --quiet "$(git remote get-url origin)" "$cold/clone" && cd "$cold/clone" || exit 1
if [ -f src/{{phase}}.py ]; then ./check.sh {{phase}}; else echo 'nothing is built yet'; fi; code=$?
find "$cold" -delete; exit $code
"""

_JUDGE = f"""{_PULL}{_LAST_WORD}\
case $last in
  'claim('*) ;;
  *) echo 'no claim waits'; git push --quiet origin HEAD; exit ;;
esac
if ./check.sh {{{{phase}}}}; then loops verdict M1=PASS --phase '{{{{phase}}}}'
else loops verdict 'M1=FAIL:check.sh fails' --phase '{{{{phase}}}}'; fi
"""


def _who(role: str) -> re.Pattern[str]:
    return re.compile(rf"[Pp]hase (?P<phase>[\w.-]+): you are the {role}\b")


ROLES = {
    "builder": Rule(_TURN, (_BUILD, _CLAIM_OR_FINISH), "Builder: this turn's work is pushed.", _who("builder")),
    "adversary": Rule(_TURN, (_VERIFY_COLD, _JUDGE), "Adversary: this turn's work is pushed.", _who("adversary")),
}
