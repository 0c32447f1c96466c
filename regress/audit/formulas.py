"""What an owner's contribution costs, computed anew from docs/privacy.md.

Integers and rationals, apart from Laplace noise in a zCDP data set and tails of
noise, which take decimals of 60 digits or state their relative error.
"""
import math
from decimal import Decimal, getcontext
from fractions import Fraction
from functools import lru_cache

getcontext().prec = 60
UNIT = 1 << 60                  # of rho, epsilon and delta
OWNERS, ROWS, SUM, VALUES = 0, 1, 2, 3  # kinds of coordinate


@lru_cache(maxsize=None)
def ladder(level):
    """Level 0 costs nothing, level i the integer ceil(2^((i - 1)/4)), made strictly
    increasing."""
    if level == 0:
        return 0
    power = 1 << (level - 1)    # x = 2^((i - 1)/4) is the fourth root
    root = math.isqrt(math.isqrt(power))
    while root ** 4 < power:
        root += 1
    return max(root, ladder(level - 1) + 1)


@lru_cache(maxsize=None)
def level_up(units):
    low, high = 0, 253
    while low < high:
        middle = (low + high) // 2
        if ladder(middle) >= units:
            high = middle
        else:
            low = middle + 1
    return low


def ceil(x):
    return -((-x.numerator) // x.denominator)


@lru_cache(maxsize=1 << 16)
def discrete_laplace_rho(num, den, size):
    """a (m - 2p (1 - p^m) / (1 - p^2)), a = den/num, p = exp(-a), m = size."""
    a = Decimal(den) / Decimal(num)
    p = (-a).exp()
    return a * (Decimal(size) - 2 * p * (1 - p ** size) / (1 - p * p))


def charge(coordinate, pure, z):
    """What contributions z (one a group, in grid steps) to a coordinate cost, in units,
    exactly or (Laplace, zCDP) to 50 digits."""
    if coordinate["gaussian"]:
        assert not pure
        return Fraction(sum(x * x for x in z) * UNIT, 2 * coordinate["variance"])
    if pure:
        return Fraction(sum(abs(x) for x in z) * coordinate["den"] * UNIT, coordinate["num"])
    total = sum((discrete_laplace_rho(coordinate["num"], coordinate["den"], abs(x)) for x in z if x), Decimal(0))
    return Fraction(total * UNIT)


def steps(units, shift):
    """Value units on the grid, toward zero."""
    if shift <= 0:
        return units << -shift
    return units >> shift if units >= 0 else -((-units) >> shift)


def values(coordinate, rows):
    """Largest number of distinct values that an owner may offer to a group."""
    assert 1 <= coordinate["most"] <= rows
    return coordinate["most"]


def bounds(coordinate, rows, groups):
    """Largest L1 norm and largest size in one group, in grid steps, from public bounds."""
    if coordinate["kind"] == OWNERS:
        one = steps(1, coordinate["shift"])
        return groups * one, one
    most = rows
    if coordinate["kind"] == VALUES:
        one, most = steps(1, coordinate["shift"]), values(coordinate, rows)
        assert coordinate["shift"] <= 0, "a value is no whole number of steps"
        return min(rows, groups * most) * one, most * one
    if coordinate["kind"] == SUM:
        center = coordinate["center"]
        most *= max(coordinate["upper"] - center, center - coordinate["lower"], 1)
    most = steps(most, coordinate["shift"])
    return most, most


def worst(coordinate, pure, rows, groups):
    """The largest charge that the bounds allow: convex in each contribution, so it is met
    where all is in one group, for owners where all groups have one, and for values
    where as many groups as possible are full."""
    l1, linf = bounds(coordinate, rows, groups)
    if coordinate["kind"] == OWNERS:
        return charge(coordinate, pure, [linf] * groups)
    if coordinate["kind"] == VALUES:
        return charge(coordinate, pure, l1 // linf * [linf] + [l1 % linf])
    return charge(coordinate, pure, [l1])


@lru_cache(maxsize=None)
def tail(gaussian, variance, num, den, x):
    """Pr[noise >= x] for x >= 1, with a relative error below 1e-3."""
    if not gaussian:
        p = math.exp(-den / num)
        return math.exp(-den / num * x) / (1 + p)
    sigma = math.sqrt(variance)
    if sigma > 300:
        return math.erfc((x - 0.5) / sigma / math.sqrt(2)) / 2
    weight = [math.exp(-i * i / (2 * variance)) for i in range(int(42 * sigma) + 3)]
    return sum(weight[x:]) / (2 * sum(weight) - 1)
