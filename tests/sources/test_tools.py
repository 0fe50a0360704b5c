"""Packages and images made by the tools that everybody makes them with."""

import hashlib
import json
import os
import shutil

import pytest

from kinspect import Limits, Verdict, inspect, verify
from kinspect.sources import Member, open_source
from tests.conftest import SAMPLES
from tests.writers.images import jsoned

pytestmark = pytest.mark.oracle

GOOD = (SAMPLES / "per_tu_both.so").read_bytes()
BAD = (SAMPLES / "per_tu_one_lacks.so").read_bytes()


def files_of(path):
    """The files of a source by what follows its path; everything must be readable."""
    found = {}
    for part in open_source(path).members():
        assert isinstance(part, Member), part
        name = part.path.removeprefix(f"{path}!")
        assert name not in found
        found[name] = bytes(part.view.bytes())
    return found


def regular_files(root):
    """Every regular file by every name."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def tree(root, files):
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


# --- Debian, RPM ----------------------------------------------------------------------------

FILES = {
    "usr/lib/x86_64-linux-gnu/libgood.so": GOOD,
    "opt/x/empty": b"",
    "opt/x/a name with spaces and ünïcode.txt": b"text",
}


@pytest.mark.parametrize("compression", ["xz", "gzip", "zstd", "none"])
def test_dpkg_deb(run, tmp_path, compression):
    root = tmp_path / "root"
    tree(root, FILES)
    (root / "DEBIAN").mkdir()
    control = (
        "Package: x\nVersion: 1\nArchitecture: amd64\nMaintainer: a <a@b>\nDescription: x\n"
    )
    (root / "DEBIAN/control").write_text(control)
    (root / "DEBIAN/postinst").write_text("#!/bin/sh\n")
    (root / "DEBIAN/postinst").chmod(0o755)
    os.link(root / "opt/x/empty", root / "opt/x/link")
    (root / "opt/x/symlink").symlink_to("empty")
    package = tmp_path / "x.deb"
    run("dpkg-deb", f"-Z{compression}", "--build", root, package)
    found = files_of(package)
    # one of two names of the same file, whichever comes first in the tar
    assert {name.replace("opt/x/link", "opt/x/empty") for name in found} == set(FILES)
    assert all(content in FILES.values() for content in found.values())
    assert (inspect(package).kind, verify(package).verdict) == ("deb", Verdict.PASS)


SPEC = """\
Name: x
Version: 1
Release: 1
Summary: x
License: MIT
AutoReqProv: no
%description
x
%install
cp -a {root}/. %{{buildroot}}/
ln %{{buildroot}}/opt/x/b.so %{{buildroot}}/opt/x/c.so
%files
/opt
/usr
%ghost /opt/x/log
"""


def rpmbuild(run, tmp_path, root, payload):
    spec = tmp_path / "x.spec"
    spec.write_text(SPEC.format(root=root))
    defines = {
        "_topdir": tmp_path / "rpm",
        "_binary_payload": payload,
        "__os_install_post": "%{nil}",
        "debug_package": "%{nil}",
        "_build_id_links": "none",
    }
    options = [f"--define={name} {value}" for name, value in defines.items()]
    run("rpmbuild", "-bb", *options, spec)
    (package,) = (tmp_path / "rpm/RPMS").rglob("*.rpm")
    return package


@pytest.mark.parametrize(
    "payload", ["w9.gzdio", "w9.bzdio", "w7.xzdio", "w7.lzdio", "w19.zstdio", "w.ufdio"]
)
def test_rpmbuild(run, tmp_path, payload):
    root = tmp_path / "root"
    files = {**FILES, "opt/x/b.so": BAD, "opt/x/log": b"not packed"}
    tree(root, files)
    (root / "opt/x/symlink").symlink_to("empty")
    package = rpmbuild(run, tmp_path, root, payload)
    # two names of one file: the bytes stand at the last
    expected = {**FILES, "opt/x/b.so": b"", "opt/x/c.so": BAD}
    assert files_of(package) == expected
    # as rpm itself sees its payload
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    run("rpm2archive", "-n", package)
    run("tar", "-xf", f"{package}.tar", "-C", unpacked)
    assert regular_files(unpacked) == {**expected, "opt/x/b.so": BAD}
    report = verify(package)
    assert (report.artifacts[0].kind, report.verdict) == ("rpm", Verdict.FAIL)


@pytest.mark.slow
def test_rpmbuild_of_a_file_beyond_4_gib(run, tmp_path):
    """rpm then writes the form that names files by their numbers."""
    root = tmp_path / "root"
    tree(root, {**FILES, "opt/x/b.so": BAD})
    with open(root / "opt/x/large", "wb") as file:
        file.truncate((4 << 30) + 5)
    package = rpmbuild(run, tmp_path, root, "w1.zstdio")
    assert b"070701" not in package.read_bytes()
    # zeros compress better than the default allows
    report = verify(package, limits=Limits(ratio=1_000_000))
    assert {f.path for f in report.findings if f.severity == "error"} == {
        f"{package}!opt/x/c.so"
    }
    names = {binary.path.rsplit("!")[-1] for binary in report.artifacts[0].binaries}
    assert names == {"usr/lib/x86_64-linux-gnu/libgood.so", "opt/x/c.so"}
    assert not report.artifacts[0].unreadable


# --- images ---------------------------------------------------------------------------------


class Umoci:
    """An OCI layout that umoci makes, layer by layer."""

    def __init__(self, run, directory):
        self._run = run
        self.layout = directory / "layout"
        self._bundle = directory / "bundle"
        self.rootfs = self._bundle / "rootfs"
        run("umoci", "init", "--layout", self.layout)
        run("umoci", "new", "--image", f"{self.layout}:v1")
        self.unpack()

    def unpack(self):
        shutil.rmtree(self._bundle, ignore_errors=True)
        self._run("umoci", "unpack", "--image", f"{self.layout}:v1", self._bundle)

    def commit(self):
        """What was changed in the root file system becomes a layer."""
        self._run("umoci", "repack", "--image", f"{self.layout}:v1", self._bundle)

    def insert(self, *arguments):
        self._run("umoci", "insert", "--image", f"{self.layout}:v1", *arguments)

    def seen(self):
        """The regular files of the final view, by their first names."""
        self.unpack()
        found, inodes = {}, set()
        for path in sorted(self.rootfs.rglob("*")):
            if path.is_file() and not path.is_symlink():
                inode = path.stat().st_ino
                if inode not in inodes:
                    found[path.relative_to(self.rootfs).as_posix()] = path.read_bytes()
                inodes.add(inode)
        return found


@pytest.fixture
def built(run, tmp_path):
    """An image of several layers, with everything that layers do to each other."""
    image = Umoci(run, tmp_path)
    root = image.rootfs
    tree(root, {"opt/venv/lib/x.so": BAD, "opt/venv/lib/old.so": BAD, "usr/lib/y.so": BAD})
    tree(root, {"data/a/1": b"1", "data/a/2": b"2", "data/b": b"b", "gone/x.so": BAD})
    os.link(root / "data/a/1", root / "data/a/same")
    (root / "lib").symlink_to("usr/lib")
    image.commit()
    (root / "opt/venv/lib/x.so").write_bytes(GOOD)
    (root / "opt/venv/lib/old.so").unlink()
    shutil.rmtree(root / "gone")
    (root / "data/b").unlink()
    (root / "data/b").mkdir()
    (root / "data/b/inside").write_bytes(b"inside")
    image.commit()
    new = tmp_path / "new"
    tree(new, {"only": b"only"})
    image.insert("--opaque", new, "/data/a")
    image.insert("--whiteout", "/usr/lib/y.so")
    return image


COPIES = {
    "as it is": lambda run, image, to: image.layout,
    "docker-archive": lambda run, image, to: copied(
        run, image, "docker-archive", f"{to}:x:1", to
    ),
    "oci-archive": lambda run, image, to: copied(run, image, "oci-archive", f"{to}:v1", to),
    "oci": lambda run, image, to: copied(run, image, "oci", f"{to}:v1", to),
    "oci zstd": lambda run, image, to: copied(
        run, image, "oci", f"{to}:v1", to, "--dest-compress-format=zstd", "--dest-compress"
    ),
    "oci plain": lambda run, image, to: copied(
        run, image, "oci", f"{to}:v1", to, "--dest-decompress"
    ),
}


def copied(run, image, transport, name, to, *options):
    source = f"oci:{image.layout}:v1"
    run("skopeo", "--insecure-policy", "copy", *options, source, f"{transport}:{name}")
    return to


@pytest.mark.parametrize("form", COPIES)
def test_an_image_of_umoci_and_skopeo(run, tmp_path, built, form):
    path = COPIES[form](run, built, tmp_path / "copy")
    expected = built.seen()
    assert expected["opt/venv/lib/x.so"] == GOOD
    assert set(expected) == {"opt/venv/lib/x.so", "data/a/only", "data/b/inside"}
    assert files_of(path) == expected
    assert (inspect(path).kind, verify(path).verdict) == ("image", Verdict.PASS)


def test_hard_links_that_outlive_their_first_name(run, tmp_path, built):
    built.unpack()
    tree(built.rootfs, {"h/a.so": BAD, "h/x": b"x"})
    os.link(built.rootfs / "h/a.so", built.rootfs / "h/b.so")
    built.commit()
    built.insert("--whiteout", "/h/a.so")
    expected = built.seen()
    assert expected["h/b.so"] == BAD
    assert files_of(built.layout) == expected


def test_several_platforms_as_skopeo_copies_them(run, tmp_path, built):
    """An index of two platforms, one of which is bad."""
    before = json.loads((built.layout / "index.json").read_text())["manifests"]
    (good,) = before
    built.unpack()
    tree(built.rootfs, {"opt/venv/lib/x.so": BAD})
    run("umoci", "repack", "--image", f"{built.layout}:bad", built.rootfs.parent)
    after = json.loads((built.layout / "index.json").read_text())["manifests"]
    (bad,) = [one for one in after if one["digest"] != good["digest"]]
    platforms = ({"os": "linux", "architecture": name} for name in ("amd64", "arm64"))
    listed = [
        {key: one[key] for key in ("mediaType", "digest", "size")} | {"platform": platform}
        for one, platform in zip((good, bad), platforms, strict=True)
    ]
    kind = "application/vnd.oci.image.index.v1+json"
    index = jsoned({"schemaVersion": 2, "mediaType": kind, "manifests": listed})
    blob = hashlib.sha256(index).hexdigest()
    (built.layout / "blobs/sha256" / blob).write_bytes(index)
    key = "org.opencontainers.image.ref.name"
    outer = {"mediaType": kind, "digest": f"sha256:{blob}", "size": len(index)}
    outer |= {"annotations": {key: "both"}}
    (built.layout / "index.json").write_bytes(
        jsoned({"schemaVersion": 2, "manifests": [outer]})
    )
    copy = tmp_path / "copy.tar"
    source = f"oci:{built.layout}:both"
    run("skopeo", "--insecure-policy", "copy", "--all", source, f"oci-archive:{copy}:both")
    report = verify(copy)
    assert report.verdict is Verdict.FAIL
    errors = {f.path for f in report.findings if f.severity == "error"}
    assert errors == {f"{copy}!linux/arm64!opt/venv/lib/x.so"}
    assert verify(copy, exclude=("linux/arm64",)).verdict is Verdict.PASS


# --- conda ----------------------------------------------------------------------------------


def test_conda_packages_of_both_formats(tmp_path):
    """By the library that conda itself reads and writes packages with."""
    create = pytest.importorskip("conda_package_streaming.create")
    transmute = pytest.importorskip("conda_package_streaming.transmute")
    root = tmp_path / "root"
    info = {"info/index.json": b'{"name": "x"}', "info/files": b"lib/libgood.so\n"}
    files = {"lib/libgood.so": GOOD, "lib/libbad.so": BAD, "bin/empty": b"", **info}
    tree(root, files)
    with create.conda_builder("x-1-0", tmp_path) as archive:
        archive.add(root, "", recursive=True)
    old = tmp_path / "old/x-1-0.tar.bz2"
    old.parent.mkdir()
    transmute.transmute_tar_bz2(str(tmp_path / "x-1-0.conda"), old.parent)
    for path in (tmp_path / "x-1-0.conda", old):
        found = files_of(path)
        found.pop("metadata.json", None)
        assert found == files
        report = verify(path)
        assert (report.artifacts[0].kind, report.verdict) == ("conda", Verdict.FAIL)
        assert {f.path for f in report.findings if f.severity == "error"} == {
            f"{path}!lib/libbad.so"
        }
