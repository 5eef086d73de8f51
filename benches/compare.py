#!/usr/bin/env python3
"""Measures this server, and upstream's beside it if its binaries are given, and prints one table.

    cargo build --release --bin portcullis --bench load --bench floor
    benches/compare.py
    benches/compare.py --kube-apiserver PATH --etcd PATH
    benches/compare.py --etcd PATH --on-etcd                  # our server on etcd as well
    benches/compare.py growth --steps 10000,100000,1000000    # one store that grows

Both servers are started one after the other on this machine, each with a store of its own in a temporary
folder, and are asked the same by the same program. CPU is the servers' own, a request; upstream's is that of
kube-apiserver and etcd together, and kube-apiserver's alone beside ours on etcd. The floor is a bare server of
ready bytes (benches/floor): machines differ and are busy, so compare what one run printed. Needs openssl on the PATH
and nothing beside Python's own library. Without upstream's binaries the column of upstream holds what was recorded on
a machine on which the floor of a get was 13.6 us.
"""

import argparse
import base64
import glob
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOKEN = "benchmark-user-token-benchmark"
ADMIN_TOKEN = "benchmark-admin-token-benchmark"

# Row: what docs/performance.md calls it, the run and phase it is read from, upstream's CPU as recorded there
# (us a request; None where it was not recorded), how many times less ours must be.
ROWS = [
    ("create, durable", "main", "create", 922, 8),
    ("get", "main", "get", 417, 14),
    ("get, HTTP/1.1", "http1", "get", None, None),
    ("get, administrator by token", "token", "get", None, None),
    ("get, RBAC user by token", "user", "get", None, None),
    ("list 10,000 (14.5 MB)", "main", "list", 131_000, 10),
    ("list 10,000, RBAC user by token", "user", "list", None, None),
    ("list 10,000, gzip", "main", "list-gzip", None, None),
    ("list 10,000, protobuf", "main", "list-proto", None, None),
    ("list 10,000, table", "main", "list-table", None, None),
    ("list page of 500", "main", "page", 9_500, 10),
    ("label-selected list, 100 of 10,000", "main", "select", 11_300, 25),
    ("update", "main", "update", 1_161, 8),
    ("merge patch", "main", "patch", 1_230, 8),
    ("server-side apply, ConfigMap", "main", "apply", 1_394, 6),
    ("server-side apply, Deployment, new", "main", "deployments", None, None),
    ("SubjectAccessReview", "main", "review", 378, 10),
    ("watch event to one of 200 watchers", "main", "watch", 30, 8),
    ("merge patch that one of 200 watchers sees", "main", "watch-own", None, None),
    ("pod create, with admission", "main", "pods", 2_128, 8),
    ("list 10,000 pods", "main", "podlist", 872_000, 15),
    ("list 10,000 pods, protobuf", "main", "podlist-proto", None, None),
    ("delete", "last", "delete", 738, 8),
]
MAIN = "create,get,list,list-gzip,list-proto,list-table,page,select,update,patch,apply,review,watch,watch-own,pods,podlist,podlist-proto,deployments"
FLOOR = "create,get,list,watch"
MEMORY = [("memory idle", "idle", 320), ("memory with 10,000 ConfigMaps", "get", 970),
          ("memory with 10,000 ConfigMaps and 10,000 pods", "podlist", 1850)]


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Process:
    """A server that ends with the script."""

    all = []

    def __init__(self, command, log):
        self.log = open(log, "wb")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, start_new_session=True)
        Process.all.append(self)

    @property
    def pid(self):
        return self.process.pid

    def until_written(self, path):
        """Waits until the server has written a file."""
        while not os.path.exists(path) or not os.path.getsize(path):
            if self.process.poll() is not None:
                sys.exit(f"a server ended early; see {self.log.name}")
            time.sleep(0.005)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
        Process.all.remove(self)


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def certificates(folder):
    """An authority, an administrator, a serving certificate and a key for tokens, for upstream's server."""
    openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            "ca.key", "-out", "ca.crt", "-subj", "/CN=benchmark", "-days", "2")
    for name, subject, extension in (
            ("admin", "/O=system:masters/CN=admin", "extendedKeyUsage=clientAuth"),
            ("server", "/CN=localhost", "subjectAltName=DNS:localhost,IP:127.0.0.1")):
        with open(os.path.join(folder, f"{name}.extensions"), "w") as extensions:
            extensions.write(f"{extension}\n")
        openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                f"{name}.key", "-out", f"{name}.csr", "-subj", subject)
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                "-out", f"{name}.crt", "-days", "2", "-extfile", f"{name}.extensions")
    openssl(folder, "genrsa", "-out", "tokens.key", "2048")


