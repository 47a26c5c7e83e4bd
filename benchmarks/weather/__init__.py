"""Many runs through an outage of their provider: who finishes, what was asked in vain, and what that cost.

python -m benchmarks.weather --runs 100 --outage 60 --json figures.json
"""
