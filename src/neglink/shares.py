"""Whole numbers from shares of a count."""

_SLACK = 1e-9  # .7 · 90 is 62.999… in binary


def floor_share(share: float, count: int) -> int:
    """⌊share · count⌋ as it is in decimals.

    >>> floor_share(0.7, 90), int(0.7 * 90)
    (63, 62)
    """
    return int(share * count + _SLACK)
