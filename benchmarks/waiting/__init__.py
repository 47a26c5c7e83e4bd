"""Very many runs that wait for a person on one machine: what they hold, and how soon they go on when the word comes.

    python dev.py bench waiting --runs 10000        # a table, and the figures as JSON with --json FILE

Every run comes in over the API, is planned by a scripted model, and waits for its plan's approval (workspace and
sandbox given back after `--release-after` seconds). Then: memory, CPU while nothing happens, sandboxes, directories,
running activities; and for a sample the time from the decision to the model's next answer and to the next call in a
sandbox, before and after the worker was killed.
"""
