"""The one table of what results are said with. A new command's sentences are one module here and one row.

Each module has its ``RESULTS`` and its ``NOTICES``, by code.
"""

from dispatcher.replies.codes import audio, fail2ban, local, mac_binding, runs

AREAS = (fail2ban, mac_binding, audio, local, runs)
