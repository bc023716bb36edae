"""A result in the shape that the roles' modules have, made without a visit to the server."""

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """What the answer is made of."""

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        return result | {"outcome": "ok", "code": "fail2ban.already_whitelisted", "data": {}}
