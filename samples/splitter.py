#!/usr/bin/env python3
"""Splits a fat binary for kpack, as TheRock's tools do: splitter.py HOST OUT NAME SCHEME…

Writes OUT, the host without its device code, and OUT's name with `_TARGET.kpack` for each
target, in the schemes that are given in their order (`none`, `zstd`, or `-` for no archive).
Follows ROCm/rocm-systems shared/kpack, python/rocm_kpack: kpack.py, elf/kpack_transform.py,
elf/zero_page.py, wheel_splitter.py. Needs: zstd.
"""

import struct
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

PAGE = 4096
PT_LOAD, PT_PHDR = 1, 6
NOBITS, PROGBITS, RELA = 8, 1, 4
R_X86_64_RELATIVE = 8
HIPK = 0x4B504948
MAGIC = b"__CLANG_OFFLOAD_BUNDLE__"


def packed(value):
    """MessagePack, as far as it is needed here."""
    if isinstance(value, int):
        return struct.pack("B", value) if value < 128 else struct.pack(">BI", 0xCE, value)
    if isinstance(value, str):
        data = value.encode()
        head = struct.pack("B", 0xA0 | len(data)) if len(data) < 32 else struct.pack("BB", 0xD9, len(data))
        return head + data
    head = struct.pack(">BH", 0xDC if isinstance(value, list) else 0xDE, len(value))
    items = value if isinstance(value, list) else [part for pair in value.items() for part in pair]
    return head + b"".join(map(packed, items))


def code_objects(fatbin):
    """Target → the code objects of its bundles, in order: numbered for each target."""
    found = defaultdict(list)
    start = fatbin.find(MAGIC)
    while start >= 0:
        (count,) = struct.unpack_from("<Q", fatbin, start + 24)
        at = end = start + 32
        for _ in range(count):
            offset, size, length = struct.unpack_from("<QQQ", fatbin, at)
            name = fatbin[at + 24 : at + 24 + length].decode()
            at += 24 + length
            if name.startswith("hip"):
                target = name.split("--", 1)[1]
                found[target].append(fatbin[start + offset : start + offset + size])
            end = max(end, at, start + offset + size)
        start = fatbin.find(MAGIC, end)
    return dict(found)


def archive(group, name, target, blobs, scheme):
    start = 64
    toc = {
        f"{name}#{index}": {target: {"type": "hsaco", "ordinal": index, "original_size": len(blob)}}
        for index, blob in enumerate(blobs)
    }
    fields = {
        "format_version": 1,
        "group_name": group,
        "gfx_arch_family": target,
        "gfx_arches": [target],
        "compression_scheme": "none" if scheme == "none" else "zstd-per-kernel",
        "toc": toc,
    }
    if scheme == "none":
        fields["blobs"] = []
        data = b""
        for blob in blobs:
            fields["blobs"].append({"offset": start + len(data), "size": len(blob)})
            data += blob + bytes(-len(blob) % 64)
    else:
        frames = [compressed(blob) for blob in blobs]
        data = struct.pack("<I", len(frames))
        data += b"".join(struct.pack("<I", len(frame)) + frame for frame in frames)
        fields |= {"zstd_offset": start, "zstd_size": len(data)}
    header = struct.pack("<4sIQ", b"KPAK", 1, start + len(data))
    return header.ljust(start, b"\0") + data + packed(fields)


def compressed(blob):
    command = ["zstd", "-q", "-3", "-c", f"--stream-size={len(blob)}", "--no-check"]
    return subprocess.run(command, input=blob, capture_output=True, check=True).stdout


