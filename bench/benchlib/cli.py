# SPDX-License-Identifier: Apache-2.0
"""Options, the order of things, and leaving nothing behind."""
import argparse
import json
import os
import platform
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from . import procs, report
from .measures import MEASURES, find_strace
from .targets import Direct, Fairlead, Nginx, find_nginx

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EXIT_USAGE = 2
EXIT_FAILED = 1
EXIT_GOAL_MISSED = 5
TOTAL_LIMIT_S = 1800
NOISY_CORES = 0.3


class Bench:
    """What every measure needs: tools, cores, the folder, the mock, and how long to run."""

    def __init__(self, options, tools, cores):
        self.quick = options.quick
        self.rounds = options.rounds or (2 if options.quick else 5)
        self.model = options.model
        self.load = os.path.join(tools, "bench_load")
        self.strace = find_strace()
        self.gateway_core, self.load_core = cores
        self.files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if self.files == resource.RLIM_INFINITY:
            self.files = 1 << 20
        self.dir = tempfile.mkdtemp(prefix="fairlead-bench-")
        self.keeper = procs.Keeper(self.load, os.path.join(self.dir, "tools.log"))
        self.mock_binary = os.path.join(tools, "bench_mock")
        self.mock = None
        self.mock_port = 0
        self.other_cpu = 0.0
        self.stolen_cpu = 0.0
        self.sampled_s = 0.0

    def start_mock(self):
        self.mock = self.keeper.start("bench_mock",
                                      [self.mock_binary, "--limit-s", str(TOTAL_LIMIT_S + 60)])
        self.mock_port = self.mock.line(5)["port"]

    def finish(self):
        self.keeper.stop_all()
        shutil.rmtree(self.dir, ignore_errors=True)

    def scaled(self, full, quick):
        return quick if self.quick else full

    @staticmethod
    def free_port():
        return procs.free_port()

    @staticmethod
    def say(text):
        print(text, file=sys.stderr, flush=True)

    def own_cpu(self):
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(u.ru_utime + u.ru_stime for u in used) + procs.process_cpu(self.mock.pid)

    def sample(self, measure, target):
        """One sample, and what else the machine did meanwhile."""
        start, own = time.monotonic(), self.own_cpu()
        busy, stolen = procs.busy_seconds()
        try:
            return measure.sample(self, target)
        except (procs.BenchError, OSError) as error:
            # One target's failure is a result; without the mock there are none.
            if not self.mock.running():
                raise procs.BenchError("bench_mock ended") from error
            self.say(f"  {target.name}: {error}")
            return {"errors": 1}
        finally:
            busy_end, stolen_end = procs.busy_seconds()
            self.other_cpu += max(0.0, busy_end - busy - (self.own_cpu() - own))
            self.stolen_cpu += stolen_end - stolen
            self.sampled_s += time.monotonic() - start


def parse(argv):
    names = ", ".join(measure.name for measure in MEASURES)
    parser = argparse.ArgumentParser(
        prog="bench/run", description="Measures fairlead beside nginx, on loopback, in one run.")
    parser.add_argument("--quick", action="store_true", help="about a minute in all")
    parser.add_argument("--only", metavar="NAME[,NAME]", help=f"of: {names} (a beginning is enough)")
    parser.add_argument("--targets", default="direct,nginx,fairlead", metavar="NAME[,NAME]")
    parser.add_argument("--rounds", type=int, metavar="N", help="interleaved repetitions (5; quick: 2)")
    parser.add_argument("--json", metavar="FILE", help="write everything measured, '-' = stdout")
    parser.add_argument("--fairlead", metavar="PATH", help="default: build/shipped/src/cli/fairlead")
    parser.add_argument("--nginx", metavar="PATH", help="default: the one in PATH")
    parser.add_argument("--tools", metavar="DIR", help="where bench_load and bench_mock are")
    parser.add_argument("--model", default="bench-model", help="what clients ask for ('auto' also works "
                        "where a gateway routes)")
    parser.add_argument("--cores", default=None, metavar="A,B",
                        help="A: gateway, B: load and mock (default: the first two allowed)")
    parser.add_argument("--nice", type=int, default=0, metavar="N", help="niceness of everything "
                        "started; below 0 (with the privilege) it displaces other work")
    parser.add_argument("--check", action="store_true", help="exit 5 when a goal is missed")
    options = parser.parse_args(argv)
    if options.rounds is not None and not 1 <= options.rounds <= 50:
        parser.error("--rounds takes 1 to 50")
    return parser, options


def pick_measures(parser, only):
    if only is None:
        return list(MEASURES)
    picked = []
    for name in only.split(","):
        found = [m for m in MEASURES if m.name == name] or \
                [m for m in MEASURES if name and m.name.startswith(name)]
        if not found:
            parser.error(f"--only {name}: there is no such measure")
        picked += [m for m in found if m not in picked]
    return picked


def pick_targets(parser, options):
    fairlead = options.fairlead or os.path.join(ROOT, "build/shipped/src/cli/fairlead")
    nginx = options.nginx or find_nginx()
    targets = []
    for name in options.targets.split(","):
        if name == "direct":
            targets.append(Direct())
        elif name == "nginx" and nginx is not None and os.access(nginx, os.X_OK):
            targets.append(Nginx(nginx))
        elif name == "nginx":
            Bench.say("nginx is not installed: there are no ratios to it")
        elif name == "fairlead" and os.access(fairlead, os.X_OK):
            targets.append(Fairlead(os.path.abspath(fairlead)))
        elif name == "fairlead":
            Bench.say(f"{fairlead} is not there (scripts/release builds it): fairlead is not measured")
        else:
            parser.error(f"--targets {name}: there are direct, nginx and fairlead")
    if not targets:
        parser.error("nothing to measure")
    return targets


