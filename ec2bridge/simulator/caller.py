"""Who calls: the user behind a key, with what CloudStack decides by."""

from __future__ import annotations

from ec2bridge.simulator.tables import Row


class Caller:
    """The user behind the key, with the account, domain and role."""

    def __init__(self, user: Row, account: Row, domain: Row, role: Row) -> None:
        self.user = user
        self.account = account
        self.domain = domain
        self.role = role

    @property
    def name(self) -> str:
        return str(self.account["name"])

    @property
    def is_admin(self) -> bool:
        """By role type: a look-up account with few rules is an admin too."""
        return bool(self.role["type"] == "Admin")