def tokens(folder):
    path = os.path.join(folder, "tokens.csv")
    with open(path, "w") as file:
        file.write(f'{TOKEN},benchmark-user,benchmark-user,"tenants"\n')
        file.write(f'{ADMIN_TOKEN},benchmark-admin,benchmark-admin,"system:masters"\n')
    os.chmod(path, 0o600)
    return path


class Server:
    """Where a server is, who may ask it, and its processes."""

    def __init__(self, name, address, ca, cert, key, processes):
        self.name, self.address, self.ca, self.cert, self.key = name, address, ca, cert, key
        self.processes = processes

    def pids(self):
        return ",".join(str(process.pid) for process in self.processes)

    def ask(self, method, path, body=None):
        context = ssl.create_default_context(cafile=self.ca)
        context.load_cert_chain(self.cert, self.key)
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"https://{self.address}{path}", data=data, method=method,
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, context=context, timeout=10) as answer:
            return answer.read()

    def ready(self, began):
        while True:
            for process in self.processes:
                if process.process.poll() is not None:
                    sys.exit(f"{self.name}: a process ended early; see {process.log.name}")
            try:
                self.ask("GET", "/readyz")
                return time.monotonic() - began
            except OSError:
                if time.monotonic() - began > 120:
                    sys.exit(f"{self.name}: not ready after two minutes")
                time.sleep(0.01)

    def stop(self):
        for process in self.processes:
            process.stop()


def start_etcd(binary, folder):
    client, peer = free_port(), free_port()
    url = f"http://127.0.0.1:{client}"
    etcd = Process([binary, "--data-dir", os.path.join(folder, "etcd"), "--listen-client-urls", url,
                    "--advertise-client-urls", url, "--listen-peer-urls", f"http://127.0.0.1:{peer}",
                    "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}",
                    "--initial-cluster", f"default=http://127.0.0.1:{peer}", "--log-level", "warn"],
                   os.path.join(folder, "etcd.log"))
    for _ in range(500):
        try:
            urllib.request.urlopen(f"{url}/health", timeout=1).read()
            return etcd, url
        except OSError:
            time.sleep(0.02)
    sys.exit("etcd is not ready; see its log")


def start_upstream(options, folder):
    certificates(folder)
    etcd, url = start_etcd(options.etcd, folder)
    port = free_port()
    path = lambda name: os.path.join(folder, name)
    began = time.monotonic()
    server = Process([options.kube_apiserver, "--etcd-servers", url, "--secure-port", str(port),
                      "--bind-address", "127.0.0.1", "--client-ca-file", path("ca.crt"),
                      "--tls-cert-file", path("server.crt"), "--tls-private-key-file", path("server.key"),
                      "--service-account-issuer", "https://kubernetes.default.svc",
                      "--service-account-key-file", path("tokens.key"),
                      "--service-account-signing-key-file", path("tokens.key"),
                      "--service-cluster-ip-range", "10.96.0.0/16", "--authorization-mode", "Node,RBAC",
                      "--token-auth-file", tokens(folder), "--enable-admission-plugins", "NodeRestriction"],
                     path("kube-apiserver.log"))
    upstream = Server("upstream", f"127.0.0.1:{port}", path("ca.crt"), path("admin.crt"), path("admin.key"),
                      [server, etcd])
    return upstream, upstream.ready(began)


def start_ours(options, folder, etcd=None):
    data = os.path.join(folder, "data")
    command = [options.portcullis, "apiserver", "--data-dir", data, "--secure-port", "0", "--log-level", "warn",
               "--token-auth-file", tokens(folder), *options.flag]
    if etcd:
        command += ["--etcd-servers", etcd]
    began = time.monotonic()
    server = Process(command, os.path.join(folder, "portcullis.log"))
    kubeconfig = os.path.join(data, "admin.kubeconfig")
    server.until_written(kubeconfig)
    text = open(kubeconfig).read()
    files = {}
    for key, name in (("certificate-authority-data", "ca"), ("client-certificate-data", "cert"),
                      ("client-key-data", "key")):
        files[name] = os.path.join(folder, f"{name}.pem")
        with open(files[name], "wb") as file:
            file.write(base64.b64decode(re.search(rf'{key}:\s*(?:>-)?\s*"?([A-Za-z0-9+/=]+)', text).group(1)))
        os.chmod(files[name], 0o600)
    address = re.search(r'server:\s*(?:>-)?\s*"?https://([^"\s]+)', text).group(1)
    ours = Server("ours", address, files["ca"], files["cert"], files["key"], [server])
    return ours, ours.ready(began)


