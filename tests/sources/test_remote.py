"""What a URL leads to: judged by ranges, as the local file is, or not at all."""

import errno
import gzip
import io
import json
import random
import socket
import subprocess
import sys
import tarfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinspect import Limits, Verdict, inspect, inspect_many, verify
from kinspect.errors import InputError
from kinspect.inventory import Inventory
from kinspect.render import json as as_json
from tests.conftest import ROOT, SAMPLES
from tests.serving import serving
from tests.writers import wheels

pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")

from kinspect.sources import http, ranges, remote

BOTH = (SAMPLES / "deep_ep_both.so").read_bytes()
LACKS = (SAMPLES / "deep_ep_no_gfx950.so").read_bytes()


def noise(size):
    """Bytes that nothing can compress."""
    return random.Random(size).randbytes(size)


#: of a wheel: what HIP code is in, between large files of no interest
HIP = {
    "deep_ep/good.so": BOTH + noise(2_000_000),
    "deep_ep/lacks.so": LACKS + noise(900_000),
}
FILES = {
    **{f"deep_ep/{n}.py": b"import os\n" * n for n in range(40)},
    "deep_ep/a.bin": noise(2_500_000),
    **dict([*HIP.items()][:1]),
    "deep_ep/b.bin": noise(1_500_000),
    **dict([*HIP.items()][1:]),
    "deep_ep/c.bin": noise(1_200_000),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return wheels.build(tmp_path_factory.mktemp("wheel"), FILES)


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """No pauses, and no proxy between here and here."""
    monkeypatch.setattr(http, "PAUSE", 0.0)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server():
    with serving() as one:
        yield one


def same(server, path, url=None, **options):
    """Hold the report on a URL to that on the file."""
    url = url or server.url(path.name)
    here, there = verify(path, **options), verify(url, **options)
    told = as_json.report(there).replace(f'"uri": "{url}', '"uri": "@')
    told = told.replace(url, str(path)).replace('"@', f'"file://{path}')
    assert told == as_json.report(here)
    return there


def test_a_wheel_is_judged_by_the_members_that_matter(server, built):
    server.files[built.name] = built.read_bytes()
    report = same(server, built)
    assert report.verdict is Verdict.FAIL  # lacks.so
    with zipfile.ZipFile(built) as archive:
        matter = sum(archive.getinfo(name).compress_size for name in HIP)
    assert server.served < matter + 1_000_000
    assert server.served < len(server.files[built.name]) // 2
    assert len(server.asked) <= 8
    assert {wanted is not None for _, _, wanted in server.asked} == {True}


def test_an_audit_reads_a_wheel_once(server, built):
    server.files[built.name] = data = built.read_bytes()
    same(server, built, record=True)
    assert server.served < len(data) + 300_000
    assert len(server.asked) < 8


def tarred(**files):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


OTHERS = {
    "good.so": BOTH,
    "large.so": LACKS + noise(400_000),
    "librocshmem.a": (SAMPLES / "librocshmem.a").read_bytes(),
    "x.tar": tarred(**{"a/x.bin": noise(300_000), "a/good.so": BOTH}),
    "x.tar.gz": gzip.compress(tarred(**{"a/x.bin": noise(300_000), "a/lacks.so": LACKS})),
    "text": b"no binary",
    "empty": b"",
}


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "whole"])
@pytest.mark.parametrize("name", OTHERS)
def test_a_file_of_any_kind_is_judged_as_if_it_were_here(server, tmp_path, name, ranges):
    server.files[name], server.ranges = OTHERS[name], ranges
    path = tmp_path / name
    path.write_bytes(OTHERS[name])
    same(server, path)


def test_a_server_without_ranges_is_asked_once(server, built):
    server.files[built.name], server.ranges = built.read_bytes(), False
    same(server, built)
    assert len(server.asked) == 1


def test_a_server_may_give_less_than_it_is_asked_for(server, built):
    def less(_, answer):
        if answer["status"] == 206:
            answer["body"] = answer["body"][:30_000]
            range_, _, whole = answer["headers"]["Content-Range"].partition("/")
            start = int(range_.split()[1].split("-")[0])
            last = start + len(answer["body"]) - 1
            answer["headers"]["Content-Range"] = f"bytes {start}-{last}/{whole}"

    server.files[built.name], server.spoil = built.read_bytes(), less
    same(server, built)


