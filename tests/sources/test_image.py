"""Container images are judged as their containers would see them."""

import bz2
import gzip
import hashlib
import io
import json
import lzma
import tarfile
import tempfile
import zipfile
from collections.abc import Generator
from pathlib import Path
from typing import cast

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from kinspect import Limits, Unreadable, Verdict, inspect, verify
from kinspect.sources import Member, Part, open_source
from tests.conftest import SAMPLES
from tests.writers import images
from tests.writers.images import DIRECTORY, Layout, Link, layer

GOOD = (SAMPLES / "per_tu_both.so").read_bytes()
BAD = (SAMPLES / "per_tu_one_lacks.so").read_bytes()

GZIP = {"compress": images.gzipped, "suffix": "+gzip"}
ZSTD = {"compress": zstandard.compress, "suffix": "+zstd"}

#: how an image of some layers is written → a function of the layers
ARCHIVES = {
    "docker 24": lambda layers: images.tar(images.saved_by_docker_24(layers)),
    "docker 25": lambda layers: images.tar(images.saved_by_docker_25(layers)),
    "oci": lambda layers: images.tar(images.oci(layers)),
    "oci gzip": lambda layers: images.tar(images.oci(layers, **GZIP)),
    "oci zstd": lambda layers: images.tar(images.oci(layers, **ZSTD)),
    "oci.tar.gz": lambda layers: gzip.compress(images.tar(images.oci(layers, **GZIP))),
    "oci.tar.bz2": lambda layers: bz2.compress(images.tar(images.oci(layers))),
    "docker 24.tar.xz": lambda layers: lzma.compress(
        images.tar(images.saved_by_docker_24(layers))
    ),
    "docker 25.tar.zst": lambda layers: zstandard.compress(
        images.tar(images.saved_by_docker_25(layers))
    ),
}


def write(path, data):
    """An archive, or a directory of files."""
    if isinstance(data, bytes):
        path.write_bytes(data)
        return path
    for name, content in data.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def read(path, **options):
    """The files of a source by what follows its path, and what could not be read."""
    source = open_source(path, **options)
    found, broken = {}, []
    for part in source.members():
        if isinstance(part, Member):
            name = part.path.removeprefix(f"{path}!")
            assert name not in found
            found[name] = bytes(part.view.bytes())
        else:
            assert isinstance(part, Unreadable)
            broken.append(part)
    assert source.kind == "image"
    return found, broken


def view(tmp_path, *layers, **options):
    """What a container of these layers sees, by way of an archive and of a directory."""
    files = images.oci(map(layer, layers), **options)
    found, broken = read(write(tmp_path / "image.tar", images.tar(files)))
    again, still = read(write(tmp_path / "layout", files))
    assert found == again
    assert [part.message for part in broken] == [part.message for part in still]
    return found, broken


# --- forms ----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ARCHIVES)
def test_every_form_gives_the_final_files(tmp_path, form):
    layers = [
        layer({"opt/": DIRECTORY, "opt/a.so": b"old", "opt/b.so": b"gone", "c.so": b"c"}),
        layer({"opt/a.so": b"new", "opt/.wh.b.so": b""}),
    ]
    path = write(tmp_path / "x", ARCHIVES[form](layers))
    assert read(path) == ({"opt/a.so": b"new", "c.so": b"c"}, [])
    assert inspect(path).kind == "image"


@pytest.mark.parametrize("form", ARCHIVES)
def test_an_image_is_judged_by_what_remains(tmp_path, form):
    host = (SAMPLES / "host_only.so").read_bytes()
    bad = layer({"lib/x.so": BAD, "lib/host.so": host})
    path = tmp_path / "image"
    for layers, verdict in {
        (bad,): Verdict.FAIL,
        (bad, layer({"lib/x.so": GOOD})): Verdict.PASS,
        (bad, layer({"lib/.wh.x.so": b"", "y.so": GOOD})): Verdict.PASS,
        (layer({"lib/x.so": GOOD}), bad): Verdict.FAIL,
        (bad, layer({"lib/.wh..wh..opq": b"", "lib/y.so": GOOD})): Verdict.PASS,
        (layer({"lib/x.so": GOOD}), layer({".wh.lib": b""})): Verdict.UNKNOWN,
        # host-only binaries are left, and the library is gone
        (layer({"lib/x.so": GOOD, "h.so": host}), layer({".wh.lib": b""})): Verdict.FAIL,
    }.items():
        report = verify(write(path, ARCHIVES[form](layers)))
        assert report.verdict is verdict, layers


def test_a_directory_of_docker_save_is_an_image(tmp_path):
    files = images.saved_by_docker_24(
        [layer({"a": b"a"}), layer({".wh.a": b"", "b": b"b"})]
    )
    path = tmp_path / "x"
    path.mkdir()
    with tarfile.open(fileobj=io.BytesIO(images.tar(files))) as archive:
        archive.extractall(path, filter="data")
    assert read(path) == ({"b": b"b"}, [])


def test_names_of_other_tools(tmp_path):
    """As go-containerregistry (crane, kaniko) and jib call the files of an archive."""
    plain = [layer({"a": b"1"}), layer({"b": b"2"})]
    packed = [images.gzipped(one) for one in plain]
    config = images.jsoned({"rootfs": {"diff_ids": [images.digest(one) for one in plain]}})
    layers = {f"{hashlib.sha256(one).hexdigest()}.tar.gz": one for one in packed}
    for name in (images.digest(config), "config.json"):
        listed = {"Config": name, "RepoTags": None, "Layers": list(layers)}
        files = {name: config, **layers, "manifest.json": images.jsoned([listed])}
        for compress in (bytes, gzip.compress):
            path = write(tmp_path / "x", compress(images.tar(files)))
            assert read(path) == ({"a": b"1", "b": b"2"}, [])


