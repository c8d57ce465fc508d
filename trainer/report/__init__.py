"""`report.html`: the report of a run on one page that loads nothing else.

facts         the content of the run's folder
figures       numbers computed from the facts (the arithmetic is `evaluation`'s)
advice        sentences: how reliable the figures are, and what to do next
plots         curves as SVG
pictures      the images that cost most to correct; overlays
page          all of it through `template.html`
measurements  speed and parity of the export, measured once, on the machine that trained
costs         other seconds for corrections, hence other thresholds
"""

from trainer.report.costs import change_costs, criterion
from trainer.report.measurements import measure
from trainer.report.page import BuiltFunction, write
from trainer.report.pictures import write_overlays

__all__ = ["BuiltFunction", "change_costs", "criterion", "measure", "write", "write_overlays"]
