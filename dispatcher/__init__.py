"""ATHome VoIP Monitor: commands by e-mail, run as idempotent Ansible playbooks.

The folders stand in the order in which the data flows:
mail → commands → jobs → runs → replies. Between two stages travels one frozen value.
"""

__version__ = "0.1.0"
