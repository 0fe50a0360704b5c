"""Names from a file, made fit to read."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

#: controls, bidirectional and zero-width signs, separators, lone surrogates, and the two
#: that XML does not know; then what build systems take for commands in a log: `::error::`
#: at the start of a line (GitHub), `##vso[`, `##[` and `##teamcity[` anywhere in it
_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
    r"|(?<!\S):(?=:)|(?<=#)#(?=\w*\[)"
)


def escape(text: str) -> str:
    """`text` with all that could move a cursor, forge a line or a command spelled out."""
    return _UNSAFE.sub(lambda match: _spelled(ord(match[0])), text)


#: what of it is a command anywhere in a line, so that no key or quote before it helps
_COMMAND: Final = re.compile(r"(?<=#)#(?=\w*\[)")


def inert(text: str) -> str:
    r"""JSON, or a TOML string, in which no build system sees a command.

    `##vso[` is spelled `#\u0023vso[`: the same text to who reads it as what it is.
    """
    return _COMMAND.sub(r"\\u0023", text) if "##" in text else text


def _spelled(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


#: how much of a C++ name a message shows; findings carry the symbol in full
BRIEF: Final = 120


def brief(name: str) -> str:
    """The C++ name of a symbol, cut in the middle where templates make it long."""
    text = demangle(name)
    if len(text) <= BRIEF:
        return text
    half = (BRIEF - 3) // 2
    return f"{text[:half]} … {text[-half:]}"


#: what an RDC compile appends to the device's name of a static kernel or variable
_INTERN: Final = re.compile(r"\.(?:intern|static)\.\w+$")


def plain_kernel(name: str) -> str:
    """The name of a kernel without the hash that an RDC compile makes of its unit.

    A static kernel goes by `_ZL3fooPi.intern.<hash>` on the device, `_ZL3fooPi` on the
    host; the hash is of paths and options, so that it differs from machine to machine.
    """
    # nearly all names have no dot, and names are long
    return _INTERN.sub("", name) if "." in name else name


def plain_kernels(names: Iterable[str]) -> set[str]:
    """The plain names of many kernels."""
    found = set(names)
    hashed = {name for name in found if "." in name}
    return found - hashed | set(map(plain_kernel, hashed)) if hashed else found


_STUB: Final = "__device_stub__"


@lru_cache(maxsize=65_536)
def kernels_of_stub(stub: str) -> tuple[str, ...]:
    """The kernels that a device stub may stand for, as they are mangled.

    The stub's identifier is the kernel's with 15 letters before it, and its length
    counts them: `_Z18__device_stub__fooPi` is `_Z3fooPi`. Digits before the length may
    belong to the name before it (`_GLOBAL__N_1`), so several kernels are possible; none
    where the length leaves no room for the 15 letters.
    """
    head, _, tail = stub.partition(_STUB)
    # six digits at most: no identifier has a million letters
    digits = head[len(head.rstrip("0123456789")) :][-6:]
    if not digits:
        return (head + tail,)
    before = head[: -len(digits)]
    found = [
        f"{before}{digits[:at]}{int(digits[at:]) - len(_STUB)}{tail}"
        for at in range(len(digits) - 1)  # a length of one digit leaves no room
        if digits[at] != "0" and int(digits[at:]) > len(_STUB)
    ]
    return tuple(found)


@lru_cache(maxsize=4)
def kernels_of_stubs(stubs: tuple[str, ...]) -> frozenset[tuple[str, ...]]:
    """What each device stub of a binary may stand for; asked by several rules."""
    return frozenset(map(kernels_of_stub, stubs)) - {()}


#: the demangler recurses: what nests deeper would overflow a stack of 8 MiB
LONGEST: Final = 8192
#: the most characters that a symbol is made into, and that are kept: three times as many
#: as any kernel of the corpus has
ROOM: Final = 1 << 20
KEPT: Final = 1 << 14


@lru_cache(maxsize=65_536)
def demangle(name: str) -> str:
    """The C++ name of a symbol; the symbol itself where it has none, or one without end."""
    if not name.startswith(("_Z", "__Z")) or len(name) > LONGEST:
        return name
    # costs start-up time that few commands need
    import pydemumble  # noqa: PLC0415

    from kinspect import mangled  # noqa: PLC0415

    if not mangled.fits(name, ROOM):
        return name
    try:
        text = pydemumble.demangle(name) or name
    except (UnicodeError, ValueError, TypeError):  # TypeError: a text that is no UTF-8
        return name
    return text if len(text) <= KEPT else name


#: the parts of a C++ name: what holds signs that elsewhere nest or end, words, signs
_PART: Final = re.compile(
    r"\(anonymous namespace\)"
    r"|\boperator\s*(?:\(\)|\[\]|<=>|<<=?|>>=?|->\*?|[<>]=?)"
    r"|\w+|.",
    re.DOTALL,
)
_NESTING: Final = {"<": 1, "(": 1, "[": 1, "{": 1, ">": -1, ")": -1, "]": -1, "}": -1}


@lru_cache(maxsize=65_536)
def qualified(name: str) -> str:
    """A C++ name without template arguments, parameters and return type.

    `void deep_ep::intranode::dispatch<8, 768>(int*)` is
    `deep_ep::intranode::dispatch`, the family that its instances belong to.
    """
    kept: list[str] = []
    depth = 0
    for match in _PART.finditer(name):
        part = match[0]
        if part == "(" and not depth:
            break  # parameters
        if part == " " and not depth:
            # a return type was before it, unless that is a conversion: `operator bool`
            if kept[-1:] != ["operator"]:
                kept.clear()
        elif not depth and part not in _NESTING:
            kept.append(part)
        depth = max(depth + _NESTING.get(part, 0), 0)
    return "".join(kept) or name
