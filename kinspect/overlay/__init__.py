"""Hosts that were split for kpack, laid over the archives that they refer to.

What HIP's loader finds is decided by what is installed together: a host wheel and its
device wheels share site-packages, the artifacts of one build a prefix. So every archive
of a run lies where its path inside of what holds it says, and a host on disk also has
what lies around it there. The environment (ROCM_KPACK_PATH) is not asked: a verdict must
not depend on the shell that it was made in.
"""
