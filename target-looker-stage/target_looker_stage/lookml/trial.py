"""Fields asked of the warehouse, and which of them it refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

from target_looker_stage.errors import LoadError
from target_looker_stage.explain import cause, is_passing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .compile import Compiler
    from .parsed import Field

_AT_ONCE = 250
"""PostgreSQL takes 1,664 columns, and each measure needs up to three."""
_SAMPLE_ROWS = 1000
_LONGEST_REASON = 300


@dataclass(frozen=True)
class Trial:
    """Asks for fields of explores.

    Args:
        compiler: makes SQL of them.
        ask: runs a query.
    """

    compiler: Compiler
    ask: Callable[[str], Sequence[Sequence[Any]]]

    def refusals(
        self, explore: str, fields: Sequence[tuple[str, Field]]
    ) -> Iterator[tuple[Field | None, str]]:
        """What the warehouse refuses, with its reason; no field where only several together fail.

        Args:
            explore: its name.
            fields: with their paths.

        Raises:
            LoadError: when the warehouse is out of reach.
        """
        for start in range(0, len(fields), _AT_ONCE):
            yield from self._blamed(explore, fields[start : start + _AT_ONCE])

    def _blamed(
        self, explore: str, fields: Sequence[tuple[str, Field]]
    ) -> Iterator[tuple[Field | None, str]]:
        """All at once; where that fails, each half."""
        paths = [path for path, _ in fields]
        try:
            self.ask(self.compiler.select(explore, paths, limit=1, sample_rows=_SAMPLE_ROWS))
        except LoadError as error:
            if error.__cause__ is not None and is_passing(error.__cause__):
                raise
            if len(fields) == 1:
                yield fields[0][1], reason(error)
                return
            middle = len(fields) // 2
            halves = (fields[:middle], fields[middle:])
            blamed = [each for half in halves for each in self._blamed(explore, half)]
            yield from blamed or [(None, reason(error))]


def reason(error: LoadError) -> str:
    """What the warehouse says of a statement, without the remedy for loads."""
    if not isinstance(error.__cause__, DBAPIError):
        return str(error)
    return " ".join(str(cause(error.__cause__)).split())[:_LONGEST_REASON]
