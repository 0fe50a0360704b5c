"""What kinspect costs, held against the tools of others in the same run.

    python -m benchmarks             # all, some minutes
    python -m benchmarks --quick     # fewer runs, smaller files
    python -m benchmarks --docs      # and put the figures into docs/performance.md

Seconds say little on a machine that others use too; ratios within one run hold better. So
every command runs several times, its peers in between (A B A B), on files that are in the
page cache, and medians are compared. Nothing is asserted here: a table says what was met.
"""
