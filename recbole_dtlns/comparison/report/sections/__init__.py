"""The parts of a report, a module each, in the order of the page."""

from __future__ import annotations

from recbole_dtlns.comparison.report.section import Section
from recbole_dtlns.comparison.report.sections.accuracy import accuracy
from recbole_dtlns.comparison.report.sections.checks import checks, failures
from recbole_dtlns.comparison.report.sections.cost import cost
from recbole_dtlns.comparison.report.sections.coverage import coverage
from recbole_dtlns.comparison.report.sections.hardness import hardness
from recbole_dtlns.comparison.report.sections.learning import learning_curves
from recbole_dtlns.comparison.report.sections.masks import masks
from recbole_dtlns.comparison.report.sections.noise import noise
from recbole_dtlns.comparison.report.sections.positives import positives
from recbole_dtlns.comparison.report.sections.run import checks_of_run, result
from recbole_dtlns.comparison.report.sections.setup import commands, environment
from recbole_dtlns.comparison.report.sections.significance import significance
from recbole_dtlns.comparison.report.sections.summary import summary
from recbole_dtlns.comparison.report.source import Source

_PARTS = (
    summary,
    significance,
    accuracy,
    learning_curves,
    hardness,
    positives,
    coverage,
    masks,
    noise,
    checks,
    failures,
    cost,
    environment,
    commands,
)


_OF_RUN = (result, learning_curves, hardness, positives, checks_of_run, cost, environment, commands)


def sections_of(source: Source) -> list[Section]:
    """Every part, also those that turn out empty; a single run has a page of its own."""
    return [part(source) for part in (_OF_RUN if source.single else _PARTS)]