def start_floor(options, folder):
    process = Process([options.floor, "--dir", folder, "--objects", str(options.objects)],
                      os.path.join(folder, "floor.log"))
    address = os.path.join(folder, "address")
    process.until_written(address)
    return Server("floor", open(address).read(), os.path.join(folder, "ca.pem"), None, None, [process])


def load(options, server, phases, *extra, token=None, pids=None):
    """Runs the load generator; returns what each phase came to."""
    sys.stderr.write(f"# {server.name}: {phases}\n")
    who = ["--cert", server.cert, "--key", server.key] if server.cert and not token else ["--token", token or TOKEN]
    command = [options.load, "--address", server.address, "--ca", server.ca, *who, "--pids", pids or server.pids(),
               "--objects", str(options.objects), "--gets", str(options.gets), "--watchers", str(options.watchers),
               "--phases", phases, *extra]
    run = subprocess.run(command, capture_output=True, text=True)
    sys.stderr.write(run.stdout)
    if run.returncode != 0:
        sys.exit(f"the load generator failed: {run.stderr}")
    found = {}
    for line in run.stdout.splitlines():
        name, _, rest = line.partition(" ")
        found[name] = {key: float(value) for key, value in re.findall(r"(\w+)=([0-9.]+)", rest)}
    failed = [name for name, figures in found.items() if figures.get("failed")]
    if failed:
        sys.exit(f"requests failed in {failed}")
    return found


