"""A table for a terminal and for a page of the documentation, from the same rows."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

_GAP = "  "
# Of the last column, which is wrapped: a terminal may be narrower than the others together.
_LEAST_WIDTH = 30


@dataclass(frozen=True)
class Table:
    """Cells of text; the last column may hold sentences."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """As Markdown, the first column as code."""
        lines = [self.header, ["---"] * len(self.header), *([f"`{row[0]}`", *row[1:]] for row in self.rows)]
        return "\n".join(f"| {' | '.join(line)} |" if line[0] != "---" else f"|{'|'.join(line)}|" for line in lines)

    def plain(self, width: int = 120) -> str:
        """Columns side by side in lines of `width` characters, without Markdown's marks."""
        lines = [[cell.replace("`", "") for cell in line] for line in (self.header, *self.rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.header) - 1)]
        indent = sum(widths) + len(_GAP) * len(widths)
        texts = []
        for *cells, last in lines:
            start = "".join(cell.ljust(size) + _GAP for cell, size in zip(cells, widths, strict=True))
            wrapped = textwrap.wrap(last, max(width - indent, _LEAST_WIDTH)) or [""]
            texts += [(start + wrapped[0]).rstrip(), *(" " * indent + more for more in wrapped[1:])]
        return "\n".join(texts)