def test_layers_that_repeat_are_links_in_old_archives(tmp_path):
    one = layer({"a": b"1"})
    files = images.saved_by_docker_24([one, layer({"a": b"2"}), one])
    assert sum(isinstance(content, Link) for content in files.values()) == 1
    assert read(write(tmp_path / "x", images.tar(files))) == ({"a": b"1"}, [])


def test_an_image_in_a_directory_and_in_an_archive_is_one(tmp_path):
    files = images.oci([layer({"a": b"1", "b": b"2"}), layer({".wh.a": b""})])
    (tmp_path / "dist").mkdir()
    write(tmp_path / "dist/layout", files)
    write(tmp_path / "dist/image.tar", images.tar(files))
    with zipfile.ZipFile(tmp_path / "dist/x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.tar.gz", gzip.compress(images.tar(files)))
    paths = [
        part.path.removeprefix(f"{tmp_path}/dist/")
        for part in open_source(tmp_path / "dist").members()
        if isinstance(part, Member)
    ]
    assert paths == ["image.tar!b", "layout!b", "x.zip!inner.tar.gz!b"]
    assert inspect(tmp_path / "dist").kind == "directory"


def test_archives_in_an_image_are_opened(tmp_path):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("pkg/lib.so", BAD)
    path = write(
        tmp_path / "x", images.tar(images.oci([layer({"w/x.whl": data.getvalue()})]))
    )
    (finding,) = [f for f in verify(path).findings if f.severity == "error"]
    assert finding.path == f"{path}!w/x.whl!pkg/lib.so"


# --- layers ---------------------------------------------------------------------------------


def test_whiteouts_hide_what_lies_below_them_only(tmp_path):
    found, broken = view(
        tmp_path,
        {"a/x": b"1", "a/y": b"1", "b/x": b"1", "c": b"1"},
        {"a/.wh.x": b"", "a/x": b"2", ".wh.b": b"", "b/new": b"2"},
        {".wh.c": b""},
        {"c": b"4"},
    )
    assert (found, broken) == ({"a/x": b"2", "a/y": b"1", "b/new": b"2", "c": b"4"}, [])


def test_an_opaque_directory_keeps_what_its_own_layer_has(tmp_path):
    # the mark may stand before or after the files
    for order in (1, -1):
        files = [("d/.wh..wh..opq", b""), ("d/new", b"2"), ("d/sub/deep", b"2")][::order]
        found, _ = view(tmp_path, {"d/old": b"1", "d/sub/old": b"1", "e": b"1"}, files)
        assert found == {"d/new": b"2", "d/sub/deep": b"2", "e": b"1"}


def test_an_opaque_mark_is_in_a_directory_that_replaces_a_file(tmp_path):
    found, _ = view(tmp_path, {"d": b"1", "e/d": b"1"}, {"d/.wh..wh..opq": b""})
    assert found == {"e/d": b"1"}
    found, _ = view(tmp_path, {"e": b"1", "d": b"1"}, {"e/d/.wh..wh..opq": b""})
    assert found == {"d": b"1"}


def test_an_opaque_root_hides_everything_below(tmp_path):
    found, _ = view(tmp_path, {"a": b"1", "d/b": b"1"}, {".wh..wh..opq": b"", "c": b"2"})
    assert found == {"c": b"2"}


@pytest.mark.parametrize(
    "upper",
    [b"file", Link("elsewhere", symbolic=True), None],
    ids=["file", "link", "device"],
)
def test_what_replaces_a_directory_hides_its_files(tmp_path, upper):
    found, _ = view(tmp_path, {"d/a": b"1", "d/e/b": b"1", "dx": b"1"}, {"d": upper})
    assert found == ({"d": b"file"} if upper == b"file" else {}) | {"dx": b"1"}


def test_a_directory_replaces_a_file_and_keeps_a_directory(tmp_path):
    lower = {"a": b"1", "b/x": b"1", "c": b"1"}
    found, _ = view(tmp_path, lower, {"a/": DIRECTORY, "b/": DIRECTORY, "c/y": b"2"})
    assert found == {"b/x": b"1", "c/y": b"2"}


def test_a_deleted_directory_that_comes_back_is_empty(tmp_path):
    found, _ = view(tmp_path, {"d/a": b"1"}, {".wh.d": b""}, {"d/": DIRECTORY, "d/b": b"3"})
    assert found == {"d/b": b"3"}


def test_a_file_between_two_directories_hides_the_lower(tmp_path):
    found, _ = view(tmp_path, {"d/a": b"1"}, {"d": b"2"}, {"d/": DIRECTORY, "d/b": b"3"})
    assert found == {"d/b": b"3"}


def test_hard_links_are_one_file(tmp_path):
    found, broken = view(tmp_path, {"a": b"1", "b": Link("a"), "c": Link("b")})
    assert (found, broken) == ({"a": b"1"}, [])


@pytest.mark.parametrize("form", [GZIP, ZSTD, {}])
def test_a_file_stays_while_any_of_its_names_does(tmp_path, form):
    lower = {"a": b"1", "b": Link("a"), "c": Link("b"), "z": b"z"}
    found, broken = view(tmp_path, lower, {".wh.a": b""}, **form)
    assert (found, broken) == ({"z": b"z", "b": b"1"}, [])
    found, broken = view(tmp_path, lower, {".wh.a": b"", ".wh.b": b""}, **form)
    assert (found, broken) == ({"z": b"z", "c": b"1"}, [])
    upper = {".wh.a": b"", ".wh.b": b"", ".wh.c": b""}
    assert view(tmp_path, lower, upper, **form) == ({"z": b"z"}, [])


