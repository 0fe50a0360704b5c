"""Wire records and constants of PE images and COFF objects.

Source: Microsoft, "PE Format" (the PE/COFF specification): "COFF File Header",
"Optional Header", "Section Table", "COFF Relocations", "COFF Symbol Table", "The
.idata Section", "The .reloc Section", "Delay-Load Import Tables"; for big objects,
winnt.h, ANON_OBJECT_HEADER_BIGOBJ.
"""

from collections.abc import Mapping
from typing import Annotated, Final, NamedTuple

from kinspect.hosts.host import FatBinaryWrapper
from kinspect.view import U8, U16, U32, U64, wire

I16 = Annotated[int, "h"]
I32 = Annotated[int, "i"]
Name = Annotated[bytes, "8s"]

#: machines as binutils name them, by IMAGE_FILE_MACHINE_*
MACHINES: Final[Mapping[int, str]] = {
    0x014C: "i386",
    0x8664: "x86-64",
    0xAA64: "aarch64-little",
}
I386: Final = 0x014C

IMAGE_FILE_RELOCS_STRIPPED: Final = 0x0001
IMAGE_FILE_EXECUTABLE_IMAGE: Final = 0x0002
IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE: Final = 0x0040

IMAGE_SCN_CNT_INITIALIZED_DATA: Final = 0x00000040
IMAGE_SCN_CNT_UNINITIALIZED_DATA: Final = 0x00000080
IMAGE_SCN_LNK_NRELOC_OVFL: Final = 0x01000000
IMAGE_SCN_MEM_DISCARDABLE: Final = 0x02000000
IMAGE_SCN_MEM_EXECUTE: Final = 0x20000000

#: data directories (Optional Header Data Directories)
IMPORT_TABLE: Final = 1
BASE_RELOCATION_TABLE: Final = 5
DELAY_IMPORT_DESCRIPTOR: Final = 13


class FileHeader(NamedTuple):
    machine: U16
    number_of_sections: U16
    time_date_stamp: U32
    pointer_to_symbol_table: U32
    number_of_symbols: U32
    size_of_optional_header: U16
    characteristics: U16


class BigobjHeader(NamedTuple):
    sig1: U16
    sig2: U16
    version: U16
    machine: U16
    time_date_stamp: U32
    class_id: Annotated[bytes, "16s"]
    size_of_data: U32
    flags: U32
    meta_data_size: U32
    meta_data_offset: U32
    number_of_sections: U32
    pointer_to_symbol_table: U32
    number_of_symbols: U32


class OptionalHeader32(NamedTuple):
    """PE32, from ImageBase to NumberOfRvaAndSizes."""

    image_base: U32
    section_alignment: U32
    file_alignment: U32
    versions: Annotated[bytes, "12s"]
    win32_version: U32
    size_of_image: U32
    size_of_headers: U32
    check_sum: U32
    subsystem: U16
    dll_characteristics: U16
    stack_and_heap: Annotated[bytes, "16s"]
    loader_flags: U32
    number_of_rva_and_sizes: U32


class OptionalHeader64(NamedTuple):
    """PE32+, from ImageBase to NumberOfRvaAndSizes."""

    image_base: U64
    section_alignment: U32
    file_alignment: U32
    versions: Annotated[bytes, "12s"]
    win32_version: U32
    size_of_image: U32
    size_of_headers: U32
    check_sum: U32
    subsystem: U16
    dll_characteristics: U16
    stack_and_heap: Annotated[bytes, "32s"]
    loader_flags: U32
    number_of_rva_and_sizes: U32


class DataDirectory(NamedTuple):
    virtual_address: U32
    size: U32


class SectionHeader(NamedTuple):
    name: Name
    virtual_size: U32
    virtual_address: U32
    size_of_raw_data: U32
    pointer_to_raw_data: U32
    pointer_to_relocations: U32
    pointer_to_linenumbers: U32
    number_of_relocations: U16
    number_of_linenumbers: U16
    characteristics: U32


class Symbol(NamedTuple):
    name: Name
    value: U32
    section_number: I16
    type: U16
    storage_class: U8
    number_of_aux_symbols: U8


class BigobjSymbol(NamedTuple):
    name: Name
    value: U32
    section_number: I32
    type: U16
    storage_class: U8
    number_of_aux_symbols: U8


class StringTableSize(NamedTuple):
    size: U32


class Magic(NamedTuple):
    magic: U16


class Offset(NamedTuple):
    offset: U32


#: Magic of the optional header, where ImageBase lies in it, and the layout from there
OPTIONAL_HEADERS: Final[
    Mapping[int, tuple[int, type[OptionalHeader32 | OptionalHeader64], int]]
] = {
    0x10B: (28, OptionalHeader32, 4),
    0x20B: (24, OptionalHeader64, 8),
}


class ImportDirectory(NamedTuple):
    import_lookup_table: U32
    time_date_stamp: U32
    forwarder_chain: U32
    name: U32
    import_address_table: U32


class DelayImport(NamedTuple):
    attributes: U32
    name: U32
    module_handle: U32
    delay_import_address_table: U32
    delay_import_name_table: U32
    bound_delay_import_table: U32
    unload_delay_import_table: U32
    time_stamp: U32


class BaseRelocationBlock(NamedTuple):
    page_rva: U32
    block_size: U32


class BaseRelocation(NamedTuple):
    type_and_offset: U16


class Relocation(NamedTuple):
    virtual_address: U32
    symbol_table_index: U32
    type: U16


class FatBinaryWrapper32(NamedTuple):
    """The wrapper of a 32-bit host, for which HIP has no runtime."""

    magic: U32
    version: U32
    binary: U32
    reserved: U32


#: the base relocation that moves a pointer, by the bytes of a pointer
IMAGE_REL_BASED: Final[Mapping[int, int]] = {4: 3, 8: 10}  # HIGHLOW, DIR64
#: the relocation of an object that writes an address, by machine
ADDRESS_OF: Final[Mapping[int, int]] = {
    0x014C: 0x0006,  # IMAGE_REL_I386_DIR32
    0x8664: 0x0001,  # IMAGE_REL_AMD64_ADDR64
    0xAA64: 0x000E,  # IMAGE_REL_ARM64_ADDR64
}
WRAPPER: Final[Mapping[int, type[FatBinaryWrapper | FatBinaryWrapper32]]] = {
    4: FatBinaryWrapper32,
    8: FatBinaryWrapper,
}


def size_of(record: type) -> int:
    """Bytes of a record in the file."""
    return wire(record).size
