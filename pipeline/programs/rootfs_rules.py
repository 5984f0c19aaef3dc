"""What of a kept Debian package or of the standard library is left out of the image, and why."""

import re
from pathlib import Path

DATA_PACKAGES = ("base-files", "ca-certificates", "netbase", "tzdata")
"""Packages that no ELF file names but that TLS, names of services, zones and scanners need."""

HOST_DRIVER = re.compile(r"libcuda\.so|libnvidia-|libnvcuvid\.so")
"""Libraries that the NVIDIA container runtime mounts from the host; never in an image."""

SOURCES = "python-sources"
"""Name of the rule that leaves bytecode only; tracebacks then show no lines of the standard library."""

RULES: dict[str, tuple[tuple[str, ...], str]] = {
    "os-docs": (
        (
            r"/usr/share/doc/(?!.*/copyright$)",
            r"/usr/share/(man|info|locale|lintian|bug|doc-base|bash-completion|pixmaps|applications|menu)/",
            r"/usr/share/(gdb|gcc|debhelper|perl5|base-files)/",
        ),
        "read by people and by Debian's own tools; licences stay",
    ),
    "os-programs": (
        (r"(/usr)?/(s?bin|libexec)/(?!(python3(\.\d+)?|tini)$)", r"/usr/local/s?bin/(?!python(3(\.\d+)?)?$)"),
        "nothing but the interpreter and its init is started in the image",
    ),
    "os-services": (
        (
            r"/etc/(init\.d|cron|apt|default|dpkg|logrotate|profile|skel|update-motd|bash|ca-certificates)",
            r"/etc/(python3|debian_|issue|motd|host)",
            r"/usr/lib/(systemd|tmpfiles\.d|sysusers\.d|binfmt\.d|valgrind)/",
            r"/usr/share/(binfmts|python3|ca-certificates|keyrings)/",
            r"/var/",
        ),
        "start-up, package management and login, which the image does not have",
    ),
    "os-gconv": (
        (r"/usr/lib/[^/]+/(gconv|audit)/",),
        "character sets of iconv(3); Python has its own codecs",
    ),
    "os-development": (
        (
            r"/usr/(local/)?(include|share/aclocal)/",
            r"/usr/(local/)?lib/(.*/)?(pkgconfig|cmake)/",
            r".*\.(a|la|o)$",
        ),
        "for compilers",
    ),
    "python-tests": (
        (
            r".*/python3\.\d+/(test|idlelib/idle_test|unittest/test|ctypes/test)/",
            r".*/lib-dynload/(_test|_ctypes_test|_xxtest|xxlimited|xxsubtype)",
        ),
        "tests of the interpreter itself",
    ),
    "python-desktop": (
        (r".*/python3\.\d+/(idlelib|tkinter|turtledemo|turtle\.py)", r".*/lib-dynload/_tkinter"),
        "windows and an editor",
    ),
    "python-terminal": (
        (
            r".*/lib-dynload/(readline|_curses|_curses_panel)\.",
            r".*/python3\.\d+/(curses|pydoc_data|_pyrepl)/",
        ),
        "the interactive prompt; saves ncurses, readline and 0.7 MB of help texts",
    ),
    "python-databases": ((r".*/lib-dynload/(_dbm|_gdbm)\.",), "Unix dbm files; saves libdb and libgdbm"),
    "python-installer": (
        (
            r".*/python3\.\d+/(ensurepip|lib2to3|distutils|site-packages|dist-packages|config-[^/]*)/",
            r"/usr/lib/python3/dist-packages/",
            r".*/python3\.\d+/sitecustomize\.py",
        ),
        "packages are installed before the image exists",
    ),
    "python-bytecode": ((r".*/__pycache__/", r".*\.pyc$"), "compiled anew, valid whatever the file times"),
    SOURCES: ((), "sources of the standard library, whose bytecode is complete; saves 9 MB"),
}
"""Name -> (patterns of absolute paths, reason). A service switches one off with `keep = ["name"]`."""

_COMPILED = {name: re.compile("|".join(patterns)) for name, (patterns, _) in RULES.items() if patterns}


def dropped(path: Path, keep: frozenset[str]) -> bool:
    """Return whether a rule that is not switched off leaves the path out."""
    text = str(path)
    return any(pattern.match(text) for name, pattern in _COMPILED.items() if name not in keep)
