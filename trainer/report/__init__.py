"""`report.html`: what a run has become, on one page that needs nothing else.

facts         everything that the run's folder says
figures       numbers computed from the facts (the arithmetic is `evaluation`'s)
advice        sentences: how sure the figures are, and what to do next
plots         curves as SVG
pictures      the images that cost most to correct
page          all of it through `template.html`
measurements  speed and agreement of the export, measured once, on the machine that trained
costs         other seconds, hence other thresholds
"""

from trainer.report.costs import change_costs, criterion
from trainer.report.measurements import measure
from trainer.report.page import write

__all__ = ["change_costs", "criterion", "measure", "write"]
