"""Conformance cases for a -104 controlled and controlling station, by the groups of 60870-5-604.

The numbers are ours: the groups and their names are known to the public, the wording of the
standard's cases is not repeated here. ``python -m tests.conformance`` runs them and writes
``docs/conformance.md``; ``test_table.py`` holds that table against the cases.
"""
