"""From a mailbox to a verdict: mailbox → message → admission (whitelist, authentication, token)."""
