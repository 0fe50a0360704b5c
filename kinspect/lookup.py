"""Which entries of a bundle suit a name that HIP asks for: its two lookups.

Source: comgr-metadata.cpp, `lookUpCodeObject` and `isCompatibleIsaName` (a plain bundle);
comgr-compiler.cpp, `unbundle`, and clang's OffloadBundler.cpp, `UnbundleFiles` and
`isCodeObjectCompatible` (a compressed one).
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Final

from kinspect.errors import TargetError
from kinspect.model import Entry
from kinspect.target import SRAMECC, XNACK, EntryID, TargetID


class How(StrEnum):
    """By which name an entry was found."""

    NATIVE = "native"
    GENERIC = "generic"
    SPIRV = "spirv"


#: the target that each name stands for; None for SPIR-V
Queries = Mapping[How, TargetID | None]

#: kinds that the unbundler takes for HIP's: comgr sets HipOpenmpCompatible
UNBUNDLED: Final = frozenset({"hip", "hipv4", "openmp"})


def look_up(entries: Sequence[Entry], queries: Queries) -> dict[How, Entry]:
    """`lookUpCodeObject` of comgr, for a plain bundle: the first that suits wins.

    An empty entry fills no query, and yet counts as one that was answered: the search
    ends when as many entries suited as there are queries.
    """
    found: dict[How, Entry] = {}
    seen = 0
    for entry in entries:
        for how, target in queries.items():
            if how not in found and _answers(entry, target, compressed=False):
                if entry.size:
                    found[how] = entry
                seen += 1
                break
        if seen == _names(queries):
            break
    return found


def _names(queries: Queries) -> int:
    """How many names the runtime asks for: SPIR-V goes by two (environment field)."""
    return len(queries) + (How.SPIRV in queries)


def unbundle(entries: Sequence[Entry], queries: Queries) -> dict[How, Entry]:
    """`UnbundleFiles` of clang, for a compressed bundle.

    It takes the entries in the order of a hash table, where the last of one ID is kept,
    and the first that suits ends the search even if it is empty, or OpenMP's: where one
    of these suits, nothing is certain.
    """
    table = {entry.id.text: entry for entry in entries}
    found = {}
    for how, target in queries.items():
        suited = [e for e in table.values() if _answers(e, target, compressed=True)]
        if suited and all(entry.size and entry.id.is_hip for entry in suited):
            found[how] = suited[0]
    return found


def _answers(entry: Entry, target: TargetID | None, *, compressed: bool) -> bool:
    if target is None:
        return entry.id.is_spirv
    return not mismatch(entry.id, target, compressed=compressed)


@lru_cache(maxsize=4096)
def mismatch(entry: EntryID, target: TargetID, *, compressed: bool = False) -> str:
    """Why HIP does not take an entry of this ID for a settled target; empty if it does.

    In a plain bundle the name must be an ISA that comgr knows, environment field empty;
    in a compressed one `unknown` is the same as empty (llvm::Triple). An ID that equals
    the name and is no target ID counts for comgr, and not here: nothing makes one.
    """
    reason = _foreign(entry, compressed=compressed)
    if reason:
        return reason
    try:
        own = TargetID.parse(entry.target)
    except TargetError:
        return f"{entry.target!r} is no target ID that HIP knows"
    if own.processor != target.processor:
        return f"it is for {own.processor}"
    for feature in own.isa.features:
        if own.mode(feature) and own.mode(feature) is not target.mode(feature):
            return f"it wants {feature} {own.mode(feature).word}"
    # The generic name is asked for with the device's own modes: gfx906 asks for
    # gfx9-generic:sramecc+, which is no target ID, so that nothing matches it.
    if any(target.mode(f) for f in (SRAMECC, XNACK) if f not in own.isa.features):
        return f"HIP asks for {target}, which is no target ID"
    return ""


def _foreign(entry: EntryID, *, compressed: bool) -> str:
    """Why an ID is not that of a HIP code object, whatever its target."""
    kinds = UNBUNDLED if compressed else EntryID.HIP_KINDS
    if entry.kind not in kinds:
        return f"kind {entry.kind!r} is not HIP's"
    if entry.text.endswith("\0"):
        return "its ID ends in NUL"
    triple = (entry.arch, entry.vendor, entry.os)
    environments = {"", "unknown"} if compressed else {""}
    if triple != ("amdgcn", "amd", "amdhsa") or entry.env not in environments:
        return "its triple is not amdgcn-amd-amdhsa-"
    return ""
