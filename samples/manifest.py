#!/usr/bin/env python3
"""Writes manifest.json: what each sample is, what other tools read in it, what must be
said of it.

Nothing here comes from kinspect. Entries are read by roc-obj-ls, inflated bundles by
zstd and zlib and then by roc-obj-ls, code objects by llvm-readelf-19; what verify must
say is derived from the rules, by hand. Needs: hipcc llvm-19 zstd.
"""

import hashlib
import json
import re
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

HERE = Path(__file__).parent
PLAIN, CCOB = b"__CLANG_OFFLOAD_BUNDLE__", b"CCOB"


def run(*command: object) -> str:
    words = [str(word) for word in command]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def error(rule, *targets, bundle=0, severity="error"):
    return [
        {"rule": rule, "severity": severity, "bundle": bundle, "target": target}
        for target in targets
    ]


BOTH = ("gfx942", "gfx950")
MISSING = error("missing-target", "gfx950")
NO_KERNELS = error("no-kernels", None, bundle=None, severity="warning")
NO_CODE = error("no-device-code", None, bundle=None)

#: file → what it is, the sources, what verify must find; `like` names the file whose
#: section table tells where .hip_fatbin lies, where a sample has none
DEEP_EP = "layout.hip intranode.hip internode.hip internode_ll.hip rocshmem_context.hip rocshmem_team_collectives.hip".split()
UNITS = ["unit_a.hip", "unit_b.hip", "unit_c.hip"]
SAMPLES = {
    "deep_ep_both.so": ("a DeepEP-shaped extension, RDC, both targets", DEEP_EP, []),
    "deep_ep_one_note.so": ("the same with one metadata record a code object", DEEP_EP, []),
    "deep_ep_no_gfx950.so": ("the same linked with --offload-arch=gfx942 only", DEEP_EP, MISSING),
    "deep_ep_no_arch.so": ("the same linked without --offload-arch", DEEP_EP, error("missing-target", *BOTH)),
    "deep_ep_empty_gfx950.so": ("objects for gfx942 only, linked for both: an empty gfx950 code object", DEEP_EP, error("no-kernels", "gfx950")),
    "deep_ep_stripped.so": ("deep_ep_both.so after strip", DEEP_EP, []),
    "deep_ep_no_sections.so": ("deep_ep_both.so without section headers", DEEP_EP, []),
    "deep_ep_no_gfx950_no_sections.so": ("deep_ep_no_gfx950.so without section headers", DEEP_EP, MISSING),
    "rocshmem_shaped.so": ("a rocSHMEM-shaped library of device functions: two code objects, no kernels", DEEP_EP[4:], NO_KERNELS),
    **{f"ccob_v{v}_{m}.so": (f"deep_ep_both.so, its bundle compressed: CCOB version {v}, {m}", DEEP_EP, [] if v > 1 else error("missing-target", *BOTH)) for v in (1, 2, 3) for m in ("zlib", "zstd")},
    "ccob_no_gfx950.so": ("deep_ep_no_gfx950.so, its bundle compressed", DEEP_EP, MISSING),
    "per_tu_both.so": ("three units, each with a bundle of its own", UNITS, []),
    "per_tu_one_lacks.so": ("the same, the second unit compiled without gfx950", UNITS, error("missing-target", "gfx950", bundle=1)),
    "per_tu_stripped.so": ("per_tu_one_lacks.so after strip", UNITS, error("missing-target", "gfx950", bundle=1)),
    "per_tu_no_sections.so": ("per_tu_one_lacks.so without section headers", UNITS, error("missing-target", "gfx950", bundle=1)),
    "per_tu_aarch64.so": ("two units on an aarch64 host", UNITS[:2], []),
    "relr.so": ("two units, wrappers relocated by RELR", UNITS[:2], []),
    "executable": ("one unit in an executable that is not relocated", UNITS[:1], []),
    "xnack_both.so": ("both modes of xnack for both targets", UNITS[:1], []),
    "xnack_only_plus.so": ("xnack+ only", UNITS[:1], error("partial-target", *BOTH)),
    "sramecc.so": ("gfx942:sramecc+ and gfx950", UNITS[:1], error("partial-target", "gfx942")),
    "generic.so": ("gfx9-4-generic, code object v6", UNITS[:1], error("generic-only", *BOTH)),
    "native_and_generic.so": ("gfx942 and gfx9-4-generic", UNITS[:1], error("generic-only", "gfx950")),
    "kinds_rdc.so": ("static, hidden, template, anonymous and extern C kernels, RDC", ["kinds.hip"], []),
    "kinds_rdc_stripped.so": ("the same after strip", ["kinds.hip"], []),
    "kinds_tu.so": ("static, hidden, template, anonymous and extern C kernels", ["kinds.hip"], []),
    "kinds_tu_stripped.so": ("the same after strip", ["kinds.hip"], []),
    "variables_rdc.so": ("device, constant, managed, texture and surface variables, RDC", ["variables.hip"], []),
    "variables_rdc_stripped.so": ("the same after strip", ["variables.hip"], []),
    "variables_tu.so": ("the same kinds of variables, and a static one", ["variables.hip"], []),
    "variables_tu_stripped.so": ("the same after strip", ["variables.hip"], []),
    "new_driver_variables.so": ("the same by LLVM 19's new driver, gfx942 and gfx90a", ["variables.hip"], MISSING),
    "new_driver_no_gfx950.so": ("LLVM 19's new driver, gfx942 and gfx90a", ["kinds.hip"], MISSING),
    "new_driver_stripped.so": ("the same after strip", ["kinds.hip"], MISSING),
    "mixed.so": ("a plain bundle and a compressed one in one section", ["packed.s"], []),
    "unowned.so": ("the same and a bundle that no wrapper points at", ["packed.s"], error("unowned-bundle", None, bundle=2, severity="warning")),
    "embedded.so": ("a bundle and bare code objects as plain data, nothing registered", ["embedded.s"], []),
    "host_only.so": ("no device code", ["host.c"], NO_CODE),
    "bundle.hipfb": ("a plain bundle", UNITS[:1], []),
    "bundle_ccob.hipfb": ("a compressed bundle", UNITS[:1], []),
    "code_object_gfx942.co": ("a bare code object", UNITS[:1], MISSING),
    "code_object_gfx950.co": ("a bare code object", UNITS[:1], error("missing-target", "gfx942")),
    "kpack_per_tu.so": ("per_tu_both.so split for kpack, its archives beside it", UNITS, []),
    "kpack_per_tu_gfx942.kpack": ("an archive, zstd for each code object", UNITS, error("kpack-alone", "gfx950", bundle=None)),
    "kpack_per_tu_gfx950.kpack": ("an archive, nothing compressed", UNITS, error("kpack-alone", "gfx942", bundle=None)),
    "kpack_deep_ep.so": ("deep_ep_both.so split for kpack, without the archive for gfx950", DEEP_EP, error("kpack-unresolved", "gfx950")),
    "kpack_deep_ep_gfx942.kpack": ("its archive for gfx942", DEEP_EP, error("kpack-alone", "gfx950", bundle=None)),
    "offload_binary.bin": ("an OffloadBinary by clang-offload-packager-19", UNITS[:1], []),
}  # fmt: skip
LIKE = {
    "deep_ep_no_sections.so": "deep_ep_stripped.so",
    "deep_ep_no_gfx950_no_sections.so": "deep_ep_no_gfx950.so",
    "per_tu_no_sections.so": "per_tu_stripped.so",
}
#: what was split for kpack → what it was before
SPLIT = {"kpack_per_tu": "per_tu_both.so", "kpack_deep_ep": "deep_ep_both.so"}
#: rules that say that something could not be told
UNKNOWN = {"kpack-alone"}
#: by construction: bundles of the section that no wrapper points at
UNREGISTERED = {"unowned.so": {2}}


