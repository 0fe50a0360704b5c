"""Files that hold binaries, broken: wheels, images, static libraries, kpack archives.

Objects and device libraries, which a link takes, are here too.
"""

import io
import warnings
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tests.conftest import SAMPLES
from tests.mutations.bundles import bundles, on_file
from tests.mutations.device import at_once, code, mismatch
from tests.mutations.elf import Elf, replaced
from tests.mutations.model import Files, Mutation, Told
from tests.mutations.samples import KPACK, LIBRARY, image_of
from tests.writers.images import layer
from tests.writers.msgpack import packed

WHEEL, IMAGE, TREE = ("a wheel",), ("an image",), ("a split host",)
OBJECTS = ("rdc_old_driver.o", "rdc_new_driver.o")
ARCHIVE = ("librocshmem.a",)
#: the magic of an OffloadBinary
IMAGES = b"\x10\xff\x10\xad"
PAIR = ("device libraries",)


def missing(says: str = "", target: str = "gfx950") -> Told:
    return Told("missing-target", says, target)


def unread(says: str = "") -> Told:
    return Told("unreadable", says, None)


def lacking() -> bytes:
    """The same library, without gfx950 in one unit."""
    return (SAMPLES / "per_tu_one_lacks.so").read_bytes()


def older() -> bytes:
    """The same library with other code: kernels that end at once."""
    data = bytearray((SAMPLES / "per_tu_both.so").read_bytes())
    for one in bundles(bytes(data)):
        for target in ("gfx942", "gfx950"):
            code(at_once, every=True)(Elf(data, one.of(target).offset))
    return bytes(data)