def test_a_link_to_what_is_not_in_its_layer_is_told(tmp_path):
    found, broken = view(tmp_path, {"a": b"1"}, {"b": Link("a")})
    assert found == {"a": b"1"}
    assert ["which is not in this layer" in part.message for part in broken] == [True]
    assert broken[0].where.path.endswith("image.tar!b")


def test_links_in_a_circle_end(tmp_path):
    found, broken = view(tmp_path, {"a": Link("b"), "b": Link("a"), "c": b"1"})
    assert (found, broken) == ({"c": b"1"}, [])


def test_names_are_taken_from_the_root(tmp_path):
    found, broken = view(
        tmp_path, {"/abs": b"1", "./dot/./x": b"1", "gone": b"1"}, {"./.wh.gone": b""}
    )
    assert (found, broken) == ({"abs": b"1", "dot/x": b"1"}, [])


def test_what_aufs_keeps_for_itself_is_not_seen(tmp_path):
    kept = ".wh..wh.plnk/12.34"
    found, broken = view(
        tmp_path, {".wh..wh.aufs": b"", kept: b"1", "a": Link(kept), "b": Link(kept)}
    )
    assert (found, broken) == ({"a": b"1"}, [])


@pytest.mark.parametrize(
    "name", ["../up.so", "a/../../up.so", "a/..", ".wh..", "a/.wh...", ".wh."]
)
def test_names_that_lead_outside_are_told(tmp_path, name):
    path = write(tmp_path / "x", images.tar(images.oci([layer({"a.so": GOOD, name: BAD})])))
    found, broken = read(path)
    assert found == {"a.so": GOOD}
    assert [part.where.path for part in broken] == [f"{path}!{name}"]
    assert verify(path).verdict is Verdict.UNKNOWN


def test_a_name_that_stands_twice_in_a_layer_is_told(tmp_path):
    _, broken = view(tmp_path, [("a", b"1"), ("a", b"2")])
    assert ["more than once" in part.message for part in broken] == [True]
    # directories may be told of as often as a tool likes
    assert view(tmp_path, [("d/", DIRECTORY), ("d/", DIRECTORY), ("d/a", b"1")])[1] == []


@pytest.mark.parametrize("form", [GZIP, ZSTD, {}])
def test_a_layer_may_lack_its_end_but_no_bytes(tmp_path, form):
    """As umoci writes it: neither zeros at the end nor the padding of the last file."""
    data = layer({"a": b"1", "b.so": b"\x7fELF" + bytes(2000)})
    at = data.index(b"\x7fELF")
    for end in (at + 2004, at + 2048, at + 2048 + 512):
        files = images.oci([data[:end]], **form)
        assert read(write(tmp_path / "x", images.tar(files))) == (
            {"a": b"1", "b.so": b"\x7fELF" + bytes(2000)},
            [],
        )
    assert read(write(tmp_path / "x", images.tar(images.oci([b""], **form)))) == ({}, [])
    for end in (at - 1, at - 500, at, at + 1, at + 1000, at + 2003):
        found, broken = read_any(
            write(tmp_path / "x", images.tar(images.oci([data[:end]], **form)))
        )
        assert len(found) == 1 + len(broken), end
        assert broken, end


@pytest.mark.parametrize(
    ("name", "deleted"),
    [(".wh..hidden", ".hidden"), (".wh..wh", ".wh"), (".wh..wha", ".wha"),
     ("d/.wh..wh.x", "d/.wh.x"), ("d/.wh..wh.aufs", "d/.wh.aufs"), (".wh.x", "x"),
     ("d/.wh..opq", "d/.opq")],
)  # fmt: skip
def test_a_whiteout_deletes_what_its_name_says(tmp_path, name, deleted):
    """AUFS keeps `.wh..wh.` at the root for itself; below, it is a whiteout like others."""
    lower = {deleted: b"1", f"{deleted}y": b"2"}
    if ".wh." in deleted:  # no layer can hold such a file: the mark alone must do no harm
        lower = {"x": b"1"}
    expected = {key: content for key, content in lower.items() if key != deleted}
    assert view(tmp_path, lower, {name: b""}) == (expected, [])


@pytest.mark.parametrize("name", [".wh..wh.x", ".wh..wh..", ".wh..wh.plnk/a/b"])
def test_what_starts_like_a_mark_of_aufs_deletes_nothing(tmp_path, name):
    lower = {".wh.x": b"no whiteout of the base", "x": b"1", "a": b"2"}
    found, broken = view(tmp_path, {"x": b"1", "a": b"2"}, {name: b""})
    assert (found, broken) == ({"x": b"1", "a": b"2"}, [])
    assert lower


