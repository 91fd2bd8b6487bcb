# SPDX-License-Identifier: Apache-2.0
"""The measures. Each is run once per round and target, and returns {figure: value}.

A gateway is started afresh for each sample, so that no sample inherits another's memory, connections
or luck with addresses; it is warm before anything is counted.
"""
import json
import os
import re
import shutil
import signal
import statistics
import time

from .procs import BenchError, cpu_of, http_get, memory_of

LIMIT_S = 60


class Measure:
    """One figure or a few that come from the same runs.

    columns: (figure, heading, show ratio to nginx's). direct: whether the row without a gateway
    means something.
    """

    name = ""
    title = ""
    note = ""
    columns = ()
    direct = True
    direct_quick = True  # with --quick too

    def rounds(self, bench):
        return bench.rounds

    def sample(self, bench, target):
        raise NotImplementedError


def run_load(bench, running, mode, *options):
    """Runs bench_load to its end; its result line."""
    argv = [bench.load, mode, "--port", str(running.port), "--cpu-of", running.cpu_of(),
            "--limit-s", str(LIMIT_S), "--model", bench.model, *map(str, options)]
    child = bench.keeper.start("bench_load", argv)
    try:
        while "result" not in (line := child.line(LIMIT_S + 5)):
            pass
    finally:
        child.stop()
    return line


def errors_of(result):
    count = result.get("errors", 0) + result.get("dropped", 0) + result.get("broken", 0)
    return count + (1 if result["timed_out"] else 0)


def note_errors(bench, target, result):
    """Errors are a figure of their own; the first of them is worth a line."""
    count = errors_of(result)
    if count > 0:
        why = result["first_error"] or "out of time"
        bench.say(f"  {target.name}: {count} errors, the first: {why}")
    return count


def set_streams(bench, events, interval_ms):
    status, _ = http_get(bench.mock_port, f"/control?events={events}&interval_ms={interval_ms}")
    if status != 200:
        raise BenchError("the mock does not take its settings")


def mock_stats(bench):
    status, body = http_get(bench.mock_port, "/stats")
    if status != 200:
        raise BenchError("the mock does not answer")
    return json.loads(body)


class Start(Measure):
    name = "start"
    title = "Start-up, idle memory, size"
    note = ("ready: from before the fork to the first 200 on /livez, median of several starts, and the "
            "CPU time of the\nfirst process until then. size: the binary stripped, without shared "
            "libraries.")
    columns = (("ready_ms", "ready ms", True), ("lowest_ms", "lowest", False),
               ("ready_cpu_ms", "CPU ms", True), ("idle_rss_mib", "idle RSS MiB", True),
               ("idle_pss_mib", "idle PSS MiB", True), ("size_mb", "size MB", True))
    direct = False

    def sample(self, bench, target):
        starts = [self.start_once(bench, target) for _ in range(bench.scaled(5, 3))]
        times = [start["ns"] / 1e6 for start in starts]
        with target.start(bench) as running:
            time.sleep(0.3)
            memory = memory_of(running.pids)
        size = target.stripped_bytes(bench)
        return {"ready_ms": statistics.median(times), "lowest_ms": min(times),
                "ready_cpu_ms": statistics.median(start["cpu_ns"] for start in starts) / 1e6,
                "idle_rss_mib": memory["Rss"] / 1024,
                "idle_pss_mib": memory["Pss"] / 1024,
                "size_mb": size / 1e6 if size is not None else None}

    def start_once(self, bench, target):
        port = bench.free_port()
        argv = [bench.load, "startup", "--port", str(port), "--path", "/livez", "--limit-s", "10",
                "--core", str(bench.gateway_core), "--", *target.command(bench, port)]
        child = bench.keeper.start("bench_load", argv, env=target.environment(bench))
        try:
            result = child.line(20)
        finally:
            child.stop()
        if not result["ready"]:
            raise BenchError(f"{target.name} was not ready within 10 s")
        return result


