#!/bin/bash
# Builds every sample into the directory OUT (default: the one above this script's src/).
# Needs: pip install ziglang==0.17.1 (clang 22 and lld with the AMDGPU backend), and
# Debian's clang-19 llvm-19 zstd gcc. The compilers get no ROCm: the samples declare the
# few runtime functions that they use, and are never run.
set -eu
HERE=$(cd "$(dirname "$0")" && pwd)
OUT=$(realpath -m "${1:-$HERE}")
ZIG=${ZIG:-$(python3 -c 'import os, ziglang; print(os.path.join(os.path.dirname(ziglang.__file__), "zig"))')}
W=$(mktemp -d); trap 'rm -rf "$W"' EXIT
mkdir -p "$OUT" "$W/bin"; cp "$HERE"/src/* "$W"; cd "$W"

# clang's driver runs itself and its tools by name: three shims
cat > bin/lld <<S
#!/bin/bash
[ "\$1" = -flavor ] && shift 2
exec $ZIG ld.lld "\$@"
S
cat > bin/zigclang <<S
#!/bin/bash
case "\$1" in -cc1|-cc1as) exec -a "\$0" $ZIG "\$@";; esac
PATH=$W/bin:\$PATH exec -a "\$0" $ZIG clang -no-canonical-prefixes "\$@"
S
cp "$HERE/bundler.py" bin/clang-offload-bundler
printf '#!/bin/bash\nexec clang-offload-packager-19 "$@"\n' > bin/llvm-offload-binary
chmod +x bin/*

CC="$W/bin/zigclang --target=x86_64-linux-gnu -fPIC -O2 -ffile-prefix-map=$W=."
DEV="-x hip -nogpulib -nogpuinc"
A="--offload-arch=gfx942"; B="--offload-arch=gfx950"; AB="$A $B"
tu() { local unit=$1 out=$2; shift 2; $CC $DEV -cuid="$unit" "$@" -c "$unit.hip" -o "$out"; }
rdc() { tu "$1" "$2" -fgpu-rdc "${@:3}"; }
quiet() { "$@" 2> >(grep -v 'Unknown attribute kind' >&2); }
SMALL="-Wl,--build-id=none -Wl,-z,noseparate-code -Wl,-z,noexecstack"
dso() { gcc -shared $SMALL "$@"; }

# --- RDC: DeepEP-shaped units against a rocSHMEM-shaped static device library ----------
SHM="rocshmem_context rocshmem_team_collectives"; UNITS="layout intranode internode internode_ll"
for u in $SHM $UNITS; do rdc $u $u.o $AB; done
for u in $UNITS; do rdc $u $u.942.o $A; done
llvm-ar-19 rcD librocshmem.a $(printf '%s.o ' $SHM)
# -x: without the local symbols of the device code, which make a third of it
LINK="$CC --hip-link -fgpu-rdc -shared -no-hip-rt $SMALL -Xoffload-linker -x"
OBJS=$(printf '%s.o ' $UNITS); O942=$(printf '%s.942.o ' $UNITS); LIB="-L. -l:librocshmem.a"
quiet $LINK $OBJS $LIB $AB -o deep_ep_both.so
quiet $LINK $OBJS $LIB $A -o deep_ep_no_gfx950.so
quiet $LINK $OBJS $LIB -o deep_ep_no_arch.so
quiet $LINK $O942 $LIB $AB -o deep_ep_empty_gfx950.so
quiet $LINK $OBJS $LIB $AB -flto-partitions=1 -o deep_ep_one_note.so
quiet $LINK $(printf '%s.o ' $SHM) $AB -o rocshmem_shaped.so
cp deep_ep_both.so deep_ep_stripped.so; strip deep_ep_stripped.so
llvm-objcopy-19 --strip-sections deep_ep_both.so deep_ep_no_sections.so
llvm-objcopy-19 --strip-sections deep_ep_no_gfx950.so deep_ep_no_gfx950_no_sections.so
for v in 2 3; do for m in zlib zstd; do
  CCOB_VERSION=$v CCOB_METHOD=$m quiet $LINK $OBJS $LIB $AB --offload-compress -o ccob_v${v}_$m.so
done; done
for m in zlib zstd; do
  CCOB_VERSION=1 CCOB_METHOD=$m quiet $LINK $OBJS $LIB $AB --offload-compress -o ccob_v1_$m.so
done
CCOB_VERSION=3 CCOB_METHOD=zstd quiet $LINK $OBJS $LIB $A --offload-compress -o ccob_no_gfx950.so

# --- a bundle for each translation unit ------------------------------------------------
for u in a b c; do tu unit_$u unit_$u.o $AB; done
tu unit_b unit_b.942.o $A
dso unit_a.o unit_b.o unit_c.o -o per_tu_both.so
dso unit_a.o unit_b.942.o unit_c.o -o per_tu_one_lacks.so
cp per_tu_one_lacks.so per_tu_stripped.so; strip per_tu_stripped.so
llvm-objcopy-19 --strip-sections per_tu_one_lacks.so per_tu_no_sections.so
PATH="$W/bin:$PATH" $ZIG ld.lld -shared --pack-dyn-relocs=relr unit_a.o unit_b.o -o relr.so
$CC -fno-PIC -fno-pie $DEV -cuid=unit_a $AB -c unit_a.hip -o unit_a.exe.o
$ZIG ld.lld -e 0 --unresolved-symbols=ignore-all -z nognustack unit_a.exe.o -o executable
sed 's/x86_64-linux-gnu/aarch64-linux-gnu/' <<< "$CC" > cc.aarch64
for u in a b; do $(cat cc.aarch64) $DEV -cuid=unit_$u $AB -c unit_$u.hip -o unit_$u.arm.o; done
$ZIG ld.lld -shared unit_a.arm.o unit_b.arm.o -o per_tu_aarch64.so

# --- modes of features, generic targets ------------------------------------------------
X() { local out=$1; shift; tu unit_a $out.o "$@"; dso $out.o -o $out.so; }
X xnack_both --offload-arch=gfx942:xnack+ --offload-arch=gfx942:xnack- \
  --offload-arch=gfx950:xnack+ --offload-arch=gfx950:xnack-
X xnack_only_plus --offload-arch=gfx942:xnack+ --offload-arch=gfx950:xnack+
X sramecc --offload-arch=gfx942:sramecc+ --offload-arch=gfx950
X generic --offload-arch=gfx9-4-generic -mcode-object-version=6
X native_and_generic $A --offload-arch=gfx9-4-generic -mcode-object-version=6

# --- kinds of kernels ------------------------------------------------------------------
rdc kinds kinds.rdc.o $AB; quiet $LINK kinds.rdc.o $AB -o kinds_rdc.so
tu kinds kinds.o $AB; dso kinds.o -o kinds_tu.so
rdc variables variables.rdc.o $AB; quiet $LINK variables.rdc.o $AB -o variables_rdc.so
tu variables variables.o $AB; dso variables.o -o variables_tu.so
for s in kinds_rdc kinds_tu variables_rdc variables_tu; do cp $s.so ${s}_stripped.so; strip ${s}_stripped.so; done

# --- raw files, embedded and packed by hand --------------------------------------------
python3 - "$HERE" <<'P'
import struct, sys
sys.path.insert(0, sys.argv[1])
import bundler
data = open("per_tu_both.so", "rb").read()
start = data.index(b"__CLANG_OFFLOAD_BUNDLE__")
count, = struct.unpack_from("<Q", data, start + 24)
at, ids, blobs = start + 32, [], []
for _ in range(count):
    offset, size, length = struct.unpack_from("<QQQ", data, at)
    ids.append(data[at + 24 : at + 24 + length].decode()); at += 24 + length
    blobs.append(data[start + offset : start + offset + size])
whole = bundler.bundle(ids, blobs)
open("bundle.hipfb", "wb").write(whole)
open("bundle_ccob.hipfb", "wb").write(bundler.compress(whole, 3, "zstd"))
for name, blob in zip(ids, blobs):
    if "gfx" in name: open(f"code_object_{name.split('--')[1]}.co", "wb").write(blob)
P
clang-offload-packager-19 -o offload_binary.bin \
  --image=file=code_object_gfx942.co,triple=amdgcn-amd-amdhsa,arch=gfx942,kind=hip \
  --image=file=code_object_gfx950.co,triple=amdgcn-amd-amdhsa,arch=gfx950,kind=hip
gcc -c embedded.s -o embedded.o; dso embedded.o -o embedded.so
gcc -c packed.s -o packed.o; dso packed.o -o mixed.so
gcc -c -Wa,--defsym,UNOWNED=1 packed.s -o unowned.o; dso unowned.o -o unowned.so
dso -O2 -fPIC host.c -o host_only.so

# --- objects, archives, bitcode --------------------------------------------------------
MISSPELLED=1 rdc layout rdc_misspelled.o $AB
cp layout.o rdc_old_driver.o; cp unit_a.o per_tu.o; cp layout.942.o rdc_gfx942_only.o
rdc layout rdc_new_driver.o --offload-new-driver $AB
# one object of several units, which the linker puts behind one another
rdc rocshmem_context context.942.o --offload-new-driver $A
rdc rocshmem_team_collectives team.950.o --offload-new-driver $B
rdc rocshmem_context context.o --offload-new-driver $AB
ld -r rdc_new_driver.o context.o -o rdc_merged.o
ld -r context.942.o team.950.o -o rdc_merged_one_each.o
# for Windows
WIN="$W/bin/zigclang --target=x86_64-pc-windows-msvc -O2 -ffile-prefix-map=$W=. $DEV -fgpu-rdc"
$WIN $AB -c layout.hip -o rdc_old_driver.obj
$WIN $A --offload-new-driver -c layout.hip -o rdc_new_driver_gfx942_only.obj
# the new driver's linker wrapper is LLVM 19's, which does not know gfx950
N="clang-19 --target=x86_64-linux-gnu -fPIC -O2 -ffile-prefix-map=$W=. --offload-new-driver -fgpu-rdc"
N="$N --offload-arch=gfx942 --offload-arch=gfx90a"
$N $DEV -cuid=kinds -c kinds.hip -o kinds.new.o
$N --hip-link -shared -no-hip-rt $SMALL kinds.new.o -o new_driver_no_gfx950.so
cp new_driver_no_gfx950.so new_driver_stripped.so; strip new_driver_stripped.so
$N $DEV -cuid=variables -c variables.hip -o variables.new.o
$N --hip-link -shared -no-hip-rt $SMALL variables.new.o -o new_driver_variables.so
rdc rocshmem_team_collectives rocshmem_team_collectives.942.o $A
llvm-ar-19 rcD librocshmem_one_member_gfx942_only.a rocshmem_context.o rocshmem_team_collectives.942.o
llvm-ar-19 rcD --format=bsd librocshmem_bsd.a $(printf '%s.o ' $SHM)
for t in gfx942 gfx950; do
  for u in $SHM; do
    $CC $DEV -cuid=$u -fgpu-rdc --offload-arch=$t --offload-device-only -emit-llvm -c $u.hip -o $u.$t.bc
  done
  cp rocshmem_context.$t.bc librocshmem_device_$t.bc
done
cp librocshmem_device_gfx942.bc mislabelled_gfx950.bc
python3 - <<'P'
import struct
data = open("librocshmem_device_gfx942.bc", "rb").read()
open("wrapped_gfx942.bc", "wb").write(struct.pack("<5I", 0x0B17C0DE, 0, 20, len(data), 0xE0) + data)
P

# --- split for kpack: host and archives; of the second one, gfx950's is left out ---------
python3 "$HERE/splitter.py" per_tu_both.so kpack_per_tu.so lib/libper_tu.so zstd none
python3 "$HERE/splitter.py" deep_ep_both.so kpack_deep_ep.so deep_ep/deep_ep_cpp.so zstd -

cp ./*.so ./*.kpack ./*.hipfb ./*.co ./*.bin ./*.a ./*.bc executable "$OUT"
cp ./*.obj rdc_old_driver.o rdc_misspelled.o rdc_merged.o rdc_merged_one_each.o rdc_new_driver.o per_tu.o rdc_gfx942_only.o "$OUT"
rm -f "$OUT"/rocshmem_*.bc "$OUT"/librocshmem_team*.bc
echo "built into $OUT"
