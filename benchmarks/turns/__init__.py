"""What a durable turn costs, beside a bare Temporal loop of two activities a turn on the same server.

    make bench                     # or: python -m benchmarks.turns --turns 50 --runs 50

One run prints turns per second at one and at many concurrent runs, bytes and events of history per turn at 10, 50 and
200 turns, and CPU per turn by process. Quote the ratios: absolute figures move with the machine.
"""
