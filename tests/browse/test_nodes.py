"""What browse walks through, without a terminal."""

from kinspect import Installed, Policy, api
from kinspect.browse.details import details
from kinspect.browse.nodes import matching, searched, tree, walk
from kinspect.browse.resources import read
from kinspect.limits import DEFAULT
from kinspect.target import parse_required
from tests.conftest import SAMPLES
from tests.sources.test_installed import install
from tests.writers import Host, Kernel, bundle, code_object


def roots(name, *required):
    policy = Policy(required=parse_required(required or ("gfx942", "gfx950")))
    return tree(api.verify(SAMPLES / name, policy))


def find(found, text):
    return matching(found, searched(text), None, back=False)


def test_every_level():
    found = roots("per_tu_one_lacks.so")
    kinds = [node.kind for node in walk(found)]
    assert kinds[:4] == ["artifact", "binary", "bundle", "target"]
    # what the manifest says of the sample: three units, one without gfx950
    assert kinds.count("bundle") == 3
    assert kinds.count("target") == 5
    assert kinds.count("kernel") == 15


def test_a_finding_belongs_to_the_node_that_it_is_of():
    found = roots("per_tu_one_lacks.so")
    owners = [node for node in walk(found) if node.own]
    assert [node.kind for node in owners] == ["bundle"]
    assert "error[missing-target]" in details(owners[0], None)
    assert all(above.worst == "error" for above in owners[0].path)
    assert "1 finding below" in details(found[0], None)


def test_search_goes_on_and_around():
    found = roots("deep_ep_both.so")
    wanted = searched("query_mask_buffer")
    first = matching(found, wanted, None, back=False)
    second = matching(found, wanted, first, back=False)
    assert first
    assert second
    assert first is not second
    assert first.words == second.words
    assert [node.path[-2].words for node in (first, second)] == ["gfx942", "gfx950"]
    assert matching(found, wanted, second, back=False) is first
    assert matching(found, wanted, first, back=True) is second
    assert matching(found, wanted, second, back=True) is first
    assert matching(found, searched("no such thing"), first, back=False) is None


def test_search_in_names_of_both_kinds():
    found = roots("deep_ep_both.so")
    assert find(found, "_ZN7deep_ep").kind == "kernel"
    assert find(found, "deep_ep::INTERNODE") is None  # case counts once there is any
    assert find(found, "internode::") is not None


def test_resources_side_by_side():
    """Numbers are those that llvm-readelf prints: see test_oracle."""
    path = SAMPLES / "deep_ep_both.so"
    resources = {
        (row.path, row.bundle, row.target, row.name): row for row in api.kernels(path)
    }
    node = find(roots("deep_ep_both.so"), "query_mask_buffer")
    told = details(node, resources)
    *_, head, here, there, blank, mangled = told.splitlines()
    assert (blank, mangled) == ("", node.subject)
    rows = [line.split() for line in (head, here, there)]
    assert rows[0][:4] == ["target", "VGPR", "AGPR", "SGPR"]
    assert rows[0][-1] == "waves"
    assert [row[:2] for row in rows[1:]] == [[">", "gfx942"], ["gfx950", "2"]]
    assert max(map(len, told.splitlines())) <= 76
    assert "reading resources" in details(node, None)


def test_occupancy_and_what_limits_it(tmp_path):
    """256 vector registers are half of what a wave of gfx942 can have: two waves of eight.

    LLVM says the same of such a kernel: see tests/resources/test_oracle.py.
    """
    path = tmp_path / "x.so"
    registers = {"vgpr_count": 256, "group_segment_fixed_size": 40_000}
    xnack = {"e_flags": 0x74C, "metadata_target": "amdgcn-amd-amdhsa--gfx942:xnack+"}
    targets = [
        ("gfx942", code_object("gfx942", Kernel("wanted", fields=registers))),
        ("gfx950", code_object("gfx950", "wanted")),
        ("gfx942:xnack+", code_object("gfx942", "wanted", **xnack)),
    ]
    path.write_bytes(Host(bundle(*targets)).build().data)
    report = api.verify(path)
    node = find(tree(report), "wanted")
    assert node.kind == "kernel"
    told = details(node, read(report, [path], DEFAULT)).splitlines()
    assert [line.split()[-1] for line in told[-3:]] == ["2/8", "8/8", "8/8"]
    assert told[-5] == "a SIMD holds 2 of 8 waves of 64 lanes, limited by VGPR"
    assert max(map(len, told)) <= 76


def test_what_is_installed_goes_by_its_name(tmp_path):
    data = (SAMPLES / "per_tu_both.so").read_bytes()
    install(tmp_path, {"a.so": data, "b/c.so": data})
    named = Installed("deep_ep", tmp_path)
    report = api.verify(named)
    found = tree(report)
    assert [node.label for node in found] == ["Deep.EP 1.0  installed, 2 binaries"]
    assert "installed Deep.EP 1.0" in details(found[0], None)
    node = find(found, "unit_b::shift")
    assert "a SIMD holds" in details(node, read(report, [named], DEFAULT))


def test_resources_of_a_split_host_are_those_of_its_archives():
    """The sample was split from another one, and has the same kernels."""
    path = SAMPLES / "kpack_per_tu.so"
    report = api.verify(path)
    found = read(report, [path], DEFAULT)
    node = find(tree(report), "unit_b::shift")
    whole = find(roots("per_tu_both.so"), "unit_b::shift")
    plain = read(
        api.verify(SAMPLES / "per_tu_both.so"), [SAMPLES / "per_tu_both.so"], DEFAULT
    )
    assert details(node, found).splitlines()[2:] == details(whole, plain).splitlines()[2:]
    assert "gfx950" in details(node, found)
    archives = [SAMPLES / f"kpack_per_tu_{target}.kpack" for target in ("gfx942", "gfx950")]
    named = api.verify([path, *archives])
    assert read(named, [path, *archives], DEFAULT) == found


def test_names_can_not_move_the_cursor(tmp_path):
    path = tmp_path / "evil.so"
    data = bundle(("gfx942", code_object("gfx942", "\x1b[2Jx")))
    path.write_bytes(Host(data).build().data)
    for node in walk(tree(api.verify(path))):
        assert "\x1b" not in node.label
        assert "\x1b" not in details(node, {})
