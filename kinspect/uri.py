"""URIs: of files, and of code objects as ROCm's tools write them.

The latter are `file://PATH#offset=N&size=N`. Source: LLVM, User Guide for AMDGPU
Backend, "Loaded Code Object Path Uniform Resource Identifier".
"""

from urllib.parse import quote

from kinspect.model import Bundle, Entry


def entry_uri(path: str, bundle: Bundle, entry: Entry) -> str:
    """Where an entry lies.

    The bytes of a compressed entry are not in the file. Its URI leads to the compressed
    bundle, so that no tool copies something else, and adds where in the inflated bundle
    the entry lies.
    """
    quoted = _quoted(path, safe="/!+~:@,=")
    if bundle.inflated:
        return (
            f"file://{quoted}#offset={bundle.offset}&size={bundle.size}"
            f"&inflated-offset={entry.offset}&inflated-size={entry.size}"
        )
    return f"file://{quoted}#offset={entry.offset}&size={entry.size}"


def file_uri(path: str) -> str:
    """A file as a URI reference: relative where its path is (RFC 3986, section 4.2)."""
    quoted = _quoted(path, safe="/!+~@,=")  # a colon would end a scheme
    if path.startswith("/"):
        return f"file://{quoted}"
    return quoted.removeprefix("./") or "."


def _quoted(path: str, safe: str) -> str:
    """The bytes of a name as the system has them, or its code units where it has those."""
    try:
        data = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        data = path.encode("utf-8", "surrogatepass")
    return quote(data, safe=safe)
