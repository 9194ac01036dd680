"""Numbers of a compile report, for people to read."""

from __future__ import annotations

from collections.abc import Sequence

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30

# What stands where a figure is not known.
NOTHING = "-"
_STEPS = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def format_bytes(count: float | None) -> str:
    """Returns a size in KiB, MiB or GiB.

    Example:
        >>> format_bytes(1260 << 20), format_bytes(3 << 30), format_bytes(700), format_bytes(None)
        ('1.23 GiB', '3.00 GiB', '0.7 KiB', '-')
    """
    if count is None:
        return NOTHING
    if count >= GIB:
        return f"{count / GIB:.2f} GiB"
    if count >= MIB:
        return f"{count / MIB:.0f} MiB" if count >= 10 * MIB else f"{count / MIB:.1f} MiB"
    return f"{count / KIB:.0f} KiB" if count >= 10 * KIB else f"{count / KIB:.1f} KiB"


def format_mib(count: float | None) -> str:
    """Returns a number of MiB, without the unit.

    Example:
        >>> format_mib(1260 << 20), format_mib(100 << 10), format_mib(0)
        ('1,260', '0.10', '0')
    """
    if count is None:
        return NOTHING
    mib = count / MIB
    if 0 < mib < 0.005:
        return "<0.01"
    if mib == int(mib) or mib >= 100:
        return f"{mib:,.0f}"
    return f"{mib:.1f}" if mib >= 10 else f"{mib:.2f}"


def format_scaled(value: float | None, unit: str) -> str:
    """Returns a value with a decimal prefix.

    Example:
        >>> format_scaled(7.12e11, "FLOP"), format_scaled(42, "FLOP/B"), format_scaled(None, "B")
        ('712 GFLOP', '42.0 FLOP/B', '-')
    """
    if value is None:
        return NOTHING
    factor, prefix = next(((f, p) for f, p in _STEPS if value >= f), (1.0, ""))
    return f"{format_digits(value / factor)} {prefix}{unit}"


def format_digits(value: float | None) -> str:
    """Returns a number with three digits that count, or all digits before the point.

    Example:
        >>> [format_digits(v) for v in (0.01234, 1.234, 12.34, 123.4, 12345.6, None)]
        ['0.0123', '1.23', '12.3', '123', '12,346', '-']
    """
    if value is None:
        return NOTHING
    if value >= 99.95:
        return f"{value:,.0f}"
    if value >= 9.995:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 0.1 or value == 0 else f"{value:.3g}"


def format_seconds(seconds: float | None) -> str:
    """Returns a time in µs, ms, s or minutes.

    Example:
        >>> format_seconds(3.6e-3), format_seconds(21e-6), format_seconds(145.2)
        ('3.60 ms', '21.0 µs', '2 min 25 s')
    """
    if seconds is None:
        return NOTHING
    if seconds >= 120:
        return f"{int(seconds) // 60} min {int(seconds) % 60} s"
    for factor, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= factor:
            return f"{format_digits(seconds / factor)} {unit}"
    return f"{format_digits(seconds * 1e9)} ns"


def format_percent(part: float | None, whole: float | None) -> str:
    """Returns a share in percent.

    Example:
        >>> format_percent(1, 8), format_percent(1, 4000), format_percent(None, 8)
        ('12%', '<1%', '-')
    """
    if part is None or not whole:
        return NOTHING
    percent = 100 * part / whole
    return "<1%" if 0 < percent < 1 else f"{percent:.0f}%"


def format_shape(dtype: str, shape: Sequence[int]) -> str:
    """Returns a type as XLA writes it.

    Example:
        >>> format_shape("bf16", (8, 128))
        'bf16[8,128]'
    """
    return f"{dtype}[{','.join(map(str, shape))}]"


def format_words(words: Sequence[str]) -> str:
    """Returns an enumeration.

    Example:
        >>> format_words(["train"]), format_words(["train", "eval", "predict"])
        ('train', 'train, eval and predict')
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
