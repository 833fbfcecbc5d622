"""What stands in two places says the same in both."""

import re
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
