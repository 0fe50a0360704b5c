"""Code-object URIs, as ROCm's tools write them: `file://PATH#offset=N&size=N`.

Source: LLVM, User Guide for AMDGPU Backend, "Loaded Code Object Path Uniform Resource
Identifier".
"""

from urllib.parse import quote

from kinspect.model import Bundle, Entry


def entry_uri(path: str, bundle: Bundle, entry: Entry) -> str:
    """Where an entry lies.

    The bytes of a compressed entry are not in the file. Its URI leads to the compressed
    bundle, so that no tool copies something else, and adds where in the inflated bundle
    the entry lies.
    """
    quoted = quote(path.encode("utf-8", "surrogateescape"), safe="/!+~:@,=")
    if bundle.inflated:
        return (
            f"file://{quoted}#offset={bundle.offset}&size={bundle.size}"
            f"&inflated-offset={entry.offset}&inflated-size={entry.size}"
        )
    return f"file://{quoted}#offset={entry.offset}&size={entry.size}"
