"""Write recorded operations as a multi-stage Containerfile."""

import base64
import json
import posixpath
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import Final

from wheelhouse_engine.cli.instructions import INSTRUCTIONS, ON_TREE, SHELL, TREE
from wheelhouse_engine.graph import Op

TEXTS: Final = "texts"
"""Stage of the files whose contents stand in the plan."""
EMPTY: Final = "empty"
"""Stage of an empty directory."""
PIECE: Final = 60_000
"""Characters of one line's text: a multiple of 4, far below what one argument may hold."""

_INSIDE: Final = ("directory", "file", "rootfs")
_MOUNTS: Final = {
    "withMountedCache": "cache",
    "withMountedDirectory": "bind",
    "withMountedFile": "bind",
    "withMountedSecret": "secret",
    "withSecretVariable": "secret",
}


@dataclass(slots=True)
class _Stage:
    """Hold one stage's name and its lines."""

    name: str
    lines: list[str]
    needs: set[str]
    """Other stages, which must stand before this one."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Say where the result of an operation is: a stage, or a named build context, and the path in it."""

    source: str
    path: str = "/"
    mounts: tuple[str, ...] = ()
    """RUN options that later executions of this container need."""


@dataclass(slots=True)
class _Writer:
    """Walk the operations once, inputs first."""

    uses: Counter[str]
    read_back: frozenset[str] = frozenset()
    """Mounts whose files are taken out of the container again: those are copied, since a mount is gone."""
    base: str = ""
    """Image whose shell writes texts into files; empty when no operation names one."""
    stages: list[_Stage] = field(default_factory=list)
    contexts: dict[str, str] = field(default_factory=dict)
    places: dict[str, _Place] = field(default_factory=dict)

    def write(self, op: Op) -> None:
        """Add the lines of one operation."""
        if op.type not in ("Container", "Directory", "File"):
            return
        if op.owner in ("Host", "Address"):
            self.places[op.digest] = self._context(op)
        elif op.name == "Container.from":
            self.places[op.digest] = _Place(self._start(op.args["address"]).name)
        elif op.name in ("Query.container", "Query.directory"):
            self.places[op.digest] = _Place("scratch")
        elif op.field in _INSIDE and op.parent is not None:
            self.places[op.digest] = self._inside(op, op.parent)
        elif op.parent is not None and op.parent.digest in self.places:
            self._extend(op, op.parent)

    def _context(self, op: Op) -> _Place:
        """Name a folder of the host as a build context."""
        path = str(op.args.get("path") or (op.parent.args.get("value") if op.parent else "") or ".")
        if op.type == "File":
            folder, name = posixpath.split(path)
        else:
            folder, name = path, ""
        if folder not in self.contexts:
            self.contexts[folder] = f"host{len(self.contexts) + 1}"
        return _Place(self.contexts[folder], "/" + name)

    def _inside(self, op: Op, parent: Op) -> _Place:
        held = self.places.get(parent.digest, _Place("scratch"))
        return _Place(
            held.source, posixpath.normpath(posixpath.join(held.path, str(op.args.get("path", ""))))
        )

    def _extend(self, op: Op, parent: Op) -> None:
        """Add to the parent's stage, or start one from it when others need the parent as it is."""
        held = self.places[parent.digest]
        if op.type == "Directory" and self.base and op.field in ON_TREE:
            self.places[op.digest] = self._changed(op, held)
            return
        stage = next((s for s in self.stages if s.name == held.source), None)
        if op.type == "Directory" and held.source != "scratch" and (stage is None or held.path != "/"):
            stage = self._start("scratch")
            stage.lines.append(self._copied(stage, held, "/"))
        elif stage is None or self.uses[parent.digest] > 1:
            stage = self._start(held.source)
        mounts = held.mounts
        if op.field in ("withoutMount", "withoutSecretVariable"):
            gone = f"target={op.args.get('path')}," if "path" in op.args else f"env={op.args.get('name')},"
            mounts = tuple(one for one in mounts if gone not in one + ",")
        elif op.digest in self.read_back:
            stage.lines += [self._copied(stage, held, op.args["path"]) for held in self._sources(op)]
        elif (mount := self._mount(op)) is not None:
            mounts = (*mounts, mount)
            stage.needs |= {held.source for held in self._sources(op)}
        else:
            stage.lines += self._lines(op, stage, mounts)
        self.places[op.digest] = _Place(stage.name, "/", mounts)

    def _changed(self, op: Op, held: _Place) -> _Place:
        """Let the image's programs change a copy of a directory: no instruction does."""
        stage = self._start(self.base)
        stage.lines.append(self._copied(stage, held, TREE))
        args = dict(op.args)
        for key in args.keys() & {"path", "linkName"}:
            args[key] = f"{TREE}/{args[key]}"
        args["paths"] = [f"{TREE}/{path}" for path in args.get("paths", ())]
        stage.lines.append(f"RUN {json.dumps(ON_TREE[op.field](args), ensure_ascii=False)}")
        return _Place(stage.name, TREE)

    def _sources(self, op: Op) -> list[_Place]:
        """Give where the directories and files are that an operation takes."""
        return [
            self.places[one.digest]
            for one in op.inputs()
            if one is not op.parent and one.digest in self.places
        ]

    def _copied(self, stage: _Stage, source: _Place, target: str, options: str = "") -> str:
        name = self._empty() if source.source == "scratch" else source.source
        stage.needs.add(name)
        return f"COPY --from={name} {options}{source.path} {target}"

    def _lines(self, op: Op, stage: _Stage, mounts: Sequence[str]) -> list[str]:
        if op.field == "withExec":
            options = "".join(f"{mount} " for mount in mounts)
            return [f"RUN {options}{json.dumps(op.args['args'], ensure_ascii=False)}"]
        if op.field in ("withDirectory", "withFile", "withRootfs"):
            source = op.args.get("source") or op.args.get("directory")
            held = self.places.get(source.digest) if isinstance(source, Op) else None
            if held is not None:
                owner = f"--chown={op.args['owner']} " if op.args.get("owner") else ""
                target = posixpath.join("/", op.args.get("path", "/")) if op.type == "Directory" else ""
                return [self._copied(stage, held, target or op.args.get("path", "/"), owner)]
        if op.field == "withNewFile":
            return self._text(op, stage)
        if op.field in SHELL and op.type == "Container":
            return [f"RUN {json.dumps(SHELL[op.field](op.args), ensure_ascii=False)}"]
        write = INSTRUCTIONS.get(op.field)
        return write(op.args) if write else [f"# no counterpart: {op}"]

    def _text(self, op: Op, stage: _Stage) -> list[str]:
        """Copy a text from the stage that holds all of them: not every builder knows heredocs."""
        if not self.base:
            return [f"# no counterpart without an image: {op}"]
        texts = next((s for s in self.stages if s.name == TEXTS), None)
        if texts is None:
            texts = _Stage(TEXTS, [f"FROM {self.base} AS {TEXTS}"], {self.base})
            self.stages.append(texts)
        number = sum(">/texts/" in line for line in texts.lines) + 1
        held = base64.b64encode(str(op.args["contents"]).encode(errors="surrogateescape")).decode()
        for start in range(0, len(held) or 1, PIECE):
            script = f"mkdir -p /texts; printf %s '{held[start : start + PIECE]}' | base64 -d"
            line = f"{script} {'>>' if start else '>'}/texts/{number}"
            texts.lines.append(f"RUN {json.dumps(['sh', '-c', line])}")
        stage.needs.add(TEXTS)
        mode = op.args.get("permissions") or 0o644
        owner = f"--chown={op.args['owner']} " if op.args.get("owner") else ""
        target = posixpath.join("/", op.args["path"]) if op.type == "Directory" else op.args["path"]
        return [f"COPY --from={TEXTS} --chmod={mode:o} {owner}/texts/{number} {target}"]

    def _mount(self, op: Op) -> str | None:
        """Give the RUN option of a mount; None for other operations."""
        kind = _MOUNTS.get(op.field)
        source = next((value for value in op.args.values() if isinstance(value, Op)), None)
        if kind is None or source is None:
            return f"--mount=type=tmpfs,target={op.args['path']}" if op.field == "withMountedTemp" else None
        if kind == "cache":
            return f"--mount=type=cache,target={op.args['path']},id={source.args.get('key', 'cache')}"
        if kind == "bind":
            held = self.places.get(source.digest, _Place("scratch"))
            place = f"target={op.args['path']},from={held.source},source={held.path}"
            return f"--mount=type=bind,{place}" + ("" if op.args.get("readOnly") else ",rw")
        secret = str(source.args.get("name") or source.args.get("uri") or "secret").rpartition("/")[2]
        where = f"target={op.args['path']}" if "path" in op.args else f"env={op.args['name']}"
        return f"--mount=type=secret,id={secret},{where}"

    def _empty(self) -> str:
        """Return the name of a stage without files."""
        if not any(stage.name == EMPTY for stage in self.stages):
            self.stages.append(_Stage(EMPTY, [f"FROM scratch AS {EMPTY}"], set()))
        return EMPTY

    def _start(self, base: str) -> _Stage:
        stage = _Stage(f"s{len(self.stages) + 1}", [], {base})
        stage.lines.append(f"FROM {base} AS {stage.name}")
        self.stages.append(stage)
        return stage


