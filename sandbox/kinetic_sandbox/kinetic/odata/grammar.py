"""Text of a `$filter` -> syntax tree, with OData's case and the server's error text."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from odata_query import ast
from odata_query.exceptions import ODataException
from odata_query.grammar import ODataLexer, ODataParser

from kinetic_sandbox.kinetic.faults import odata_fault

if TYPE_CHECKING:
    from collections.abc import Callable


def _token(pattern: str, node: Callable[[str], ast._Node]) -> Any:  # noqa: ANN401
    """Return a lexer rule: a function that bears its pattern, as the lexer's metaclass asks."""

    def rule(_: ODataLexer, token: Any) -> Any:  # noqa: ANN401 - the lexer library is untyped
        token.value = node(token.value)
        return token

    vars(rule)["pattern"] = pattern
    return rule


class KineticLexer(ODataLexer):
    """The library's lexer, made case sensitive.

    The library's keywords match in any case and within names: `AllocatedQty` begins with `ALL`.
    """

    reflags = re.RegexFlag(0)
    tokens = ODataLexer.tokens

    ANY = _token(r"any\b", lambda _: ast.Any())
    ALL = _token(r"all\b", lambda _: ast.All())
    NULL = _token(r"null\b", lambda _: ast.Null())
    BOOLEAN = _token(r"(?:true|false)\b", ast.Boolean)
    ODATA_IDENTIFIER = _token(r"[A-Za-z_](?:\.?\w){0,127}", ast.Identifier)


@lru_cache(maxsize=500)
def parse_filter(text: str) -> ast._Node:
    """Parse a filter; whatever the grammar refuses is the server's syntax error."""
    try:
        tree: ast._Node = ODataParser().parse(KineticLexer().tokenize(text))
    except ODataException as error:
        token = getattr(error, "token", None)
        position = len(text) if token is None else token.index
        raise odata_fault(f"Syntax error at position {position} in '{text}'.") from None
    return tree
