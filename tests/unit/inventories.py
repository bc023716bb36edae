"""The fleet of the unit tests, as Ansible would have read it: the one of the sample mails."""

from dispatcher.replies.samples.studio import FLEET

__all__ = ["FLEET"]
