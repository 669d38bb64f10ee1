"""Scripts of one directory: their constants, and what their functions return."""

from __future__ import annotations

import ast
import builtins
import os
from collections.abc import Iterator, Mapping
from typing import Any

from loops.projects.deployment.python import library
from loops.projects.deployment.python.expressions import Names, evaluate
from loops.projects.deployment.python.library import Library, Refused, Stream
from loops.projects.deployment.python.world import DEPTH, STEPS, CannotTell, World

_PYTHON = (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, ZeroDivisionError, StopIteration)
"""What a script can meet and catch, of what is evaluated here."""


class Unknown:
    """The value of a name that could not be told."""

    def __init__(self, why: CannotTell) -> None:
        self.why = why


class Function:
    """A function of a script."""

    def __init__(self, module: Module, node: ast.FunctionDef) -> None:
        self.module, self.node = module, node
        self.name = node.name

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of its parameters, in order."""
        spec = self.node.args
        return tuple(each.arg for each in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs))


class _Returned(Exception):
    def __init__(self, value: Any) -> None:
        self.value = value


class Module:
    """One script: the values of its names after its top level, as far as they can be told."""

    def __init__(self, world: World, path: str, tree: ast.Module, scripts: Scripts) -> None:
        self.world, self.path, self.tree, self._scripts = world, path, tree, scripts
        name = os.path.basename(path).removesuffix(".py")
        self.names: Names = {"__file__": path, "__name__": name, "__doc__": ast.get_docstring(tree, clean=False)}
        self.lines: dict[str, int] = {}

    def run(self) -> None:
        """Take in the top level, statement by statement; what cannot be told makes its names unknown."""
        scope = _Scope(self, self.names)
        for statement in self.tree.body:
            try:
                scope.execute(statement)
            except CannotTell as error:
                self._give_up(statement, error)
            except (*_PYTHON, _Returned, RecursionError, MemoryError, OverflowError) as error:
                what = f"it would end here: {type(error).__name__}"
                self._give_up(statement, CannotTell(self.world.place(self.path, statement), what))
            for node in ast.walk(statement):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    self.lines.setdefault(node.id, node.lineno)

    def _give_up(self, statement: ast.stmt, why: CannotTell) -> None:
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self.names[node.id] = Unknown(why)

    def value(self, name: str) -> Any:
        """Return the value of a name.  Raises CannotTell; KeyError: there is no such name."""
        found = self.names[name]
        if isinstance(found, Unknown):
            raise found.why
        return found

    def place(self, name: str) -> str:
        """File and line of a name."""
        return f"{self.world.files.shown(self.path)}:{self.lines.get(name, 0)}"

    def functions(self) -> Iterator[Function]:
        """Yield the functions of this script, in order."""
        for value in self.names.values():
            if isinstance(value, Function) and value.module is self:
                yield value

    def imported(self, name: str) -> Any:
        """Return a module that the script imports: another script beside it, or a library."""
        beside = self._scripts.module(f"{name}.py") if "." not in name else None
        return beside if beside is not None else Library(name)


class Scripts:
    """All scripts of a directory, each read once, in one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.problems: list[CannotTell] = []
        self._modules: dict[str, Module | None] = {}

    def module(self, name: str) -> Module | None:
        """Return the script *name* of the directory; None: there is none, or it is no Python."""
        if name in self._modules:
            return self._modules[name]
        self._modules[name] = None  # one that imports itself in a circle finds nothing
        path = self.world.files.place(name)
        try:
            tree = ast.parse(self.world.read(path))
        except FileNotFoundError:
            return None
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = getattr(error, "lineno", None)
            what = f"cannot be read as Python: {getattr(error, 'msg', '') or type(error).__name__}"
            self.problems.append(CannotTell(f"{self.world.files.shown(path)}{f':{line}' if line else ''}", what))
            return None
        module = Module(self.world, path, tree, self)
        self._modules[name] = module
        self.world.steps = STEPS
        module.run()
        return module

    def call(self, function: Function, args: Mapping[str, Any], overlay: Mapping[str, str] | None = None) -> Any:
        """Return what *function* returns for *args*, with the files of *overlay* in place of what they are.

        Raises:
            CannotTell: it cannot be told.
        """
        self.world.steps, self.world.depth = STEPS, 0
        self.world.overlay = dict(overlay or {})
        try:
            return _call(function, [], dict(args))
        except (*_PYTHON, RecursionError, MemoryError, OverflowError) as error:
            place = self.world.place(function.module.path, function.node)
            raise CannotTell(place, f"{function.name}() ends with {type(error).__name__}: {error}") from None
        finally:
            self.world.overlay = {}


