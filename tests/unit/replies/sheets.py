"""Pictures of every mail, to be looked at one by one.

    python -m tests.unit.replies.sheets FOLDER

In Portuguese, light and dark, as wide as a telephone and as a desk; some on each sheet, each under its name.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.unit.replies.chromium import DARK, LIGHT, browse, frame, measure
from tests.unit.replies.samples import SAMPLES, page

BESIDE = {360: 4, 760: 3}  # mails on one sheet
HIGHEST = 2600  # pixels; of a longer mail, its beginning


def main(folder: Path) -> None:
    """Take them all; the newest of each name replaces the one before."""
    folder.mkdir(parents=True, exist_ok=True)
    mails = {name: page(make()) for name, make in SAMPLES.items() if not name.endswith("-en")}
    for width, beside in BESIDE.items():
        for number, (names, document, height) in enumerate(_sheets(mails, width, beside)):
            size = f"--window-size={beside * (width + 12)},{height}"
            for scheme, shade in ((LIGHT, "light"), (DARK, "dark")):
                target = folder / f"{shade}-{width}-{number:02}.png"
                shot = (f"--screenshot={target.absolute()}", size, "--force-device-scale-factor=1")
                with tempfile.TemporaryDirectory() as scratch:
                    browse(Path(scratch), document, scheme, *shot)
            print(f"{width}-{number:02}", *names)


def _sheets(mails: dict[str, str], width: int, beside: int) -> Iterator[tuple[list[str], str, int]]:
    """Mails of about the same height share a sheet."""
    with tempfile.TemporaryDirectory() as scratch:
        frames = "".join(frame(name, html, width, 1) for name, html in mails.items())
        measured = measure(Path(scratch), frames, LIGHT)
    heights = {one["name"]: min(one["height"], HIGHEST) for one in measured}
    order = sorted(heights, key=heights.__getitem__)
    for start in range(0, len(order), beside):
        names = order[start : start + beside]
        shown = [f"<b>{name}</b>{frame(name, mails[name], width, heights[name])}" for name in names]
        cells = "".join(f'<div style="margin-right: 12px">{one}</div>' for one in shown)
        body = '<body style="margin: 0; display: flex; background: #c8c; font: 15px/20px sans-serif">'
        yield names, f'<!doctype html><meta charset="utf-8">{body}{cells}', heights[names[-1]] + 24


if __name__ == "__main__":
    main(Path(sys.argv[1]))
