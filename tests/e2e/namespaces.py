"""Network namespaces as hosts: each has an address of its own on one bridge, and a host name."""
import os
import shutil
import subprocess
import uuid


class Namespaces:
    """`with Namespaces(2, folder) as hosts`: hosts.addresses, and hosts.agent in ssh's place."""

    @staticmethod
    def why_not():
        """Why this machine cannot make them; empty when it can."""
        if os.getuid() != 0:
            return "network namespaces need root"
        for program in ("ip", "unshare", "hostname"):
            if shutil.which(program) is None:
                return f"there is no program {program}"
        name = "shoalprobe" + uuid.uuid4().hex[:4]
        made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
        if made.returncode != 0:
            return "network namespaces cannot be made here: " + made.stderr.strip()
        bridge = subprocess.run(["ip", "-n", name, "link", "add", "probe0", "type", "bridge"], capture_output=True, text=True)
        subprocess.run(["ip", "netns", "del", name], capture_output=True)
        return "" if bridge.returncode == 0 else "bridges cannot be made here: " + bridge.stderr.strip()

    def __init__(self, count, folder):
        mark = uuid.uuid4().hex
        # 198.18.0.0/15 is set aside for tests between networks; a block of 16 of it for this run.
        block = int(mark[:4], 16) // 16 * 16
        self.prefix = f"198.18.{block >> 8}."
        self.first = block & 255
        self.bridge = "sh" + mark[:8]
        self.names = [f"sh{mark[:8]}n{i}" for i in range(count)]
        self.addresses = [self.prefix + str(self.first + 2 + i) for i in range(count)]
        self.here = self.prefix + str(self.first + 1)
        self.agent, self.folder = folder / "agent.sh", folder  # the hosts' own /tmp

    def ip(self, *words):
        subprocess.run(["ip", *words], check=True, capture_output=True)

    def __enter__(self):
        try:
            self.ip("link", "add", self.bridge, "type", "bridge")
            self.ip("addr", "add", self.here + "/28", "dev", self.bridge)
            self.ip("link", "set", self.bridge, "up")
            for i, name in enumerate(self.names):
                self.ip("netns", "add", name)
                self.ip("link", "add", f"{self.bridge}v{i}", "type", "veth", "peer", "name", "e0", "netns", name)
                self.ip("link", "set", f"{self.bridge}v{i}", "master", self.bridge, "up")
                self.ip("-n", name, "addr", "add", self.addresses[i] + "/28", "dev", "e0")
                self.ip("-n", name, "link", "set", "e0", "up")
                self.ip("-n", name, "link", "set", "lo", "up")
        except subprocess.CalledProcessError:
            self.__exit__()
            raise
        cases = "".join(f"{address}) name={name};;\n" for address, name in zip(self.addresses, self.names))
        # As ssh does it: the command in a bare environment. The mark finds what is left behind.
        self.agent.write_text(f"""#!/bin/sh
host=$1; shift
case $host in
{cases}*) echo "no such host: $host" >&2; exit 255;;
esac
exec ip netns exec $name env -i PATH="$PATH" HOME="$HOME" TMPDIR={self.folder} SHOAL_TEST_MARK="$SHOAL_TEST_MARK" \\
  unshare --uts sh -c "hostname $name; $*"
""")
        self.agent.chmod(0o755)
        return self

    def __exit__(self, *_):
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
        subprocess.run(["ip", "link", "del", self.bridge], capture_output=True)
