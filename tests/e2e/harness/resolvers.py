"""Resolvers of others, unbound and BIND, as programs on hosts."""

import threading
import time

UNBOUND = """server:
    interface: {address}
    access-control: 0.0.0.0/0 allow
    do-daemonize: no
    use-syslog: no
    username: ""
    chroot: ""
    directory: "{folder}"
    pidfile: ""
    module-config: "{modules}iterator"
    do-not-query-localhost: no
    num-threads: 1
{more}
forward-zone:
    name: "."
    forward-addr: {forward}
remote-control:
    control-enable: no
"""

BIND = """options {{
    directory "{folder}"; pid-file "{folder}/pid"; session-keyfile "{folder}/key";
    listen-on {{ {address}; }}; listen-on-v6 {{ none; }};
    allow-query {{ any; }}; recursion yes; dnssec-validation no;
    forward only; forwarders {{ {forward}; }};
    {options}
}};
controls {{ }};
{more}
"""

# Runs a program until the file is there, or for two minutes when it was forgotten.
UNTIL = """stop=$1; shift; "$@" & n=0
until [ -e "$stop" ] || [ $n -gt 1200 ]; do sleep 0.1; n=$((n + 1)); done
kill -9 $!"""


class Resolver:
    """A resolver on a host for the length of a `with`, which begins when a client's question is answered as it should be."""

    def __init__(self, host, folder, command, ready):
        self.host, self.stop, self.command, self.ready = host, folder / "stop", command, ready

    def __enter__(self):
        self.stop.unlink(missing_ok=True)
        words = ("sh", "-c", UNTIL, "sh", str(self.stop), *(str(word) for word in self.command))
        self.thread = threading.Thread(target=lambda: self.host.shell(*words, seconds=150))
        self.thread.start()
        deadline = time.monotonic() + 60
        while True:
            try:
                if self.ready():
                    return self
            except AssertionError:
                pass
            if time.monotonic() > deadline:
                self.__exit__()
                raise AssertionError(f"{self.command} does not answer")
            time.sleep(0.1)

    def __exit__(self, *_):
        self.stop.touch()
        self.thread.join(150)


def unbound(host, folder, forward, ready, *, modules="", more=""):
    """unbound on a host, which asks another server of what it does not know."""
    folder.mkdir(exist_ok=True)
    conf = folder / "unbound.conf"
    conf.write_text(UNBOUND.format(address=host.address, folder=folder, modules=modules, more=more, forward=forward))
    return Resolver(host, folder, ("/usr/sbin/unbound", "-d", "-c", conf), ready)


def bind(host, folder, forward, ready, *, options="", more=""):
    """The same with BIND."""
    folder.mkdir(exist_ok=True)
    conf = folder / "named.conf"
    conf.write_text(BIND.format(address=host.address, folder=folder, options=options, more=more, forward=forward))
    return Resolver(host, folder, ("/usr/sbin/named", "-f", "-c", conf), ready)
