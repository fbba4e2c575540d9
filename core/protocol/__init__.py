"""The standard in Python, pure: octets and `now` in, octets and events out; no I/O, no clock."""