class Closed(Measure):
    columns = (("cpu_us", "CPU us/request", True), ("per_second", "requests/s", False),
               ("cores", "cores used", False), ("p50_us", "p50 us", False),
               ("p99_us", "p99 us", False), ("errors", "errors", False))
    note = ("CPU of the gateway's processes; direct: of the mock itself. requests/s is what this "
            "run reached with\nload and mock on one core, not what the gateway could.")

    def __init__(self, kib):
        self.kib = kib
        self.name = f"cpu-{kib}k"
        self.title = f"CPU per request, closed loop, 64 connections, {kib} KB request bodies"

    def sample(self, bench, target):
        with target.start(bench) as running:
            result = run_load(bench, running, "closed", "--body", self.kib * 1024,
                              "--warm-ms", bench.scaled(300, 150),
                              "--measure-ms", bench.scaled(1500, 600))
        requests, seconds = max(1, result["requests"]), max(1e-9, result["seconds"])
        return {"cpu_us": result["cpu_ns"] / requests / 1e3,
                "per_second": result["requests"] / seconds,
                "cores": result["cpu_ns"] / seconds / 1e9,
                "p50_us": result["p50_ns"] / 1e3, "p99_us": result["p99_ns"] / 1e3,
                "errors": note_errors(bench, target, result)}


class Open(Measure):
    name = "open"
    title = "Added latency, open loop, 1000 requests/s by schedule, 1 KB request bodies"
    note = ("Latency counts from the time a request was due. added: less direct's of the same "
            "round.")
    columns = (("p50_us", "p50 us", False), ("added_p50_us", "added p50", True),
               ("p99_us", "p99 us", False), ("added_p99_us", "added p99", True),
               ("cpu_us", "CPU us/request", True), ("errors", "errors", False))

    def sample(self, bench, target):
        with target.start(bench) as running:
            result = run_load(bench, running, "open", "--rate", 1000, "--warm-ms", 300,
                              "--measure-ms", bench.scaled(4000, 1000))
        requests = max(1, result["requests"])
        return {"cpu_us": result["cpu_ns"] / requests / 1e3,
                "p50_us": result["p50_ns"] / 1e3, "p99_us": result["p99_ns"] / 1e3,
                "errors": note_errors(bench, target, result)}


class Sse(Measure):
    name = "sse"
    title = "CPU per relayed SSE event, 500 streams, one event each 20 ms per stream"
    note = ("Counted while all streams run. +event: from the mock's write to the client's read, "
            "less direct's of\nthe same round.")
    columns = (("cpu_us", "CPU us/event", True), ("per_second", "events/s", False),
               ("way_p50_us", "event p50 us", False), ("added_way_p50_us", "+event p50", True),
               ("ttft_p50_us", "TTFT p50 us", False), ("whole", "whole", False),
               ("of", "of", False), ("errors", "errors", False))
    streams = 500

    def sample(self, bench, target):
        events = bench.scaled(125, 50)
        set_streams(bench, events, 20)
        with target.start(bench) as running:
            result = run_load(bench, running, "streams", "--connections", self.streams, "--ramp", 16,
                              "--events", events)
        if result["window_events"] < self.streams:  # too slow for a steady state: all there is
            cpu, count, seconds = result["cpu_ns"], result["events"], events * 0.02
        else:
            cpu, count = result["window_cpu_ns"], result["window_events"]
            seconds = result["window_seconds"]
        return {"cpu_us": cpu / max(1, count) / 1e3, "per_second": count / seconds,
                "way_p50_us": result["way_p50_ns"] / 1e3, "ttft_p50_us": result["ttft_p50_ns"] / 1e3,
                "whole": result["whole"], "of": self.streams,
                "errors": note_errors(bench, target, result)}


class SseTranslated(Sse):
    name = "sse-translated"
    title = "CPU per SSE event of a translated stream (Anthropic's to OpenAI's), beside one that is not"
    note = ("One after the other in the same process, 500 streams each, the same text in as many "
            "events.\ntimes: the one over the other. Only fairlead translates.")
    columns = (("times", "times", False), ("cpu_us", "CPU us/event", False),
               ("plain_us", "not translated", False), ("whole", "whole", False),
               ("of", "of", False), ("errors", "errors", False))
    direct = False

    def sample(self, bench, target):
        if target.name != "fairlead":
            return {}
        events = bench.scaled(125, 50)
        set_streams(bench, events, 20)
        results = {}
        with target.start(bench) as running:
            for model in (bench.model, "bench-claude"):
                results[model] = run_load(bench, running, "streams", "--connections", self.streams,
                                          "--ramp", 16, "--events", events, "--model", model)
        plain, translated = (result["window_cpu_ns"] / max(1, result["window_events"]) / 1e3
                             for result in results.values())
        return {"times": translated / max(1e-9, plain), "cpu_us": translated, "plain_us": plain,
                "whole": min(result["whole"] for result in results.values()), "of": self.streams,
                "errors": sum(note_errors(bench, target, result) for result in results.values())}


