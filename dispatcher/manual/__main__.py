"""Write the pages into a folder: ``python -m dispatcher.manual docs``."""

from __future__ import annotations

import sys
from pathlib import Path

from dispatcher.manual.pages import PAGES, page


def main(folder: Path) -> None:
    """Write every page that differs, and say which. Raises OSError."""
    for name in PAGES:
        path, text = folder / name, page(name)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
