"""What an agent must not read before it has judged: kept out of its clone by a sparse checkout.

Files that match the patterns are not written into the work tree, by whatever the agent pulls, until a verdict of its own
stands behind the last claim; then they appear, and they go again with the next claim and the next phase.  A file with
changes that are not committed stays as it is: git leaves it, and says so.

It keeps reasons from being stumbled on; it is no lock.  The objects are in the clone, so ``git show HEAD:PATH`` still
prints such a file, and an agent may change its own sparse checkout.  Of a remote that everybody may read, git cannot keep
a file from somebody.  What the agent's clone showed it, and when, stands in the journal.
"""

from __future__ import annotations

from collections.abc import Sequence

from loops.config.model import Handoff
from loops.protocol.evidence import PhaseEvidence
from loops.protocol.review import Result

ANYBODY = "*"


def judges(evidence: PhaseEvidence, handoff: Handoff | None, agent: str) -> tuple[str, ...]:
    """Return the e-mail addresses of those who have given a verdict since the last claim; `ANYBODY` where it can only be *agent*.

    Empty while nobody has, and for an agent that gives no verdicts: then it stays blind.
    """
    if handoff is None or agent not in handoff.adversary:
        return ()
    since = evidence.claim.at.position if evidence.claim is not None else 0
    given = [v for v in evidence.verdicts.values() if v.at.position > since and v.result is not Result.UNCLEAR]
    if given and len(handoff.adversary) == 1:
        return (ANYBODY,)
    return tuple(sorted({verdict.author for verdict in given}))


HIDDEN, SHOWN = "hidden", "shown"

# Patterns of the clone's own are kept: ours are the lines that also stand in info/loops-blind.
_SCRIPT = r"""
cd "$1" || exit
judges=$2
shift 2
set -f
git() { command git -c core.hooksPath=/dev/null -c core.fsmonitor=false "$@"; }
ours=$(git rev-parse --git-path info/loops-blind) && theirs=$(git rev-parse --git-path info/sparse-checkout) || exit
base='/*'
if [ "$(git config --bool core.sparseCheckout)" = true ] && [ -f "$theirs" ]; then
    base=$(if [ -f "$ours" ]; then grep -vxFf "$ours" "$theirs"; else cat "$theirs"; fi)
fi
hide=yes
[ $# -gt 0 ] || hide=
me=$(git config user.email)
for each in $judges; do
    [ "$each" = '*' ] || [ "$each" = "$me" ] && hide=
done
if [ "$hide" ]; then
    mkdir -p "${ours%/*}" && printf '!/%s\n' "$@" >"$ours.new" || exit
    printf '%s\n' "$base" | cat - "$ours.new" | git sparse-checkout set --no-cone --stdin || exit
    mv "$ours.new" "$ours" && echo hidden
else
    if [ -f "$ours" ]; then
        if [ "$base" = '/*' ]; then git sparse-checkout disable
        else printf '%s\n' "$base" | git sparse-checkout set --no-cone --stdin
        fi || exit
        rm -f "$ours"
    fi
    echo shown
fi
"""


def words(clone: str, patterns: Sequence[str], judged: Sequence[str]) -> tuple[str, ...]:
    """Return the command that brings *clone* to what it shall show; it prints `HIDDEN` or `SHOWN`.

    *patterns*: none shows everything.  *judged*: as `judges` says.  It runs git in a clone whose settings are the
    agent's, so it is run inside the agent's sandbox where there is one.
    """
    return ("sh", "-c", _SCRIPT, "sh", clone, " ".join(judged), *(pattern.lstrip("/") for pattern in patterns))