class Elf:
    def __init__(self, data):
        self.data = bytearray(data)
        head = struct.unpack_from("<QQQIHHHHHH", data, 24)
        _, self.phoff, self.shoff, _, _, _, phnum, _, shnum, shstrndx = head
        self.phdrs = [
            list(struct.unpack_from("<IIQQQQQQ", data, self.phoff + 56 * i)) for i in range(phnum)
        ]
        self.shdrs = [
            list(struct.unpack_from("<IIQQQQIIQQ", data, self.shoff + 64 * i)) for i in range(shnum)
        ]
        self.shstrndx = shstrndx
        at, size = self.shdrs[shstrndx][4:6]
        self.names = data[at : at + size]

    def section(self, name):
        for header in self.shdrs:
            if self.names[header[0] :].startswith(name.encode() + b"\0"):
                return header
        raise SystemExit(f"no {name}")

    def content(self, name):
        header = self.section(name)
        return bytes(self.data[header[4] : header[4] + header[5]])

    def zero_page(self, name):
        """Take the whole pages of a section out of the file; its segment gets a gap."""
        header = self.section(name)
        address, offset, size = header[3:6]
        first = -(-address // PAGE) * PAGE
        last = (address + size) // PAGE * PAGE
        last -= PAGE * (last == address + size)  # segments must not start at one offset
        if last <= first:
            return
        cut, length = offset + first - address, last - first
        del self.data[cut : cut + length]
        pieces = []
        for kind, flags, start, virtual, physical, filesz, memsz, align in self.phdrs:
            if kind == PT_LOAD and virtual <= address < virtual + memsz:
                pieces.append([kind, flags, start, virtual, virtual, first - virtual, first - virtual, align])
                pieces.append([kind, flags, cut, first, first, 0, address + size - first, align])
                rest = virtual + filesz - (address + size)
                if rest > 0:
                    at = offset + size - length
                    pieces.append([kind, flags, at, address + size, address + size, rest, rest, align])
                continue
            if start > cut:
                start -= length
            pieces.append([kind, flags, start, virtual, physical, filesz, memsz, align])
        self.phdrs = pieces
        for other in self.shdrs:
            if other is not header and other[4] > cut:
                other[4] -= length
        header[1] = NOBITS

    def add_reference(self, data):
        """A section with a segment of its own, and the header tables behind it."""
        end = max(p[3] + p[6] for p in self.phdrs if p[0] == PT_LOAD)
        address = -(-end // PAGE) * PAGE
        self.data += bytes(-len(self.data) % PAGE)
        start = len(self.data)
        place = start + 56 * (len(self.phdrs) + 1)
        length = place - start + len(data)
        self.phdrs.append([PT_LOAD, 4, start, address, address, length, length, PAGE])
        loads = sorted((p for p in self.phdrs if p[0] == PT_LOAD), key=lambda p: p[3])
        rest = [p for p in self.phdrs if p[0] != PT_LOAD]
        self.phdrs = loads + rest
        self.data += b"".join(struct.pack("<IIQQQQQQ", *p) for p in self.phdrs) + data
        name = len(self.names)
        self.names += b".rocm_kpack_ref\0"
        self.shdrs.append([name, PROGBITS, 2, address + place - start, place, len(data), 0, 0, 1, 0])
        strings = self.shdrs[self.shstrndx]
        strings[4], strings[5] = len(self.data), len(self.names)
        self.data += self.names
        self.data += bytes(-len(self.data) % 8)
        table = len(self.data)
        self.data += b"".join(struct.pack("<IIQQQQIIQQ", *s) for s in self.shdrs)
        struct.pack_into("<QQ", self.data, 32, start, table)
        struct.pack_into("<H", self.data, 56, len(self.phdrs))
        struct.pack_into("<H", self.data, 60, len(self.shdrs))
        return address + place - start

    def refer(self, target):
        """Wrappers of the other kind, numbered; their pointers by relative relocations."""
        _, _, _, address, offset, size = self.section(".hipFatBinSegment")[:6]
        rela = [s for s in self.shdrs if s[1] == RELA]
        for index in range(size // 24):
            at = offset + 24 * index
            struct.pack_into("<IIQQ", self.data, at, HIPK, 1, 0, index)
            for table in rela:
                for row in range(table[4], table[4] + table[5], 24):
                    if struct.unpack_from("<Q", self.data, row)[0] == address + 24 * index + 8:
                        struct.pack_into("<Qq", self.data, row + 8, R_X86_64_RELATIVE, target)


def main(host, out, name, *schemes):
    elf = Elf(Path(host).read_bytes())
    found = code_objects(elf.content(".hip_fatbin"))
    out = Path(out)
    group = out.stem
    for (target, blobs), scheme in zip(sorted(found.items()), schemes, strict=True):
        if scheme != "-":
            path = out.with_name(f"{group}_{target}.kpack")
            path.write_bytes(archive(group, name, target, blobs, scheme))
    elf.zero_page(".hip_fatbin")
    search = [f"{group}_@GFXARCH@.kpack"]
    reference = packed({"kpack_search_paths": search, "kernel_name": name})
    elf.refer(elf.add_reference(reference))
    out.write_bytes(elf.data)
    out.chmod(Path(host).stat().st_mode)


if __name__ == "__main__":
    main(*sys.argv[1:])
