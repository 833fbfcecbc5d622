"""What stands in two places says the same in both."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]


def test_pre_commit_runs_the_ruff_of_the_gate() -> None:
    pinned = re.search(r"^ruff==(.+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.M)
    hook = re.search(
        r"ruff-pre-commit\n +rev: v(.+)$", (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"), re.M
    )
    assert pinned is not None
    assert hook is not None
    assert pinned[1] == hook[1]


def test_every_link_of_the_pages_leads_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")]
    links = {
        (page, link) for page in pages for link in re.findall(r"\]\(([^)#:\s]+)\)", page.read_text(encoding="utf-8"))
    }
    assert len(links) > 40
    assert [(page.name, link) for page, link in sorted(links) if not (page.parent / link).exists()] == []


def test_the_index_lists_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in (ROOT / "docs").glob("*.md") if f"({page.name})" not in index] == ["README.md"]


PACKAGE = ROOT / "recbole_dtlns"
# Lowest first: a file may import what stands on its own line or above. docs/architecture.md shows the same order.
LAYERS = (
    ("errors", "version", "wording"),
    ("files", "processes"),
    ("engines",),
    ("config",),
    ("data",),
    ("llm",),
    ("trees",),
    ("false_negatives",),
    ("samplers",),
    ("training",),
    ("evaluation",),
    ("comparison",),
    ("quick_start",),
    ("commands",),
    ("cli", "__main__", "compat", "recbole_import", "__init__", "models", "loading", "parsers"),
)
LAYER = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def part_of(path: Path) -> str:
    """The folder of the package that a file lies in, or its own name at the package's top."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> Iterator[str]:
    """What a file imports of the package, anywhere in it and also for types alone."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        modules: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module == "recbole_dtlns":
            modules = [f"recbole_dtlns.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports from the package's name on"
            modules = [str(node.module)]
        elif isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        for module in modules:
            if module.startswith("recbole_dtlns."):
                yield module.split(".")[1].replace("__version__", "version")


def test_no_folder_imports_one_that_stands_on_it() -> None:
    paths = sorted(PACKAGE.rglob("*.py"))
    assert {part_of(path) for path in paths} == set(LAYER)
    upward = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path in paths
        for name in imports_of(path)
        if LAYER[name] > LAYER[part_of(path)]
    ]
    assert upward == []


def test_folders_are_looked_up_by_name_in_one_place_alone() -> None:
    """`config/declared.py` reads the tables of samplers and judges; the command line imports its subcommands."""
    by_name = [
        path.relative_to(PACKAGE).as_posix()
        for path in sorted(PACKAGE.rglob("*.py"))
        if "import_module(" in path.read_text(encoding="utf-8")
    ]
    assert by_name == ["cli.py", "config/declared.py"]


def test_files_are_short() -> None:
    lines = sorted(len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE.rglob("*.py"))
    assert lines[-1] <= 300
    assert lines[len(lines) // 2] <= 120


def test_the_site_has_every_page_in_its_navigation() -> None:
    """The gate builds the site with `--strict`, which checks links and anchors; this needs no mkdocs."""
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    named = re.findall(r"[\w]+\.md", str(site["nav"]))
    assert len(named) == len(set(named))
    in_root = {"CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"}
    assert set(named) - in_root == {page.name for page in (ROOT / "docs").glob("*.md")}
    hook = (ROOT / site["hooks"][0]).read_text(encoding="utf-8")
    assert all(name in hook and (ROOT / name).is_file() for name in in_root)
    titles = {next(iter(entry)) for entry in site["nav"]}
    wanted = {"I want to recommend", "I want to compare samplers for a paper", "I want to write a sampler or a judge"}
    assert wanted | {"I have an LLM"} <= titles
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8").count("mkdocs build --strict") == 1


def test_the_picture_of_the_readme_is_small_and_says_what_made_it() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    ((alt, path),) = re.findall(r"!\[([^\]]+)\]\(([^)]+)\)", text)
    assert len(alt) > 60
    assert text.index(alt) < text.index("## Install and run")
    assert (ROOT / path).read_bytes().startswith(b"\x89PNG")
    assert 10_000 < (ROOT / path).stat().st_size < 150_000
    script, plan = re.search(r"`(examples/\w+\.py)`", text), re.search(r"--plan=(benchmarks/plans/lists-ml\S+?)`", text)
    assert script is not None
    assert plan is not None
    assert (ROOT / script[1]).is_file()
    assert (ROOT / plan[1]).is_file()
    assert len(text.splitlines()) <= 130