def section(path: Path) -> tuple[int, int] | None:
    """File offset and size of .hip_fatbin."""
    table = run("llvm-readelf-19", "-S", "-W", path)
    match = re.search(r"\.hip_fatbin\s+PROGBITS\s+\S+\s+(\S+)\s+(\S+)", table)
    return match and (int(match[1], 16), int(match[2], 16))


def listed(data: bytes) -> list[tuple[str, int, int]]:
    """The entries of one plain bundle, by roc-obj-ls, offsets from the bundle's start."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "empty.s").write_text("")
        (work / "bundle").write_bytes(data)
        run("gcc", "-c", work / "empty.s", "-o", work / "empty.o")
        add = f"--add-section=.hip_fatbin={work / 'bundle'}"
        run("llvm-objcopy-19", add, work / "empty.o", work / "host.o")
        place = section(work / "host.o")
        printed = run("roc-obj-ls", work / "host.o")
    assert place, "no section"
    rows = re.findall(r"^1\s+(\S+)\s+\S*#offset=(\d+)&size=(\d+)$", printed, re.M)
    return [(text, int(offset) - place[0], int(size)) for text, offset, size in rows]


def inflated(data: bytes) -> bytes:
    version, method = struct.unpack_from("<HH", data, 4)
    payload = data[{1: 20, 2: 24, 3: 32}[version] :]
    if version > 1:
        total = struct.unpack_from("<I" if version == 2 else "<Q", data, 8)[0]
        payload = payload[: total - (len(data) - len(payload))]
    if method == 0:
        return zlib.decompressobj().decompress(payload)
    done = subprocess.run(["zstd", "-dcq"], input=payload, capture_output=True, check=False)
    return done.stdout


def code_object(data: bytes) -> dict[str, object]:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        printed = run("llvm-readelf-19", "-h", "--notes", "-W", file.name)
    flags = re.search(r"^\s+Flags:\s+(0x\w+)", printed, re.M)
    abi = re.search(r"^\s+ABI Version:\s+(\d+)", printed, re.M)
    assert flags and abi, "no AMDGPU ELF"
    kernels = re.findall(r"^    \.name:\s+'?([^'\s]+)'?$", printed, re.M)
    return {
        "e_flags": int(flags[1], 16),
        "abi_version": int(abi[1]),
        "kernels": sorted(kernels),
    }


def bundles(name: str, data: bytes) -> list[dict[str, object]]:
    if name.endswith(".co"):
        whole = code_object(data)
        target = "gfx942" if "942" in name else "gfx950"
        text = f"hipv4-amdgcn-amd-amdhsa--{target}"
        entry = {"id": text, "offset": 0, "size": len(data), **whole}
        return [{"offset": 0, "form": "elf", "registered": False, "entries": [entry]}]
    if name.startswith("kpack_"):
        return split(name)
    if name == "offload_binary.bin":
        return offload_binary(data)
    if name == "embedded.so":
        return embedded(data)
    place = (
        (0, len(data)) if name.endswith(".hipfb") else section(HERE / LIKE.get(name, name))
    )
    if place is None:
        return []
    start, end = place[0], sum(place)
    found = []
    for match in re.finditer(
        rb"__CLANG_OFFLOAD_BUNDLE__|CCOB[\1-\3]\0[\0\1]\0", data[start:end]
    ):
        at = start + match.start()
        found.append(bundle(data[at:end], at))
    for index, one in enumerate(found):
        registered = not name.endswith(".hipfb")
        one["registered"] = registered and index not in UNREGISTERED.get(name, ())
    return found


def bundle(data: bytes, at: int) -> dict[str, object]:
    compressed = data.startswith(CCOB)
    plain = inflated(data) if compressed else data
    entries = []
    for text, offset, size in listed(plain):
        entry = {"id": text, "offset": offset + (0 if compressed else at), "size": size}
        if "gfx" in text:
            entry |= code_object(plain[offset : offset + size])
        entries.append(entry)
    return {"offset": at, "form": "ccob" if compressed else "plain", "entries": entries}


def offload_binary(data: bytes) -> list[dict[str, object]]:
    found = []
    for target in BOTH:
        image = (HERE / f"code_object_{target}.co").read_bytes()
        start = data.index(b"\x10\xff\x10\xad", found[-1]["offset"] + 1 if found else 0)
        offset = data.index(image)
        text = f"hip-amdgcn-amd-amdhsa--{target}"
        entry = {"id": text, "offset": offset, "size": len(image), **code_object(image)}
        found.append({"offset": start, "form": "offload-binary", "registered": False, "entries": [entry]})  # fmt: skip
    return found


def embedded(data: bytes) -> list[dict[str, object]]:
    start = data.index(PLAIN)
    found = [bundle(data[start:], start)]
    for target in BOTH:
        image = (HERE / f"code_object_{target}.co").read_bytes()
        offset = data.rindex(image)
        text = f"hipv4-amdgcn-amd-amdhsa--{target}"
        entry = {"id": text, "offset": offset, "size": len(image), **code_object(image)}
        found.append({"offset": offset, "form": "elf", "entries": [entry]})
    return [{**one, "registered": False} for one in found]


def split(name: str) -> list[dict[str, object]]:
    """What was split: the code objects are those of the binary before.

    A payload is found where its bytes are, or its frame, which zstd inflates.
    """
    group = re.sub(r"(_gfx\w+)?\.\w+$", "", name)
    before = (HERE / SPLIT[group]).read_bytes()
    units = bundles(SPLIT[group], before)
    host = not name.endswith(".kpack")
    paths = sorted(HERE.glob(f"{group}_*.kpack")) if host else [HERE / name]
    rows = [[] for _ in units]
    for path in paths:
        target = path.stem.rpartition("_")[2]
        data, at = path.read_bytes(), 68
        for row, unit in zip(rows, units):
            (old,) = (e for e in unit["entries"] if e["id"].endswith(f"--{target}"))
            blob = before[old["offset"] : old["offset"] + old["size"]]
            place = data.find(blob)
            if place < 0:
                (size,) = struct.unpack_from("<I", data, at)
                place, at = at + 4, at + 4 + size
                frame = data[place:at]
                done = subprocess.run(["zstd", "-dcq"], input=frame, capture_output=True, check=True)
                assert done.stdout == blob
            row.append({**old, "offset": place})
    if not host:
        return [
            {"offset": row[0]["offset"], "form": "kpack", "registered": False, "entries": row}
            for row in rows
        ]
    table = run("llvm-readelf-19", "-S", "-W", HERE / name)
    wrappers = re.search(r"\.hipFatBinSegment\s+PROGBITS\s+\S+\s+(\S+)", table)
    return [
        {"offset": int(wrappers[1], 16) + 24 * i, "form": "kpack", "registered": True, "entries": row}
        for i, row in enumerate(rows)
    ]


def _exit(findings: list[dict[str, object]]) -> int:
    errors = {f["rule"] for f in findings if f["severity"] == "error"}
    return 1 if errors - UNKNOWN else 2 if errors else 0


def main() -> int:
    samples = []
    for name, (about, sources, findings) in sorted(SAMPLES.items()):
        data = (HERE / name).read_bytes()
        samples.append(
            {
                "file": name,
                "about": about,
                "sources": sources,
                "size": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
                "bundles": bundles(name, data),
                "verify": {
                    "require": list(BOTH),
                    "exit": _exit(findings),
                    "findings": findings,
                },
            }
        )
    clang = re.search(r"\(Version: (\S+)|clang version (\S+)", run("clang-19", "--version"))
    compilers = {
        "device and host": "clang 22.1.8, lld (PyPI ziglang 0.17.1); "
        "the new driver's samples: clang-19, lld-19",
        "read with": f"LLVM {clang and (clang[1] or clang[2])}; roc-obj-ls of hipcc",
        "commands": "build.sh",
    }
    manifest = {"compilers": compilers, "samples": samples}
    (HERE / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