# --- wheels -----------------------------------------------------------------------------


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(files: Mapping[str, bytes] | list[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w") as archive:
        warnings.simplefilter("ignore", UserWarning)  # of members by one name
        for name, data in files.items() if isinstance(files, Mapping) else files:
            archive.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


def in_wheel(change: Callable[[dict[str, bytes]], object]) -> Callable[[Files], Files]:
    def changed(data: bytearray) -> bytes:
        found = members(bytes(data))
        other = change(found)
        return zipped(other if isinstance(other, list) else found)

    return on_file(changed)


def with_library(data: Callable[[], bytes]) -> Callable[[dict[str, bytes]], None]:
    return lambda files: files.__setitem__(LIBRARY, data())


def twice(files: dict[str, bytes]) -> list[tuple[str, bytes]]:
    """Two members by one name: zip files allow it, and installers take the last one."""
    return [*files.items(), (LIBRARY, lacking())]


def flipped_member(data: bytearray) -> bytes:
    """A byte of the library, as it is stored; its CRC stays."""
    stored = bytearray(zipped(members(bytes(data))))
    stored[stored.index(b"__CLANG_OFFLOAD_BUNDLE__") + 4096] ^= 0xFF
    return bytes(stored)


def two_names(data: bytearray) -> bytes:
    """The member's own header calls it otherwise than the directory of the archive."""
    stored = bytearray(zipped(members(bytes(data))))
    at = stored.index(LIBRARY.encode())  # the first is that of the member itself
    stored[at : at + 1] = b"x"
    return bytes(stored)


# --- images -----------------------------------------------------------------------------


def below(name: str, content: bytes | None = None) -> Callable[[Files], Files]:
    """One more layer on top: a whiteout, or another file."""

    def changed(files: Files) -> Files:
        (path,) = files
        return {path: image_of(layer({name: content or b""}))}

    return changed


def flipped_layer(data: bytearray) -> None:
    data[data.index(b"__CLANG_OFFLOAD_BUNDLE__") + 4096] ^= 0xFF


# --- kpack -----------------------------------------------------------------------------


def in_toc(
    change: Callable[[dict[str, Any]], None], *targets: str
) -> Callable[[Files], Files]:
    """The table of contents of an archive, written anew."""

    def changed(files: Files) -> Files:
        done = dict(files)
        for target in targets:
            name = KPACK.format(target)
            data = files[name]
            start = int.from_bytes(data[8:16], "little")
            toc = msgspec.msgpack.decode(data[start:])
            change(toc)
            done[name] = data[:start] + packed(toc)
        return done

    return changed


def swapped_ordinals(toc: dict[str, Any]) -> None:
    """The first two units get each other's code objects."""
    first, second = [next(iter(one.values())) for one in list(toc["toc"].values())[:2]]
    for field in ("ordinal", "original_size"):
        first[field], second[field] = second[field], first[field]


def renamed_target(toc: dict[str, Any]) -> None:
    """An archive for gfx942 that says it were for gfx950."""
    toc["gfx_arches"] = ["gfx950"]
    toc["toc"] = {
        key: {"gfx950": next(iter(one.values()))} for key, one in toc["toc"].items()
    }


def shorter(toc: dict[str, Any]) -> None:
    toc["toc"].popitem()


def unlisted(toc: dict[str, Any]) -> None:
    toc["gfx_arches"] = ["gfx90a"]


def larger(toc: dict[str, Any]) -> None:
    for one in toc["toc"].values():
        for entry in one.values():
            entry["original_size"] += 1


def other_name(toc: dict[str, Any]) -> None:
    toc["toc"] = {key.replace("#", "_#"): one for key, one in toc["toc"].items()}


def archive_of_other(files: Files) -> Files:
    """The archive of gfx942 in place of that of gfx950."""
    return {**files, KPACK.format("gfx950"): files[KPACK.format("gfx942")]}


def no_archive(files: Files) -> Files:
    return {name: data for name, data in files.items() if "gfx950" not in name}


def in_host(old: bytes, new: bytes) -> Callable[[Files], Files]:
    name = "kpack_per_tu.so"
    return lambda files: {**files, name: replaced(files[name], old, new)}


def same_wrapper(files: Files) -> Files:
    """The last wrapper asks for the code object of the first unit."""
    data = bytearray(files["kpack_per_tu.so"])
    host = Elf(data)
    place = host.section(".hipFatBinSegment")
    host.pack("Q", place.offset + place.size - 8, 0)
    return {**files, "kpack_per_tu.so": bytes(data)}


# --- what a link takes -------------------------------------------------------------------


def member_of(name: str) -> Callable[[bytearray], bytes]:
    return lambda _: (SAMPLES / name).read_bytes()


def bitcode_swapped(data: bytearray) -> bytes:
    """What was compiled for gfx942 is called gfx950's, and the reverse."""
    middle = replaced(bytes(data), b"-gfx942", b"-gfx9xx")
    return replaced(replaced(middle, b"-gfx950", b"-gfx942"), b"-gfx9xx", b"-gfx950")


def swapped_images(data: bytearray) -> bytes:
    start = data.index(IMAGES)
    text = replaced(bytes(data[start:]), b"\0gfx942\0", b"\0gfx9xx\0")
    text = replaced(text, b"\0gfx950\0", b"\0gfx942\0")
    return bytes(data[:start]) + replaced(text, b"\0gfx9xx\0", b"\0gfx950\0")


def bitcode_gone(data: bytearray) -> bytes:
    return replaced(bytes(data), b"-gfx950", b"-gfx90a")


def bitcode_wiped(data: bytearray) -> None:
    """The magic of the last module."""
    at = data.rindex(b"BC\xc0\xde")
    data[at : at + 4] = bytes(4)


def wrong_size(data: bytearray) -> bytes:
    """A member of a static library that ends before it does."""
    at = data.index(b"`\n", 100)
    size = int(data[at - 10 : at])
    return bytes(data[: at - 10]) + f"{size - 100:<10}".encode() + bytes(data[at:])


def same_bitcode(files: Files) -> Files:
    first, second = sorted(files)
    return {first: files[first], second: files[first]}


FILES = (
    # wheels
    Mutation("library without a target", "in a wheel: one unit lacks gfx950", WHEEL,
             in_wheel(with_library(lacking)), missing("bundle 1")),
    Mutation("library left out", "a wheel with Python code only", WHEEL,
             in_wheel(lambda files: files.pop(LIBRARY)),
             Told("no-device-code", "", None)),
    Mutation("member twice", "a wheel with a second library of the same name", WHEEL,
             in_wheel(twice), unread("")),
    Mutation("byte of a member", "flipped where a wheel stores its library", WHEEL,
             on_file(flipped_member), unread("CRC")),
    Mutation("member of two names", "a wheel's directory and the member's own header",
             WHEEL, on_file(two_names), unread("")),
    Mutation("wheel cut", "the last 100 bytes", WHEEL, on_file(lambda d: bytes(d[:-100])),
             unread("")),
    Mutation("library replaced", "and RECORD left as it was (audit)", WHEEL,
             in_wheel(with_library(older)), Told("record-mismatch", "", None), record=True),
    Mutation("library of another build", "the same kernels with other code, in a wheel",
             WHEEL, in_wheel(with_library(older)), limit="build"),
    # images
    Mutation("whiteout", "a layer on top that deletes the library", IMAGE,
             below("opt/.wh.lib.so"), Told("no-device-code", "", None)),
    Mutation("opaque directory", "a layer on top that hides all that was in it", IMAGE,
             below("opt/.wh..wh..opq"), Told("no-device-code", "", None)),
    Mutation("library below another", "a layer on top with one that lacks gfx950", IMAGE,
             below("opt/lib.so", lacking()), missing("bundle 1")),
    Mutation("byte of a layer", "flipped; the digest stays", IMAGE, on_file(flipped_layer),
             unread("the bytes have")),
    # kpack
    Mutation("archive of another target", "gfx942's in place of gfx950's", TREE,
             archive_of_other, Told("kpack-unresolved", "", "gfx950")),
    Mutation("archive left out", "that for gfx950", TREE, no_archive,
             Told("kpack-unresolved", "", "gfx950")),
    Mutation("archive for another target", "gfx942's code is listed as gfx950's", TREE,
             lambda f: in_toc(renamed_target, "gfx950")(archive_of_other(f)),
             Told("target-mismatch", "is not the target of the entry", "gfx950")),
    Mutation("archive lists another target", "gfx90a", TREE, in_toc(unlisted, "gfx950"),
             Told("kpack-unresolved", "", "gfx950")),
    Mutation("archive without a unit", "the last code object is not in its table", TREE,
             in_toc(shorter, "gfx950"), Told("kpack-unresolved", "", "gfx950")),
    Mutation("archive of another library", "the names in its table", TREE,
             in_toc(other_name, "gfx950"), Told("kpack-unresolved", "", "gfx950")),
    Mutation("archive with other sizes", "original_size + 1", TREE,
             in_toc(larger, "gfx942"), Told("broken-code-object", "", "gfx942")),
    Mutation("plain archive with other sizes", "original_size + 1", TREE,
             in_toc(larger, "gfx950"), Told("corrupt-bundle", "bytes, not", None)),
    Mutation("units swapped in an archive", "for one target", TREE,
             in_toc(swapped_ordinals, "gfx950"), Told("kpack-index", "", "gfx950")),
    Mutation("units swapped in all archives", "for both targets", TREE,
             in_toc(swapped_ordinals, "gfx942", "gfx950"), limit="host-code"),
    Mutation("wrapper asks for another's code", "the same number twice", TREE,
             same_wrapper, Told("kpack-index", "wrappers ask for the same", None)),
    Mutation("reference to other archives", "the search path of a host", TREE,
             in_host(b"@GFXARCH@", b"@GFXARXH@"), Told("kpack-unresolved", "", "gfx950")),
    Mutation("reference by another name", "that of a host", TREE,
             in_host(b"libper_tu.so", b"libper_tx.so"),
             Told("kpack-unresolved", "is not in", "gfx950")),
    # objects, static libraries, device libraries
    Mutation("object for one target", "compiled for gfx942 only", OBJECTS[:1],
             on_file(member_of("rdc_gfx942_only.o")),
             Told("missing-bitcode", "no device bitcode", "gfx950")),
    Mutation("bitcode swapped", "gfx942's called gfx950's, and the reverse",
             (*OBJECTS[:1], *ARCHIVE), on_file(bitcode_swapped),
             Told("target-mismatch", "", None)),
    Mutation("bitcode for another target", "gfx950's called gfx90a's",
             (*OBJECTS[:1], *ARCHIVE), on_file(bitcode_gone),
             Told("missing-bitcode", "no device bitcode", "gfx950")),
    Mutation("bitcode wiped", "the magic of a module", (*OBJECTS[:1], *ARCHIVE),
             on_file(bitcode_wiped), unread("")),
    Mutation("bitcode of an image wiped", "the magic of a module", OBJECTS[1:],
             on_file(bitcode_wiped), Told("broken-code-object", "not an ELF file", None)),
    Mutation("targets of images swapped", "in the strings of an OffloadBinary",
             ("offload_binary.bin",), on_file(swapped_images),
             mismatch("is not the target of the entry", None)),
    Mutation("targets of bitcode swapped", "in the strings of an OffloadBinary",
             OBJECTS[1:], on_file(swapped_images), mismatch("the bitcode that is kept", None)),
    Mutation("image of another kind", "OpenMP's", ("offload_binary.bin",),
             on_file(lambda d: d.__setitem__(d.index(IMAGES) + 34, 1)),
             missing("", "gfx942")),
    Mutation("member of one target", "in a static library", ARCHIVE,
             on_file(member_of("librocshmem_one_member_gfx942_only.a")),
             Told("missing-bitcode", "no device bitcode", "gfx950")),
    Mutation("member cut", "the size in its header", ARCHIVE, on_file(wrong_size),
             unread("")),
    Mutation("device library of another target", "gfx942's by the name of gfx950's", PAIR,
             same_bitcode, Told("target-mismatch", "", None)),
    Mutation("device library left out", "that for gfx950", PAIR,
             lambda f: {n: d for n, d in f.items() if "gfx950" not in n},
             Told("missing-bitcode", "", "gfx950")),
)  # fmt: skip
