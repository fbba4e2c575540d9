"""The one translation from options of the file to parameters of links and groups."""

from core.config import MasterEntry, Options, RtuEntry
from core.protocol.link import Timing
from core.routing.policy import MasterPolicy, Policy


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


def policy_of(entry: RtuEntry) -> Policy:
    """How the group of this RTU routes."""
    options = entry.options
    return Policy(
        always_started=options.startdt == "always",
        oa=options.oa,
        orphans=options.orphans,
        ca=options.ca,
        gi=options.gi,
        gi_data=options.gi_data,
        buffer=options.buffer,
        command_timeout=options.command_timeout,
        term_timeout=options.term_timeout,
        select_timeout=options.select_timeout,
        interrogation_timeout=options.interrogation_timeout,
    )


def master_policy_of(entry: MasterEntry) -> MasterPolicy:
    """What a master may do and is called."""
    options = entry.options
    return MasterPolicy(entry.numbers, options.buffer, options.rights, options.clock, entry.label)