NAMES = st.sampled_from(["a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "e", "e/a"])
MARKS = st.sampled_from([".wh.a", ".wh.d", "d/.wh.a", "d/.wh.e", "d/.wh..wh..opq", ".wh.e"])


@st.composite
def layers_of(draw):
    """Layers without contradictions: no name twice, nothing below a file."""
    found: list[dict[str, bytes]] = []
    for _ in range(draw(st.integers(1, 4))):
        one: dict[str, bytes] = {}
        for name in draw(st.lists(NAMES, max_size=5, unique=True)):
            parents = {name[:n] for n, c in enumerate(name) if c == "/"}
            inside = any(other.startswith(f"{name}/") for other in one)
            if not parents & one.keys() and not inside:
                one[name] = str(len(found)).encode() + name.encode()
        for name in draw(st.lists(MARKS, max_size=2, unique=True)):
            if name.rpartition("/")[0] not in one:
                one[name] = b""
        found.append(one)
    return found


def applied(layers):
    """The final view by another way: from the base upwards, as the spec tells it."""
    view: dict[str, bytes] = {}
    for one in layers:
        for name in one:
            directory, _, base = name.rpartition("/")
            inside = f"{directory}/" if directory else ""
            if base == ".wh..wh..opq":
                view = {p: c for p, c in view.items() if not p.startswith(inside)}
            elif base.startswith(".wh."):
                gone = inside + base[4:]
                view = {p: c for p, c in view.items() if f"{p}/".find(f"{gone}/") != 0}
        for name, content in one.items():
            parents = {name[:n] for n, c in enumerate(name) if c == "/"}
            view = {p: c for p, c in view.items() if p not in parents}
            if ".wh." not in name:
                view = {p: c for p, c in view.items() if f"{p}/".find(f"{name}/") != 0}
                view[name] = content
    return view


@given(layers_of())
def test_top_down_is_the_same_as_bottom_up(tmp_path_factory, layers):
    path = tmp_path_factory.mktemp("layers") / "x.tar"
    path.write_bytes(images.tar(images.oci(map(layer, layers))))
    assert read(path) == (applied(layers), [])


# --- several images -------------------------------------------------------------------------


def two_platforms(layout=None, **named):
    layout = layout or Layout()
    amd64 = layout.image([layer({"x.so": GOOD})], platform="linux/amd64")
    arm64 = layout.image([layer({"x.so": BAD})], platform="linux/arm64/v8")
    return layout, amd64, arm64


def test_each_platform_is_judged_and_named(tmp_path):
    layout, amd64, arm64 = two_platforms()
    statement = layout.image([layer({"y.so": BAD})], platform="unknown/unknown")
    files = layout.done(layout.index([amd64, arm64, statement]))
    path = write(tmp_path / "x.tar", images.tar(files))
    assert read(path) == ({"linux/amd64!x.so": GOOD, "linux/arm64/v8!x.so": BAD}, [])
    report = verify(path)
    assert report.verdict is Verdict.FAIL
    assert {f.path for f in report.findings if f.severity == "error"} == {
        f"{path}!linux/arm64/v8!x.so"
    }
    assert verify(path, exclude=("linux/arm64*",)).verdict is Verdict.PASS


def test_an_attestation_is_no_image(tmp_path):
    layout, amd64, _ = two_platforms()
    statement = layout.image([b"{}"], media_type="application/vnd.in-toto+json")
    statement["annotations"] = {"vnd.docker.reference.type": "attestation-manifest"}
    path = write(
        tmp_path / "x.tar", images.tar(layout.done(layout.index([amd64, statement])))
    )
    assert read(path) == ({"x.so": GOOD}, [])


def test_names_tell_images_apart(tmp_path):
    layout = Layout()
    one = layout.image([layer({"a": b"1"})])
    two = layout.image([layer({"a": b"2"})])
    key = "org.opencontainers.image.ref.name"
    files = layout.done(
        one | {"annotations": {key: "v1"}}, two | {"annotations": {key: "v2"}}
    )
    assert read(write(tmp_path / "x", images.tar(files)))[0] == {"v1!a": b"1", "v2!a": b"2"}
    # without names, the digests of their configurations tell them apart
    found = read(write(tmp_path / "x", images.tar(layout.done(one, two))))[0]
    manifests = [
        json.loads(layout.files[f"blobs/{image['digest'].replace(':', '/')}"])
        for image in (one, two)
    ]
    labels = [manifest["config"]["digest"][: len("sha256:") + 12] for manifest in manifests]
    assert found == {f"{labels[0]}!a": b"1", f"{labels[1]}!a": b"2"}


def test_names_and_platforms(tmp_path):
    layout, amd64, arm64 = two_platforms()
    key = "io.containerd.image.name"
    other = layout.image([layer({"z": b"z"})])
    files = layout.done(
        layout.index([amd64, arm64], annotations={key: "example.com/a:1"}),
        other | {"annotations": {key: "example.com/b:1"}},
    )
    assert set(read(write(tmp_path / "x", images.tar(files)))[0]) == {
        "example.com/a:1!linux/amd64!x.so",
        "example.com/a:1!linux/arm64/v8!x.so",
        "example.com/b:1!linux/amd64!z",
    }


def test_one_name_of_all_images_tells_nothing(tmp_path):
    layout, amd64, arm64 = two_platforms()
    key = "org.opencontainers.image.ref.name"
    index = layout.index([amd64, arm64], annotations={key: "v1"})
    found, _ = read(write(tmp_path / "x", images.tar(layout.done(index))))
    assert set(found) == {"linux/amd64!x.so", "linux/arm64/v8!x.so"}


def test_images_that_name_and_platform_do_not_tell_apart_have_their_digests(tmp_path):
    layout = Layout()
    key = "org.opencontainers.image.ref.name"
    three = [layout.image([layer({name: b"1"})]) for name in "abc"]
    files = layout.done(
        *(one | {"annotations": {key: "v1"}} for one in three[:2]),
        three[2] | {"annotations": {key: "v2"}},
    )
    found, _ = read(write(tmp_path / "x", images.tar(files)))
    configs = [
        json.loads(layout.files[f"blobs/{one['digest'].replace(':', '/')}"])["config"]
        for one in three
    ]
    labels = [one["digest"][: len("sha256:") + 12] for one in configs]
    assert set(found) == {f"v1!{labels[0]}!a", f"v1!{labels[1]}!b", "v2!c"}
    # one without a name among those that have some
    files = layout.done(three[0], three[1] | {"annotations": {key: "v1"}})
    found, _ = read(write(tmp_path / "x", images.tar(files)))
    assert set(found) == {f"{labels[0]}!a", "v1!b"}


def test_what_can_not_be_read_has_no_label(tmp_path):
    layout, amd64, arm64 = two_platforms()
    gone = layout.described(b"{", images.MANIFEST)
    files = layout.done(amd64, gone, arm64)
    found, broken = read(write(tmp_path / "x", images.tar(files)))
    assert set(found) == {"linux/amd64!x.so", "linux/arm64/v8!x.so"}
    assert ["JSON" in part.message for part in broken] == [True]


def test_the_platform_is_that_of_the_index_or_else_of_the_configuration(tmp_path):
    layout, amd64, arm64 = two_platforms()
    named = amd64 | {"platform": {"os": "linux", "architecture": "amd64", "variant": "v3"}}
    del arm64["platform"]
    found, _ = read(write(tmp_path / "x", images.tar(layout.done(named, arm64))))
    assert set(found) == {"linux/amd64/v3!x.so", "linux/arm64/v8!x.so"}


def test_two_tags_of_one_image_are_one_image(tmp_path):
    layout, amd64, _ = two_platforms()
    key = "org.opencontainers.image.ref.name"
    files = layout.done(*(amd64 | {"annotations": {key: tag}} for tag in ("latest", "v1")))
    assert read(write(tmp_path / "x", images.tar(files))) == ({"x.so": GOOD}, [])


def test_platforms_that_were_not_saved_are_no_part_of_the_archive(tmp_path):
    layout, amd64, arm64 = two_platforms()
    files = layout.done(layout.index([amd64, arm64]))
    del files[f"blobs/{arm64['digest'].replace(':', '/')}"]
    path = write(tmp_path / "x", images.tar(files))
    assert read(path) == ({"x.so": GOOD}, [])
    del files[f"blobs/{amd64['digest'].replace(':', '/')}"]
    found, broken = read(write(tmp_path / "x", images.tar(files)))
    assert found == {}
    assert len(broken) == 2


def test_what_the_old_list_names_beside_the_index_is_judged_too(tmp_path):
    files = images.saved_by_docker_25([layer({"a": b"1"})])
    other = images.saved_by_docker_24([layer({"b": b"2"})], tag="y:2")
    lists = [json.loads(one["manifest.json"])[0] for one in (files, other)]
    both = {**other, **files, "manifest.json": images.jsoned(lists)}
    assert read(write(tmp_path / "x", images.tar(both)))[0] == {
        "docker.io/library/x:1!a": b"1",
        "y:2!b": b"2",
    }


# --- what can't be read ---------------------------------------------------------------------


def spoiled(files, name, change):
    return {**files, name: change(files[name])}


def flip(data):
    return data[:-1] + bytes([data[-1] ^ 1])


def test_bytes_that_are_not_those_of_the_digest_are_told(tmp_path):
    good = layer({"a.so": GOOD})
    files = images.oci([good, layer({"b": b"b"})])
    for name in files:
        if name.startswith("blobs/"):
            path = write(tmp_path / "x", images.tar(spoiled(files, name, flip)))
            _, broken = read(path)
            assert [part.where.path for part in broken] == [f"{path}!{name}"]
            assert "the bytes have the sha256" in broken[0].message
            assert verify(path).verdict is Verdict.UNKNOWN


def test_sha512_is_known_and_others_are_told(tmp_path):
    layout = Layout()
    data = layer({"a": b"1"})
    image = layout.image([data])
    name = f"blobs/{image['digest'].replace(':', '/')}"
    manifest = json.loads(layout.files.pop(name))
    sha512 = hashlib.sha512(data).hexdigest()
    layout.files[f"blobs/sha512/{sha512}"] = layout.files.pop(images.blob(data))
    manifest["layers"][0]["digest"] = f"sha512:{sha512}"
    described = layout.described(images.jsoned(manifest), images.MANIFEST)
    path = tmp_path / "x"
    assert read(write(path, images.tar(layout.done(described)))) == ({"a": b"1"}, [])
    manifest["layers"][0]["digest"] = "md5:00"
    described = layout.described(images.jsoned(manifest), images.MANIFEST)
    _, broken = read(write(path, images.tar(layout.done(described))))
    assert ["expected sha256 or sha512" in part.message for part in broken] == [True]


def test_a_layer_of_an_old_archive_is_held_to_its_diff_id(tmp_path):
    for compress in (bytes, gzip.compress):
        files = images.saved_by_docker_24([layer({"a": b"1"})])
        (name,) = [name for name in files if name.endswith("layer.tar")]
        files[name] = compress(files[name])
        path = write(tmp_path / "x", images.tar(files))
        assert read(path) == ({"a": b"1"}, [])
        files[name] = compress(layer({"a": b"2"}))
        _, broken = read(write(path, images.tar(files)))
        assert [part.where.path for part in broken] == [f"{path}!{name}"]


def test_a_layer_that_is_missing_is_told_and_the_others_are_read(tmp_path):
    gone = layer({"b": b"b"})
    for write_ in (images.oci, images.saved_by_docker_24, images.saved_by_docker_25):
        files = write_([layer({"a": b"1"}), gone])
        files = {name: content for name, content in files.items() if content != gone}
        path = write(tmp_path / "x", images.tar(files))
        found, broken = read(path)
        assert found == {"a": b"1"}
        assert [part.message for part in broken] == ["not in the archive"]


@pytest.mark.parametrize(
    "kind",
    [
        "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
        "application/vnd.in-toto+json",
        "application/vnd.oci.image.layer.v1.tarball",
        "application/x-squashfs",
    ],
)
def test_a_layer_of_another_kind_is_told(tmp_path, kind):
    path = write(
        tmp_path / "x", images.tar(images.oci([layer({"a": b"1"})], media_type=kind))
    )
    found, broken = read(path)
    assert found == {}
    assert [kind in part.message for part in broken] == [True]


@pytest.mark.parametrize(
    "kind",
    [
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    ],
)
def test_what_a_layer_is_compressed_by_its_bytes_tell(tmp_path, kind):
    for compress in (bytes, gzip.compress, zstandard.compress):
        files = images.oci([layer({"a": b"1"})], media_type=kind, compress=compress)
        assert read(write(tmp_path / "x", images.tar(files))) == ({"a": b"1"}, [])


def test_an_artifact_that_is_no_image_is_told(tmp_path):
    layout, amd64, _ = two_platforms()
    manifest = {
        "config": layout.described(b"{}", "application/vnd.cncf.helm.config.v1+json"),
        "layers": [],
    }
    chart = layout.described(images.jsoned(manifest), images.MANIFEST)
    found, broken = read(write(tmp_path / "x", images.tar(layout.done(amd64, chart))))
    assert found == {"x.so": GOOD}
    assert [part.message for part in broken] == [
        "no container image (application/vnd.cncf.helm.config.v1+json), not judged"
    ]


@pytest.mark.parametrize("cut", ["index.json", "manifest.json"])
@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"[1]", b'{"manifests": 1}', b"\xff"])
def test_damaged_lists_never_pass(tmp_path, cut, damage):
    files = images.saved_by_docker_25([layer({"a.so": GOOD})])
    assert verify(write(tmp_path / "x", images.tar(files))).verdict is Verdict.PASS
    del files["manifest.json" if cut == "index.json" else "index.json"]
    files[cut] = damage
    report = verify(write(tmp_path / "x", images.tar(files)))
    assert report.verdict is not Verdict.PASS


