# SPDX-License-Identifier: Apache-2.0
"""What is measured: nothing between (direct), nginx, fairlead. One worker each, on one core."""
import getpass
import grp
import os
import shutil
import subprocess
import time

from .procs import BenchError, free_port, http_get, tree_of

# nginx closes idle connections when fewer than a sixteenth of worker_connections are free: 40,000 keep
# it from doing so at 9,500 streams, and cost it some idle memory.
NGINX_CONF = """\
{user}daemon off;
worker_processes 1;
worker_rlimit_nofile {files};
pid {dir}/nginx.pid;
error_log {dir}/error.log error;
events {{ worker_connections 40000; use epoll; multi_accept on; }}
http {{
  access_log off;
  server_tokens off;
  client_body_temp_path {dir}/body;
  proxy_temp_path {dir}/proxy;
  fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi;
  scgi_temp_path {dir}/scgi;
  client_max_body_size 0;
  client_body_buffer_size 256k;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  upstream mock {{
    server 127.0.0.1:{mock};
    keepalive 1024;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = /livez {{ return 200 "ok"; }}
    location / {{
      proxy_pass http://mock;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Authorization "Bearer sk-bench";
      proxy_buffering off;
      proxy_read_timeout 600s;
    }}
  }}
}}
"""

# One connection a stream on both sides: 9,500 are more than the limits of an untouched configuration.
FAIRLEAD_YAML = """\
listen: 127.0.0.1:{port}
workers: 1
providers:
  mock:
    type: openai_compatible
    base_url: "http://127.0.0.1:{mock}/v1"
    api_key: sk-bench
    models: [bench-model]
    connections: 20000
  claude:
    type: anthropic
    base_url: "http://127.0.0.1:{mock}/v1"
    api_key: sk-bench
    models: [bench-claude]
    connections: 20000
limits: {{client_connections: 20000}}
telemetry: {{access_log: false}}
"""


class Running:
    """A target that answers: where, and which processes' CPU and memory count."""

    def __init__(self, port, pids, child=None):
        self.port = port
        self.pids = pids
        self.child = child

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child is not None:
            self.child.stop()

    def cpu_of(self):
        return ",".join(str(pid) for pid in self.pids)


class Direct:
    """The client against the mock: the floor under every figure; CPU is the mock's own."""

    name = "direct"
    gateway = False

    def start(self, bench):
        return Running(bench.mock_port, [bench.mock.pid])


class Gateway:
    gateway = True

    def __init__(self, binary):
        self.binary = binary

    def command(self, bench, port):
        """Writes the configuration; returns the command line."""
        raise NotImplementedError

    def environment(self, bench):
        """Nothing of the caller's settings, and no keys, reach a gateway."""
        return {"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), "HOME": bench.dir}

    def start(self, bench):
        port = free_port()
        log = os.path.join(bench.dir, f"{self.name}.log")
        child = bench.keeper.start(self.name, self.command(bench, port), core=bench.gateway_core,
                                   log=log, env=self.environment(bench))
        until = time.monotonic() + 10
        while http_get(port, "/livez")[0] != 200:
            if not child.running() or time.monotonic() > until:
                child.stop()
                raise BenchError(f"{self.name} does not answer on /livez: {tail_of(log)}")
            time.sleep(0.005)
        return Running(port, tree_of(child.pid), child)

    def stripped_bytes(self, bench):
        """Size of the binary without symbols; None when it cannot be stripped here."""
        copy = os.path.join(bench.dir, f"{self.name}.stripped")
        strip = shutil.which("strip")
        if strip is None:
            return None
        shutil.copyfile(os.path.realpath(self.binary), copy)
        done = subprocess.run([strip, copy], capture_output=True, check=False)
        size = os.path.getsize(copy)
        os.unlink(copy)
        return size if done.returncode == 0 else None


class Nginx(Gateway):
    name = "nginx"

    def command(self, bench, port):
        # As root nginx gives its worker another user unless told; then it could not use the folder.
        user = ""
        if os.geteuid() == 0:
            user = f"user {getpass.getuser()} {grp.getgrgid(os.getegid()).gr_name};\n"
        path = os.path.join(bench.dir, "nginx.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(NGINX_CONF.format(user=user, files=bench.files, dir=bench.dir, port=port,
                                         mock=bench.mock_port))
        return [self.binary, "-p", bench.dir, "-c", path, "-e", os.path.join(bench.dir, "error.log")]


class Fairlead(Gateway):
    name = "fairlead"

    def command(self, bench, port):
        path = os.path.join(bench.dir, "fairlead.yaml")
        with open(path, "w", encoding="ascii") as file:
            file.write(FAIRLEAD_YAML.format(port=port, mock=bench.mock_port))
        return [self.binary, "serve", "-c", path]


def tail_of(path, size=600):
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - size))
            return file.read().decode("utf-8", "replace").strip() or "(it printed nothing)"
    except OSError:
        return "(no output)"


def find_nginx():
    return shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
