"""What a command costs in each sandbox, and what committing its effect costs in a tree of 57,000 files.

    python dev.py bench sandbox    # or: python -m benchmarks.sandbox --files 57000 --rounds 50

Medians of interleaved rounds, and the best round beside them: on a busy machine the median says more of its neighbours.
"""
