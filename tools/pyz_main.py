"""`__main__.py` of the single file: kinspect and all that it needs, from one zip archive.

Python reads modules from a zip archive, but the system's loader reads extension modules
from files only. Here they come from anonymous memory (memfd_create), so that nothing is
written, and a read-only file system will do. Where there is no such memory (macOS), they
go to a temporary directory that is removed at the end.
"""

import atexit
import os
import shutil
import sys
import tempfile
import zipfile
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from importlib.util import spec_from_file_location

ARCHIVE = os.path.abspath(sys.argv[0])


class Extensions:
    """Finds extension modules in the archive."""

    def __init__(self, archive):
        self._zip = zipfile.ZipFile(archive)
        self._names = frozenset(self._zip.namelist())
        self._directory = None

    def find_spec(self, fullname, path=None, target=None):
        stem = fullname.replace(".", "/")
        for suffix in EXTENSION_SUFFIXES:
            if stem + suffix in self._names:
                file = self._file(stem + suffix)
                return spec_from_file_location(
                    fullname, file, loader=ExtensionFileLoader(fullname, file)
                )
        return None

    def _file(self, name):
        data = self._zip.read(name)
        if hasattr(os, "memfd_create"):
            # kept open on purpose: the loader maps it, and may look at it again
            descriptor = os.memfd_create(os.path.basename(name), os.MFD_CLOEXEC)
            with os.fdopen(os.dup(descriptor), "wb") as stream:
                stream.write(data)
            return f"/proc/self/fd/{descriptor}"
        if self._directory is None:
            self._directory = tempfile.mkdtemp(prefix="kinspect-")
            atexit.register(shutil.rmtree, self._directory, ignore_errors=True)
        path = os.path.join(self._directory, os.path.basename(name))
        with open(path, "wb") as stream:
            stream.write(data)
        return path


def served(names):
    """The Pythons that the archive has extension modules for."""
    found = {n.split("cpython-")[1].split("-")[0] for n in names if ".cpython-" in n}
    return ", ".join(f"{n[0]}.{n[1:]}" for n in sorted(found, key=lambda n: int(n[1:])))


def run():
    extensions = Extensions(ARCHIVE)
    sys.meta_path.insert(0, extensions)
    try:
        import msgspec  # noqa: F401
        import zstandard  # noqa: F401
    except ImportError as error:
        version = ".".join(map(str, sys.version_info[:2]))
        print(
            f"kinspect: error: this file was built for CPython"
            f" {served(extensions._names)}, and this is {version} on {sys.platform}"
            f" {os.uname().machine} ({error})",
            file=sys.stderr,
        )
        return 2
    from kinspect.cli import main

    return main()


if __name__ == "__main__":
    sys.exit(run())
