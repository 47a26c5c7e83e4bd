"""What a durable turn costs, beside a bare Temporal loop of two activities a turn on the same server.

    make bench                     # or: python -m benchmarks.turns --turns 50 --runs 50
    python dev.py bench turns --long 1000       # one run of 1,000 turns: time, CPU, events and bytes, early and late

One run prints turns per second at one and at many concurrent runs, bytes and events of history per turn at 10, 50 and
200 turns, and CPU per turn by process. Quote the ratios: absolute figures move with the machine.
"""
