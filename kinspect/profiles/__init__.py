"""Profiles that kinspect knows: what must hold for a library, as data.

A profile is a policy (docs/policy.md) for the binaries of one library.
"""
