"""What is changed in a module, one place at a time.

Comparisons swapped and moved by one, integers one up and one down, booleans turned, other constants replaced, `and` and
`or` swapped, operands dropped, conditions turned, arithmetic swapped, statements, arguments by keyword, effects, and
arms and alternatives of a `match` left out. Not changed: annotations, docstrings, decorators, defaults, class bodies
(fields and enumerations), the words of f-strings, and the `assert_never` arms, which mypy proves to be unreachable.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
}
_FUNCTIONS = {"max": "min", "min": "max", "any": "all", "all": "any"}
_LEFT_ALONE = frozenset({"annotation", "returns", "decorator_list", "defaults", "kw_defaults"})


@dataclass(slots=True)
class Mutant:
    """One change in one function, or in one constant of the module."""

    module: str
    place: str
    """The function's qualified name, or the constant's."""
    line: int
    change: str
    is_constant: bool
    tree: ast.Module = field(repr=False)
    apply: Callable[[], None] = field(repr=False)
    """Makes the change in `tree`."""

    def __str__(self) -> str:
        return f"{self.module.removeprefix('vrrpd.')}.{self.place}: {self.change}"


def mutants(module: str, source: str) -> Iterator[Mutant]:
    """All of a module, in the order of its lines."""
    tree = ast.parse(source)
    for statement in tree.body:
        match statement:
            case ast.FunctionDef(name=name):
                yield from _in_place(module, name, tree, statement, is_constant=False)
            case ast.ClassDef(name=owner, body=body):
                for method in body:
                    if isinstance(method, ast.FunctionDef):
                        yield from _in_place(module, f"{owner}.{method.name}", tree, method, is_constant=False)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
                yield from _in_place(module, name, tree, statement, is_constant=True)
            case _:
                pass


def _in_place(module: str, place: str, tree: ast.Module, root: ast.stmt, *, is_constant: bool) -> Iterator[Mutant]:
    bound: set[str] = set()
    for node, parent, name, at in _sites(root):
        if isinstance(node, ast.arg):
            bound.add(node.arg)
        for new in _replacements(node, bound):
            before = ast.unparse(node).split("\n", maxsplit=1)[0]
            after = "nothing" if isinstance(new, ast.Pass) else ast.unparse(new).split("\n", maxsplit=1)[0]
            if parent is root and is_constant and isinstance(new, ast.Pass):
                continue
            yield Mutant(
                module, place, getattr(node, "lineno", root.lineno), f"{before} -> {after}", is_constant, tree,
                _replace(parent, name, at, new),
            )  # fmt: skip
        for kind, items, position in _droppable(node):
            left_out = ast.unparse(items[position]).split("\n", maxsplit=1)[0].strip()
            shown = ast.unparse(node).split("\n", maxsplit=1)[0].strip()
            line = getattr(node, "lineno", root.lineno)
            yield Mutant(
                module, place, line, f"{shown}: without {kind} {left_out}", is_constant, tree,
                _delete(items, position),
            )  # fmt: skip
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)


def _sites(node: ast.AST) -> Iterator[tuple[ast.AST, ast.AST, str, int | None]]:
    """Every node below that may be changed, with the place where it hangs."""
    for name, value in ast.iter_fields(node):
        if name in _LEFT_ALONE or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            continue
        for at, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST) or _is_unreachable(child):
                continue
            if isinstance(node, ast.JoinedStr) and isinstance(child, ast.Constant):
                continue
            yield child, node, name, at
            yield from _sites(child)


def _is_unreachable(node: ast.AST) -> bool:
    match node:
        case ast.Expr(value=ast.Call(func=ast.Name(id="assert_never"))):
            return True
        case _:
            return False


def _replacements(node: ast.AST, bound: set[str]) -> Iterator[ast.AST]:
    yield from _of_operators(node)
    yield from _of_constants(node)
    yield from _of_statements(node, bound)


def _of_operators(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(left=left, ops=ops, comparators=right):
            for at, op in enumerate(ops):
                for other in _COMPARISONS[type(op)]:
                    yield ast.Compare(left, [*ops[:at], other(), *ops[at + 1 :]], right)
        case ast.BoolOp(op=ast.And(), values=values):
            yield ast.BoolOp(ast.Or(), values)
        case ast.BoolOp(op=ast.Or(), values=values):
            yield ast.BoolOp(ast.And(), values)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            yield from (left, right)
        case ast.BinOp(left=left, op=op, right=right):
            yield ast.BinOp(left, _ARITHMETIC[type(op)](), right)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield ast.IfExp(test, orelse, body)
        case _:
            pass


def _of_constants(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(value=int() as value):
            yield from (ast.Constant(value + 1), ast.Constant(value - 1))
        case ast.Constant(value=str() as value):
            yield ast.Constant(value + "?")
        case ast.Constant(value=bytes() as value):
            yield ast.Constant(value + b"?")
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if name in _FUNCTIONS:
            yield ast.Call(ast.Name(_FUNCTIONS[name], ast.Load()), args, keywords)
        case _:
            pass


def _of_statements(node: ast.AST, bound: set[str]) -> Iterator[ast.AST]:
    match node:
        case ast.Expr(value=ast.Call()) | ast.AugAssign() | ast.Delete() | ast.Raise():
            yield ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript(), *_]):
            yield ast.Pass()
        case ast.Assign(targets=[ast.Name(id=name)]) if name in bound:
            yield ast.Pass()
        case ast.If(test=test, body=body, orelse=orelse) if not isinstance(test, ast.Compare):
            yield ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Break()
        case ast.match_case(pattern=pattern, guard=ast.expr() as guard, body=body):
            yield ast.match_case(pattern, None, body)
            yield ast.match_case(pattern, ast.UnaryOp(ast.Not(), guard), body)
        case _:
            pass


def _droppable(node: ast.AST) -> Iterator[tuple[str, list[ast.AST], int]]:
    """Lists from which one may be left out, and which."""
    match node:
        case ast.BoolOp(values=values):
            yield from (("operand", values, at) for at in range(len(values)))  # type: ignore[misc]
        case ast.Call(keywords=keywords):
            yield from (("argument", keywords, at) for at in range(len(keywords)))  # type: ignore[misc]
        case ast.Tuple(elts=elements, ctx=ast.Load()) | ast.List(elts=elements, ctx=ast.Load()):
            kinds = (ast.Call, ast.Starred)
            yield from (("effect", elements, at) for at, one in enumerate(elements) if isinstance(one, kinds))  # type: ignore[misc]
        case ast.comprehension(ifs=conditions):
            yield from (("condition", conditions, at) for at in range(len(conditions)))  # type: ignore[misc]
        case ast.Match(cases=cases):
            yield from (("arm", cases, at) for at, one in enumerate(cases) if ast.unparse(one.pattern) != "_")  # type: ignore[misc]
        case ast.MatchOr(patterns=patterns):
            yield from (("alternative", patterns, at) for at in range(len(patterns)))  # type: ignore[misc]
        case _:
            pass


def _replace(parent: ast.AST, name: str, at: int | None, new: ast.AST) -> Callable[[], None]:
    def apply() -> None:
        if at is None:
            setattr(parent, name, new)
        else:
            getattr(parent, name)[at] = new

    return apply


def _delete(items: list[ast.AST], position: int) -> Callable[[], None]:
    def apply() -> None:
        del items[position]

    return apply
