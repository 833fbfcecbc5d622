"""A hook of mkdocs: pages that stand in the root of the repository are pages of the site too."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md")
_FROM_DOCS = re.compile(rf"\]\(\.\./({'|'.join(map(re.escape, PAGES))})")
_FROM_ROOT = re.compile(r"\]\(docs/")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages."""
    for name in PAGES:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Let links between `docs/` and the root lead to where the pages are on the site."""
    return _FROM_ROOT.sub("](", _FROM_DOCS.sub(r"](\1", markdown))