def test_names_that_lead_out_of_the_layout_are_told(tmp_path):
    (tmp_path / "secret").write_bytes(layer({"x.so": GOOD}))
    for name in ("../secret", f"{tmp_path}/secret", "a/../../secret"):
        files = images.saved_by_docker_24([layer({"a": b"1"})])
        (listed,) = json.loads(files["manifest.json"])
        listed["Layers"] = [name]
        files["manifest.json"] = images.jsoned([listed])
        path = tmp_path / "layout"
        path.mkdir(exist_ok=True)
        for each in ("manifest.json", listed["Config"]):
            (path / each).write_bytes(files[each])
        found, broken = read(path)
        assert found == {}
        assert ["leads outside" in part.message for part in broken] == [True]


@pytest.mark.parametrize(
    "files",
    [
        {"a/layer.tar": "b/layer.tar", "b/layer.tar": "a/layer.tar"},
        {"a/layer.tar": "../../layer.tar"},
        {"a/layer.tar": "../b"},
    ],
    ids=["circle", "out", "directory"],
)
@pytest.mark.parametrize("symbolic", [True, False])
def test_a_layer_that_is_a_link_to_nowhere_is_told(tmp_path, files, symbolic):
    written_ = images.saved_by_docker_24([layer({"a": b"1"})])
    (listed,) = json.loads(written_["manifest.json"])
    listed["Layers"] = ["a/layer.tar"]
    links = {
        name: Link(f"../{target}" if symbolic and "/" in target[:2] else target, symbolic)
        for name, target in files.items()
    }
    data = {"b/": DIRECTORY, listed["Config"]: written_[listed["Config"]], **links,
            "manifest.json": images.jsoned([listed])}  # fmt: skip
    found, broken = read(write(tmp_path / "x", images.tar(data)))
    assert found == {}
    assert [part.message for part in broken] == ["not in the archive"]


