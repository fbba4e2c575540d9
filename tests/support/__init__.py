"""Help for tests: ports, the gateway as a subprocess, scripted peers, the referee of events.

Nothing in this room imports the program under test: what judges it must not share its mistakes.
"""