@pytest.mark.corpus
@pytest.mark.parametrize("name", ["onnxruntime", "cupy"])
def test_a_wheel_of_pypi(server, wheel, name):
    path = wheel(name)
    server.files[path.name] = path.read_bytes()
    same(server, path)
    with zipfile.ZipFile(path) as archive:
        heads = {one: archive.open(one).read(4) for one in archive.infolist()}
    # a library's sections lie at its end, so that those without HIP code are read too;
    # what is smaller than a block comes along
    matter = sum(
        one.compress_size
        for one, head in heads.items()
        if head == b"\x7fELF" or one.compress_size < remote.LEAST
    )
    assert server.served < matter + 1_000_000
    assert len(server.asked) < 60


def test_a_server_may_send_to_another_place(server, built):
    """The name is what was asked for: where it is kept now may be another place tomorrow."""

    def moved(request, answer):
        if request.path == f"/old/{built.name}":
            answer["status"], answer["headers"] = (
                302,
                {"Location": f"/new/{built.name}?key={SECRET}"},
            )

    server.files[f"new/{built.name}"], server.spoil = built.read_bytes(), moved
    report = same(server, built, server.url(f"old/{built.name}"))
    assert SECRET not in repr(report)
    server.files.clear()
    unknown(server.url(f"old/{built.name}"), "HTTP 404 Not Found")


# --- what is refused -------------------------------------------------------------------


def unknown(url, message, name=None):
    """The one thing that a report on a URL says."""
    report = verify(url)
    assert report.verdict is Verdict.UNKNOWN
    (finding,) = report.findings
    assert finding.rule == "unreadable"
    assert finding.path == (name or url)
    assert message in finding.message
    assert len(report.artifacts[0].unreadable) == 1


def header(name, value):
    def spoil(answer):
        answer["headers"][name] = value

    return spoil


def shifted(by_start, by_last, by_size):
    def spoil(answer):
        numbers = answer["headers"]["Content-Range"].removeprefix("bytes ")
        start, last, size = (int(n) for n in numbers.replace("/", "-").split("-"))
        told = f"bytes {start + by_start}-{last + by_last}/{size + by_size}"
        answer["headers"]["Content-Range"] = told

    return spoil


def more(answer):
    answer["body"] += b"more"


def less(answer):
    answer["body"] = answer["body"][:100]


def status(number):
    def spoil(answer):
        answer["status"] = number

    return spoil


