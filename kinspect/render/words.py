"""Numbers as people read them."""


def size(count: int) -> str:
    """A size that people read: 4.8 MB."""
    if count < 1000:
        return f"{count} B"
    value, units_left = count / 1000, ["kB", "MB", "GB", "TB"]
    while value >= 999.95 and len(units_left) > 1:
        value /= 1000
        units_left.pop(0)
    return f"{value:.1f} {units_left[0]}"


def count(number: int, word: str) -> str:
    """A number with its word: `1 bundle`, `2 bundles`."""
    if number == 1:
        return f"1 {word}"
    plural = f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    return f"{number:,} {plural}"


def shortened(text: str, length: int) -> str:
    """`text`, cut at its end where it is longer than that."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
