"""Rules on bundles and code objects as they are, whatever is required."""

from collections.abc import Iterator
from typing import Final

from kinspect.checks.finding import finding
from kinspect.errors import TargetError
from kinspect.linking import groups, is_for_link
from kinspect.model import (
    Binary,
    Bitcode,
    Bundle,
    CodeObject,
    Entry,
    Finding,
    Form,
    Severity,
    Unreadable,
)
from kinspect.policy import Policy
from kinspect.target import ABI_V4, EntryID, TargetID

DEVICE_LINK: Final = (
    "it is LLVM bitcode, which HIP does not load: the device link is missing"
)

UNLINKED: Final = "it is an object that was not linked (e_type), which HIP does not load"


def unreadable(binary: Binary, _: Policy) -> Iterator[Finding]:
    for whole in binary.unreadable:
        yield finding("unreadable", binary.path, f"{whole.where}: {whole.message}")
    for bundle, entry in _entries(binary):
        part = entry.code_object
        if isinstance(part, Unreadable) and _undecided(bundle, part):
            yield finding(
                "unreadable",
                binary.path,
                f"{part.where}: {part.message}",
                bundle=bundle.index,
                target=_name(entry),
            )


def _undecided(bundle: Bundle, part: Unreadable) -> bool:
    """Whether an entry that can't be read may be in order all the same.

    Bitcode may be of a newer LLVM, unless it stands where HIP would load it.
    """
    return part.limit is not None or (part.bitcode and not bundle.registered)


def corrupt(binary: Binary, _: Policy) -> Iterator[Finding]:
    for fault in binary.faults:
        message = f"{fault.message} (at {fault.where})"
        yield finding("corrupt-bundle", binary.path, message)
    for bundle in binary.bundles:
        for fault in bundle.faults:
            yield finding(
                "corrupt-bundle",
                binary.path,
                f"bundle {bundle.index}: {fault.message} (at {fault.where})",
                bundle=bundle.index,
            )


def broken_code_objects(binary: Binary, _: Policy) -> Iterator[Finding]:
    linked = {
        bundle.index
        for group in groups(binary.bundles)
        if is_for_link(group)
        for bundle in group
    }
    for bundle, entry in _entries(binary):
        for problem in _problems(bundle, entry, linked=bundle.index in linked):
            yield finding(
                "broken-code-object",
                binary.path,
                f"bundle {bundle.index}, {entry.id.text}: {problem}",
                bundle=bundle.index,
                target=_name(entry),
            )


def _problems(bundle: Bundle, entry: Entry, *, linked: bool) -> list[str]:
    """Why HIP can't load what an entry holds; what a link takes may be bitcode."""
    part = entry.code_object
    if isinstance(part, CodeObject) and not part.linked:
        return [] if linked else [UNLINKED]
    if isinstance(part, CodeObject):
        return [f"{fault.message} (at {fault.where})" for fault in part.faults]
    if isinstance(part, Bitcode):
        return [] if linked else [DEVICE_LINK]
    if isinstance(part, Unreadable) and not _undecided(bundle, part):
        return [DEVICE_LINK if part.bitcode else f"{part.message} (at {part.where})"]
    return []


def mismatched_targets(binary: Binary, _: Policy) -> Iterator[Finding]:
    for bundle, entry in _entries(binary):
        if not isinstance(entry.code_object, CodeObject):
            continue
        for problem in _mismatches(bundle, entry, entry.code_object):
            yield finding(
                "target-mismatch",
                binary.path,
                f"bundle {bundle.index}, {entry.id.text}: {problem}",
                bundle=bundle.index,
                target=_name(entry),
                hint="HIP would select this entry and then refuse it, or run code for"
                " another processor",
            )


def _mismatches(bundle: Bundle, entry: Entry, found: CodeObject) -> Iterator[str]:
    flags = found.flags
    header = f"e_flags {found.e_flags:#x} ({flags})"
    if flags.target is None:
        if not found.useless:
            yield f"{header} names no processor that kinspect knows"
        return
    if bundle.form is not Form.ELF and not _agree(entry.id.target_id, found):
        yield f"{header} is not the target of the entry"
    if flags.unsupported:
        words = " and ".join(flags.unsupported)
        yield f"{header} calls {words} unsupported on a processor that has it"
    if found.metadata_target is not None:
        named = _metadata_target(found.metadata_target)
        if found.abi_version >= ABI_V4 and named != flags.target:
            yield f"its metadata is for {found.metadata_target}, {header} is not"


def _agree(claimed: TargetID | None, found: CodeObject) -> bool:
    """Whether an entry ID and e_flags say the same; before v4, these can't say `any`."""
    actual = found.flags.target
    if claimed is None or actual is None:
        return True  # HIP's matching does not understand the ID: it never selects it
    if found.abi_version >= ABI_V4:
        return claimed == actual
    return claimed.processor == actual.processor


def _metadata_target(text: str) -> TargetID | None:
    """`amdhsa.target`: an entry ID without its kind, `amdgcn-amd-amdhsa--gfx942`."""
    try:
        return TargetID.parse(EntryID.parse(f"hip-{text}").target)
    except TargetError:
        return None


def dangling_wrappers(binary: Binary, _: Policy) -> Iterator[Finding]:
    for fault in binary.dangling:
        yield finding(
            "dangling-wrapper",
            binary.path,
            f"wrapper at {fault.where.offset:#x}: {fault.message}",
            hint="HIP follows this pointer and nothing else: the kernels of its unit"
            " can't be launched",
        )


def unowned_bundles(binary: Binary, _: Policy) -> Iterator[Finding]:
    """Bundles of the section; what is embedded elsewhere is loaded by other means.

    One that nothing registers may be dead weight. A host that registers none of them
    can't launch any kernel: that is an error.
    """
    if not binary.hosts:
        return
    packed = [
        bundle
        for bundle in binary.bundles
        if not bundle.embedded and bundle.form is not Form.OFFLOAD_BINARY
    ]
    none = not (binary.unreadable or any(bundle.registered for bundle in packed))
    for bundle in packed:
        if not bundle.registered:
            yield finding(
                "unowned-bundle",
                binary.path,
                f"no wrapper points at bundle {bundle.index}: HIP never loads it",
                bundle=bundle.index,
                severity=Severity.ERROR if none else None,
                hint="nothing of this binary is registered with HIP: look for a wrapper"
                " section that was dropped (--gc-sections, objcopy)"
                if none
                else "",
            )


def _entries(binary: Binary) -> Iterator[tuple[Bundle, Entry]]:
    for bundle in binary.bundles:
        for entry in bundle.entries:
            if entry.id.is_hip:
                yield bundle, entry


def _name(entry: Entry) -> str:
    return entry.id.target_name
