"""What an expression comes to."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any, Protocol

from loops.projects.deployment.python import library
from loops.projects.deployment.python.library import BUILTINS, Environ, Library, Refused
from loops.projects.deployment.python.world import LONGEST, Asked, CannotTell, World

Names = dict[str, Any]
_UNARY: dict[type, Callable[[Any], Any]] = {ast.Not: operator.not_, ast.USub: operator.neg, ast.UAdd: operator.pos}
_COMPARE: dict[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}


class Scope(Protocol):
    """Where names are looked up, and functions of the script are called."""

    world: World
    path: str

    def lookup(self, name: str, node: ast.AST) -> Any:
        """Return the value of a name."""

    def attribute(self, value: Any, name: str, node: ast.AST) -> Any:
        """Return an attribute of a value."""

    def invoke(self, function: Any, args: list[Any], named: Names, node: ast.AST) -> Any:
        """Call a function of the script, or raise Refused when it is none."""

    def bind(self, target: ast.expr, value: Any) -> None:
        """Give a value to a name, or to several."""


def evaluate(node: ast.expr, scope: Scope) -> Any:
    """Return the value of *node*.

    Raises:
        CannotTell: it is nothing that is evaluated here.
        OSError, ValueError, KeyError, ...: as Python would, for the script to catch.
    """
    scope.world.step(scope.path, node)
    handler = _HANDLERS.get(type(node))
    try:
        if handler is None:
            raise Refused(_spoken(node))
        value = handler(node, scope)
    except Refused as error:
        raise CannotTell(scope.world.place(scope.path, node), f"{error} is not evaluated") from None
    if isinstance(value, str | list | tuple | dict) and len(value) > LONGEST:
        raise CannotTell(scope.world.place(scope.path, node), "it becomes too long")
    return value


def _spoken(node: ast.AST) -> str:
    return f"an expression of the kind {type(node).__name__}"


def _constant(node: ast.Constant, _: Scope) -> Any:
    if not isinstance(node.value, str | int | float | bool | None):
        raise Refused("bytes")
    return node.value


def _joined(node: ast.JoinedStr, scope: Scope) -> str:
    parts = [str(evaluate(part, scope)) for part in node.values]
    return "".join(parts)


def _formatted(node: ast.FormattedValue, scope: Scope) -> str:
    value = evaluate(node.value, scope)
    _refuse_objects(value)
    if node.conversion == ord("r"):
        value = repr(value)
    elif node.conversion in (ord("s"), ord("a")):
        value = str(value) if node.conversion == ord("s") else ascii(value)
    spec = evaluate(node.format_spec, scope) if node.format_spec is not None else ""
    library.refuse_wide(f"%{spec}")
    return format(value, spec)


def _refuse_objects(value: Any) -> None:
    """Only what looks the same in every process is shown as text."""
    if not isinstance(value, str | int | float | bool | PurePosixPath | list | tuple | dict | set | None):
        raise Refused("a text of an object")


def _binary(node: ast.BinOp, scope: Scope) -> Any:
    left, right = evaluate(node.left, scope), evaluate(node.right, scope)
    kind = type(node.op)
    if kind is ast.Add:
        return left + right
    if kind is ast.Div and isinstance(left, str | PurePosixPath) and isinstance(right, str | PurePosixPath):
        return PurePosixPath(left) / right
    if kind is ast.Mod and isinstance(left, str):
        library.refuse_wide(left)
        if "*" in left:
            raise Refused("a format with a width of its own")
        return left % right
    sizes = [len(each) for each in (left, right) if isinstance(each, str | list | tuple)]
    numbers = [each for each in (left, right) if isinstance(each, int | float)]
    if kind is ast.Mult and sizes and numbers:
        if sizes[0] * max(int(numbers[0]), 0) > LONGEST:
            raise Refused("a text that is too long")
        return left * right
    arithmetic = {
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.Div: operator.truediv,
        ast.FloorDiv: operator.floordiv,
    }
    if kind in arithmetic and len(numbers) == 2 and all(abs(each) < 1e15 for each in numbers):
        return arithmetic[kind](left, right)
    if kind is ast.Mod and len(numbers) == 2:
        return left % right
    raise Refused("this operation")


def _boolean(node: ast.BoolOp, scope: Scope) -> Any:
    value: Any = None
    for each in node.values:
        value = evaluate(each, scope)
        if bool(value) is isinstance(node.op, ast.Or):
            break
    return value


def _unary(node: ast.UnaryOp, scope: Scope) -> Any:
    if type(node.op) not in _UNARY:
        raise Refused("this operation")
    return _UNARY[type(node.op)](evaluate(node.operand, scope))


def _compare(node: ast.Compare, scope: Scope) -> Any:
    left = evaluate(node.left, scope)
    for op, right_node in zip(node.ops, node.comparators, strict=True):
        right = evaluate(right_node, scope)
        if isinstance(op, ast.In | ast.NotIn):
            held = _asked(scope, left, right_node) is not None if isinstance(right, Environ) else left in right
            holds = held is isinstance(op, ast.In)
        else:
            holds = _COMPARE[type(op)](left, right)
        if not holds:
            return False
        left = right
    return True


def _condition(node: ast.IfExp, scope: Scope) -> Any:
    return evaluate(node.body if evaluate(node.test, scope) else node.orelse, scope)


def _name(node: ast.Name, scope: Scope) -> Any:
    try:
        return scope.lookup(node.id, node)
    except KeyError:
        pass
    if node.id in BUILTINS:
        return BUILTINS[node.id]
    if node.id == "open":
        return Library("open")
    raise Refused(f"the name {node.id}")


def _attribute(node: ast.Attribute, scope: Scope) -> Any:
    return scope.attribute(evaluate(node.value, scope), node.attr, node)


def _subscript(node: ast.Subscript, scope: Scope) -> Any:
    value = evaluate(node.value, scope)
    if isinstance(node.slice, ast.Slice):
        ends = (node.slice.lower, node.slice.upper, node.slice.step)
        return value[slice(*(None if each is None else evaluate(each, scope) for each in ends))]
    key = evaluate(node.slice, scope)
    if isinstance(value, Environ):
        found = _asked(scope, key, node)
        if found is None:
            raise KeyError(key)
        return found
    return value[key]


def _asked(scope: Scope, name: Any, node: ast.AST, default: Any = None) -> str | None:
    """What the environment has of that name; and note that it was asked for."""
    if not isinstance(name, str):
        raise TypeError("the name of a variable is a text")
    place = scope.world.place(scope.path, node)
    known = scope.world.asked.get(name)
    if known is None or (known.default is None and default is not None):
        scope.world.asked[name] = Asked(name, place, None if default is None else str(default))
    return scope.world.environment.get(name)


def _elements(nodes: list[ast.expr], scope: Scope) -> Iterator[Any]:
    for node in nodes:
        if isinstance(node, ast.Starred):
            yield from evaluate(node.value, scope)
        else:
            yield evaluate(node, scope)


def _dictionary(node: ast.Dict, scope: Scope) -> Any:
    found: dict[Any, Any] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            found.update(evaluate(value, scope))
        else:
            found[evaluate(key, scope)] = evaluate(value, scope)
    return found


def _comprehension(node: ast.ListComp | ast.GeneratorExp | ast.SetComp, scope: Scope) -> Any:
    found = [evaluate(node.elt, scope) for _ in _rounds(node.generators, scope)]
    return set(found) if isinstance(node, ast.SetComp) else found


def _dict_comprehension(node: ast.DictComp, scope: Scope) -> Any:
    return {evaluate(node.key, scope): evaluate(node.value, scope) for _ in _rounds(node.generators, scope)}


def _rounds(generators: list[ast.comprehension], scope: Scope) -> Iterator[None]:
    first, *rest = generators
    for value in list(evaluate(first.iter, scope)):
        scope.bind(first.target, value)
        if all(evaluate(test, scope) for test in first.ifs):
            if rest:
                yield from _rounds(rest, scope)
            else:
                yield None


def _named(node: ast.NamedExpr, scope: Scope) -> Any:
    value = evaluate(node.value, scope)
    scope.bind(node.target, value)
    return value


def _call(node: ast.Call, scope: Scope) -> Any:
    args = list(_elements(node.args, scope))
    named: Names = {}
    for keyword in node.keywords:
        value = evaluate(keyword.value, scope)
        named.update(value if keyword.arg is None else {keyword.arg: value})
    if isinstance(node.func, ast.Attribute):
        owner = evaluate(node.func.value, scope)
        if isinstance(owner, Environ):
            return _environment(scope, node, node.func.attr, args)
        if not isinstance(owner, Library) and not hasattr(owner, "tree"):
            return library.method(scope.world, owner, node.func.attr, args, named)
        function = scope.attribute(owner, node.func.attr, node)
    else:
        function = evaluate(node.func, scope)
    if isinstance(function, Library) and function.name == "os.getenv":
        return _environment(scope, node, "get", args)
    if function in (str, repr):
        for each in args:
            _refuse_objects(each)
    if not isinstance(function, Library) and function not in BUILTINS.values():
        return scope.invoke(function, args, named, node)
    return library.call(scope.world, function, args, named)


def _environment(scope: Scope, node: ast.AST, method: str, args: list[Any]) -> Any:
    if method != "get" or not args:
        raise Refused(f"os.environ.{method}()")
    default = args[1] if len(args) > 1 else None
    found = _asked(scope, args[0], node, default)
    return default if found is None else found


_HANDLERS: dict[type, Callable[[Any, Scope], Any]] = {
    ast.Constant: _constant,
    ast.JoinedStr: _joined,
    ast.FormattedValue: _formatted,
    ast.BinOp: _binary,
    ast.BoolOp: _boolean,
    ast.UnaryOp: _unary,
    ast.Compare: _compare,
    ast.IfExp: _condition,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.List: lambda node, scope: list(_elements(node.elts, scope)),
    ast.Tuple: lambda node, scope: tuple(_elements(node.elts, scope)),
    ast.Set: lambda node, scope: set(_elements(node.elts, scope)),
    ast.Dict: _dictionary,
    ast.ListComp: _comprehension,
    ast.SetComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.DictComp: _dict_comprehension,
    ast.NamedExpr: _named,
    ast.Call: _call,
}