def measure(options, server, ready, pids=None):
    """All runs against one server."""
    runs = {"main": load(options, server, MAIN, pids=pids)}
    runs["http1"] = load(options, server, "get", "--http1", pids=pids)
    # Upstream's "view" is filled by a controller, which does not run here.
    server.ask("POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", {
        "metadata": {"name": "benchmark"},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]}]})
    server.ask("POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/load/rolebindings", {
        "metadata": {"name": "benchmark"}, "subjects": [
            {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "benchmark-user"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "benchmark"}})
    runs["token"] = load(options, server, "get", token=ADMIN_TOKEN, pids=pids)
    runs["user"] = load(options, server, "get,list", token=TOKEN, pids=pids)
    runs["last"] = load(options, server, "delete", pids=pids)
    runs["ready"] = ready
    return runs


def shown(us):
    if us is None:
        return ""
    return f"{us / 1000:,.1f} ms" if us >= 1500 else f"{us:,.1f} us"


def floor(options, folder):
    """What the phases cost that a bare server can answer."""
    server = start_floor(options, folder)
    runs = {"main": load(options, server, FLOOR), "http1": load(options, server, "get", "--http1"), "token": {}, "user": {}, "last": {}}
    server.stop()
    return runs


def table(ours, upstream, bare, recorded=True, most=None):
    """The table of docs/performance.md; no row is asked for more than `most` times less."""
    print("| work | floor | upstream CPU | target | ours | against upstream |\n|---|---|---|---|---|---|")
    for label, run, phase, known, factor in ROWS:
        mine = ours[run][phase]["cpu_us"]
        theirs = upstream[run][phase]["cpu_us"] if upstream else (known if recorded else None)
        least = bare[run].get(phase, {}).get("cpu_us") if bare else None
        factor = min(factor, most) if factor and most else factor
        target = shown(theirs / factor) if theirs and factor else ""
        ratio = f"{theirs / mine:.1f}x less" if theirs and mine else ""
        missed = " (missed)" if theirs and factor and mine > theirs / factor else ""
        print(f"| {label} | {shown(least)} | {shown(theirs)} | {target} | {shown(mine)} | {ratio}{missed} |")
    for label, phase, known in MEMORY:
        mine = ours["main"][phase]["rss_mib"]
        theirs = upstream["main"][phase]["rss_mib"] if upstream else (known if recorded else None)
        if not theirs:
            print(f"| {label} | | | | {mine:,.0f} MiB | |")
            continue
        missed = " (missed)" if mine > theirs / 8 else ""
        print(f"| {label} | | {theirs:,.0f} MiB | {theirs / 8:,.0f} MiB | {mine:,.0f} MiB | {theirs / mine:.1f}x less{missed} |")
    theirs = f"{upstream['ready']:.1f} s" if upstream else "4 s"
    print(f"| start to ready, empty store | | {theirs} | 0.3 s | {ours['ready']:.2f} s | |")
    for server, runs in (("ours", ours), ("upstream", upstream), ("floor", bare)):
        if not runs:
            continue
        watch = runs["main"]["watch"]
        print(f"\n{server}: watch events {watch['rate']:,.0f}/s, p50 {watch['p50']:.1f} ms, p99 {watch['p99']:.1f} ms; "
              f"memory a watcher {runs['main']['watch-open']['bytes_each']:,.0f} bytes")


def compare(options, folder):
    bare = floor(options, os.path.join(folder, "floor")) if options.floor else None
    ours, ready = start_ours(options, folder)
    mine = measure(options, ours, ready)
    ours.stop()
    theirs = None
    if options.kube_apiserver:
        upstream, ready = start_upstream(options, os.path.join(folder, "upstream"))
        theirs = measure(options, upstream, ready)
        upstream.stop()
    table(mine, theirs, bare)
    if options.on_etcd:
        on_etcd(options, folder)


def on_etcd(options, folder):
    """Our process beside kube-apiserver's, each on an etcd whose CPU is not counted."""
    theirs = None
    if options.kube_apiserver:
        upstream, ready = start_upstream(options, os.path.join(folder, "upstream-alone"))
        theirs = measure(options, upstream, ready, str(upstream.processes[0].pid))
        upstream.stop()
    below = os.path.join(folder, "on-etcd")
    etcd, url = start_etcd(options.etcd, below)
    ours, ready = start_ours(options, below, url)
    print("\nOn etcd, without etcd's CPU:\n", flush=True)
    table(measure(options, ours, ready), theirs, None, recorded=False, most=8)
    ours.stop()
    etcd.stop()


def growth(options, folder):
    """One store that grows: what reads cost and how much memory there is at each size."""
    ours, _ = start_ours(options, folder)
    options.gets = min(options.gets, 20_000)
    idle = None
    print("| objects | filled in | get | list | list, each object | memory | beside the objects' bytes |\n|---|---|---|---|---|---|---|")
    below = 0
    for step in [int(step) for step in options.steps.split(",")]:
        began = time.monotonic()
        options.objects = step
        found = load(options, ours, "create,get,list", "--first", str(below))
        filled, below = time.monotonic() - began, step
        idle = idle or found["idle"]["rss_mib"]
        size = found["list"]["bytes"]
        memory = found["list"]["rss_mib"]
        print(f"| {step:,} | {filled:,.0f} s | {found['get']['cpu_us']:.1f} us | {found['list']['cpu_us'] / 1000:,.1f} ms | "
              f"{found['list']['cpu_us'] / step:.2f} us | {memory:,.0f} MiB | {memory * 2**20 / size:.2f} |", flush=True)
    ours.stop()


def newest(pattern):
    found = sorted(glob.glob(os.path.join(HERE, pattern)), key=os.path.getmtime)
    found = [path for path in found if os.access(path, os.X_OK) and not path.endswith(".d")]
    return found[-1] if found else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["compare", "growth"], default="compare")
    parser.add_argument("--portcullis", default=os.path.join(HERE, "target/release/portcullis"))
    parser.add_argument("--load", default=newest("target/release/deps/load-*"), help="the load generator")
    parser.add_argument("--floor", default=newest("target/release/deps/floor-*"), help="the bare server")
    parser.add_argument("--kube-apiserver", help="upstream's server")
    parser.add_argument("--etcd", default=shutil.which("etcd"), help="etcd, for upstream's server or ours")
    parser.add_argument("--on-etcd", action="store_true", help="measure ours on etcd as well")
    parser.add_argument("--objects", type=int, default=10_000)
    parser.add_argument("--gets", type=int, default=50_000)
    parser.add_argument("--watchers", type=int, default=200)
    parser.add_argument("--steps", default="10000,100000,300000", help="sizes of the growing store")
    parser.add_argument("--flag", action="append", default=[], help="a further flag for our server")
    options = parser.parse_args()
    if not options.load or not os.path.exists(options.portcullis):
        sys.exit("build first: cargo build --release --bin portcullis --bench load --bench floor")
    if (options.kube_apiserver or options.on_etcd) and not options.etcd:
        sys.exit("name etcd with --etcd")
    folder = tempfile.mkdtemp(prefix="portcullis-compare-")
    for below in ("floor", "upstream", "upstream-alone", "on-etcd"):
        os.mkdir(os.path.join(folder, below))
    try:
        {"compare": compare, "growth": growth}[options.what](options, folder)
    finally:
        for process in list(Process.all):
            process.stop()
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
