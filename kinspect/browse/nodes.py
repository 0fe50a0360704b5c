"""What can be walked through: artifact, binary, bundle, target, kernel.

Children are made when they are asked for: a library may hold 400,000 kernels.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePath

from kinspect.model import (
    Artifact,
    Binary,
    Bundle,
    CodeObject,
    Entry,
    Finding,
    Report,
    Severity,
    Unreadable,
)
from kinspect.names import demangle, escape
from kinspect.render.place import short_name
from kinspect.render.words import count, size


@dataclass(frozen=True, eq=False)
class Node:
    """A line of the tree."""

    #: `artifact`, `binary`, `bundle`, `target`, `kernel`
    kind: str
    label: str
    #: what a search looks at: names as they are, and as people write them
    words: str
    subject: object
    make: Callable[["Node"], Iterable["Node"]] = field(repr=False)
    parent: "Node | None" = field(default=None, repr=False)
    #: of this node and all below it
    findings: tuple[Finding, ...] = ()

    @cached_property
    def children(self) -> tuple["Node", ...]:
        return tuple(self.make(self))

    @property
    def path(self) -> tuple["Node", ...]:
        """From the root to this node."""
        return (*(self.parent.path if self.parent else ()), self)

    @property
    def worst(self) -> Severity | None:
        order = list(Severity)
        return min((f.severity for f in self.findings), key=order.index, default=None)

    @property
    def own(self) -> tuple[Finding, ...]:
        """Findings that belong to no node below this one."""
        below = {id(finding) for child in self.children for finding in child.findings}
        return tuple(one for one in self.findings if id(one) not in below)


def tree(report: Report) -> tuple[Node, ...]:
    """A node for each artifact; findings of none of them belong to the first."""
    roots = []
    for artifact in report.artifacts:
        mine = tuple(f for f in report.findings if _of(artifact, f.path))
        roots.append(_artifact(artifact, mine))
    held = {id(finding) for root in roots for finding in root.findings}
    rest = tuple(one for one in report.findings if id(one) not in held)
    if rest and roots:
        first = report.artifacts[0]
        roots[0] = _artifact(first, (*roots[0].findings, *rest))
    return tuple(roots)


def _of(artifact: Artifact, path: str) -> bool:
    return path == artifact.path or path.startswith(
        (f"{artifact.path}!", f"{artifact.path}/")
    )


def _artifact(artifact: Artifact, findings: tuple[Finding, ...]) -> Node:
    binaries = [one for one in artifact.binaries if one.device_code or one.bundles]

    def make(node: Node) -> Iterator[Node]:
        for binary in binaries:
            yield _binary(binary, artifact, node)

    # its whole path is among the details: here it would hide what follows
    name = artifact.distribution or PurePath(artifact.path).name or artifact.path
    label = f"{escape(name)}  {artifact.kind}, {count(len(binaries), 'binary')}"
    words = f"{artifact.path}\n{artifact.distribution}"
    return Node("artifact", label, words, artifact, make, None, findings)


def _binary(binary: Binary, artifact: Artifact, parent: Node) -> Node:
    def make(node: Node) -> Iterator[Node]:
        for bundle in binary.bundles:
            yield _bundle(bundle, node)

    findings = tuple(one for one in parent.findings if one.path == binary.path)
    inner = short_name(binary.path, (artifact,))
    # a file that was named is its only binary
    name = escape(PurePath(inner).name if inner == artifact.path else inner)
    facts = [count(len(binary.bundles), "bundle")] if binary.bundles else []
    facts += [count(len(binary.bitcode), "bitcode module")] if binary.bitcode else []
    label = f"{name}  {', '.join(facts)}"
    return Node("binary", label, binary.path, binary, make, parent, findings)


def _bundle(bundle: Bundle, parent: Node) -> Node:
    def make(node: Node) -> Iterator[Node]:
        for entry in bundle.hip_entries:
            yield _entry(entry, node)

    findings = tuple(one for one in parent.findings if one.bundle == bundle.index)
    targets = count(len(bundle.hip_entries), "target")
    label = f"bundle {bundle.index}  {bundle.form.value}, {targets}, {size(bundle.size)}"
    return Node("bundle", label, f"bundle {bundle.index}", bundle, make, parent, findings)


def _entry(entry: Entry, parent: Node) -> Node:
    name = entry.id.target_name

    def make(node: Node) -> Iterator[Node]:
        if isinstance(entry.code_object, CodeObject):
            for kernel in entry.code_object.kernels:
                yield _kernel(kernel, node)

    findings = tuple(one for one in parent.findings if one.target == name)
    label = f"{escape(name)}  {_content(entry)}, {size(entry.size)}"
    return Node("target", label, name, entry, make, parent, findings)


def _content(entry: Entry) -> str:
    if isinstance(entry.code_object, CodeObject):
        return count(len(entry.code_object.kernels), "kernel")
    if isinstance(entry.code_object, Unreadable):
        return "unreadable"
    return "empty" if not entry.size else "no code object"


def _kernel(name: str, parent: Node) -> Node:
    plain = demangle(name)
    findings = tuple(one for one in parent.findings if one.kernel == name)
    words = f"{name}\n{plain}"
    return Node("kernel", escape(plain), words, name, lambda _: (), parent, findings)


def walk(roots: Iterable[Node]) -> Iterator[Node]:
    """Every node, as the tree shows them from top to bottom."""
    for node in roots:
        yield node
        yield from walk(node.children)


def matching(
    roots: tuple[Node, ...],
    wanted: Callable[[Node], bool],
    after: Node | None,
    *,
    back: bool,
) -> Node | None:
    """The next node that is wanted, from `after` on and around the end of the tree."""
    first = last = before = None
    passed = after is None
    for node in walk(roots):
        if node is after:
            passed = True
            if back and last is not None:
                return last
            before = last
            continue
        if not wanted(node):
            continue
        first = first or node
        if passed and not back:
            return node
        last = node
    return last or before if back else first


def searched(text: str) -> Callable[[Node], bool]:
    """Whether a node has the text in one of its names; case counts where text has any."""
    if text != text.lower():
        return lambda node: text in node.words
    return lambda node: text in node.words.lower()
