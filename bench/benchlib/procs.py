# SPDX-License-Identifier: Apache-2.0
"""Child processes, and what the kernel knows about them.

Every child is started through `bench_load exec`, which pins it, raises its descriptor limit and has
the kernel end it should this program die. Children are ended by process id, never by name.
"""
import json
import os
import select
import signal
import socket
import subprocess
import time


class BenchError(Exception):
    """The benchmark cannot go on; the message says why."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def http_get(port, path, timeout=2.0):
    """(status, body) of a GET over loopback; (0, b"") when nobody answers."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=timeout) as sock:
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
                         "Connection: close\r\n\r\n".encode())
            reply = b""
            while piece := sock.recv(65536):
                reply += piece
    except OSError:
        return 0, b""
    head, _, body = reply.partition(b"\r\n\r\n")
    parts = head.split(b" ", 2)
    return (int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0), body


def tree_of(pid):
    """The process and its descendants."""
    pids = [pid]
    for parent in pids:
        try:
            for task in os.listdir(f"/proc/{parent}/task"):
                with open(f"/proc/{parent}/task/{task}/children", encoding="ascii") as file:
                    pids += [int(child) for child in file.read().split()]
        except OSError:
            pass
    return pids


def memory_of(pids):
    """Sums over the processes, in KiB: Rss, Pss and Anonymous."""
    sums = {"Rss": 0, "Pss": 0, "Anonymous": 0}
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            for line in file:
                name, _, rest = line.partition(":")
                if name in sums:
                    sums[name] += int(rest.split()[0])
    return sums


def process_cpu(pid):
    """CPU seconds of a living process, all threads, by its CPU clock."""
    return time.clock_gettime((~pid << 3) | 2)


def cpu_of(pids):
    return sum(process_cpu(pid) for pid in pids)


def busy_seconds():
    """CPU seconds all processors have been busy, and stolen from this machine, since boot."""
    with open("/proc/stat", encoding="ascii") as file:
        fields = [int(field) for field in file.readline().split()[1:]]
    tick = os.sysconf("SC_CLK_TCK")
    return (sum(fields[:3]) + sum(fields[5:7])) / tick, fields[7] / tick


class Child:
    """A running program. Without `log` its output is read by line(); with it, it goes there."""

    def __init__(self, keeper, name, argv, *, core=None, log=None, env=None):
        pin = ["--core", str(core)] if core is not None else []
        self.name = name
        self.keeper = keeper
        self.errors = open(log or keeper.log, "ab")
        self.process = subprocess.Popen(
            [keeper.load, "exec", *pin, "--", *argv], stdin=subprocess.PIPE,
            stdout=self.errors if log else subprocess.PIPE, stderr=self.errors, env=env,
            start_new_session=True)
        self.pid = self.process.pid
        self.buffer = b""
        keeper.children.append(self)

    def line(self, timeout):
        """The next JSON line of its output."""
        until = time.monotonic() + timeout
        out = self.process.stdout.fileno()
        while b"\n" not in self.buffer:
            left = until - time.monotonic()
            if left <= 0 or not select.select([out], [], [], left)[0]:
                raise BenchError(f"{self.name}: no answer within {timeout:.0f} s")
            piece = os.read(out, 65536)
            if not piece:
                raise BenchError(f"{self.name}: ended with status {self.process.wait(5)}")
            self.buffer += piece
        line, _, self.buffer = self.buffer.partition(b"\n")
        return json.loads(line)

    def tell(self, text):
        try:
            self.process.stdin.write(text.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass

    def running(self):
        return self.process.poll() is None

    def stop(self, first=signal.SIGTERM, patience=3.0):
        """Asks it to end, then makes it end. Returns the seconds it took."""
        start = time.monotonic()
        family = tree_of(self.pid) if self.running() else []
        if family:
            self.process.send_signal(first)
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                # Its own children, should it have left any behind.
                for pid in family[1:]:
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
        for pipe in (self.process.stdin, self.process.stdout, self.errors):
            try:
                if pipe is not None:
                    pipe.close()
            except BrokenPipeError:
                pass
        if self in self.keeper.children:
            self.keeper.children.remove(self)
        return time.monotonic() - start


class Keeper:
    """Owns every child; stop_all() leaves none."""

    def __init__(self, load, log):
        self.load = load
        self.log = log  # what the tools print on stderr
        self.children = []

    def start(self, name, argv, **options):
        return Child(self, name, argv, **options)

    def stop_all(self):
        for child in reversed(self.children[:]):
            child.stop(patience=1.0)
