"""Makes the picture of a page: its first screen, as a small PNG.

    python examples/page_picture.py RUN_DIR/report.html docs/page.png

needs Chromium and Pillow, which comes with matplotlib. The picture has a palette of 128 colours, which keeps it small.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
WIDTH, HEIGHT, COLOURS = 1280, 800, 128


def screenshot(page: Path, target: Path, width: int, height: int) -> None:
    """Let a browser without a window draw the first screen of a page, in light colours."""
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        raise SystemExit(f"No browser was found. Install one of {', '.join(BROWSERS)}.")
    with tempfile.TemporaryDirectory() as profile:
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={profile}"]
        flags += ["--blink-settings=preferredColorScheme=1", f"--window-size={width},{height}"]
        command = [browser, *flags, f"--screenshot={target.resolve()}", page.resolve().as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=120)


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--height", type=int, default=HEIGHT)
    options = parser.parse_args()
    screenshot(options.page, options.target, WIDTH, options.height)
    with Image.open(options.target) as shown:
        shown.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE).save(options.target, optimize=True)
    print(f"Wrote {options.target}, {options.target.stat().st_size // 1024} kB.")


if __name__ == "__main__":
    main()
