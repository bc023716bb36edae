"""Replies in a real browser: how wide they get, and how they look.

    python -m tests.unit.replies.chromium FOLDER

takes the pictures of docs/images, at twice the size.
"""

import html
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.unit.replies.samples import SAMPLES, page

LIGHT, DARK = 1, 0  # blink's numbers for prefers-color-scheme
# Quiet and alone: no update, no account, no network, a profile of its own.
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND", "--force-device-scale-factor=2",
)  # fmt: skip
# Frames give each mail the width of a device; the window itself cannot be as narrow as a phone.
MEASURE = """<script>addEventListener("load", () => {
  const found = [...document.querySelectorAll("iframe")].map(frame => {
    const inside = frame.contentDocument, root = inside.documentElement;
    const shown = element => frame.contentWindow.getComputedStyle(element);
    return {
      name: frame.name, width: frame.clientWidth, needed: root.scrollWidth, height: root.scrollHeight,
      over: Math.max(...[...inside.querySelectorAll("p, h1, h2, td, th")].map(
        one => one.scrollWidth - one.clientWidth)),
      colours: [...inside.querySelectorAll("td, th, p, h1, h2, span, a, code, b")]
        .filter(one => one.checkVisibility())
        .filter(one => [...one.childNodes].some(node => node.nodeType === 3 && node.textContent.trim()))
        .map(one => {
          let behind = one;
          const clear = () => shown(behind).backgroundColor === "rgba(0, 0, 0, 0)";
          while (behind && clear()) behind = behind.parentElement;
          const colour = behind ? shown(behind).backgroundColor : "rgb(255, 255, 255)";
          return [one.textContent.trim().slice(0, 30), shown(one).color, colour];
        }),
    };
  });
  document.title = "measured";
  document.body.dataset.found = JSON.stringify(found);
});</script>"""


def browse(folder: Path, document: str, scheme: int, *options: str) -> str:
    """Load a document and return Chromium's standard output."""
    (folder / "page.html").write_text(document, encoding="utf-8")
    command = [
        "chromium", *OPTIONS, f"--user-data-dir={folder / 'profile'}",
        f"--blink-settings=preferredColorScheme={scheme}", *options, (folder / "page.html").as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def frame(name: str, source: str, width: int, height: int = 400) -> str:
    """Return a frame with a mail in it."""
    return (
        f'<iframe name="{name}" srcdoc="{html.escape(source)}" width="{width}" height="{height}" '
        'style="border: 0; display: block"></iframe>'
    )


def measure(folder: Path, frames: str, scheme: int) -> list[dict]:
    """Return what the frames measure, once they are drawn."""
    document = f'<!doctype html><meta charset="utf-8">{MEASURE}<body style="margin: 0">{frames}</body>'
    dumped = browse(folder, document, scheme, "--dump-dom")
    return json.loads(html.unescape(re.search(r'data-found="([^"]*)"', dumped).group(1)))


def picture(name: str, target: Path, scheme: int, width: int) -> None:
    """Take a picture of a sample, as high as it is."""
    source = page(SAMPLES[name]())
    with tempfile.TemporaryDirectory() as folder:
        height = measure(Path(folder), frame(name, source, width, 1), scheme)[0]["height"]
        mail = frame(name, source, width, height)
        document = f'<!doctype html><meta charset="utf-8"><body style="margin: 0">{mail}'
        browse(Path(folder), document, scheme, f"--screenshot={target}", f"--window-size={width},{height}")


def main(folder: Path) -> None:
    """Take the seven pictures."""
    picture("partial", folder / "reply-light.png", LIGHT, 640)
    picture("preview-to-confirm", folder / "reply-dark.png", DARK, 640)
    picture("done", folder / "reply-phone.png", LIGHT, 360)
    picture("mac-changed", folder / "reply-undo.png", LIGHT, 360)
    picture("preview-demanded", folder / "reply-confirm.png", LIGHT, 360)
    picture("help", folder / "reply-help.png", DARK, 360)
    picture("ramais", folder / "reply-recordings.png", LIGHT, 640)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
