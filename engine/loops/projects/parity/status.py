"""What a captured status of a deployment would show: so that a configuration can be held against one.  Pure."""

from __future__ import annotations

from dataclasses import replace

from loops.projects.deployment.facts import effective_model
from loops.projects.deployment.model import Deployment, Form, Member


def as_status(deployment: Deployment, other: Deployment) -> Deployment:
    """Return *deployment* as ``status`` prints it, in the phase that *other*, a captured one, is in.

    The model that is printed is the effective one.  A captured status stays as it is.
    """
    if deployment.form is Form.STATUS:
        return deployment
    return Deployment(
        source=deployment.source,
        form=Form.STATUS,
        root=deployment.root,
        members=tuple(_row(member, deployment, other.at) for member in deployment.members),
        at=deployment.at,
        complete=deployment.complete,
        untold=deployment.untold,
    )


def _row(member: Member, deployment: Deployment, at: int | None) -> Member:
    model = member.model
    steps = deployment.steps or ()
    if at is not None and at < len(steps) and member.kind == "loop":
        model = effective_model(steps[at].models or {}, member)
    return replace(
        Member(member.name),
        kind=member.kind,
        backend=member.backend,
        model=model,
        watch=member.watch,
        enabled=member.enabled,
        state=member.state,
    )