LIES = {
    "no range": (header("Content-Range", None), "does not say which: ''"),
    "no size": (header("Content-Range", "bytes 0-9/*"), "does not say which"),
    "another unit": (header("Content-Range", "pages 0-9/10"), "does not say which"),
    "another start": (shifted(1, 0, 0), "were asked for"),
    "beyond": (shifted(0, 1, 0), "were asked for"),
    "another size": (shifted(0, 0, 5), "it changed while it was read: "),
    "too much": (more, "more bytes than"),
    "too little": (less, "the answer was cut after 100 bytes (tried 3 times)"),
    "ETag": (header("ETag", '"two"'), 'changed while it was read: ETag "one", then "two"'),
    "no ETag": (header("ETag", None), "changed while it was read: ETag"),
    "modified": (header("Last-Modified", "Thu, 22 Oct 2015 07:28:00 GMT"), "Last-Modified Wed"),
    "compressed": (header("Content-Encoding", "gzip"), "compresses its answers"),
    "whole": (status(200), "the whole file where a range was asked for"),
    "416": (status(416), "HTTP 416"),
    "gone": (status(404), "HTTP 404 Not Found"),
    "forbidden": (status(403), "HTTP 403 Forbidden"),
    "unheard of": (status(599), "HTTP 599"),
    "busy": (status(503), "HTTP 503 Service Unavailable (tried 3 times)"),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("after", [1, 4])
def test_an_answer_that_is_not_what_was_asked_for(server, built, lie, after):
    """Told once, however many members there would be."""
    spoil, message = LIES[lie]
    server.files[built.name] = built.read_bytes()

    def spoiled(_, answer):
        if len(server.asked) > after:
            spoil(answer)

    server.spoil = spoiled
    unknown(server.url(built.name), message)


@pytest.mark.parametrize("lie", ["no range", "another start", "beyond", "too much", "gone"])
def test_a_first_answer_that_is_not_what_was_asked_for(server, built, lie):
    spoil, message = LIES[lie]
    server.files[built.name] = built.read_bytes()
    server.spoil = lambda _, answer: spoil(answer)
    unknown(server.url(built.name), message)


def test_other_bytes_are_no_member(server, built):
    """The checksum of a member is that of its bytes, wherever they come from."""

    def spoiled(_, answer):
        if len(answer["body"]) > 1_000_000:
            answer["body"] = answer["body"][:700_000] + noise(len(answer["body"]) - 700_000)

    server.files[built.name], server.spoil = built.read_bytes(), spoiled
    report = verify(server.url(built.name))
    assert report.verdict is not Verdict.PASS
    told = [one.message for one in report.findings if one.rule == "unreadable"]
    assert [one for one in told if "CRC" in one or "deflate" in one]


@pytest.mark.parametrize("ranges", [True, False])
def test_an_answer_that_is_cut_is_asked_for_again(server, built, ranges):
    def once(_, answer):
        if len(server.asked) == (3 if ranges else 1):
            answer["cut"] = 1000

    server.files[built.name], server.ranges, server.spoil = built.read_bytes(), ranges, once
    same(server, built)
    assert ranges or len(server.asked) == 2


@pytest.mark.parametrize("ranges", [True, False])
def test_answers_that_are_always_cut_are_no_file(server, built, ranges):
    def always(_, answer):
        answer["cut"] = 1000

    server.files[built.name], server.ranges, server.spoil = (
        built.read_bytes(),
        ranges,
        always,
    )
    unknown(server.url(built.name), "was cut (tried 3 times)")
    assert len(server.asked) == 3


def test_a_server_that_may_be_busy_is_asked_again(server, built):
    def twice(_, answer):
        if len(server.asked) in {1, 4}:
            answer["status"] = 503

    server.files[built.name], server.spoil = built.read_bytes(), twice
    same(server, built)


def test_without_ranges_and_an_end_a_cut_could_not_be_told(server):
    def endless(request, answer):
        answer["headers"]["Content-Length"] = None
        answer["headers"]["Connection"] = "close"
        request.close_connection = True

    server.files["good.so"], server.ranges, server.spoil = BOTH, False, endless
    unknown(server.url("good.so"), "does not say where it ends")


def test_what_is_fetched_whole_is_held_to_the_limit(server):
    server.files["good.so"], server.ranges = BOTH, False
    report = verify(server.url("good.so"), limits=Limits(temporary=len(BOTH) - 1))
    assert report.verdict is Verdict.UNKNOWN
    assert f"--limit temporary={len(BOTH)}" in report.findings[0].message
    report = verify(server.url("good.so"), limits=Limits(temporary=len(BOTH)))
    assert report.verdict is Verdict.PASS


def test_an_audit_that_has_no_room(server, built, monkeypatch):
    server.files[built.name] = data = built.read_bytes()
    url = server.url(built.name)
    report = verify(url, record=True, limits=Limits(temporary=len(data) - 1))
    assert report.verdict is Verdict.UNKNOWN
    assert f"--limit temporary={len(data)}" in report.findings[0].message

    def full(**_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    report = verify(url, record=True)
    assert report.verdict is Verdict.UNKNOWN
    assert "temporary file (No space left on device)" in report.findings[0].message


def test_a_server_that_says_nothing(server, monkeypatch):
    monkeypatch.setattr(http, "SILENCE", 0.2)
    server.files["good.so"] = BOTH
    server.spoil = lambda *_: time.sleep(1)
    unknown(server.url("good.so"), "no answer in time (tried 3 times)")


def test_no_server():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/x.whl"
        unknown(url, "Cannot connect to host 127.0.0.1")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("gopher://127.0.0.1/x", "gopher"),
        ("memory://no/such/file", "not found"),
        ("http://[::1/x", "Invalid"),
        ("simplecache::memory://x", "No such file"),
        ("zip://x.so::memory://y.zip", "a chain of URLs"),
    ],
)
def test_what_is_no_file(url, message):
    report = verify(url)
    assert report.verdict is Verdict.UNKNOWN
    assert message in report.findings[0].message


# --- secrets ---------------------------------------------------------------------------

