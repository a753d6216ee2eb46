"""The rows of the table, and whether their goals are met."""

from dataclasses import asdict, dataclass, field
from statistics import median, quantiles


@dataclass
class Row:
    """One measured quantity. A row without a goal is for information only."""

    name: str
    values: list
    unit: str = "×"
    at_least: float = None
    at_most: float = None

    def goal(self):
        if self.at_least is not None:
            return f"≥ {number(self.at_least)}{space(self.unit)}"
        if self.at_most is not None:
            return f"≤ {number(self.at_most)}{space(self.unit)}"
        return "–"

    def middle(self):
        return median(self.values)

    def spread(self):
        """Returns the quartiles. Half of the rounds lie between them."""
        if len(self.values) < 2:
            return self.values[0], self.values[0]
        low, _, high = quantiles(self.values, n=4, method="inclusive")
        return low, high

    def verdict(self):
        """Returns whether the goal is met. It is missed if the median misses it by more than the noise, which is half the distance between
        the quartiles."""
        low, high = self.spread()
        noise = (high - low) / 2
        if self.at_least is not None:
            short = self.at_least - self.middle()
        elif self.at_most is not None:
            short = self.middle() - self.at_most
        else:
            return ""
        return "met" if short <= 0 else "within the noise" if short <= noise else "missed"

    def cells(self):
        low, high = self.spread()
        measured = number(self.middle()) + space(self.unit)
        between = f"{number(low)} … {number(high)}" if len(self.values) > 1 else ""
        return [self.name, self.goal(), measured, between, self.verdict()]


@dataclass
class Result:
    """The result of a measure: rows, and notes that explain them."""

    rows: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    date: str = ""
    # Share of the machine that other programs used just before the measurement.
    others: float = 0.0
    failure: str = ""

    def plain(self):
        return asdict(self)

    @classmethod
    def of(cls, plain):
        return cls(**{**plain, "rows": [Row(**row) for row in plain["rows"]]})

    def is_good(self):
        return not self.failure and all(row.verdict() != "missed" for row in self.rows)


def number(value):
    """Formats a number with about three significant figures."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 20 else f"{value:.2f}"


def space(unit):
    return unit if unit in ("×", "") else f" {unit}"
