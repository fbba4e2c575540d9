"""Fuzzing of everything that octets or files from outside reach.

``python -m tests.fuzz --help`` runs it for as long as wanted; ``test_fuzz.py`` replays the corpus
and a short seeded run in every test run; what was found has a named test in ``test_found.py``.
"""