SECRET = "hunter2"
COMMANDS = [
    ["verify"], ["audit"], ["list"], ["list", "--format", "json"], ["kernels"],
    ["explain", "--device", "gfx942"], ["snapshot", "-o", "-"], ["size"],
    ["extract", "-o", "DIRECTORY"], ["policy", "init", "-o", "DIRECTORY/kinspect.toml"],
    *(["verify", "--format", one] for one in ("json", "sarif", "junit", "html", "github", "gitlab", "markdown")),
]  # fmt: skip


@pytest.mark.parametrize("found", [True, False], ids=["there", "missing"])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_secrets_are_used_and_never_shown(kinspect, server, tmp_path, command, found):
    if found:
        server.files["lacks.so"] = LACKS
    host = server.url("").removeprefix("http://")
    url = f"http://user:{SECRET}@{host}lacks.so?token={SECRET}"
    command = [part.replace("DIRECTORY", str(tmp_path)) for part in command]
    done = kinspect(*command, url)
    written = [one.read_bytes() for one in tmp_path.rglob("*") if one.is_file()]
    assert SECRET not in done.out + done.err + repr(written)
    assert "token" not in done.out + done.err
    assert server.url("lacks.so") in (done.out + done.err).replace("&#x2F;", "/") or found
    assert server.asked[0][1] == f"/lacks.so?token={SECRET}"
    assert server.headers[0]["Authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    "where", ["http://127.0.0.1:1", "gopher://h", "s3://h", "http://[::1"]
)
def test_secrets_are_not_in_errors(kinspect, where):
    scheme, host = where.split("://")
    url = f"{scheme}://user:{SECRET}@{host}/x.whl?X-Amz-Signature={SECRET}"
    for command in ("verify", "list", "diff"):
        done = kinspect(command, *([url] * (2 if command == "diff" else 1)))
        assert done.code == 2
        assert SECRET not in done.out + done.err
        assert "Signature" not in done.out + done.err


def test_a_worker_that_fails_tells_no_secrets():
    url = f"https://user:{SECRET}@host/x.whl?{SECRET}"

    class Broken(ThreadPoolExecutor):
        def submit(self, *_, **__):
            message = "no more"
            raise RuntimeError(message)

    report = verify([url], executor=Broken(1))
    assert SECRET not in repr(report)
    assert report.artifacts[0].path == "https://host/x.whl"


def test_the_configuration_of_fsspec_holds(server, monkeypatch):
    import fsspec  # noqa: PLC0415

    own = {
        "headers": {"Authorization": "Bearer one"},
        "client_kwargs": {"headers": {"X-Two": "2"}},
    }
    monkeypatch.setitem(fsspec.config.conf, "http", own)
    server.files["good.so"] = BOTH
    assert verify(server.url("good.so")).verdict is Verdict.PASS
    assert {one["Authorization"] for one in server.headers} == {"Bearer one"}
    assert {one["X-Two"] for one in server.headers} == {"2"}


def test_a_proxy_of_the_environment_is_asked(server, monkeypatch):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", server.url(""))
    url = "http://wheels.invalid/good.so"
    server.files[url] = BOTH
    assert verify(url).verdict is Verdict.PASS
    assert {path for _, path, _ in server.asked} == {url}


# --- where URLs count ------------------------------------------------------------------


def test_workers_read_urls_too(server, built):
    server.files[built.name] = built.read_bytes()
    with ThreadPoolExecutor(2) as executor:
        found = list(inspect_many([server.url(built.name)] * 2, executor=executor))
    assert [one.found for one in found] == [inspect(server.url(built.name))] * 2


def test_progress_counts_what_is_fetched(server, built):
    opened = []

    class Watching:
        def opened(self, file):
            opened.append(file)

        def reading(self, path):
            pass

    server.files[built.name] = built.read_bytes()
    inspect(server.url(built.name), watch=Watching())
    (file,) = opened
    assert (file.size, file.consumed) == (built.stat().st_size, server.served)


def test_copies_of_this_process_read_no_url(server, monkeypatch):
    """They would wait for a thread that they have not."""
    seen = []

    def watched(*arguments, jobs, **options):
        seen.append(jobs)
        return Inventory(*arguments, jobs=jobs, **options)

    monkeypatch.setattr("kinspect.inspecting.Inventory", watched)
    server.files["good.so"] = BOTH
    verify([server.url("good.so"), SAMPLES / "deep_ep_both.so"], jobs=3)
    assert seen == [1, 3]


