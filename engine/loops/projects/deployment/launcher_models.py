"""Which model a loop of the earlier launchers has, in a phase and outside of any."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from loops.projects.deployment.environment import Setting
from loops.projects.deployment.launcher_settings import Settings
from loops.projects.deployment.model import Step
from loops.projects.deployment.python.scripts import Function
from loops.projects.deployment.python.world import CannotTell


class Models:
    """By the environment, the dotfiles and the scripts; where a function of the script decides, by that function."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._decides = self._model_function()

    def overridden(self, step: Step) -> Iterator[tuple[str, str]]:
        """Yield what a phase overrides, by agent."""
        for role in ("builder", "adversary"):
            usual, here = self.of(role, ""), self.of(role, step.id)
            if here is not None and (usual is None or here.value != usual.value):
                self._settings.origins[f"phase {step.id}: model of {role}"] = here.origin
                yield role, here.value

    def of(self, role: str, phase: str) -> Setting | None:
        """The model of a role in a phase ("": in none): as the script's own function decides, else by the rule."""
        ruled = self._ruled(role, phase)
        if self._decides is None:
            return ruled
        function, meanings = self._decides
        values = {"role": role, "id": phase}
        try:
            found = self._settings.scripts.call(function, {name: values[what] for name, what in meanings.items()})
        except CannotTell as error:
            why = (
                "the environment was taken before the dotfiles, and those before the script: see whether that is right"
            )
            self._settings.note(error.place, f"how {function.name}() finds a model: {error.what}", why)
            return ruled
        if ruled is not None and found == ruled.value:
            return ruled
        return Setting(found, f"{function.name}() in launch.py") if isinstance(found, str) and found else None

    def _ruled(self, role: str, phase: str) -> Setting | None:
        settings = self._settings
        own = settings.take("ADV_MODEL") if role == "adversary" else None
        given = settings.environment.settings.get("LOOP_MODEL")
        return (
            own
            or (given if given is not None and given.value else None)
            or (settings.dotfile(f".loop-model-{phase}") if phase else None)
            or settings.take("LOOP_MODEL", ".loop-model")
        )

    def _model_function(self) -> tuple[Function, Mapping[str, str]] | None:
        """The function of launch.py that reads ``.loop-model-<phase>``, and what its parameters mean."""
        import ast

        main = self._settings.main
        for function in main.functions() if main is not None else ():
            words = [node.value for node in ast.walk(function.node) if isinstance(node, ast.Constant)]
            if not any(isinstance(word, str) and word.startswith(".loop-model-") for word in words):
                continue
            meanings = {name: _meaning(name) for name in function.parameters}
            if all(meanings.values()):
                return function, {name: what for name, what in meanings.items() if what}
        return None


def _meaning(parameter: str) -> str:
    word = parameter.lower()
    if word in ("role", "name", "agent", "who", "loop"):
        return "role"
    return "id" if word in ("phase_id", "phase", "pid", "id", "phaseid") else ""
