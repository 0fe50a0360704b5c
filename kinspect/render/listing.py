"""Bundles and entries with their code-object URIs, as text: `kinspect list`."""

from collections.abc import Iterable, Iterator

from kinspect.model import Artifact, Binary, Bundle, Form, Unreadable
from kinspect.names import escape
from kinspect.render.style import Style, table
from kinspect.render.words import count, size
from kinspect.uri import entry_uri


def listing(artifacts: Iterable[Artifact], *, color: bool = False, verbose: int = 0) -> str:
    """A table a binary; positive `verbose` names the host-only ones too."""
    style = Style(color=color)
    blocks = []
    for artifact in artifacts:
        blocks += [
            _bundles_of(binary, style)
            for binary in artifact.binaries
            if binary.bundles or binary.bitcode or binary.unreadable or verbose > 0
        ]
        blocks += [_unreadable(part, style) for part in artifact.unreadable]
        silent = not any(b.bundles or b.bitcode or b.unreadable for b in artifact.binaries)
        if silent and not artifact.unreadable:
            blocks.append(
                f"{escape(artifact.distribution or artifact.path)}   no HIP device code"
            )
    return "\n\n".join(blocks) + "\n"


def _unreadable(part: Unreadable, style: Style) -> str:
    return f"{style('error', 'unreadable')} {escape(f'{part.where}: {part.message}')}"


def _bundles_of(binary: Binary, style: Style) -> str:
    facts = [binary.format]
    facts += [binary.linkage.words] if binary.linkage else []
    facts.append(count(len(binary.bundles), "bundle"))
    lines = [f"{style('strong', escape(binary.path))}   {', '.join(facts)}"]
    kept = [[escape(one.id.text), size(one.size)] for one in binary.bitcode]
    lines += table(kept, ["device bitcode", "size"])
    rows = list(_entry_rows(binary))
    lines += table(rows, ["bundle", "form", "entry", "size", "URI"])
    lines += [_unreadable(part, style) for part in binary.unreadable]
    return "\n  ".join(lines)


def _entry_rows(binary: Binary) -> Iterator[list[str]]:
    for bundle in binary.bundles:
        form = bundle.form.value
        if bundle.form is Form.CCOB:
            form = f"ccob v{bundle.version} {bundle.method}"
        if bundle.kpack is not None:
            form = f"kpack {escape(bundle.kpack.key)}"
        if bundle.embedded:
            form += ", embedded"
        elif not bundle.registered and _wants_wrapper(binary, bundle):
            form += ", unowned"
        for position, entry in enumerate(bundle.entries):
            yield [
                str(bundle.index) if not position else "",
                form if not position else "",
                escape(entry.id.text),
                size(entry.size),
                entry_uri(binary.path, bundle, entry),
            ]


def _wants_wrapper(binary: Binary, bundle: Bundle) -> bool:
    return binary.hosts and bundle.form is not Form.OFFLOAD_BINARY
