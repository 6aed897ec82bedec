"""Sessions on sites, and the targets of what is due there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import ConfigError, TableauError
from .item import Item
from .patience import patiently
from .rules import DUE, refreshes
from .tableau import Tableau

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from .clock import Clock
    from .config import Config, Rule
    from .record import Record
    from .rules import Refresh
    from .tableau import Target


class Sites:
    """One session for each site that has something due.

    Args:
        config: the settings.
        record: is told what cannot be found.
        clock: for waits.
        until: the deadline.
    """

    def __init__(self, config: Config, record: Record, clock: Clock, until: float) -> None:
        self._config = config
        self._record = record
        self._clock = clock
        self._until = until
        self._open: dict[str, Tableau] = {}

    def items(self, wanted: Sequence[Refresh], at: datetime) -> list[Item]:
        """What is due and was found, in its order; rules that lead to one target are one item.

        Args:
            wanted: whose targets lack rows, due or not.
            at: the time by which they were judged.
        """
        for name in dict.fromkeys(each.site for each in wanted if each.verdict.word == DUE):
            self._sign_in(name, [each for each in wanted if each.site == name])
        targets: dict[str, Target] = {}
        for refresh in wanted:
            if refresh.site in self._open:
                self._find(refresh, targets)
        self._record.unready |= {
            name for refresh in wanted for name in refresh.names if name not in targets
        }
        items = []
        rules = [rule for rule in self._config.rules if rule.name in targets]

        def found(rule: Rule) -> tuple[str, str, str]:
            return rule.site, targets[rule.name].content_kind, targets[rule.name].content_id

        for refresh in refreshes(rules, self._record.marks, at, found):
            if refresh.verdict.word == DUE:
                # A task may be an incremental one.
                target = min((targets[name] for name in refresh.names), key=_is_task)
                items.append(Item(refresh, target, self._open[refresh.site]))
            else:
                self._record.unready |= set(refresh.names)
        return items

    def close(self) -> None:
        """Sign out everywhere."""
        for tableau in self._open.values():
            tableau.close()

    def _sign_in(self, name: str, wanted: Sequence[Refresh]) -> None:
        """The rules of a site fail together where that fails."""
        tableau = Tableau(self._config, self._config.sites[name], self._clock)
        try:
            patiently(self._clock, self._until, tableau.open)
        except (TableauError, ConfigError) as error:
            tableau.close()
            due = [each for each in wanted if each.verdict.word == DUE]
            named = ", ".join(name for each in due for name in each.names)
            self._record.failed_together(due, f"rules {named}: {error}", error)
        else:
            self._open[name] = tableau

    def _find(self, refresh: Refresh, targets: dict[str, Target]) -> None:
        tableau = self._open[refresh.site]
        try:
            target = patiently(self._clock, self._until, lambda: tableau.find(refresh.rules[0]))
        except (TableauError, ConfigError) as error:
            if refresh.verdict.word == DUE:
                sentence = f"rule {refresh.label} ({refresh.title}): {error}"
                self._record.failed_together([refresh], sentence, error)
        else:
            targets |= dict.fromkeys(refresh.names, target)


def _is_task(target: Target) -> bool:
    return target.kind == "task"
