"""What each rule means: the pages of `kinspect rules`."""

from types import MappingProxyType
from typing import Final, NamedTuple

from kinspect.model import Severity


class Rule(NamedTuple):
    """A rule: its name never changes its meaning."""

    name: str
    severity: Severity
    #: one line
    summary: str
    #: what was found, and what happens on a GPU
    meaning: str
    #: what to do about it
    mend: str
    #: findings say that kinspect could not judge, not that a requirement is violated
    unknown: bool = False


_RULES: Final = (
    Rule(
        "unreadable",
        Severity.ERROR,
        "every part of the artifact can be read",
        "A part of the file breaks its format or exceeds a limit, so that kinspect can't"
        " say what HIP would make of it. What can't be judged never passes: exit 2.",
        "Look at the place that the message names. A truncated file wants a new download"
        " or copy; a limit can be raised with --limit where the file can be trusted. If"
        " HIP loads the file, this is a bug of kinspect: please report it.",
        unknown=True,
    ),
    Rule(
        "missing-bitcode",
        Severity.ERROR,
        "every RDC object and device library has bitcode for each required target",
        "An object that was compiled with -fgpu-rdc keeps LLVM bitcode for each target of"
        " its compile line, which a later link turns into code objects. A link for a target"
        " that is not there takes no device code from this object: functions are missing,"
        " or the code object is empty. A device library in files of bitcode"
        " (`librocshmem_device_gfx942.bc`) has one for each target: JIT compilers and links"
        " fail where that of their GPU is missing.",
        "Add the target to the compile flags (--offload-arch) of the object or of the"
        " library that it belongs to, and build it again.",
    ),
    Rule(
        "no-device-code",
        Severity.ERROR,
        "a binary named on its own, or expected, carries device code",
        "No HIP code object was found: no `.hip_fatbin`, no wrapper, nothing embedded."
        " The library loads, and every kernel launch fails.",
        "Check that the HIP sources were compiled with `-x hip` (or hipcc) and that their"
        " objects are on the link line. A build that fell back to CPU or CUDA looks so.",
    ),
    Rule(
        "missing-target",
        Severity.ERROR,
        "every bundle has a code object that HIP would load on each required target",
        "A bundle without a matching code object loads and imports cleanly. The first"
        " launch of one of its kernels fails: hipErrorInvalidImage, then"
        " hipErrorInvalidKernelFile on current runtimes, hipErrorNoBinaryForGpu on older"
        " ones. Other bundles of the library are not affected, so a test may pass.",
        "For an RDC binary (-fgpu-rdc) the link line decides: pass --offload-arch for"
        " each target to the link too. Else the compile line of the unit decides. With"
        " PyTorch extensions set PYTORCH_ROCM_ARCH for the build, and for RDC add the"
        " flags to extra_link_args.",
    ),
    Rule(
        "partial-target",
        Severity.ERROR,
        "every mode of a required target is served",
        "The code objects name xnack or sramecc modes and leave some out: code built for"
        " `gfx942:xnack+` is not loaded where xnack is off, which is the default.",
        "Build for the target without modes (`gfx942`), which suits all of them, or for"
        " both modes; or require just the mode that your machines run"
        " (`--require gfx942:xnack+`).",
    ),
    Rule(
        "generic-only",
        Severity.ERROR,
        "a required target has code of its own, not just generic code",
        "HIP would fall back to a generic code object (`gfx9-4-generic`). Only recent"
        " runtimes do, and generic code lacks FP8 and XF32 instructions of the processor.",
        "Add --offload-arch for the target, or pass `--accept generic` if generic code is"
        " what you mean to ship.",
    ),
    Rule(
        "jit-only",
        Severity.ERROR,
        "a required target has code of its own, not just SPIR-V",
        "HIP would compile SPIR-V at the first use, on each machine. Only recent runtimes"
        " can, and only where comgr is installed.",
        "Add --offload-arch for the target, or pass `--accept spirv`.",
    ),
    Rule(
        "broken-code-object",
        Severity.ERROR,
        "every entry holds a complete AMDGPU code object that the loader takes",
        "An entry is empty, truncated, no AMDGPU ELF, or not as the loader wants it: its"
        " segments and sections disagree, relocations can't be applied, the symbol table"
        " is gone (`strip`), in which kernels are looked for. HIP skips an empty one and"
        " refuses the others when the first kernel is launched.",
        "Rebuild. `clang-offload-bundler -unbundle -allow-missing-bundles` makes empty"
        " entries for targets that an input lacks: remove that flag to see which.",
    ),
    Rule(
        "target-mismatch",
        Severity.ERROR,
        "entry ID, e_flags, metadata and name claim the same target",
        "HIP selects by the entry ID and loads by the code object's own header. Where the"
        " two disagree, the launch fails with hipErrorNoBinaryForGpu, or runs code for"
        " another processor. Libraries choose among the files beside them by their names"
        " (`k_gfx950.co`, `hsa/gfx950/`), with the same end.",
        "Something relabelled or swapped code objects after they were compiled: look at"
        " the step that runs clang-offload-bundler or copies .co files.",
    ),
    Rule(
        "corrupt-bundle",
        Severity.ERROR,
        "the bundle's own table and checksum hold",
        "Entries overlap or reach beyond the bundle, or the MD5 of a compressed bundle"
        " does not match. HIP does not check the MD5: it would load what is there.",
        "The file was damaged after the link: compare it with the build's own output.",
    ),
    Rule(
        "no-kernels",
        Severity.ERROR,
        "a code object has kernels where its siblings have some",
        "The code object is valid and empty. HIP loads it and aborts at the first launch,"
        " since the kernel is not in it. A link asked for a target that the objects were"
        " not compiled for makes these. Where no code object of a binary has kernels,"
        " this is a warning: libraries of device functions look so.",
        "Compile every object for the same targets as the link: --offload-arch on both.",
    ),
    Rule(
        "kernel-parity",
        Severity.ERROR,
        "every required target has the same kernels",
        "A kernel exists for one required target and not for another. HIP aborts when it"
        " is launched there; there is no fallback kernel by kernel.",
        "Look for `#if defined(__gfx950__)` around the kernel, or for a list of sources"
        " that depends on the target.",
    ),
    Rule(
        "missing-kernel",
        Severity.ERROR,
        "every kernel that is asked for or registered exists for every required target",
        "No kernel of that name can be launched on the target: HIP aborts. So it does where"
        " a managed variable is missing; another variable fails where the host first uses"
        " it (hipErrorInvalidSymbol). What a stripped host registers can't always be"
        " proven: what is only named in its data is a note. Or a Tensile library names a"
        " file of kernels, to be loaded when it is needed, which is not there.",
        "Check that the unit which defines it is compiled for the target and linked.",
    ),
    Rule(
        "broken-kernel",
        Severity.ERROR,
        "every kernel has its metadata record and its descriptor, and these lead to code",
        "HIP finds a kernel by its metadata record and launches it by its `.kd` symbol."
        " With one of the two missing, the kernel is listed and can't be launched. Where"
        " the descriptor leads to no code, or to that of another kernel, or gives less"
        " than the metadata say (arguments, LDS, registers, lanes of a wave), the launch"
        " fails or the kernel runs astray.",
        "Symbols of a code object were stripped or made local, or its bytes were changed:"
        " look for a tool that rewrites code objects after the device link. Where the"
        " kernel was written in assembly, compare its `.amdhsa_kernel` with its metadata.",
    ),
    Rule(
        "unowned-bundle",
        Severity.WARNING,
        "a wrapper points at every bundle of the section",
        "Nothing registers this bundle, so HIP never loads it: dead weight, or a wrapper"
        " that was dropped by the linker. Where no bundle of a binary is registered at all,"
        " none of its kernels can be launched, and this is an error.",
        "Link with the object that registers it, or check for --gc-sections.",
    ),
    Rule(
        "dangling-wrapper",
        Severity.ERROR,
        "every wrapper points at device code",
        "`__hipRegisterFatBinary` follows this pointer. It leads to no bundle, so the"
        " kernels of its unit can't be launched: hipErrorInvalidImage.",
        "The section was removed, moved or replaced after the link (objcopy, a packer),"
        " or an RDC object was linked without the device link step (--hip-link).",
    ),
    Rule(
        "unregistered-kernel",
        Severity.NOTE,
        "the host registers every kernel",
        "No device stub, table entry or name in the host's read-only data mentions these"
        " kernels. They may be launched by other means, or by nobody.",
        "Nothing, if they are loaded by hipModuleGetFunction. Else look for host code that"
        " was left out of the link.",
    ),
    Rule(
        "unresolved-symbol",
        Severity.ERROR,
        "the device code is linked completely",
        "The code object refers to a symbol that nothing in it defines. The loader refuses"
        " it, or the call jumps to nowhere.",
        "Link the static device library that defines the symbol, with -fgpu-rdc on the link"
        " line too.",
    ),
    Rule(
        "runtime-floor",
        Severity.WARNING,
        "the linked runtime is new enough for what is packed",
        "The container or code object needs a newer ROCm release than the runtime that the"
        " binary links (libamdhip64.so.N). Older runtimes don't find it.",
        "Build with the compiler of the release that will run it, or raise the release that"
        " the package requires.",
    ),
    Rule(
        "refused",
        Severity.ERROR,
        "what HIP selects, the loader accepts",
        "HIP selects an entry by its ID. Its loader then reads the code object's own"
        " header, and refuses code objects older than v4, and generic code that is not v6"
        " with a generic version: hipErrorNoBinaryForGpu at the first launch.",
        "Build with a current compiler, or with -mcode-object-version=5 (6 for generic"
        " targets).",
    ),
    Rule(
        "oversized-header",
        Severity.ERROR,
        "the entry table of an uncompressed bundle fits into 4096 bytes",
        "The runtime hands the first 4096 bytes of a plain bundle to its lookup. A longer"
        " table is a read error, and nothing in the bundle is found: hipErrorInvalidImage.",
        "Pack fewer targets into one library, or compress (--offload-compress): the table"
        " of a compressed bundle may have any length.",
    ),
    Rule(
        "duplicate-target",
        Severity.ERROR,
        "at most one entry suits a device",
        "Two entries name the same target, or one names a mode that another leaves open."
        " HIP takes the first in a plain bundle, and either in a compressed one.",
        "Name each processor once: without modes, or with all of them.",
    ),
    Rule(
        "shadowed",
        Severity.ERROR,
        "no incomplete native code object hides a complete generic one",
        "HIP prefers native code to generic code, bundle by bundle and not kernel by"
        " kernel. A kernel that only the generic code object has is never found: HIP"
        " aborts when it is launched.",
        "Build every kernel for the native target too, or leave the native target out.",
    ),
    Rule(
        "lost-target",
        Severity.ERROR,
        "with --baseline: every target of the baseline is still there",
        "An earlier build had code for this target, or had it in more bundles, or had a"
        " whole binary that is gone. Machines that the earlier build ran on can't run this"
        " one.",
        "Look for what changed in the list of architectures (PYTORCH_ROCM_ARCH,"
        " --offload-arch on compile and link lines) or of binaries. If the target was"
        " dropped on purpose, record a new baseline from this build.",
    ),
    Rule(
        "lost-kernel",
        Severity.ERROR,
        "with --baseline: every kernel of the baseline is still there, for every target",
        "An earlier build had this kernel (or device function of an RDC object) for the"
        " target, and this one does not. A caller that still launches it aborts.",
        "Look for sources that left the build, template arguments that are not"
        " instantiated any more, or `#if` around the kernel. If it was dropped on purpose,"
        " record a new baseline from this build.",
    ),
    Rule(
        "beyond-baseline",
        Severity.NOTE,
        "with --baseline: nothing is there that the baseline does not know",
        "Targets, kernels or binaries that are new since the baseline. Nothing is wrong"
        " with them; a later build that loses them again is not noticed until the baseline"
        " has them.",
        "Record a new baseline once this build is what you ship.",
    ),
    Rule(
        "kpack-unresolved",
        Severity.ERROR,
        "every wrapper that refers to kpack archives finds its code object there",
        "The host was split for kpack: its device code lies in archives beside it, by the"
        " host's name and the number of the wrapper. There is no archive where HIP looks,"
        " none lists the target, or the one that does lacks the code object. The library"
        " loads; the first launch of a kernel fails: hipErrorInvalidImage, or"
        " hipErrorInvalidKernelFile on newer runtimes. Search paths are relative to the"
        " host, and ROCM_KPACK_PATH of the machine that kinspect runs on is not asked.",
        "Name everything that is installed together in one call: the host wheel and its"
        " device wheels, or an install tree. What is missing then has to be built, or"
        " packed: for each target of a build there is one archive (one device wheel).",
    ),
    Rule(
        "kpack-index",
        Severity.ERROR,
        "every wrapper gets its own code object from kpack archives, and not another's",
        "Archives number the code objects of a host for each target by themselves, wrappers"
        " ask by their place among all. Where a translation unit was not compiled for a"
        " target, those behind it move up: their wrappers get kernels of another unit. HIP"
        " aborts at the first launch, since the kernel is not in what it loaded.",
        "Compile every unit of the binary for the same targets, modes included, and split"
        " it again.",
    ),
    Rule(
        "kpack-left-behind",
        Severity.WARNING,
        "a host whose device code lies in kpack archives refers to them",
        "Archives hold device code for this host, or it has a reference to some, yet its"
        " wrappers are of the kind that holds device code itself (HIPF). HIP takes what is"
        " embedded, and never looks into an archive. Where that lacks a required target,"
        " this is an error.",
        "Install the host that the split made, not the one before it.",
    ),
    Rule(
        "kpack-unreferenced",
        Severity.NOTE,
        "hosts of the run ask for what kpack archives hold",
        "The archive holds device code for binaries that are not part of this run, or that"
        " look for it elsewhere. It is judged by itself: its code objects, and no more.",
        "Name the hosts in the same call, if the archive is theirs.",
    ),
    Rule(
        "kpack-alone",
        Severity.ERROR,
        "kpack archives are judged together with their host",
        "These archives are for some targets, and others are required too. Those may be"
        " served by archives that are not part of this run, or by none: exit 2.",
        "Name the host and all of its archives (all device wheels) in one call, or require"
        " just the targets of these archives.",
        unknown=True,
    ),
    Rule(
        "extra-target",
        Severity.ERROR,
        "with --only: no other targets are packed",
        "Code for another target costs size and build time.",
        "Remove its --offload-arch, or drop --only.",
    ),
    Rule(
        "record-mismatch",
        Severity.ERROR,
        "a wheel's RECORD vouches for every file",
        "A file of the wheel is not the one that RECORD names, or RECORD does not name it:"
        " something changed the wheel after it was built, and installers that check refuse"
        " it. `kinspect audit` looks at this; `verify` does not, since it takes reading"
        " everything once more.",
        "Repack the wheel with a tool that writes RECORD anew (`wheel pack`), after the"
        " last step that touches its files.",
    ),
    Rule(
        "claim-mismatch",
        Severity.WARNING,
        "names, tags and metadata say what is packed",
        "A name promises something that the bytes do not hold: a target in the name of a"
        " file or of a package that no code is packed for, a ROCm release that is not the"
        " linked one, a platform tag for another machine, a wheel's file name against its"
        " metadata. People and installers choose by these names.",
        "Rename, or build what the name says.",
    ),
    Rule(
        "wrong-linkage",
        Severity.ERROR,
        "device code is linked as the policy says",
        "The policy, or a profile, expects the device code of this binary to be linked once"
        " (`rdc`) or for each translation unit (`per-tu`), and it is not. Calls from one"
        " unit's device code into another's need RDC.",
        "Pass -fgpu-rdc to the compile and the link lines, or leave it out of both; or"
        " change `linkage` in the policy.",
    ),
    Rule(
        "size-budget",
        Severity.ERROR,
        "the code for each target keeps to its budget",
        "The code objects and the bitcode for a target, inflated, take more than the policy"
        " allows. Inflated, since the targets of a compressed bundle are compressed"
        " together.",
        "Compare with an earlier build (kinspect snapshot, kinspect diff), and look for"
        " templates with too many instances; or raise `budget` in the policy.",
    ),
    Rule(
        "expired-ignore",
        Severity.WARNING,
        "no ignore of the policy has expired",
        "The last day of an ignore is over: what it excused is told again.",
        "Mend what it excuses and remove it, or give it a new date.",
    ),
    Rule(
        "unmatched-policy",
        Severity.NOTE,
        "every table of the policy that asks for something names a binary",
        "A `[[binary]]` of the policy asks for kernels, functions or a linkage, and no"
        " binary of this run has such a name: nothing was held against it.",
        "Check `path` against the names that `kinspect list` prints. What must be there"
        " belongs into `expect` too. Give this rule the severity `error` where one policy"
        " is for one artifact.",
    ),
)

RULES: Final = MappingProxyType({rule.name: rule for rule in _RULES})
