"""Bytes for tests, written field by field from the specifications.

Nothing here knows kinspect: constants and layouts are written down a second time, so that
a mistake in a reader is not repeated by what it is tested with.
"""

from tests.writers.bundles import HOST, Slot, bundle, ccob, md5
from tests.writers.code_objects import CodeObject, Kernel, bitcode, code_object, useless
from tests.writers.hosts import Built, Host, Wrapper
from tests.writers.msgpack import packed
from tests.writers.offload import Image, offload_binary

__all__ = [
    "HOST",
    "Built",
    "CodeObject",
    "Host",
    "Image",
    "Kernel",
    "Slot",
    "Wrapper",
    "bitcode",
    "bundle",
    "ccob",
    "code_object",
    "md5",
    "offload_binary",
    "packed",
    "useless",
]