def containerfile(operations: Sequence[Op], guessed: Sequence[Op] = ()) -> str:
    """Write the operations (inputs first) as stages; what has no counterpart stays as a comment.

    `guessed` are those whose value was taken as empty.
    """
    digests = {op.digest for op in operations if op.type in ("Container", "Directory", "File")}
    uses = Counter(one.digest for op in operations if op.digest in digests for one in op.inputs())
    images = (str(op.args["address"]) for op in operations if op.name == "Container.from")
    writer = _Writer(uses, _read_back(operations), next(images, ""))
    for op in operations:
        writer.write(op)
    head = [f"# build context {name}: {path}" for path, name in writer.contexts.items()]
    head += [f"# taken as empty, since only a run can tell: {op.parent} {op.field}" for op in guessed]
    parts = [head, *(stage.lines for stage in _ordered(writer, operations))]
    return "\n\n".join("\n".join(one) for one in parts if one) + "\n"


def _read_back(operations: Sequence[Op]) -> frozenset[str]:
    """Return the digests of the mounts that a directory or file is taken from."""
    found: set[str] = set()
    for op in operations:
        path, one = posixpath.join("/", str(op.args.get("path", "/")), ""), op.parent
        while op.field in ("directory", "file") and one is not None and one.type == "Container":
            target = posixpath.join("/", str(one.args.get("path", "/")), "")
            if _MOUNTS.get(one.field) == "bind" and path.startswith(target):
                found.add(one.digest)
                break
            one = one.parent
    return frozenset(found)


def _ordered(writer: _Writer, operations: Sequence[Op]) -> list[_Stage]:
    """Put each stage behind those it needs, and the one of the last operation at the end."""
    by_name = {stage.name: stage for stage in writer.stages}
    graph = {stage.name: sorted(stage.needs & by_name.keys()) for stage in writer.stages}
    names = list(TopologicalSorter(graph).static_order())
    final = next(
        (writer.places[op.digest].source for op in reversed(operations) if op.digest in writer.places), ""
    )
    return [by_name[name] for name in names if name != final] + [
        by_name[name] for name in names if name == final
    ]
