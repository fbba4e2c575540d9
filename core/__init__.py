"""The gateway without a face: protocol, routing, configuration, connections and what joins them.

Nothing in here knows of a window, of arguments or of how the program was started.
"""

__version__ = "0.1.0"