@pytest.mark.parametrize("hops", [1, 7, 8])
@pytest.mark.parametrize("symbolic", [True, False])
def test_a_layer_may_be_a_link_of_some_links(tmp_path, hops, symbolic):
    files = images.saved_by_docker_24([layer({"a": b"1"})])
    (listed,) = json.loads(files["manifest.json"])
    target = listed["Layers"][0]
    links = {}
    for number in range(hops):
        links[f"link{number}"] = Link(target, symbolic)
        target = f"link{number}"
    listed["Layers"] = [target]
    data = {**files, **links, "manifest.json": images.jsoned([listed])}
    found, broken = read(write(tmp_path / "x", images.tar(data)))
    # eight names may be looked at: seven links and what they lead to
    assert (found, len(broken)) == (({"a": b"1"}, 0) if hops < 8 else ({}, 1))


def test_a_file_with_holes_is_no_layer(tmp_path):
    """Where its bytes lie, the tar of the archive does not say in one place."""
    files = images.saved_by_docker_24([layer({"a": b"1"})])
    (name,) = (name for name in files if name.endswith("layer.tar"))
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for each, content in files.items():
            info = tarfile.TarInfo(each.rstrip("/"))
            body = b"" if content is DIRECTORY else content
            info.type = tarfile.DIRTYPE if content is DIRECTORY else tarfile.REGTYPE
            info.size = len(body)
            if each == name:
                info.pax_headers = {
                    "GNU.sparse.major": "0", "GNU.sparse.minor": "1",
                    "GNU.sparse.size": str(len(body)), "GNU.sparse.numblocks": "1",
                    "GNU.sparse.map": f"0,{len(body)}",
                }  # fmt: skip
            archive.addfile(info, io.BytesIO(body))
    found, broken = read(write(tmp_path / "x", data.getvalue()))
    assert found == {}
    assert [part.message for part in broken] == ["not in the archive"]


def test_a_blob_that_is_missing_in_a_directory_is_told(tmp_path):
    gone = layer({"b": b"b"})
    files = images.oci([layer({"a": b"1"}), gone])
    del files[images.blob(gone)]
    found, broken = read(write(tmp_path / "x", files))
    assert found == {"a": b"1"}
    assert [part.message for part in broken] == ["not in the directory"]


