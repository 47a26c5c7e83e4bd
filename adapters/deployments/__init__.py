"""Versions of the worker: which code serves, and how one takes over from another."""
