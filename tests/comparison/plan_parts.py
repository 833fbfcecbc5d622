"""Plans from flags and files."""

from pathlib import Path

from recbole_dtlns.comparison.plan.plan import ComparisonPlan
from recbole_dtlns.comparison.plan.plan_file import make_plan


def plan(**flags: str) -> ComparisonPlan:
    return make_plan({"datasets": "ml-100k", "models": "BPR", **flags})


def write(folder: Path, text: str) -> dict[str, str]:
    (folder / "plan.yaml").write_text(text)
    return {"plan": str(folder / "plan.yaml")}
