"""Numbers as people read them."""

from kinspect.sizes import size

__all__ = ["count", "shortened", "size"]


def count(number: int, word: str) -> str:
    """A number with its word: `1 bundle`, `2 bundles`."""
    if number == 1:
        return f"1 {word}"
    plural = f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    return f"{number:,} {plural}"


def shortened(text: str, length: int) -> str:
    """`text`, cut at its end where it is longer than that."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
