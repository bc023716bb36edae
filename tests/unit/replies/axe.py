"""axe-core over mails in a real browser: what would keep somebody from reading them."""

import html
import json
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from tests.unit.replies.chromium import browse

# A mail is shown within the page of a mail program: that page has the landmarks, not we.
NOT_OURS = ("region", "landmark-one-main")
# One page after the other in the same document: axe is read once, and frames would need it once each.
AUDIT = """addEventListener("load", async () => {
  const found = [], options = %s;
  for (const [name, source] of Object.entries(%s)) {
    const mail = new DOMParser().parseFromString(source, "text/html");
    document.replaceChild(document.adoptNode(mail.documentElement), document.documentElement);
    const { violations, incomplete, passes } = await axe.run(document, options);
    const seen = (rules) => rules.flatMap(rule => rule.nodes.map(node => [rule.id, node.html.slice(0, 200)]));
    found.push({ name, violations: seen(violations), doubts: seen(incomplete), passed: passes.length });
  }
  document.body.innerHTML = "";
  document.body.dataset.found = JSON.stringify(found);
});"""


def audit(
    folder: Path,
    mails: Mapping[str, str],
    scheme: int,
    *,
    only: Sequence[str] = (),
    without: Sequence[str] = (),
) -> list[dict]:
    """Return what axe finds in each mail: by all rules but NOT_OURS and ``without``, or by ``only`` some."""
    options = {"rules": {name: {"enabled": False} for name in (*NOT_OURS, *without)}}
    if only:
        options = {"runOnly": list(only)}
    script = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
    (folder / "axe.js").write_text(script, encoding="utf-8")
    ours = AUDIT % (json.dumps(options), json.dumps(mails))
    (folder / "audit.js").write_text(ours, encoding="utf-8")
    scripts = "".join(f'<script src="{name}.js"></script>' for name in ("axe", "audit"))
    document = f'<!doctype html><meta charset="utf-8">{scripts}'
    dumped = browse(folder, document, scheme, "--dump-dom", "--virtual-time-budget=3600000")
    return json.loads(html.unescape(re.search(r'data-found="([^"]*)"', dumped).group(1)))
