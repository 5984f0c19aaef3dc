"""What of a kept Debian package or of the standard library is left out of the image, and why."""

import re
from pathlib import Path

DATA_PACKAGES = ("base-files", "ca-certificates", "media-types", "netbase", "tzdata")
"""Packages that no ELF file names but that TLS, names of services and types, zones and scanners need."""

LOCALE = Path("/usr/lib/locale/C.utf8")
"""The locale that LANG names in every image."""

HOST_DRIVER = re.compile(r"libcuda\.so|libnvidia-|libnvcuvid\.so")
"""Libraries that the NVIDIA container runtime mounts from the host; never in an image."""

SOURCES = "python-sources"
"""Name of the rule that leaves bytecode only; tracebacks then show no lines of the standard library."""

GRAPHICS = "os-graphics"
"""Name of the rule that leaves out graphics drivers."""
DRIVERS = re.compile(
    r"(libgl1-mesa-dri|mesa-libgallium|libllvm\d+(\.\d+)?|libz3-\d+|.*-va-driver(s|-all)?|mesa-va-drivers"
    r"|.*vdpau-driver.*|mesa-vulkan-drivers)$"
)
"""Packages that rule leaves out, although others depend on them."""

WHOLE = ("os-docs", "os-services", "os-development")
"""The rules that also apply to packages that a service names in os_packages, and to what those depend on."""

RULES: dict[str, tuple[tuple[str, ...], str]] = {
    "os-docs": (
        (
            r"/usr/share/doc/(?!.*/copyright$)",
            r"/usr/share/(man|info|locale|lintian|bug|doc-base|bash-completion|applications|menu)/",
            r"/usr/share/(gdb|debhelper)/",
        ),
        "read by people and by Debian's own tools; licences stay",
    ),
    "os-programs": (
        (r"(/usr)?/(s?bin|libexec)/(?!(python3(\.\d+)?|tini)$)", r"/usr/local/s?bin/(?!python(3(\.\d+)?)?$)"),
        "programs of packages that only a library is needed of; those of os_packages stay",
    ),
    GRAPHICS: ((), "drivers of screens and graphics cards, with LLVM: 150 MB that no headless service opens"),
    "os-tools": (
        (
            r"/usr/share/(gcc|perl5|base-files|binfmts|python3|ca-certificates|keyrings|pixmaps)/",
            r"/etc/(apt|default|dpkg|profile|skel|update-motd|bash|ca-certificates)",
            r"/etc/(python3|debian_|issue|motd|host)",
            r"/usr/lib/(binfmt\.d|valgrind)/",
            r"/var/",
        ),
        "package management, login and other tools that the image does not have; those of os_packages stay",
    ),
    "os-services": (
        (
            r"/etc/(init\.d|cron|logrotate)",
            r"/usr/lib/(systemd|tmpfiles\.d|sysusers\.d)/",
        ),
        "start-up and daily work of a whole machine",
    ),
    "os-gconv": (
        (r"/usr/lib/[^/]+/(gconv|audit)/",),
        "character sets of iconv(3); Python has its own codecs",
    ),
    "os-development": (
        (
            r"/usr/(local/)?(include|share/aclocal)/",
            r"/usr/(local/)?(lib|share)/(.*/)?(pkgconfig|cmake)/",
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
    "python-databases": (
        (r".*/lib-dynload/(_dbm|_gdbm)\.", r".*/python3\.\d+/dbm/(ndbm|gnu)\.py"),
        "Unix dbm files; saves libdb and libgdbm",
    ),
    "python-installer": (
        (
            r".*/python3\.\d+/(ensurepip|lib2to3|distutils|site-packages|dist-packages|config-[^/]*)/",
            r"/usr/lib/python3/dist-packages/",
            r".*/python3\.\d+/sitecustomize\.py",
        ),
        "packages are installed before the image exists",
    ),
    "python-bytecode": ((r".*/__pycache__/", r".*\.pyc$"), "recompiled, valid whatever the file times"),
    SOURCES: ((), "sources of the standard library, whose bytecode is complete; saves 9 MB"),
}
"""Name -> (patterns of absolute paths, reason). A service switches one off with `keep = ["name"]`."""

_COMPILED = {name: re.compile("|".join(patterns)) for name, (patterns, _) in RULES.items() if patterns}


def dropped(path: Path, keep: frozenset[str], *, whole: bool = False) -> bool:
    """Return whether a rule that is not switched off leaves the path out.

    Args:
        path: absolute path.
        keep: names of rules that are switched off.
        whole: the path is of a package that the service declares: only the rules of WHOLE apply.

    """
    text = str(path)
    return any(
        pattern.match(text)
        for name, pattern in _COMPILED.items()
        if name not in keep and (name in WHOLE or not whole)
    )


def is_driver(package: str, keep: frozenset[str]) -> bool:
    """Return whether a package is left out as a graphics driver."""
    return GRAPHICS not in keep and bool(DRIVERS.match(package))
