"""Where everything meets: the shell of each group, and the gateway with its thread-safe calls."""

from core.gateway.gateway import Gateway
from core.logs import PROGRAM_LOG, SECURITY_LOG

__all__ = ["PROGRAM_LOG", "SECURITY_LOG", "Gateway"]
