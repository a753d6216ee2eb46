"""Runs the contenders in turn, several rounds in one run, so that a slow phase of the machine affects all of them."""

from .settings import ROUNDS


def interleave(contenders, rounds=None):
    """Calls each contender once per round, in reverse order in every other round. Returns a list of results for each name."""
    names = list(contenders)
    samples = {name: [] for name in names}
    for number in range(rounds or ROUNDS):
        for name in names if number % 2 == 0 else reversed(names):
            samples[name].append(contenders[name]())
    return samples


def ratios(samples, above, below, of):
    """Returns one ratio per round, of two contenders in the same round."""
    return [getattr(a, of) / getattr(b, of) for a, b in zip(samples[above], samples[below])]


def each(samples, name, of):
    return [getattr(sample, of) for sample in samples[name]]
