"""What archives start with: told from a few bytes, before their readers are imported."""

from typing import Final

#: PKWARE, APPNOTE.TXT: a local header, or the end of an empty archive
ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
AR: Final = b"!<arch>\n"
THIN_AR: Final = b"!<thin>\n"
GZIP: Final = b"\x1f\x8b\x08"
BZIP2: Final = b"BZh"
XZ: Final = b"\xfd7zXZ\x00"
ZSTD: Final = b"\x28\xb5\x2f\xfd"
#: AOTriton's storage of code objects
AKS2: Final = b"AKS2"
COMPRESSED: Final = (GZIP, BZIP2, XZ, ZSTD)

RPM: Final = b"\xed\xab\xee\xdb"

#: POSIX pax and GNU: `ustar` in the first header
USTAR: Final = b"ustar"
USTAR_AT: Final = 257
#: of any tar, older ones included: the sum of the first header, in octal digits
SUM_AT: Final = slice(148, 156)
HEAD: Final = 512


def is_tar(head: bytes) -> bool:
    if head[USTAR_AT : USTAR_AT + len(USTAR)] == USTAR:
        return True
    digits = head[SUM_AT].strip(b" \0")
    if len(head) < HEAD or not digits or digits.strip(b"01234567"):
        return False
    return int(digits, 8) == sum(head[:HEAD]) - sum(head[SUM_AT]) + 8 * ord(" ")


def is_archive(head: bytes) -> bool:
    """Whether a file that starts so may hold other files."""
    return head.startswith((*ZIP, AR, THIN_AR, AKS2, RPM, *COMPRESSED)) or is_tar(head)
