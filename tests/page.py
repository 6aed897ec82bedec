"""A page of the documentation, as tests read it; and the words that code may say."""

from __future__ import annotations

import ast
import re
import subprocess
from typing import TYPE_CHECKING

from environments import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

HOLE = "…"
"""What stands in a page for what a sentence is filled in with."""


class Page:
    """A file of Markdown.

    Args:
        path: from the project's root.
    """

    def __init__(self, path: str) -> None:
        self.text = (ROOT / path).read_text(encoding="utf-8")

    def blocks(self, language: str) -> list[str]:
        """Its snippets of a language, those of lists moved to the left."""
        kind = re.escape(language)
        found = re.findall(
            rf"^( *)```{kind}\n(.*?)^ *```", self.text, re.DOTALL | re.MULTILINE
        )  # fmt: skip
        return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]

    def rows(self, title: str) -> list[list[str]]:
        """The cells of the table below a title, without its head."""
        _, _, section = self.text.partition(f"## {title}\n")
        section = section.partition("\n## ")[0]
        lines = [line for line in section.splitlines() if line.startswith("|")]
        return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]

    def messages(self) -> list[str]:
        """The first cells of its table `message`."""
        table = self.text.partition("| message | do |")[2].partition("\n\n")[0]
        found = re.findall(rf"^\| `(.*?[^\\])`(?: {HOLE})? \|", table, re.MULTILINE)
        assert len(found) == table.count("\n") - 1
        return [each.replace("\\`", "`") for each in found]


def assert_shell(snippets: Iterable[str]) -> None:
    """Every one is read by bash without a complaint."""
    for text in snippets:
        done = subprocess.run(
            ["bash", "-n"], input=text, text=True, capture_output=True, check=False
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")


def words_of(folder: Path) -> str:
    """Every text that modules of a folder hold, a line each, with `HOLE` where it is filled in."""
    said = []
    for file in folder.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else HOLE
                         for part in node.values]  # fmt: skip
                said.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                said.append(node.value)
    return "\n".join(said)
