"""Where everything meets: the shell of each group, and the gateway with its thread-safe calls."""

from core.gateway.gateway import Gateway

__all__ = ["Gateway"]
