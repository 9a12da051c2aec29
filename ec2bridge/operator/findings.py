"""What `ec2bridge check` finds: one sentence for each look, and what to do where something will not work."""

import json
import sys
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import click

OK, NOTE, BAD = "ok", "note", "bad"
_STYLES: dict[str, dict[str, Any]] = {
    OK: {"fg": "green"},
    NOTE: {"fg": "yellow"},
    BAD: {"fg": "red", "bold": True},
}
_WORDS = {OK: "ok   ", NOTE: "note ", BAD: "BAD  "}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: `note` is for what works otherwise than one may think."""

    level: str
    text: str
    fix: str = ""
    check: str = ""
    zone: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return the finding as JSON shows it; what is empty is left out."""
        told = {
            "check": self.check,
            "zone": self.zone,
            "level": self.level,
            "text": self.text,
            "fix": self.fix,
        }
        return {name: value for name, value in told.items() if value}


class Stop(Exception):
    """Nothing that comes after can be looked at."""


def ok(text: str) -> Finding:
    """What is as it should be."""
    return Finding(OK, text)


def note(text: str, fix: str = "") -> Finding:
    """What works, but perhaps not as one thinks."""
    return Finding(NOTE, text, fix)


def bad(text: str, fix: str) -> Finding:
    """What will not work, and what to do about it."""
    return Finding(BAD, text, fix)


@dataclass(slots=True)
class Report:
    """Findings as they come: printed at once for a person, all together as JSON."""

    as_json: bool = False
    found: list[Finding] = field(default_factory=list)

    def add(self, finding: Finding) -> None:
        """Take a finding, and tell it."""
        self.found.append(finding)
        if self.as_json:
            return
        title = f"{finding.check} in {finding.zone}" if finding.zone else finding.check
        click.echo(f"{click.style(_WORDS[finding.level], **_STYLES[finding.level])} {title}: {finding.text}")
        if finding.fix:
            click.echo(f"       → {finding.fix}")

    async def look(
        self, title: str, zone: str, work: Callable[[], Awaitable[Finding | Iterable[Finding]]]
    ) -> None:
        """Do one look, with a word on the terminal while it lasts, and take what it finds."""
        watched = not self.as_json and sys.stderr.isatty()
        if watched:
            click.echo(f"\r\x1b[K… {title}{f' in {zone}' if zone else ''}", nl=False, err=True)
        try:
            found = await work()
        finally:
            if watched:
                click.echo("\r\x1b[K", nl=False, err=True)
        for finding in (found,) if isinstance(found, Finding) else found:
            self.add(
                Finding(
                    finding.level, finding.text, finding.fix, finding.check or title, finding.zone or zone
                )
            )

    def end(self) -> int:
        """Tell the sum, and return the exit code: 1 when something will not work."""
        bad_ones = sum(finding.level == BAD for finding in self.found)
        notes = sum(finding.level == NOTE for finding in self.found)
        if self.as_json:
            told = {"ok": not bad_ones, "findings": [finding.as_dict() for finding in self.found]}
            click.echo(json.dumps(told, indent=2))
        else:
            click.echo(f"\n{len(self.found)} looks: {bad_ones} will not work, {notes} to know.")
        return 1 if bad_ones else 0
