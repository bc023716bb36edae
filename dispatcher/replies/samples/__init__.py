"""Every mail with invented data, in any branding and language: for a designer's eyes, and for the tests.

A new kind of mail needs a sample here; a test names those that have none. Each subject has its file, each
file its SAMPLES: a name, and how the mail is made in a studio.
"""

from __future__ import annotations

from collections.abc import Mapping

from dispatcher.replies.samples import (
    admission,
    checkip,
    commands,
    confirming,
    macchange,
    previews,
    ramais,
    undo,
)
from dispatcher.replies.samples.studio import Sample, Studio

SAMPLES: Mapping[str, Sample] = {
    **checkip.SAMPLES,
    **macchange.SAMPLES,
    **ramais.SAMPLES,
    **undo.SAMPLES,
    **previews.SAMPLES,
    **confirming.SAMPLES,
    **commands.SAMPLES,
    **admission.SAMPLES,
}

__all__ = ["SAMPLES", "Sample", "Studio"]
