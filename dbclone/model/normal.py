"""The standard normal distribution, both ways: from scores to shares of the rows below them, and back.

SciPy is imported when the first score is: ``plan`` and ``verify`` know no scores, and its special functions take a
quarter of a second.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def ndtr(scores: npt.ArrayLike) -> Floats:
    """Return the share of a standard normal distribution below each score."""
    from scipy import special

    return np.asarray(special.ndtr(scores))


def ndtri(shares: npt.ArrayLike) -> Floats:
    """Return the score below which each share of a standard normal distribution is."""
    from scipy import special

    return np.asarray(special.ndtri(shares))
