"""The one form of numbers, in sentences, tables and figures: `.3363`, `−.0042`, `18,860`, no zero before the point."""

from __future__ import annotations

import math

MINUS = "−"
_MOST = 8  # decimals: what is smaller is the rounding of a sum


def number_text(value: float, decimals: int, sign: bool = False) -> str:
    """A number with so many decimals; `sign` puts a plus before what is above 0."""
    size = f"{abs(value):,.{decimals}f}"
    if size.startswith("0."):
        size = size[1:]
    nothing = not size.strip("0.,")  # it is rounded to 0: then it has no sign
    return size if nothing else f"{MINUS if value < 0 else '+' if sign else ''}{size}"


def decimals_of(spread: float | None, most: int) -> int | None:
    """Decimals that show two digits of a spread, `most` at the highest; None without a spread."""
    if not spread or not math.isfinite(spread):
        return None
    return max(0, min(most, 1 - math.floor(math.log10(abs(spread)))))


def fraction_text(value: float, sign: bool = False) -> str:
    """Four decimals, one above 10; two digits where four decimals would show nothing of it."""
    decimals = 4 if abs(value) < 10 else 1
    if abs(value) < 0.00005:
        decimals = decimals_of(value, _MOST) or decimals
    return number_text(value, decimals, sign)


def interval_text(value: float, low: float, high: float, sign: bool = False) -> str:
    """A value with the ends of its interval, `.0042 [.0031, .0053]`: four decimals, more where the interval is tiny."""
    decimals = max(4, (decimals_of((high - low) / 2, _MOST) or 0) - 1)
    middle, first, last = (number_text(each, decimals, sign) for each in (value, low, high))
    return f"{middle} [{first}, {last}]"


def tick_text(value: float) -> str:
    """A tick of an axis: four digits, as few as it needs."""
    text = f"{value:.4g}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:,.6g}"
    return text.replace("-", MINUS)


def percent_text(value: float, decimals: int = 1, sign: bool = False) -> str:
    """A share as `12.5 %`; a whole number is written with the decimals too."""
    text = f"{100 * value:{'+' if sign else ''},.{decimals}f}".replace("-", MINUS)
    return f"{text.lstrip(MINUS + '+') if not text.strip(MINUS + '+0.') else text} %"


def p_text(p: float) -> str:
    """A p value: four decimals below .1, else two; `< .0001` where four would show nothing of it."""
    return "< .0001" if p < 0.0001 else number_text(p, 4 if p < 0.1 else 2)
