"""What a command imports: what it uses, and nothing else.

A check that takes long to start gets removed from a build. A module that is new in one of
these lists is new in the time that every run takes: write it down if it must be, else
import it where it is used (`# noqa: PLC0415`).
"""

import json
import re
import subprocess
import sys

from tests.conftest import ROOT, SAMPLES

VERSION = """
kinspect kinspect.cli kinspect.cli.exit kinspect.errors kinspect.names kinspect.version
"""

#: to read and list a library
LIST = """
kinspect.api kinspect.cli.files kinspect.cli.listing kinspect.cli.options
kinspect.cli.progress kinspect.copies kinspect.formats kinspect.formats.amdgpu_elf
kinspect.formats.bitcode kinspect.formats.bitstream kinspect.formats.bundle
kinspect.formats.ccob kinspect.formats.container kinspect.formats.contents
kinspect.formats.offload_binary kinspect.formats.tensile kinspect.frames kinspect.hosts
kinspect.hosts.elf kinspect.hosts.elf_entries kinspect.hosts.elf_image
kinspect.hosts.elf_relocations kinspect.hosts.elf_symbols kinspect.hosts.elf_wrappers
kinspect.hosts.host kinspect.hosts.registered kinspect.inspecting kinspect.inventory
kinspect.kpack kinspect.limits kinspect.model kinspect.render kinspect.render.listing
kinspect.render.style kinspect.render.words kinspect.room kinspect.runtime
kinspect.sizes kinspect.sources kinspect.sources.ar kinspect.sources.magic
kinspect.sources.member kinspect.sources.named kinspect.sources.opening
kinspect.sources.tree kinspect.target kinspect.uri kinspect.urls kinspect.view
kinspect.walk
"""

#: what no small library needs, whatever is asked of it
NEVER = re.compile(
    r"kinspect\.(browse|costs|diff|disassembly|extraction|overlay|resources|snapshot"
    r"|archives|spreading|mangled|sources\.(zip|tar|image|rpm|http)|hosts\.coff"
    r"|formats\.(kpack|kpack_search|kpack_reference))\b"
)


def run(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip


def imported(*arguments):
    """The modules of kinspect, and the packages of others, that a run imports."""
    code = """
import json, sys
before = set(sys.modules)  # what this environment imports by itself
from kinspect.cli import main
sys.argv = ["kinspect", *sys.argv[1:]]
try:
    main()
except SystemExit as stop:
    assert stop.code == 0, stop.code
new = {name: module for name, module in sys.modules.items() if name not in before}
files = {name: getattr(module, "__file__", None) or "" for name, module in new.items()}
own = [name for name in new if name.split(".")[0] == "kinspect"]
others = {name.split(".")[0] for name, file in files.items() if "site-packages" in file}
print("\\n" + json.dumps([own, sorted(others)]))
"""
    done = run(code, *arguments)
    own, others = json.loads(done.stdout.splitlines()[-1])
    # msgspec imports it on the versions of Python where typing lacks something
    return sorted(own), [name for name in others if name != "typing_extensions"]


def test_the_version_needs_click_alone():
    assert imported("--version") == (sorted(VERSION.split()), ["click"])


def test_a_listing_needs_its_readers():
    own, others = imported("list", SAMPLES / "deep_ep_both.so")
    assert own == sorted(f"{VERSION} {LIST}".split())
    assert others == ["click", "elftools", "zstandard"]


def test_a_verdict_on_a_small_library_needs_no_reader_of_archives():
    own, others = imported("verify", SAMPLES / "deep_ep_both.so")
    assert [name for name in own if NEVER.match(name)] == []
    assert others == ["click", "elftools", "msgspec", "zstandard"]
    assert set(VERSION.split()) < set(own)


def test_a_small_run_looks_for_no_cycles():
    code = """
import atexit, gc, sys
from kinspect.cli import main
looked = []
gc.callbacks.append(lambda phase, _: looked.append(phase))
atexit.register(lambda: print(len(looked), gc.get_freeze_count() > 0))
sys.argv = ["kinspect", "verify", sys.argv[1]]
gc.collect()
main()
"""
    done = run(code, SAMPLES / "deep_ep_both.so")
    # the one above, at its start and its end; what is left goes unlooked at
    assert done.stdout.splitlines()[-1] == "2 True"
