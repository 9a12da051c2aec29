"""The keys that sign a caller's native calls, and what is known of their owner."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Credentials:
    """A caller's keys; what CloudStack told of their owner on the way is there, too."""

    access_key: str
    api_key: str
    secret_key: str = field(repr=False)
    project_id: str | None = None
    user_id: str | None = None
    user_name: str | None = None
    account: str | None = None
    domain_id: str | None = None