def test_a_url_in_a_file_is_not_followed(server, tmp_path):
    server.files["x.o"] = BOTH
    url = server.url("x.o").encode()
    thin = b"!<thin>\n" + b"%-16s%-32s%-10d`\n" % (b"//", b"", len(url) + 2) + url + b"/\n"
    thin += b"\n" * (len(thin) % 2) + b"%-16s%-32s%-10d`\n" % (b"/0", b"", len(BOTH))
    path = tmp_path / "thin.a"
    path.write_bytes(thin)
    (found,) = inspect(path).unreadable
    assert "not there" in found.message
    built = wheels.build(tmp_path, {"a.so": BOTH}, requires=[f"x @ {url.decode()}"])
    assert verify(built, record=True).verdict is Verdict.PASS
    assert server.asked == []
    server.files["thin.a"] = thin
    (found,) = inspect(server.url("thin.a")).unreadable
    assert "this one was named by a URL" in found.message
    assert {path for _, path, _ in server.asked} == {"/thin.a"}


def test_a_uri_of_a_code_object_leads_back(kinspect, server, built, tmp_path):
    server.files[built.name] = built.read_bytes()
    listed = json.loads(kinspect("list", "--format", "json", server.url(built.name)).out)
    binary = listed["artifacts"][0]["binaries"][0]
    entry = next(e for e in binary["bundles"][0]["entries"] if e["target"] == "gfx942")
    assert entry["uri"].startswith(f"{server.url(built.name)}!deep_ep/good.so#offset=")
    done = kinspect("extract", "--uri", entry["uri"], "-o", tmp_path / "out", "-q")
    assert done.code == 0
    (file,) = (tmp_path / "out").rglob("*.hsaco")
    start = entry["offset"]
    assert file.read_bytes() == BOTH[start : start + entry["size"]]


def test_a_version_in_a_url_is_that_of_the_file_name(server, tmp_path):
    """What stands for `+` in it is no other version, nor another name."""
    path = wheels.build(tmp_path, {"a.so": BOTH}, version="1.0+rocm7.0")
    server.files[path.name.replace("+", "%2B")] = path.read_bytes()
    report = verify(server.url(path.name.replace("+", "%2B")))
    assert report.artifacts[0].path == server.url(path.name)
    assert report.verdict is Verdict.PASS
    assert [one for one in report.findings if one.rule == "claim-mismatch"] == []


@pytest.mark.parametrize(
    ("named", "asked"),
    [
        ("a/good.so?sig=a%2Fb%3D", "a/good.so?sig=a%2Fb%3D"),
        ("a good.so", "a%20good.so"),
        ("ä.so", "%C3%A4.so"),
        ("a.so\r\nX-Injected:yes", "a.soX-Injected:yes"),
    ],
)
def test_a_url_is_asked_for_as_it_was_named(server, named, asked):
    """A signature is for these bytes; what no request may hold is not sent."""
    report = verify(server.url(named))
    assert report.verdict is Verdict.UNKNOWN
    assert [path for _, path, _ in server.asked] == [f"/{asked}"]
    assert "X-Injected" not in server.headers[0]


@pytest.mark.parametrize("scheme", ["file", "memory"])
def test_other_systems_that_fsspec_knows(built, scheme):
    import fsspec  # noqa: PLC0415

    url = f"{scheme}://{built}"
    if scheme == "memory":
        fsspec.filesystem("memory").pipe(str(built), built.read_bytes())
    same(None, built, url)
    unknown(f"{scheme}://{built}.txt", "not found")


def test_a_directory_behind_a_url(tmp_path):
    unknown(f"file://{tmp_path}", "a directory; name a file")


def test_another_system_whose_file_changes(tmp_path):
    path = tmp_path / "good.so"
    path.write_bytes(BOTH)
    found, first = ranges.opened(f"file://{path}", 100, Limits())
    assert first == BOTH[:100]
    found.unchanged()
    found.close()
    found, _ = ranges.opened(f"file://{path}", 100, Limits())
    path.write_bytes(BOTH + b"x")
    with pytest.raises(InputError, match="it changed while it was read"):
        found.unchanged()
    found.close()


