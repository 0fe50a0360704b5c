"""Rules on the kpack archives of a run, and on the hosts that they are for."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from kinspect.checks.finding import finding
from kinspect.loader import asked, coverage, units
from kinspect.model import Artifact, Binary, Finding, Severity
from kinspect.policy import Policy

if TYPE_CHECKING:
    from kinspect.overlay.places import Place

#: the directory of archives, next to the directories of their hosts
DIRECTORY: Final = ".kpack"
#: how many binaries a message names
NAMED: Final = 3


class _Located(NamedTuple):
    binary: Binary
    place: "Place"


def _archives(artifacts: Iterable[Artifact]) -> Iterator[_Located]:
    for artifact in artifacts:
        for binary in artifact.binaries:
            if binary.claims is not None:
                yield _Located(binary, _place_of(artifact, binary))


def _place_of(artifact: Artifact, binary: Binary) -> "Place":
    from kinspect.overlay.places import place_of  # noqa: PLC0415  # few runs have archives

    return place_of(artifact, binary)


def alone(artifacts: Sequence[Artifact], policy: Policy) -> Iterator[Finding]:
    """Archives without their hosts: what others must serve can't be told from them."""
    groups: dict[str, list[Binary]] = {}
    for one in _archives(artifacts):
        if one.binary.claims is not None and one.binary.claims.alone:
            groups.setdefault(one.binary.claims.group_name, []).append(one.binary)
    for name, archives in sorted(groups.items()):
        for required in policy.required:
            if not any(asked(binary, (required,)) for binary in archives):
                listed = sorted({t for b in archives if b.claims for t in b.claims.listed})
                yield finding(
                    "kpack-alone",
                    archives[0].path,
                    f"whether {name or 'what these archives are for'} has code for"
                    f" {required} can't be told: the archives here are for"
                    f" {', '.join(listed) or 'no target'}, and no host is",
                    target=required,
                    hint="name the host (its wheel, library or install tree) and all of"
                    " its archives in one call; or require just what these are for:"
                    f" --require {','.join(listed)}",
                )


def unreferenced(artifacts: Sequence[Artifact], _: Policy) -> Iterator[Finding]:
    """Code objects that no host of the run asks for."""
    asking: dict[str, set[str]] = {}
    for artifact in artifacts:
        for host in artifact.binaries:
            for bundle in host.bundles if host.kpack else ():
                if bundle.kpack is not None:
                    for source in bundle.kpack.sources:
                        names = asking.setdefault(source.path, set())
                        names.add(bundle.kpack.reference.kernel_name)
    for one in _archives(artifacts):
        rest = sorted(_hosts_of(one.binary) - asking.get(one.binary.path, set()))
        if rest:
            shown = ", ".join(rest[:NAMED])
            more = f" and {len(rest) - NAMED} more" if len(rest) > NAMED else ""
            yield finding(
                "kpack-unreferenced",
                one.binary.path,
                f"holds device code of {shown}{more}, and no host of this run asks for it"
                " here",
                hint="whether every wrapper of the host is served can't be told without"
                " the host: name it in the same call",
            )


def _hosts_of(archive: Binary) -> set[str]:
    """The hosts that an archive has device code for, by their names in it."""
    return {
        bundle.kpack.reference.kernel_name
        for bundle in archive.bundles
        if bundle.kpack is not None and bundle.kpack.index is not None
    }


# --- hosts that were left behind --------------------------------------------------------


def left_behind(artifacts: Sequence[Artifact], policy: Policy) -> Iterator[Finding]:
    """Hosts that still have device code of their own, while archives hold theirs.

    Their wrappers are HIPF: HIP never looks into an archive for them.
    """
    archives = list(_archives(artifacts))
    for artifact in artifacts:
        for host in artifact.binaries:
            if not host.hosts or host.kpack or not (host.bundles or host.hollow):
                continue
            place = _place_of(artifact, host) if archives else None
            own = [one for one in archives if place and _is_for(one, place)]
            if own or host.idle is not None:
                yield _left_behind(host, [one.binary for one in own], policy)


def _is_for(archive: _Located, host: "Place") -> bool:
    """Whether an archive holds code of a host, by where both are installed.

    In the table of contents a host has the name that it had below the archive's root when
    both were split, perhaps with the directory of a build before it.
    """
    above, _, _ = f"/{archive.place.path}".rpartition(f"/{DIRECTORY}/")
    root = above.removeprefix("/")
    path = f"{root}/" if root else ""
    if archive.place.lone or host.lone or not host.path.startswith(path):
        return False
    below = "/" + host.path.removeprefix(path)
    return any(f"/{name}".endswith(below) for name in _hosts_of(archive.binary))


def _left_behind(host: Binary, archives: list[Binary], policy: Policy) -> Finding:
    lost = [
        required
        for required in policy.required
        if any(coverage(unit, required, policy.runtime).missing for unit in units(host))
        or not host.bundles
    ]
    listed = sorted({t for one in archives if one.claims for t in one.claims.listed})
    where = f" in {archives[0].path} ({', '.join(listed)})" if archives else ""
    if host.idle is not None and not archives:
        where = f" in {' or '.join(host.idle.search_paths)}"
    return finding(
        "kpack-left-behind",
        host.path,
        f"its wrappers are HIPF, so that HIP never looks for its device code{where}",
        target=lost[0] if lost else None,
        severity=Severity.ERROR if lost else None,
        hint="the host was not split, or a step replaced the split one: install the host"
        " that belongs to the archives",
    )