def pick_cores(parser, text):
    allowed = sorted(os.sched_getaffinity(0))
    if text is not None:
        try:
            first, second = (int(core) for core in text.split(","))
        except ValueError:
            parser.error("--cores takes two numbers, as 0,1")
        if first not in allowed or second not in allowed:
            parser.error(f"--cores {text}: allowed here are {allowed}")
        return first, second
    if len(allowed) == 1:
        Bench.say("only one core: gateway, load and mock share it; latencies mean little")
    return allowed[0], allowed[min(1, len(allowed) - 1)]


def set_niceness(nice):
    if nice == 0:
        return
    try:
        os.setpriority(os.PRIO_PROCESS, 0, nice)
    except OSError as error:
        raise procs.BenchError(f"--nice {nice}: {error.strerror}") from error


def find_tools(options):
    """The folder of bench_load and bench_mock, built when they are not there."""
    if options.tools is not None:
        return os.path.abspath(options.tools)
    for preset in ("shipped", "release"):
        folder = os.path.join(ROOT, "build", preset, "bench")
        if all(os.access(os.path.join(folder, t), os.X_OK) for t in ("bench_load", "bench_mock")):
            return folder
    Bench.say("building bench_load and bench_mock")
    for command in (["cmake", "--preset", "release"],
                    ["cmake", "--build", "--preset", "release", "--target", "bench_load", "bench_mock"]):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise procs.BenchError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return folder


def run_measure(bench, measure, targets, until):
    """Interleaved rounds; each round starts with another target."""
    rounds = []
    wants_direct = measure.direct and (measure.direct_quick or not bench.quick)
    targets = [target for target in targets if target.gateway or wants_direct]
    for number in range(measure.rounds(bench) if targets else 0):
        shift = number % len(targets)
        by_target = {}
        for target in targets[shift:] + targets[:shift]:
            if time.monotonic() > until:
                raise procs.BenchError(f"not done after {TOTAL_LIMIT_S} s")
            bench.say(f"{measure.name} {number + 1}/{measure.rounds(bench)} {target.name}")
            by_target[target.name] = bench.sample(measure, target)
        rounds.append(by_target)
    report.add_differences(rounds)
    return rounds, [target.name for target in targets]


def machine_line():
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, load {load:.2f}"


def run(bench, measures, targets, options):
    start = time.monotonic()
    names = [target.name for target in targets]
    out = sys.stderr if options.json == "-" else sys.stdout
    print(f"{machine_line()}; targets: {', '.join(names)}; gateway on core {bench.gateway_core}, "
          f"load and mock on core {bench.load_core}", file=out)
    bench.start_mock()
    samples = {}
    for measure in measures:
        rounds, row_names = run_measure(bench, measure, targets, start + TOTAL_LIMIT_S)
        if not rounds:
            continue
        samples[measure.name] = rounds
        print(f"\n{measure.title}\n\n"
              f"{report.measure_table(measure, rounds, row_names, 'nginx' in names)}\n"
              f"{measure.note}", file=out, flush=True)
    verdicts = report.judge(samples) if "fairlead" in names else []
    if verdicts:
        print(f"\nGoals\n\n{report.goals_table(verdicts, samples)}", file=out)
    other = bench.other_cpu / max(bench.sampled_s, 1e-9)
    stolen = bench.stolen_cpu / max(bench.sampled_s, 1e-9)
    print(f"\nOther work on the machine during the samples: {other:.2f} cores on average, "
          f"{stolen:.2f} stolen. Took {time.monotonic() - start:.0f} s.", file=out)
    if other + stolen > NOISY_CORES:
        print("That is too much for elapsed times (latency, ready, vanish), and for CPU per request and "
              "event where the\ntargets' rates differ: repeat on a quieter machine, or with --nice -10.",
              file=out)
    if options.json:
        write_json(options, samples, names, verdicts, {"other_cores": other, "stolen_cores": stolen})
    return verdicts


def write_json(options, samples, names, verdicts, noise):
    text = json.dumps({"machine": machine_line(), "quick": options.quick, **noise,
                       **report.as_json(samples, names, verdicts)}, indent=1)
    if options.json == "-":
        print(text)
        return
    with open(options.json, "w", encoding="ascii") as file:
        file.write(text + "\n")


def main(argv):
    parser, options = parse(argv)
    measures = pick_measures(parser, options.only)
    targets = pick_targets(parser, options)
    cores = pick_cores(parser, options.cores)
    if options.check and not any(target.name == "fairlead" for target in targets):
        parser.error("--check needs fairlead")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_FAILED))
    bench = None
    try:
        tools = find_tools(options)
        os.sched_setaffinity(0, {cores[1]})
        set_niceness(options.nice)
        bench = Bench(options, tools, cores)
        verdicts = run(bench, measures, targets, options)
    except procs.BenchError as error:
        Bench.say(f"bench/run: {error}")
        return EXIT_FAILED
    except KeyboardInterrupt:
        Bench.say("bench/run: interrupted")
        return 130
    finally:
        if bench is not None:
            bench.finish()
    missed = [goal for goal, _, kept in verdicts if goal.binding and not kept]
    return EXIT_GOAL_MISSED if options.check and missed else 0
