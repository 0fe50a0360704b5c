"""What an instruction does, by its name.

Source: LLVM, lib/Target/AMDGPU (SOPInstructions.td, SMInstructions.td, DSInstructions.td,
…), whose names begin with what takes an instruction: `v_` the vector unit, `s_` the scalar
one, `ds_` LDS. The exceptions are below. The tests hold it against the encodings.
"""

from enum import StrEnum
from functools import lru_cache
from typing import Final


class Kind(StrEnum):
    """A class of instructions, in the order of reports."""

    MFMA = "mfma"  #: matrices: MFMA, SMFMAC, WMMA, SWMMAC
    VALU = "valu"
    SALU = "salu"
    VMEM = "vmem"  #: buffers, images, global memory
    SMEM = "smem"  #: scalar loads, and the caches and clocks behind them
    LDS = "lds"
    FLAT = "flat"  #: addresses that may be of any memory
    SCRATCH = "scratch"
    WAIT = "wait"  #: for counters, events and barriers
    BRANCH = "branch"  #: calls and returns too
    OTHER = "other"
    UNDECODED = "undecoded"  #: words that are no instruction to the LLVM that was asked


#: how the names of a class begin: the first class that fits, so the order matters
_STARTS: Final = tuple(
    (kind, tuple(words.split()))
    for kind, words in (
        (Kind.UNDECODED, ".long"),
        (Kind.MFMA, "v_mfma_ v_smfmac_ v_wmma_ v_swmmac_"),
        (Kind.VALU, "v_"),
        (Kind.VMEM, "buffer_ tbuffer_ image_ global_ cluster_ tensor_"),
        (Kind.LDS, "ds_ lds_"),
        (Kind.FLAT, "flat_"),
        (Kind.SCRATCH, "scratch_"),
        (Kind.WAIT, "s_waitcnt s_wait_ s_barrier"),
        (
            Kind.BRANCH,
            """
            s_branch s_cbranch_ s_call_ s_setpc_ s_swappc_ s_set_pc_ s_swap_pc_ s_rfe_
            s_subvector_loop_
            """,
        ),
        (
            Kind.SMEM,
            """
            s_load_ s_buffer_ s_store_ s_scratch_ s_atomic_ s_dcache_ s_atc_probe
            s_prefetch_ s_memtime s_memrealtime s_gl1_inv s_get_waveid_in_workgroup
            """,
        ),
        (
            Kind.OTHER,
            """
            s_nop s_endpgm s_wakeup s_setkill s_set_kill s_sethalt s_sleep s_setprio
            s_sendmsg s_trap s_icache_inv s_incperflevel s_decperflevel s_ttracedata
            s_set_gpr_idx_off s_set_gpr_idx_mode s_code_end s_clause s_inst_prefetch
            s_set_inst_prefetch s_delay_alu s_round_mode s_denorm_mode s_singleuse_vdst
            s_set_vgpr_msb s_monitor_sleep s_version
            """,
        ),
        (Kind.SALU, "s_"),
    )
)


@lru_cache(maxsize=4096)
def kind_of(mnemonic: str) -> Kind:
    """The class of an instruction by its name; what no class begins like is OTHER."""
    fitting = (kind for kind, starts in _STARTS if mnemonic.startswith(starts))
    return next(fitting, Kind.OTHER)
