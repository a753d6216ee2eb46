"""Contenders in turn, several rounds in one run: what slows the machine for a while slows them all."""

from .settings import ROUNDS


def interleave(contenders, rounds=None):
    """Calls each contender once a round, every other round backwards. What they returned, by name, a list each."""
    names = list(contenders)
    samples = {name: [] for name in names}
    for number in range(rounds or ROUNDS):
        for name in names if number % 2 == 0 else reversed(names):
            samples[name].append(contenders[name]())
    return samples


def ratios(samples, above, below, of):
    """One ratio for each round, of two runs that were neighbours."""
    return [getattr(a, of) / getattr(b, of) for a, b in zip(samples[above], samples[below])]


def each(samples, name, of):
    return [getattr(sample, of) for sample in samples[name]]