class Syscalls(Measure):
    name = "syscalls"
    title = "System calls (strace -c -f), 64 connections, 1 KB; and per SSE event, 20 streams"
    note = "Exact for requests: strace attaches while all connections are idle, then a fixed number is sent."
    columns = (("per_request", "per request", True), ("per_event", "per SSE event", True),
               ("by_name", "per request, by name", False), ("errors", "errors", False))
    direct = False

    def rounds(self, bench):
        return 1

    def sample(self, bench, target):
        if bench.strace is None:
            return {"per_request": None, "per_event": None, "by_name": "no strace", "errors": 0}
        with target.start(bench) as running:
            requests, counts, errors = self.count_requests(bench, target, running)
        with target.start(bench) as running:
            per_event = self.count_events(bench, running)
        total = sum(counts.values())
        top = sorted(counts.items(), key=lambda item: -item[1])[:6]
        return {"per_request": total / requests if total else None, "per_event": per_event,
                "by_name": ", ".join(f"{name} {count / requests:.2f}" for name, count in top),
                "errors": errors}

    def count_requests(self, bench, target, running):
        requests = bench.scaled(6000, 2500)
        argv = [bench.load, "closed", "--port", str(running.port), "--requests", str(requests),
                "--model", bench.model, "--hold", "1", "--limit-s", str(LIMIT_S)]
        load = bench.keeper.start("bench_load", argv)
        try:
            load.line(LIMIT_S)  # all connections are warm and idle
            trace = Trace(bench, running.pids)
            load.tell("go")
            result = load.line(LIMIT_S)
            counts = trace.finish()
        finally:
            load.stop()
        return max(1, result["requests"]), counts, note_errors(bench, target, result)

    def count_events(self, bench, running):
        set_streams(bench, 250, 20)
        argv = [bench.load, "streams", "--port", str(running.port), "--connections", "20",
                "--model", bench.model, "--events", "250", "--limit-s", "20"]
        load = bench.keeper.start("bench_load", argv)
        try:
            load.line(10)  # all streaming
            trace = Trace(bench, running.pids)
            before = mock_stats(bench)["events"]
            time.sleep(bench.scaled(1.5, 1.0))
            after = mock_stats(bench)["events"]
            counts = trace.finish()
        finally:
            load.stop()
        return sum(counts.values()) / (after - before) if counts and after > before else None


class Trace:
    """strace -c on living processes, from construction to finish()."""

    def __init__(self, bench, pids):
        self.path = os.path.join(bench.dir, "strace.out")
        log = os.path.join(bench.dir, "strace.log")
        for path in (self.path, log):
            if os.path.exists(path):
                os.unlink(path)
        options = [option for pid in pids for option in ("-p", str(pid))]
        self.child = bench.keeper.start(
            "strace", [bench.strace, "-c", "-f", "-o", self.path, *options], log=log)
        until = time.monotonic() + 5
        while self.child.running() and time.monotonic() < until:
            with open(log, encoding="utf-8", errors="replace") as file:
                if file.read().count("attached") >= len(pids):
                    time.sleep(0.05)  # -f goes on to the other threads
                    return
            time.sleep(0.01)

    def finish(self):
        """{system call: count}; empty when strace may not trace."""
        self.child.stop(signal.SIGINT)
        counts = {}
        try:
            with open(self.path, encoding="ascii", errors="replace") as file:
                for line in file:
                    fields = line.split()
                    if len(fields) >= 5 and re.fullmatch(r"[\d.]+", fields[0]) and fields[-1] != "total":
                        counts[fields[-1]] = int(fields[3])
        except OSError:
            pass
        return counts


