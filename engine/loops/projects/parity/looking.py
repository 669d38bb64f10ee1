"""A second look at the files whose digests differ, to tell where they begin to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

from loops.errors import LoopsError
from loops.projects.deployment.files import Files
from loops.projects.deployment.model import Deployment, Document
from loops.projects.parity.comparison import Comparison, Finding
from loops.projects.parity.parting import of_bytes


def looked(comparison: Comparison, live: Sequence[Deployment], staged: Deployment) -> Comparison:
    """Return *comparison* with the first line and byte in which each two files differ, as far as both can be read."""
    by_source = {deployment.source: deployment for deployment in live}
    findings = tuple(_looked(each, by_source.get(each.source, live[0]), staged) for each in comparison.findings)
    return replace(comparison, findings=findings)


def _looked(finding: Finding, live: Deployment, staged: Deployment) -> Finding:
    mine, other = finding.live_file, finding.staged_file
    if mine is None or other is None or mine.digest == other.digest:
        return finding
    found = [_bytes(live, mine), _bytes(staged, other)]
    if found[0] is None or found[1] is None:
        return finding
    return replace(finding, parting=of_bytes(found[0], found[1]))


def _bytes(deployment: Deployment, document: Document) -> bytes | None:
    """What was compared; None: it cannot be read, or is not that any more."""
    text = deployment.texts.get(document.path)
    try:
        raw = (
            Files(deployment.root or "/").bytes(document.path)
            if text is None
            else text.encode("utf-8", "surrogateescape")
        )
    except LoopsError:
        return None
    return raw if raw is not None and sha256(raw).hexdigest() == document.digest else None