def test_a_platform_by_a_digest_that_is_none_is_told(tmp_path):
    """It can't be looked for, so that nobody knows whether it was saved."""
    layout, amd64, arm64 = two_platforms()
    for digest in ("md5:00", "sha256:XYZ", "", "sha256:"):
        index = layout.index([amd64, arm64 | {"digest": digest}])
        path = write(tmp_path / "x", images.tar(layout.done(index)))
        found, broken = read(path)
        assert found == {"x.so": GOOD}
        assert broken[0].where.path == f"{path}!linux/arm64/v8"
        assert ["expected sha256 or sha512" in part.message for part in broken] == [True]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "neither an index nor a manifest, or both"),
        ({"manifests": [], "layers": []}, "neither an index nor a manifest, or both"),
        ({"layers": []}, "no container image (no configuration), not judged"),
    ],
)
def test_a_document_of_an_image_is_an_index_or_a_manifest(tmp_path, document, message):
    layout, amd64, _ = two_platforms()
    odd = layout.described(images.jsoned(document), images.MANIFEST)
    found, broken = read(write(tmp_path / "x", images.tar(layout.done(amd64, odd))))
    assert found == {"x.so": GOOD}
    assert [part.message for part in broken] == [message]


def test_a_configuration_of_an_old_archive_is_held_to_its_name(tmp_path):
    files = images.saved_by_docker_24([layer({"a": b"1"})])
    (listed,) = json.loads(files["manifest.json"])
    files[listed["Config"]] += b" "
    found, (told,) = read(write(tmp_path / "x", images.tar(files)))
    assert found == {}
    assert "the bytes have the sha256" in told.message


def test_an_old_archive_has_as_many_layers_as_its_configuration_names(tmp_path):
    files = images.saved_by_docker_24([layer({"a": b"1"})])
    (listed,) = json.loads(files["manifest.json"])
    for layers in (listed["Layers"][:0], listed["Layers"] * 2):
        files["manifest.json"] = images.jsoned([listed | {"Layers": layers}])
        found, (told,) = read(write(tmp_path / "x", images.tar(files)))
        assert found == {}
        assert told.message == f"{len(layers)} layers, the configuration names 1"


def test_a_blob_has_the_size_that_its_descriptor_says(tmp_path):
    layout = Layout()
    image = layout.image([layer({"a": b"1"})])
    files = layout.done(image | {"size": image["size"] + 1})
    found, (told,) = read(write(tmp_path / "x", images.tar(files)))
    assert found == {}
    assert told.message == f"{image['size']} bytes, its descriptor says {image['size'] + 1}"
    del image["size"]  # the digest alone is enough
    assert read(write(tmp_path / "x", images.tar(layout.done(image))))[0] == {"a": b"1"}


def test_a_layout_without_its_index_is_told(tmp_path):
    files = images.oci([layer({"a.so": GOOD})])
    del files["index.json"]
    found, broken = read(write(tmp_path / "x", images.tar(files)))
    assert (found, len(broken)) == ({}, 1)
    assert broken[0].message == "not in the archive"


def test_an_index_counts_without_the_mark_of_a_layout(tmp_path):
    files = images.saved_by_docker_25([layer({"a": b"1"})])
    other = Layout()
    image = other.image([layer({"b": b"2"})])
    more = other.done(image)
    index = json.loads(files["index.json"])
    index["manifests"] += json.loads(more["index.json"])["manifests"]
    both = {**more, **files, "index.json": images.jsoned(index)}
    del both["oci-layout"]
    found, broken = read(write(tmp_path / "x", images.tar(both)))
    assert sorted(content for content in found.values()) == [b"1", b"2"]
    assert broken == []


def test_more_manifests_than_the_limit_of_layers(tmp_path):
    layout = Layout()
    many = [layout.image([layer({name: b"1"})]) for name in "abcd"]
    path = write(tmp_path / "x", images.tar(layout.done(*many)))
    assert len(read(path, limits=Limits(layers=4))[0]) == 4
    found, broken = read(path, limits=Limits(layers=3))
    assert len(found) == 3
    assert [part.limit for part in broken] == ["layers"]


def test_an_index_without_its_list_is_told(tmp_path):
    files = {**Layout().done(), "index.json": b"{}"}
    _, broken = read(write(tmp_path / "x", images.tar(files)))
    assert [part.message for part in broken] == ["no list of manifests"]


def test_what_can_not_be_read_may_be_excluded(tmp_path):
    files = images.oci([layer({"a": b"1"})])
    bad = {"digest": images.digest(b"gone"), "mediaType": images.MANIFEST}
    files["index.json"] = images.jsoned(
        {"manifests": [*json.loads(files["index.json"])["manifests"], bad]}
    )
    path = write(tmp_path / "x", images.tar(files))
    assert len(read(path)[1]) == 1
    assert read(path, exclude=("blobs",)) == ({"a": b"1"}, [])


@pytest.mark.parametrize("diff_id", ["", "md5:00", "sha256"])
def test_a_layer_of_an_old_archive_has_a_digest_to_be_held_to(tmp_path, diff_id):
    files = images.saved_by_docker_24([layer({"a": b"1"})])
    (listed,) = json.loads(files["manifest.json"])
    config = images.jsoned({"rootfs": {"diff_ids": [diff_id]}})
    files["config.json"], listed["Config"] = config, "config.json"
    files["manifest.json"] = images.jsoned([listed])
    found, broken = read(write(tmp_path / "x", images.tar(files)))
    assert found == {"a": b"1"}
    expected = "the bytes have" if diff_id == "sha256" else "expected one of sha256"
    assert [expected in part.message for part in broken] == [True]


def test_an_old_archive_of_a_configuration_that_is_gone_is_told(tmp_path):
    files = images.saved_by_docker_24([layer({"a": b"1"})])
    (listed,) = json.loads(files["manifest.json"])
    other = images.saved_by_docker_24([layer({"b": b"2"})])
    lists = [listed | {"Config": "gone.json"}, *json.loads(other["manifest.json"])]
    files |= other | {"manifest.json": images.jsoned(lists)}
    found, broken = read(write(tmp_path / "x", images.tar(files)))
    assert found == {"b": b"2"}
    assert [part.message for part in broken] == ["not in the archive"]