class Memory(Measure):
    note = ("KiB/stream: PSS, less the warm process before the streams, at most in three rounds of "
            "streams; anon: the\nsame of anonymous memory; kernel socket memory is in neither. growth: PSS "
            "when every connection has come to\nits third stream, against the second. vanish: from the "
            "last client's close until the mock had seen the last\nof its streams closed, and the target's "
            "CPU time from the first close on; closing: what the clients\ntook to close.")
    columns = (("kib_per_stream", "KiB/stream", True), ("anon_kib_per_stream", "anon KiB", True),
               ("growth_percent", "growth %", False), ("rss_mib", "RSS MiB", True),
               ("whole", "whole", False), ("of", "of", False), ("vanish_ms", "vanish ms", True),
               ("vanish_cpu_ms", "CPU ms", True), ("closing_ms", "closing ms", False), ("errors", "errors", False))

    direct_quick = False

    def __init__(self, streams):
        self.streams = streams
        self.name = f"mem-{streams}"
        self.title = f"Memory, {streams} concurrent SSE streams, an event a second each"

    def rounds(self, bench):
        return 1

    def sample(self, bench, target):
        # A gateway holds two descriptors a stream.
        streams = min(self.streams, (bench.files - 500) // 2)
        if streams < self.streams:
            bench.say(f"  {streams} streams instead of {self.streams}: the limit of descriptors is "
                      f"{bench.files}")
        # Short streams would make this a test of beginnings rather than of waiting.
        events = bench.scaled(5, 3 if streams > 2000 else 2)
        with target.start(bench) as running:
            set_streams(bench, 2, 20)
            run_load(bench, running, "streams", "--connections", 64, "--events", 2)
            time.sleep(0.2)
            base = memory_of(running.pids)
            set_streams(bench, events, 1000)
            argv = [bench.load, "streams", "--port", str(running.port), "--connections",
                    str(streams), "--events", str(events), "--model", bench.model, "--hold", "1",
                    "--limit-s", str(3 * events + 30)]
            load = bench.keeper.start("bench_load", argv)
            try:
                samples, result, cpu = self.follow(load, running)
                vanish_ms = self.vanished_ms(bench, result)
                vanish_cpu_ms = 1000 * (cpu_of(running.pids) - cpu)
            finally:
                load.stop()
        figures = {"whole": result["whole_first"], "of": streams, "vanish_ms": vanish_ms,
                   "vanish_cpu_ms": vanish_cpu_ms,
                   "closing_ms": (result["vanished_ns"] - result["vanish_ns"]) / 1e6,
                   "errors": note_errors(bench, target, result)}
        if not target.gateway or "round 3" not in samples:
            return figures
        first, second, third = (samples[f"round {n}"] for n in (1, 2, 3))
        most = {key: max(first[key], second[key], third[key]) for key in first}
        return {**figures, "kib_per_stream": (most["Pss"] - base["Pss"]) / streams,
                "anon_kib_per_stream": (most["Anonymous"] - base["Anonymous"]) / streams,
                "growth_percent": 100 * (third["Pss"] / second["Pss"] - 1),
                "rss_mib": most["Rss"] / 1024}

    @staticmethod
    def follow(load, running):
        """Memory in the first, second and third streams, the result after the clients vanished, and
        the CPU seconds used before."""
        samples = {}
        while "result" not in (line := load.line(LIMIT_S + 5)):
            if line["mark"] == "round 1":
                time.sleep(0.5)
            samples[line["mark"]] = memory_of(running.pids)
            cpu = cpu_of(running.pids)
            if line["mark"] == "round 3":
                load.tell("vanish")
        return samples, line, cpu if samples else 0

    @staticmethod
    def vanished_ms(bench, result):
        """None when the mock has not seen all of them gone within 5 s."""
        until = time.monotonic() + 5
        while time.monotonic() < until:
            stats = mock_stats(bench)
            if stats["streams_active"] == 0:
                return max(0.0, (stats["last_cut_ns"] - result["vanished_ns"]) / 1e6)
            time.sleep(0.05)
        return None


MEASURES = (Start(), Closed(1), Closed(16), Closed(128), Open(), Sse(),
            SseTranslated(), Syscalls(), Memory(1000),
            Memory(9500))


def find_strace():
    return shutil.which("strace")
