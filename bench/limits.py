"""What the figures of a run are held against: name, limit, what was measured, and whether it holds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """One ratio; `most` and `least` are what it may be."""

    what: str
    measured: float
    most: float | None = None
    least: float | None = None
    unit: str = ""

    @property
    def holds(self) -> bool:
        """Whether the measured value keeps to the limit, in the digits that the table shows."""
        value = round(self.measured, 2)
        return (self.most is None or value <= self.most) and (self.least is None or value >= self.least)

    def line(self) -> str:
        """One line of the table."""
        bounds = [("≤", self.most), ("≥", self.least)]
        limit = ", ".join(f"{sign} {bound:g}{self.unit}" for sign, bound in bounds if bound is not None)
        return f"| {self.what} | {limit} | {self.measured:.2f}{self.unit} | {'yes' if self.holds else 'no'} |"


HEAD = "| what | limit | measured | holds |\n| --- | ---: | ---: | --- |"


def table(limits: list[Limit]) -> str:
    """Return all of them as Markdown."""
    return "\n".join([HEAD, *(limit.line() for limit in limits)])
