"""Which ROCm release a binary needs: the first whose runtime reads what is packed."""

from collections.abc import Callable, Iterable, Iterator

from kinspect.loader import coverage, units
from kinspect.lookup import How
from kinspect.model import Binary, Bundle, CodeObject, Form
from kinspect.runtime import NEWEST, RUNTIMES, Runtime
from kinspect.target import TargetID

Release = tuple[int, int]


def needs(binary: Binary, required: Iterable[TargetID]) -> set[tuple[str, Release]]:
    """Each reason with its release: containers, and what serves the required targets."""
    required = tuple(required)
    found = {need for bundle in binary.bundles for need in _form_needs(bundle)}
    for unit in units(binary):
        for target in required:
            covered = coverage(unit, target, NEWEST)
            found |= {need for one in covered.code_objects for need in _version_needs(one)}
            for how in covered.hows:
                if how is How.SPIRV:
                    found.add(("SPIR-V", _since(lambda one: one.spirv)))
                elif how is How.GENERIC and unit.compressed:
                    found.add(
                        ("a compressed generic code object", _since(_generic_compressed))
                    )
                elif how is How.GENERIC:
                    found.add(("a generic code object", _since(lambda one: one.generic)))
    return found


def _generic_compressed(runtime: Runtime) -> bool:
    return runtime.generic_compressed


def _version_needs(found: CodeObject) -> Iterator[tuple[str, Release]]:
    if RUNTIMES[0].abi < found.abi_version <= NEWEST.abi:
        version = found.abi_version
        yield f"code object v{version + 2}", _since(lambda one: one.abi >= version)


def _form_needs(bundle: Bundle) -> Iterator[tuple[str, Release]]:
    since = read_since(bundle.form, bundle.version)
    if since is not None and bundle.form is Form.KPACK:
        yield "kpack", since
    elif since is not None and bundle.form is Form.CCOB:
        yield f"CCOB version {bundle.version}", since


def read_since(form: str, version: int | None) -> Release | None:
    """The first release that reads a container of that form; None where none does.

    Whether it prefers what is in it to nothing is a question of targets.
    """
    if form == Form.OFFLOAD_BINARY:
        return None
    able = (one for one in RUNTIMES if _reads(one, form, version))
    return next((one.since for one in able), None)


def _reads(runtime: Runtime, form: str, version: int | None) -> bool:
    if form == Form.KPACK:
        return runtime.kpack
    return version in runtime.ccob if form == Form.CCOB else True


def _since(able: Callable[[Runtime], bool]) -> Release:
    """The first generation that can."""
    return next(one.since for one in RUNTIMES if able(one))
