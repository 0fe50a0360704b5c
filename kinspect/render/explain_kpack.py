"""What HIP's loader finds for a device in kpack archives, told as a person would."""

from collections.abc import Iterator

from kinspect.archives import find, looked_at
from kinspect.formats.kpack_search import Missing, Reason
from kinspect.kpack import HERE, KpackLookup, KpackSource
from kinspect.loader import Unit
from kinspect.names import escape
from kinspect.runtime import Runtime
from kinspect.target import TargetID

#: what the first launch of a kernel reports, by what was not found
_ERRORS = {
    Reason.ARCHIVE_NOT_FOUND: "hipErrorInvalidKernelFile",
    Reason.ARCH_NOT_FOUND: "hipErrorInvalidKernelFile",
    Reason.KERNEL_NOT_FOUND: "hipErrorInvalidImage",
}


def archives(unit: Unit, lookup: KpackLookup, device: TargetID) -> Iterator[str]:
    """The archives that the loader opens for the device, in its order."""
    there = {one.place: one for one in lookup.sources}
    places = looked_at(lookup, device)
    for place in places:
        if place in there:
            yield f"{escape(_name(there[place]))}: {_content(unit, lookup, there[place])}"
    if not any(place in there for place in places):
        plain = looked_at(lookup, TargetID(device.processor))
        yield f"{escape(' or '.join(plain))}: not there"


def _name(source: KpackSource) -> str:
    return source.path if source.place == HERE else source.place


def _content(unit: Unit, lookup: KpackLookup, source: KpackSource) -> str:
    if source.unreadable:
        return "can't be read"
    own = sorted(e.id.target for e in unit.entries if e.archive == source.path)
    key = escape(lookup.key)
    holds = f"holds {key} for {escape(', '.join(own))}" if own else f"lacks {key}"
    return f"lists {escape(', '.join(source.listed)) or 'nothing'}, {holds}"


def lack(
    unit: Unit, lookup: KpackLookup, device: TargetID, runtime: Runtime
) -> tuple[str, str]:
    """Why nothing is found, and what the user would see of it; empty if something is."""
    found = find(lookup, unit.entries, device, runtime)
    if not isinstance(found, Missing):
        return "", ""
    newer = _ERRORS[found.reason] if runtime.kpack_falls_through else runtime.error
    problems = {
        Reason.ARCHIVE_NOT_FOUND: "no archive is where HIP looks for this device",
        Reason.ARCH_NOT_FOUND: "no archive lists this device",
        Reason.KERNEL_NOT_FOUND: f"an archive lists this device and lacks {lookup.key}",
    }
    return problems[found.reason], newer
