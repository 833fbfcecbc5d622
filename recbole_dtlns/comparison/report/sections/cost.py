"""What the runs cost: seconds by stage and memory."""

from __future__ import annotations

from recbole_dtlns.comparison.report.section import Section
from recbole_dtlns.comparison.report.sections.judging import judged_runs
from recbole_dtlns.comparison.report.source import Source
from recbole_dtlns.comparison.report.table import Column, Line, Table, filled

_STAGES = {
    "trees": "Trees",
    "candidates": "Candidates",
    "judging": "Judging",
    "training": "Training",
    "sampling": "of it sampling",
    "evaluation": "Evaluation",
}


def cost(source: Source) -> Section:
    """Seconds by stage and peak memory, means over seeds."""
    section = Section("cost", "Cost")
    said = (
        "Seconds of each stage as measured. A stage that an earlier run had left ready took only the time to read it."
    )
    if judged_runs(source):
        said += " What judging cost in all is told under Inferred positives."
    section.text.append(said)
    columns = (
        Column("row", "Row"),
        *(Column(stage, f"{title} (s)", "seconds") for stage, title in _STAGES.items()),
        Column("memory", "Peak memory (MB)", "count"),
    )
    for group in source.groups:
        lines = [
            Line(
                {
                    "row": row.label,
                    **{stage: row.seconds(stage) for stage in _STAGES},
                    "memory": row.mean(lambda run: run.result.get("peak_memory_mb")),
                },
                row.marks,
            )
            for row in group.rows
        ]
        shown = filled(columns, lines)
        section.tables.append(Table(f"cost-{group.slug}", f"Cost: {group.title}", shown, tuple(lines)))
    return section
