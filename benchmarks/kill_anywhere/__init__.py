"""Kills every part of a real stack at random moments, and counts what was lost, doubled or done again.

    python3 dev.py bench kill_anywhere --injections 60 --seed 1 --json figures.json

Real Postgres, Temporal, API, worker and bubblewrap, each in processes of its own that are started again at once, as a
supervisor would; a scripted model over HTTP that keeps no state and counts; a forge with real git behind it. The same
work and the same kills then meet two baselines: a plain Temporal agent with default retries, and one whose activities
are tried once. The seed gives the sequence of kills and pauses; what a kill hits is the machine's timing.
"""
