"""How long the C++ name of a symbol can get, without making it.

A mangled name refers back to its own parts, so that some hundred bytes can stand for
gigabytes, and the demangler has no ceiling. What it parses is small: only the text grows.
So the length is added up here, part by part, before the demangler is asked.

Source: Itanium C++ ABI, 5.1 "Mangling"; which parts get a number, as LLVM's
ItaniumDemangle.h gives them. What this does not know (most expressions, conversions to a
type, concepts) has no known length, and neither has what takes the demangler down.
"""

import re
from collections.abc import Callable
from types import MappingProxyType
from typing import Final

#: the most that one byte outside of an identifier stands for, with margin; `Ss` before a
#: constructor is `std::basic_string<char, std::char_traits<char>, std::allocator<char>>`
BYTE: Final = 40
#: what can't nest so deep that the demangler, which recurses, overflows a stack of 1 MiB
SHORT: Final = 1024
#: the texts of `Sa` … `So`, of a builtin type, of an operator, of what has no name
_ABBREVIATION, _BUILTIN, _OPERATOR, _UNNAMED = 80, 20, 24, 30
#: `(anonymous namespace)` is written with fewer
_ANONYMOUS: Final = 24

_BUILTINS: Final = frozenset("vwbahctsijlmxynofdegz")
_D_BUILTINS: Final = re.compile(r"D(?:[defhisuacn]|F\d+[_bx])")
_BACK: Final = re.compile(r"S([0-9A-Z]*)_")
_PARAMETER: Final = re.compile(r"T\d*_")
_LENGTH: Final = re.compile(r"[1-9]\d{0,5}")
_NUMBER: Final = re.compile(r"n?[0-9a-f]*E")
_ARRAY: Final = re.compile(r"A\d*_")
_VECTOR: Final = re.compile(r"Dv\d+_")
_QUALIFIERS: Final = re.compile(r"r?V?K?")
_UNNAMED_END: Final = re.compile(r"\d*_")
_DISCRIMINATOR: Final = re.compile(r"(?:_\d|__\d+_)?")
_STRUCTOR: Final = re.compile(r"C[1-5]|D[0-5]")
_OPERATOR_NAME: Final = re.compile(
    "nw|na|dl|da|aw|ps|ng|ad|de|co|pl|mi|ml|dv|rm|an|or|eo|aS|pL|mI|mL|dV|rM|aN|oR|eO|ls|rs"
    "|lS|rS|ss|eq|ne|lt|gt|le|ge|nt|aa|oo|pp|mm|cm|pm|pt|cl|ix|qu"
)


class _Unknown(Exception):
    """No name, one beyond this parser, or a longer one than was asked for."""


def fits(symbol: str, room: int) -> bool:
    """Whether the C++ name of a symbol is sure to take at most `room` characters."""
    if _crude(symbol) <= room:
        return True
    if not symbol.isascii():  # lengths count bytes
        return False
    if _shapes.has(symbol, room):
        return True
    parser = _Parser(symbol, room)
    try:
        if parser.length() > room:
            return False
    except (_Unknown, RecursionError):
        return False
    _shapes.add(symbol, room, parser.fixed)
    return True


class _Shapes:
    """Symbols that fit, for those that are made alike.

    Most names of a library differ from one of the last few of their length in the letters
    of identifiers and the digits of numbers alone: their parts are the same, and so is how
    long they get.
    """

    #: how many are kept of a length, and of how many lengths
    EACH, ALL = 4, 512

    def __init__(self) -> None:
        #: length and room → symbols and the bits that must be the same, as numbers
        self._known: dict[tuple[int, int], list[tuple[int, int]]] = {}

    def has(self, symbol: str, room: int) -> bool:
        known = self._known.get((len(symbol), room))
        if not known:
            return False
        value = int.from_bytes(symbol.encode("ascii"), "little")
        return any(not (value ^ other) & fixed for other, fixed in known)

    def add(self, symbol: str, room: int, fixed: bytearray) -> None:
        if len(self._known) >= self.ALL:
            self._known.clear()
        value = int.from_bytes(symbol.encode("ascii"), "little")
        known = self._known.setdefault((len(symbol), room), [])
        known.insert(0, (value, int.from_bytes(fixed, "little")))
        del known[self.EACH :]


_shapes: Final = _Shapes()