def test_more_images_than_the_limit_of_layers(tmp_path):
    files = images.saved_by_docker_24([layer({"a": b"1"})])
    lists = json.loads(files["manifest.json"]) * 3
    path = write(
        tmp_path / "x", images.tar({**files, "manifest.json": images.jsoned(lists)})
    )
    assert read(path, limits=Limits(layers=3)) == ({"a": b"1"}, [])
    _, broken = read(path, limits=Limits(layers=2))
    assert [part.limit for part in broken] == ["layers"]


def test_as_many_layers_as_the_configuration_names(tmp_path):
    layout = Layout()
    image = layout.image([layer({"a": b"1"})], rootfs={"type": "layers", "diff_ids": []})
    _, broken = read(write(tmp_path / "x", images.tar(layout.done(image))))
    assert ["1 layers, the configuration names 0" in p.message for p in broken] == [True]


def test_an_image_without_layers_is_told(tmp_path):
    _, broken = read(write(tmp_path / "x", images.tar(images.oci([]))))
    assert [part.message for part in broken] == ["an image without layers"]


def test_an_index_of_itself_and_of_many_is_followed_once(tmp_path):
    layout, amd64, _ = two_platforms()
    nested = layout.index([amd64])
    for _ in range(12):
        nested = layout.index([nested] * 50)
    _, broken = read(write(tmp_path / "x", images.tar(layout.done(nested))))
    assert [part.limit for part in broken] == ["nesting"]
    nested = layout.index([amd64] * 100)
    found, broken = read(write(tmp_path / "x", images.tar(layout.done(*[nested] * 100))))
    assert (found, broken) == ({"x.so": GOOD}, [])


@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        (Limits(layers=1), "layers"),
        (Limits(manifest=100), "manifest"),
        (Limits(members=3), "members"),
        (Limits(ratio=2), "ratio"),
        (Limits(temporary=1000), "temporary"),
    ],
)
def test_limits_hold(tmp_path, limits, limit):
    layers = [
        layer({str(n): b"", f"{n}.so": b"\x7fELF" + bytes(100_000)}) for n in range(2)
    ]
    data = images.tar(images.oci(layers, **GZIP))
    if limit == "temporary":
        data = gzip.compress(data)
    _, broken = read_any(write(tmp_path / "x", data), limits=limits)
    assert limit in {part.limit for part in broken}


def read_any(path, **options):
    parts = list(open_source(path, **options).members())
    return parts, [part for part in parts if isinstance(part, Unreadable)]


@pytest.mark.parametrize("form", ARCHIVES)
def test_a_cut_image_never_passes(tmp_path, form):
    data = ARCHIVES[form]([layer({"lib/a.so": GOOD}), layer({"b": b"b"})])
    path = tmp_path / "x"
    assert verify(write(path, data)).verdict is Verdict.PASS
    end = len(data.rstrip(b"\0")) if "." not in form else len(data)
    for size in range(0, end, max(end // 25, 1)):
        assert verify(write(path, data[:size])).verdict is not Verdict.PASS, size


@given(st.sampled_from(sorted(ARCHIVES)), st.data())
def test_a_flipped_byte_ends_in_members_or_findings(tmp_path_factory, form, data):
    changed = bytearray(
        ARCHIVES[form]([layer({"d/a": b"1"}), layer({"d/.wh.a": b"", "c": b"1"})])
    )
    at = data.draw(st.integers(0, len(changed) - 1))
    changed[at] ^= data.draw(st.integers(1, 255))
    read_any(write(tmp_path_factory.mktemp("flip") / "x", bytes(changed)))


# --- compressed archives --------------------------------------------------------------------


def names(directory):
    return sorted(path.name for path in Path(directory).iterdir())


def test_a_temporary_file_has_no_name_and_goes_away(tmp_path, monkeypatch):
    """Whatever ends the reading: the last member, an error, or nobody asking any more."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    data = gzip.compress(images.tar(images.oci([layer({"a": b"1", "b": b"2"})])))
    path = write(tmp_path / "x", data)
    before = names("/proc/self/fd")
    for end in (list, lambda parts: (next(parts), parts.close())):
        parts = open_source(path).members()
        next(parts)
        assert names(tmp_path / "tmp") == []
        end(parts)
    parts = cast("Generator[Part]", open_source(path).members())
    next(parts)
    with pytest.raises(KeyboardInterrupt):
        parts.throw(KeyboardInterrupt)
    assert names("/proc/self/fd") == before
    assert names(tmp_path) == ["tmp", "x"]


def test_no_room_for_a_temporary_file_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    path = write(
        tmp_path / "x", gzip.compress(images.tar(images.oci([layer({"a": b"1"})])))
    )
    _, (part,) = read_any(path)
    assert "TMPDIR" in part.message
    assert part.where.path == str(path)


def test_a_tar_that_starts_like_an_image_and_is_none_is_a_tar(tmp_path):
    files = {"config.json": b"{}", "manifest.json": b"{}", "a.so": GOOD}
    path = write(tmp_path / "x", gzip.compress(images.tar(files)))
    assert {p.name for p in open_source(path).members() if isinstance(p, Member)} == set(
        files
    )
    assert inspect(path).kind == "tar"


@pytest.mark.parametrize("make", [images.saved_by_docker_24, images.oci])
def test_an_image_that_shows_itself_late_is_told(tmp_path, make):
    files = {"readme.txt": b"", **make([layer({"a.so": GOOD})])}
    path = write(tmp_path / "x", gzip.compress(images.tar(files)))
    assert verify(path).verdict is Verdict.UNKNOWN
    assert verify(write(path, images.tar(files))).verdict is Verdict.PASS