class _Scope:
    """Names, and the statements that change them."""

    def __init__(self, module: Module, names: Names) -> None:
        self.module, self.names = module, names
        self.world, self.path = module.world, module.path

    def lookup(self, name: str, node: ast.AST) -> Any:
        found = self.names[name] if name in self.names else self.module.names[name]
        if isinstance(found, Unknown):
            raise found.why
        return found

    def attribute(self, value: Any, name: str, node: ast.AST) -> Any:
        if isinstance(value, Module):
            if name not in value.names:
                raise AttributeError(name)
            return value.value(name)
        return library.attribute(value, name)

    def invoke(self, function: Any, args: list[Any], named: Names, node: ast.AST) -> Any:
        if not isinstance(function, Function):
            raise Refused("this call")
        return _call(function, args, named)

    def bind(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Name):
            self.names[target.id] = value
        elif isinstance(target, ast.Tuple | ast.List) and not any(isinstance(e, ast.Starred) for e in target.elts):
            values = list(value)
            if len(values) != len(target.elts):
                raise ValueError("another number of values than names")
            for each, inner in zip(target.elts, values, strict=True):
                self.bind(each, inner)
        else:
            raise CannotTell(self.world.place(self.path, target), "this assignment is not evaluated")

    # ---- statements --------------------------------------------------------------------------------------------------

    def execute(self, node: ast.stmt) -> None:
        self.world.step(self.path, node)
        handler = getattr(self, f"_{type(node).__name__.lower()}", None)
        if handler is None:
            what = f"a statement of the kind {type(node).__name__} is not evaluated"
            raise CannotTell(self.world.place(self.path, node), what)
        handler(node)

    def block(self, body: list[ast.stmt]) -> None:
        for statement in body:
            self.execute(statement)

    def _assign(self, node: ast.Assign) -> None:
        value = evaluate(node.value, self)
        for target in node.targets:
            self.bind(target, value)

    def _annassign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.bind(node.target, evaluate(node.value, self))

    def _augassign(self, node: ast.AugAssign) -> None:
        if not isinstance(node.target, ast.Name):
            raise CannotTell(self.world.place(self.path, node), "this assignment is not evaluated")
        now = ast.Name(node.target.id, ast.Load(), lineno=node.lineno, col_offset=0)
        sum_of = ast.BinOp(now, node.op, node.value, lineno=node.lineno, col_offset=0)
        self.bind(node.target, evaluate(sum_of, self))

    def _expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):
            evaluate(node.value, self)

    def _return(self, node: ast.Return) -> None:
        raise _Returned(None if node.value is None else evaluate(node.value, self))

    def _pass(self, node: ast.Pass) -> None:
        pass

    def _if(self, node: ast.If) -> None:
        self.block(node.body if evaluate(node.test, self) else node.orelse)

    def _for(self, node: ast.For) -> None:
        for value in list(evaluate(node.iter, self)):
            self.bind(node.target, value)
            self.block(node.body)
        self.block(node.orelse)

    def _with(self, node: ast.With) -> None:
        for item in node.items:
            value = evaluate(item.context_expr, self)
            if not isinstance(value, Stream):
                raise CannotTell(self.world.place(self.path, node), "this `with` is not evaluated")
            if item.optional_vars is not None:
                self.bind(item.optional_vars, value)
        self.block(node.body)

    def _try(self, node: ast.Try) -> None:
        try:
            self.block(node.body)
        except _PYTHON as error:
            for handler in node.handlers:
                if _catches(handler.type, error):
                    self.block(handler.body)
                    break
            else:
                raise
        else:
            self.block(node.orelse)
        self.block(node.finalbody)

    def _functiondef(self, node: ast.FunctionDef) -> None:
        if self.names is not self.module.names or node.decorator_list:
            raise CannotTell(self.world.place(self.path, node), f"the function {node.name} is not evaluated")
        self.names[node.name] = Function(self.module, node)

    def _import(self, node: ast.Import) -> None:
        for alias in node.names:
            first = alias.name.split(".")[0]
            self.names[alias.asname or first] = self.module.imported(alias.name if alias.asname else first)

    def _importfrom(self, node: ast.ImportFrom) -> None:
        if node.module == "__future__":
            return
        for alias in node.names:
            owner = self.module.imported(node.module or "")
            if isinstance(owner, Module):
                self.names[alias.asname or alias.name] = owner.names.get(alias.name)
            else:
                self.names[alias.asname or alias.name] = library.attribute(owner, alias.name)


def _catches(kind: ast.expr | None, error: Exception) -> bool:
    """Whether ``except KIND`` catches *error*."""
    if kind is None:
        return True
    names = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    found = [getattr(builtins, each.id, None) for each in names if isinstance(each, ast.Name)]
    return any(isinstance(each, type) and issubclass(each, BaseException) and isinstance(error, each) for each in found)


def _call(function: Function, args: list[Any], named: Names) -> Any:
    """Call a function of a script."""
    world, node = function.module.world, function.node
    place = world.place(function.module.path, node)
    if world.depth >= DEPTH:
        raise CannotTell(place, "functions call each other too deeply")
    if node.args.vararg or node.args.kwarg or any(isinstance(each, ast.Yield) for each in ast.walk(node)):
        raise CannotTell(place, f"a function such as {function.name} is not evaluated")
    scope = _Scope(function.module, {})
    world.depth += 1
    try:
        _bind(function, scope, args, named)
        scope.block(node.body)
    except _Returned as done:
        return done.value
    finally:
        world.depth -= 1
    return None


def _bind(function: Function, scope: _Scope, args: list[Any], named: Names) -> None:
    spec = function.node.args
    positional = [each.arg for each in (*spec.posonlyargs, *spec.args)]
    defaults = dict(zip(reversed(positional), reversed(spec.defaults), strict=False))
    defaults |= {each.arg: value for each, value in zip(spec.kwonlyargs, spec.kw_defaults, strict=True) if value}
    given = {**dict(zip(positional, args, strict=False)), **named}
    if len(args) > len(positional) or set(given) - set(function.parameters):
        raise TypeError(f"{function.name}() takes other arguments")
    outer = _Scope(function.module, function.module.names)
    for name in function.parameters:
        if name not in given and name not in defaults:
            raise TypeError(f"{function.name}() needs {name}")
        scope.names[name] = given[name] if name in given else evaluate(defaults[name], outer)