def test_another_system_whose_file_is_cut(tmp_path):
    path = tmp_path / "good.so"
    path.write_bytes(BOTH)
    found, _ = ranges.opened(f"file://{path}", 100, Limits())
    path.write_bytes(BOTH[:1000])
    with pytest.raises(InputError, match="0 bytes at 0x14c08, where up to 10 should be"):
        found.fetch(85_000, 10)
    found.close()


def test_another_system_that_fails(tmp_path, monkeypatch):
    """As each does in its own way."""
    from fsspec.implementations.local import LocalFileSystem  # noqa: PLC0415

    def broken(*_, **__):
        message = f"no entry at https://user:{SECRET}@host/?{SECRET}"
        raise KeyError(message)

    monkeypatch.setattr(LocalFileSystem, "info", broken)
    with pytest.raises(InputError, match="KeyError: 'no entry at https://host/'"):
        inspect(f"file://{tmp_path}/x")


def test_a_file_that_changes_makes_no_verdict(tmp_path, monkeypatch):
    path = tmp_path / "good.so"
    path.write_bytes(BOTH)
    read = ranges.FileRanges.fetch

    def fetch(self, at, size):
        data = read(self, at, size)
        path.write_bytes(BOTH + b"x")
        return data

    monkeypatch.setattr(ranges.FileRanges, "fetch", fetch)
    report = verify(f"file://{path}")
    assert report.verdict is Verdict.UNKNOWN
    assert "it changed while it was read" in report.findings[0].message


def test_without_the_extra_it_is_named(kinspect, monkeypatch):
    for name in [
        one for one in sys.modules if one.startswith(("fsspec", "kinspect.sources."))
    ]:
        if name.split(".")[-1] in {"fsspec", "remote", "ranges", "http"}:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("kinspect.sources.remote")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    done = kinspect("verify", f"https://u:{SECRET}@example.org/x.whl?{SECRET}")
    assert done.code == 2
    assert "https://example.org/x.whl" in done.out
    assert "pip install 'kinspect[remote]'" in done.out
    assert SECRET not in done.out + done.err


def test_who_names_no_url_pays_nothing():
    code = (
        "import sys; from kinspect import verify; from kinspect.cli import verify as _, audit;"
        f"verify({str(SAMPLES / 'deep_ep_both.so')!r});"
        "print(sorted({'fsspec', 'aiohttp', 'distributed', 'asyncio', 'ssl', 'logging'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == "[]\n"


# --- blocks ----------------------------------------------------------------------------


class Bytes:
    """Bytes in memory as what is far away; gives `most` of them at once."""

    def __init__(self, data, most):
        self.data, self.size, self.most = data, len(data), most
        self.fetched = 0

    def fetch(self, at, size):
        assert 0 <= at < at + size <= self.size
        self.fetched += 1
        return self.data[at : at + min(size, self.most)]

    def unchanged(self):
        pass

    def close(self):
        pass


DATA = noise(700_000)


@given(
    reads=st.lists(
        st.tuples(st.integers(0, len(DATA)), st.integers(0, 300_000), st.booleans()),
        max_size=20,
    ),
    most=st.sampled_from([1_000, 60_000, 1 << 30]),
    kept=st.sampled_from([0, 200_000, remote.KEPT]),
)
def test_blocks_are_the_bytes_that_are_there(reads, most, kept):
    far = Bytes(DATA, most)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remote, "KEPT", kept)
        blocks = remote.Blocks(far, DATA[: min(most, 65_536)])
        for at, size, expected in reads:
            if expected:
                blocks.expect(at, size)
            assert blocks.read(at, size) == DATA[at : at + size]
    assert blocks.consumed >= min(most, 65_536)


def test_what_is_expected_comes_at_once_and_nothing_after_it():
    far = Bytes(noise(20_000_000), 1 << 30)
    blocks = remote.Blocks(far, far.data[:65_536])
    blocks.expect(1_000_000, 10_000_000)
    for at in range(1_000_000, 11_000_000, 250_000):
        blocks.read(at, 250_000)
    assert far.fetched == 2
    assert blocks.consumed == 10_000_000 + 65_536


def test_what_is_read_on_and_on_comes_in_larger_blocks():
    far = Bytes(noise(20_000_000), 1 << 30)
    blocks = remote.Blocks(far, far.data[:65_536])
    for at in range(0, 20_000_000, 10_000):
        blocks.read(at, 10_000)
    assert far.fetched < 18
    assert blocks.consumed < 20_000_000 + remote.END + 1
