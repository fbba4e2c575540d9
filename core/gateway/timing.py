"""The one translation from options of the file to parameters of a link."""

from core.config import Options
from core.protocol.link import Timing


def timing_of(options: Options) -> Timing:
    """Timing of an entry; the configuration has judged the values already."""
    return Timing(
        t1=options.t1,
        t2=options.t2,
        t3=options.t3,
        k=options.k,
        w=options.w,
        idletime=options.idletime,
    )