def _crude(symbol: str) -> int:
    """A bound that needs no parsing, which is enough for most names.

    A constructor repeats an identifier. Each reference ends in `_` and at most doubles
    what there is, unless packs (`J…E`) or references forward (`cv`) are about.
    """
    references, size = symbol.count("_"), len(symbol)
    if references > 40 or size > SHORT or "J" in symbol or "cv" in symbol:
        return 1 << 62
    return size * (BYTE + size // 8) << references


class _Parser:
    """Lengths of the parts of a symbol, all of them rounded up."""

    __slots__ = (
        "argument", "array", "at", "empty", "end", "fixed", "identifier", "numbered",
        "pack", "room", "text",
    )  # fmt: skip

    def __init__(self, symbol: str, room: int) -> None:
        #: with ends that no part of a name has, so that looking ahead is safe
        self.text = symbol + "\0\0\0"
        self.end = len(self.text) - 2
        self.at = symbol.index("Z") + 1
        self.room = room
        #: the bits of the symbol that decide what its parts are
        self.fixed = bytearray(b"\xff" * len(symbol))
        #: the parts that `S_`, `S0_`, … refer to
        self.numbered: list[int] = []
        #: the longest template argument, and the most elements of a pack
        self.argument = _BUILTIN
        self.pack = 1
        #: whether there is a pack of nothing, and an array
        self.empty = self.array = False
        #: the longest identifier
        self.identifier = _ANONYMOUS

    def length(self) -> int:
        size = self.encoding()
        if self.text[self.at] not in ".\0":
            raise _Unknown
        if self.empty and self.array:  # `_Z1aIJEEDpA5_T_j`: LLVM reads before its text
            raise _Unknown
        return size + len(self.text)

    # --- names ------------------------------------------------------------------------

    def encoding(self) -> int:
        """A name, and the types of what it returns and takes."""
        size = 2 * _BUILTIN + self.name()
        while self.text[self.at] not in "E.\0":
            size += 2 + self.type()
        return self.checked(size)

    def name(self) -> int:
        text, at = self.text, self.at
        first = text[at]
        if first == "N":
            return self.nested()
        if first == "Z":
            return self.local()
        referred = False
        if first != "S":
            size = self.unqualified()
        elif text[at + 1] == "t":
            self.at += 2
            size = 5 + self.unqualified()
        else:
            size, referred = self.back(), True
        if text[self.at] != "I":
            if referred:
                raise _Unknown
            return size
        if not referred:
            self.numbered.append(size)
        return size + self.arguments()

    def nested(self) -> int:
        """`N…E`: each level but the last one gets a number; types add that one."""
        text = self.text
        self.at = _end(_QUALIFIERS, text, self.at + 1)
        if text[self.at] in "RO":
            self.at += 1
        size = _UNNAMED
        while (first := text[self.at]) != "E":
            if first == "S":
                size += self.prefix()
                continue
            if first == "I":
                size += self.arguments()
            elif first == "T":
                size += self.parameter()
            else:
                size += 2 + self.unqualified()
            self.numbered.append(self.checked(size))
        self.at += 1
        if not self.numbered:
            raise _Unknown
        self.numbered.pop()
        return size

    def prefix(self) -> int:
        if self.text[self.at + 1] != "t":
            return self.back()
        self.at += 2
        return 5

    def local(self) -> int:
        """`Z…E` and what is local to that function."""
        self.at += 1
        size = 2 + self.encoding()
        self.expect("E")
        if self.text[self.at] == "s":  # a text of the program
            self.at += 1
            size += _UNNAMED
        else:
            size += self.name()
        self.at = _end(_DISCRIMINATOR, self.text, self.at)
        return size

    def unqualified(self) -> int:
        text = self.text
        if text[self.at] == "L":  # of internal linkage
            self.at += 1
        first = text[self.at]
        if first.isdigit():
            size = self.source_name()
        elif first == "U":
            size = self.unnamed()
        elif _OPERATOR_NAME.match(text, self.at):
            self.at += 2
            size = _OPERATOR
        else:
            self.at = _end(_STRUCTOR, text, self.at)
            size = 1 + self.identifier
        while text[self.at] == "B":  # an ABI tag
            self.at += 1
            size += 6 + self.source_name()
        return size

    def source_name(self) -> int:
        match = _LENGTH.match(self.text, self.at)
        if match is None:
            raise _Unknown
        size = int(match[0])
        self.at = match.end() + size
        if self.at >= self.end:
            raise _Unknown
        # not the first letter: a digit in its place would belong to the length
        self.fixed[match.end() + 1 : self.at] = bytes(size - 1)
        if size < _ANONYMOUS:
            return _ANONYMOUS
        self.identifier = max(self.identifier, size)
        return size

    def unnamed(self) -> int:
        """A type without a name, `Ut_`, or a lambda with its parameters, `Ul…E_`."""
        kind = self.text[self.at + 1]
        self.at += 2
        size = _UNNAMED
        if kind == "l":
            while self.text[self.at] != "E":
                size += 2 + self.type()
            self.at += 1
        elif kind != "t":
            raise _Unknown
        end = _end(_UNNAMED_END, self.text, self.at)
        size += end - self.at
        self.at = end
        return self.checked(size)

    # --- template arguments -----------------------------------------------------------

    def arguments(self) -> int:
        """`I…E`, and `J…E` for a pack."""
        text = self.text
        self.at += 1
        size = count = 0
        while text[self.at] != "E":
            size += 2 + self.one_argument()
            count += 1
        self.at += 1
        self.empty = self.empty or not count
        self.pack = max(self.pack, count)
        return self.checked(size + 2)

    def one_argument(self) -> int:
        text, at = self.text, self.at
        first = text[at]
        if first == "L":
            size = self.literal()
        elif first == "J":
            size = self.arguments()
        elif first == "X":
            self.at += 1
            size = 2 + self.parameter()
            self.expect("E")
        else:
            size = self.type()
        self.argument = max(self.argument, size)
        return size

    def literal(self) -> int:
        text, at = self.text, self.at
        if text[at + 1] == "Z" or text[at + 1 : at + 3] == "_Z":
            self.at = text.index("Z", at) + 1
            size = self.encoding()
            self.expect("E")
            return size
        self.at += 1
        size = self.type()
        end = _end(_NUMBER, text, self.at)
        size += _UNNAMED + end - self.at
        if text[self.at : end - 1].isdecimal():  # any digit, in ASCII 0x30 to 0x39
            self.fixed[self.at : end - 1] = b"\xf0" * (end - 1 - self.at)
        self.at = end
        return size

    def parameter(self) -> int:
        """`T_`: any argument, as it is not worth knowing which."""
        self.at = _end(_PARAMETER, self.text, self.at)
        return self.argument

    # --- types ------------------------------------------------------------------------

    def type(self) -> int:
        """Builtin types, and what is referred to, get no number; all others do."""
        first = self.text[self.at]
        if first in _BUILTINS:
            self.at += 1
            return _BUILTIN
        parse = _TYPES.get(first)
        size = self.name() if parse is None else parse(self)
        if size < 0:
            return -size
        if size > self.room:
            raise _Unknown
        self.numbered.append(size)
        return size

    def back(self) -> int:
        """`S_`, `S0_`, …: a part that was named before, or an abbreviation."""
        match = _BACK.match(self.text, self.at)
        if match is None:
            if self.text[self.at + 1] not in "absiod":
                raise _Unknown
            self.at += 2
            return _ABBREVIATION
        self.at = match.end()
        digits = match[1]
        number = int(digits, 36) + 1 if digits else 0
        if number >= len(self.numbered):
            raise _Unknown
        return self.numbered[number]

    def substitution(self) -> int:
        if self.text[self.at + 1] == "t":
            return self.name()
        size = self.back()
        return size + self.arguments() if self.text[self.at] == "I" else -size

    def pointer(self) -> int:
        self.at += 1
        return 6 + self.type()

    def member(self) -> int:
        self.at += 1
        return 6 + self.type() + self.type()

    def qualified(self) -> int:
        self.at = _end(_QUALIFIERS, self.text, self.at)
        return 3 * 9 + (self.function() if self.text[self.at] == "F" else self.type())

    def vendor(self) -> int:
        """`U3AS1…`: an address space, for one."""
        self.at += 1
        size = 1 + self.source_name()
        if self.text[self.at] in "IrVK":
            raise _Unknown
        return size + (self.vendor() if self.text[self.at] == "U" else self.type())

    def vendor_builtin(self) -> int:
        self.at += 1
        size = self.source_name()
        if self.text[self.at] == "I":
            raise _Unknown
        return size

    def function(self) -> int:
        text = self.text
        self.at += 1
        size = 8
        while text[self.at] != "E":
            if text[self.at] in "RO" and text[self.at + 1] == "E":
                self.at += 1
            else:
                size += 2 + self.type()
        self.at += 1
        return size

    def sized(self) -> int:
        """An array or a vector."""
        self.array = self.array or self.text[self.at] == "A"
        end = _end(_ARRAY if self.text[self.at] == "A" else _VECTOR, self.text, self.at)
        size = _UNNAMED + end - self.at
        self.at = end
        return size + self.type()

    def template_parameter(self) -> int:
        size = self.parameter()
        if self.text[self.at] != "I":
            return size
        self.numbered.append(size)
        return size + self.arguments()

    def other(self) -> int:
        """Types that start with `D`."""
        match = _D_BUILTINS.match(self.text, self.at)
        if match is not None:
            self.at = match.end()
            return -_BUILTIN
        if self.text[self.at + 1] != "p":
            return self.sized()
        self.at += 2  # what is told of each element of a pack
        return (2 + self.type()) * self.pack

    # --- all of them ------------------------------------------------------------------

    def checked(self, size: int) -> int:
        """No part may be longer than the whole: this keeps the work small too."""
        if size > self.room:
            raise _Unknown
        return size

    def expect(self, sign: str) -> None:
        if self.text[self.at] != sign:
            raise _Unknown
        self.at += 1


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    if match is None:
        raise _Unknown
    return match.end()


#: a type by its first letter; all others are names. A negative size gets no number.
_TYPES: Final = MappingProxyType[str, Callable[[_Parser], int]](
    {
        **dict.fromkeys("PROCG", _Parser.pointer),
        **dict.fromkeys("rVK", _Parser.qualified),
        "S": _Parser.substitution,
        "U": _Parser.vendor,
        "u": _Parser.vendor_builtin,
        "F": _Parser.function,
        "A": _Parser.sized,
        "M": _Parser.member,
        "T": _Parser.template_parameter,
        "D": _Parser.other,
    }
)
