"""Fan-out gateway on the c104 package (PyPI: c104), for comparison only.

usage: peer_c104.py INI [POINTS]
c104 forwards decoded points, not ASDUs, so the point list must be known: POINTS measurands (M_ME_NC_1, IOA
1..POINTS) and one command (C_SC_NA_1, IOA 6001) per group, as iecload.c sends them. The library answers
interrogations from its own point image; nothing of a master's interrogation reaches the RTU.
"""
import csv
import resource
import signal
import sys
import time

import c104


def load(path):
    groups = {}
    with open(path, newline="") as f:
        for r in csv.reader(f):
            if r and r[0].startswith("!"):
                break
            if len(r) < 6 or not r[0].isdigit():
                continue
            g = groups.setdefault(r[0], {"masters": []})
            if r[4] == "Y":
                g["masters"].append((int(r[2]), int(r[3])))
            else:
                host, port = r[5].split(";")[0].split(":")
                g["ca"], g["addr"] = int(r[3]), (host, int(port))
    return list(groups.values())


def make_forward(targets):
    def on_value(point: c104.Point, previous_info: c104.Information, message: c104.IncomingMessage) -> c104.ResponseState:
        info = point.info
        for p in targets:
            p.info = info
            p.transmit(cause=c104.Cot.SPONTANEOUS)
        return c104.ResponseState.SUCCESS
    return on_value


def make_command(cmd):
    def on_command(point: c104.Point, previous_info: c104.Information, message: c104.IncomingMessage) -> c104.ResponseState:
        cmd.info = point.info
        return c104.ResponseState.SUCCESS if cmd.transmit(cause=c104.Cot.ACTIVATION) else c104.ResponseState.FAILURE
    return on_command


def main():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    npoints = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    client = c104.Client(tick_rate_ms=50, command_timeout_ms=5000)
    servers, keep = [], []
    for g in load(sys.argv[1]):
        conn = client.add_connection(ip=g["addr"][0], port=g["addr"][1], init=c104.Init.NONE)
        st = conn.add_station(common_address=g["ca"])
        cmd = st.add_point(io_address=6001, type=c104.Type.C_SC_NA_1)
        stations = []
        for port, ca in g["masters"]:
            srv = c104.Server(ip="0.0.0.0", port=port, tick_rate_ms=50, select_timeout_ms=5000, max_connections=1)
            sst = srv.add_station(common_address=ca)
            scmd = sst.add_point(io_address=6001, type=c104.Type.C_SC_NA_1)
            fn = make_command(cmd)
            scmd.on_receive(callable=fn)
            stations.append(sst)
            servers.append(srv)
            keep += [fn, sst, scmd]
        for ioa in range(1, npoints + 1):
            targets = [s.add_point(io_address=ioa, type=c104.Type.M_ME_NC_1) for s in stations]
            p = st.add_point(io_address=ioa, type=c104.Type.M_ME_NC_1)
            fn = make_forward(targets)
            p.on_receive(callable=fn)
            keep += [fn, p]
        keep += [conn, st, cmd]
    for s in servers:
        s.start()
    client.start()
    done = []
    signal.signal(signal.SIGTERM, lambda *a: done.append(1))
    while not done:
        time.sleep(0.2)
    import os
    os._exit(0)


if __name__ == "__main__":
    main()
