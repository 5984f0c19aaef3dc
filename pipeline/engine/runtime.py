"""Stand between buildah and runc: complete the container that buildah asks for.

buildah starts this file as its OCI runtime (`--runtime`). On `create` it puts
into the bundle what `buildah run` has no option for: the exact environment (so
that no secret stands in an argument list), numeric user, copy-on-write mounts,
an init process. Every other verb goes to runc as it is.

Standard library only and no import of this package: it runs once per verb.
"""

import json
import os
import sys


def main(argv: list[str]) -> None:
    """Patch the bundle on `create`, then become runc."""
    if "create" in argv:
        complete(argv[argv.index("--bundle") + 1], os.environ["WHEELHOUSE_SPEC"])
        leave_pid_file(argv, os.environ["WHEELHOUSE_SPEC"])
    os.execvp("runc", ["runc", *argv])  # noqa: S606


def complete(bundle: str, spec_path: str) -> None:
    """Merge the engine's specification into the bundle's config.json."""
    with open(spec_path) as file:  # noqa: PTH123 - pathlib doubles the start-up of this program
        spec = json.load(file)
    path = f"{bundle}/config.json"
    with open(path) as file:  # noqa: PTH123
        config = json.load(file)
    process = config["process"]
    process.update(spec["process"])
    if spec["all_capabilities"]:
        grant_all(config)
    hidden = set(spec["without_mounts"])
    config["mounts"] = [m for m in config["mounts"] if m["destination"] not in hidden] + spec["mounts"]
    config["hostname"] = spec["hostname"]
    with open(path, "w") as file:  # noqa: PTH123
        json.dump(config, file)


def grant_all(config: dict) -> None:  # type: ignore[type-arg]
    """Give the process every capability, device and system call."""
    with open("/proc/self/status") as file:  # noqa: PTH123
        held = next(int(line.split()[1], 16) for line in file if line.startswith("CapBnd"))
    # Those that this machine has itself: asking for more is refused.
    names = [name for number, name in enumerate(NAMES) if held >> number & 1]
    config["process"]["capabilities"] = dict.fromkeys(
        ("bounding", "effective", "permitted", "inheritable", "ambient"), names
    )
    config["linux"].pop("seccomp", None)
    config["linux"]["maskedPaths"] = []
    config["linux"]["readonlyPaths"] = []
    config["linux"]["resources"] = {"devices": [{"allow": True, "access": "rwm"}]}


def leave_pid_file(argv: list[str], spec_path: str) -> None:
    """Tell the engine where the runtime will write the process id."""
    with open(f"{spec_path}.pid-file", "w") as file:  # noqa: PTH123
        file.write(argv[argv.index("--pid-file") + 1])


NAMES = [
    f"CAP_{name}"
    for name in [
        "CHOWN",
        "DAC_OVERRIDE",
        "DAC_READ_SEARCH",
        "FOWNER",
        "FSETID",
        "KILL",
        "SETGID",
        "SETUID",
        "SETPCAP",
        "LINUX_IMMUTABLE",
        "NET_BIND_SERVICE",
        "NET_BROADCAST",
        "NET_ADMIN",
        "NET_RAW",
        "IPC_LOCK",
        "IPC_OWNER",
        "SYS_MODULE",
        "SYS_RAWIO",
        "SYS_CHROOT",
        "SYS_PTRACE",
        "SYS_PACCT",
        "SYS_ADMIN",
        "SYS_BOOT",
        "SYS_NICE",
        "SYS_RESOURCE",
        "SYS_TIME",
        "SYS_TTY_CONFIG",
        "MKNOD",
        "LEASE",
        "AUDIT_WRITE",
        "AUDIT_CONTROL",
        "SETFCAP",
        "MAC_OVERRIDE",
        "MAC_ADMIN",
        "SYSLOG",
        "WAKE_ALARM",
        "BLOCK_SUSPEND",
        "AUDIT_READ",
        "PERFMON",
        "BPF",
        "CHECKPOINT_RESTORE",
    ]
]
"""Capability names by number. Source: capabilities(7)."""


if __name__ == "__main__":
    main(sys.argv[1:])
