"""Long runs under faults: peers that number everything they send, a seeded schedule of faults, and
a referee that says what became of all of it.

The same plant runs in two worlds. In `virtual` the whole gateway lives on an event loop with a
clock of its own and sockets in memory: hours pass in seconds and one seed gives the same run to the
last octet. In `sockets` the gateway is a process of its own between real connections.
"""
