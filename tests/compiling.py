"""Small kernels, compiled by the clang of PyPI's ziglang: it knows gfx950 and newer.

clang's driver runs itself and its linker by name, so that both need a wrapper.
"""

import importlib.util
import os
import subprocess
from pathlib import Path

import pytest

#: what a HIP header would declare
PRELUDE = """\
#define __global__ __attribute__((global))
#define __shared__ __attribute__((shared))
#define __device__ __attribute__((device))
"""


class Compiler:
    def __init__(self, directory: Path) -> None:
        spec = importlib.util.find_spec("ziglang")
        if spec is None or spec.origin is None:
            message = "ziglang is not installed (pip install --group oracle)"
            if os.environ.get("CI"):
                pytest.fail(message)
            pytest.skip(message)
        zig = Path(spec.origin).parent / "zig"
        self.directory = directory
        again = 'case "$1" in -cc1|-cc1as) exec -a "$0" {zig} "$@";; esac\n'
        scripts = {
            "lld": '[ "$1" = -flavor ] && shift 2\nexec {zig} ld.lld "$@"\n',
            "clang": again + 'exec -a "$0" {zig} clang -no-canonical-prefixes "$@"\n',
        }
        for name, script in scripts.items():
            path = directory / name
            path.write_text("#!/bin/bash\n" + script.format(zig=zig))
            path.chmod(0o755)

    def code_object(self, source: str, target: str, *options: str) -> tuple[bytes, str]:
        """The linked code object, and what the compiler said."""
        text = self.directory / "kernels.hip"
        text.write_text(PRELUDE + source)
        out = self.directory / f"{target.replace(':', '_')}.hsaco"
        done = subprocess.run(
            [
                self.directory / "clang", "--target=x86_64-linux-gnu", "-x", "hip",
                "-nogpulib", "-nogpuinc", "--offload-device-only",
                "--no-gpu-bundle-output", f"--offload-arch={target}", "-O2", *options,
                "-c", text, "-o", out,
            ],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return out.read_bytes(), done.stderr
