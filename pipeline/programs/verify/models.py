"""Promise about models: they are those of models.lock, whole, and nothing that runs code."""

import json
import zipfile
from io import BytesIO
from typing import Any, Final

from verify.image import Entry
from verify.subject import Subject
from verify.verdict import CannotTellError, Observation, Promise

FOLDER: Final = "/models/"
RECORDS: Final = ("config.json", "provenance.json")
"""Written next to the model; they hold the hashes."""
PICKLED: Final = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
"""First bytes of a pickle of protocol 2 to 5. Source: pickletools."""
PICKLE_NAMES: Final = (".pkl", ".pickle", ".pt", ".pth", ".bin", ".ckpt", ".joblib")


def models(subject: Subject) -> Observation:
    """Compare every model file with the hashes of models.lock and of the export."""
    entries = [entry for entry in subject.image.files if entry.path.startswith(FOLDER)]
    if not entries and not subject.facts.models:
        raise CannotTellError("the variant has no models")
    folders = {entry.path.split("/")[2] for entry in entries}
    hubs = {
        folder: name for name in subject.facts.models if (folder := _hub_folder(subject, name)) in folders
    }
    names = {hubs.get(folder, folder) for folder in folders}
    wrong = [f"{FOLDER}{name} is not declared" for name in sorted(names - set(subject.facts.models))]
    wrong += [f"{FOLDER}{name} is missing" for name in subject.facts.models if name not in names]
    for folder, name in hubs.items():
        wrong += _hub_cache(subject, name, f"{FOLDER}{folder}")
    for name in sorted((names & set(subject.facts.models)) - set(hubs.values())):
        files = [entry for entry in entries if entry.path.startswith(f"{FOLDER}{name}/")]
        wrong += _model(subject, name, files)
    return Observation(wrong, f"{len(entries)} files of {len(names)} models")


def unsafe(subject: Subject) -> Observation:
    """Look by content for files that run code when they are loaded."""
    entries = [entry for entry in subject.image.files if entry.path.startswith(FOLDER)]
    if not entries:
        raise CannotTellError("the image holds no models")
    return Observation(
        [entry.path for entry in entries if _is_pickle(subject, entry)], f"{len(entries)} files"
    )


def _model(subject: Subject, name: str, files: list[Entry]) -> list[str]:
    image, locked = subject.image, subject.models_lock.get("models", {}).get(name)
    if locked is None:
        return [f"{FOLDER}{name} is not in models.lock"]
    source = _json(image.text(f"{FOLDER}{name}/provenance.json"))
    wanted = {one["path"]: one["sha256"] for one in locked["files"]}
    made_from = {one["path"]: one["sha256"] for one in source.get("files", ())}
    wrong = []
    if (source.get("revision"), made_from) != (locked.get("revision"), wanted):
        wrong.append(f"{FOLDER}{name}/provenance.json names other sources than models.lock")
    exported = _json(image.text(f"{FOLDER}{name}/config.json")).get("files")
    hashes = {one["sha256"] for one in exported.values()} if exported else set(wanted.values())
    recorded = RECORDS if exported else RECORDS[1:]
    for entry in files:
        inside = entry.path.removeprefix(f"{FOLDER}{name}/")
        if inside not in recorded and image.digest(entry) not in hashes:
            wrong.append(f"{entry.path} has another sha256 than recorded")
    wrong += [
        f"{FOLDER}{name}/{one} is missing"
        for one in exported or ()
        if f"{FOLDER}{name}/{one}" not in image.tree
    ]
    return wrong


def _hub_folder(subject: Subject, name: str) -> str:
    """Return the folder of a model in the hub's own cache layout; "" where it comes from no hub."""
    locked = subject.models_lock.get("models", {}).get(name, {})
    source = next((one for one in locked.get("sources", ()) if one.startswith("hf://")), "")
    repository = source.removeprefix("hf://").partition("@")[0]
    return f"models--{repository.replace('/', '--')}" if repository else ""


def _hub_cache(subject: Subject, name: str, root: str) -> list[str]:
    """Compare a hub's cache with the lock: every file under its snapshot, and nothing else."""
    image, locked = subject.image, subject.models_lock["models"][name]
    commit, wanted = locked.get("revision", ""), {one["path"]: one["sha256"] for one in locked["files"]}
    reference = image.text(f"{root}/refs/main").strip()
    wrong = [] if reference == commit else [f"{root}/refs/main names {reference or 'nothing'}"]
    for path, digest in wanted.items():
        entry = image.find(f"{root}/snapshots/{commit}/{path}")
        if entry is None:
            wrong.append(f"{root}/snapshots/{commit}/{path} is missing")
        elif image.digest(entry) != digest:
            wrong.append(f"{entry.path} has another sha256 than recorded")
    own = {f"{root}/refs/main", *(f"{root}/blobs/{digest}" for digest in wanted.values())}
    inside = (entry.path for entry in image.files if entry.path.startswith(f"{root}/"))
    return wrong + [f"{path} is in no lock" for path in inside if path not in own]


def _json(text: str) -> dict[str, Any]:
    found = json.loads(text) if text else {}
    return found if isinstance(found, dict) else {}


def _is_pickle(subject: Subject, entry: Entry) -> bool:
    if entry.path.endswith(PICKLE_NAMES):
        return True
    head = subject.image.data[entry.start : entry.start + 4]
    if head[:2] in PICKLED:
        return True
    if head != b"PK\x03\x04":
        return False
    with zipfile.ZipFile(BytesIO(subject.image.contents(entry))) as archive:
        return any(one.endswith(".pkl") for one in archive.namelist())


PROMISES: Final = (
    Promise(
        "models match models.lock",
        models,
        "the declared models, made from the locked files, each file with its recorded sha256",
        "Run `wheelhouse call lock` if a model was changed on purpose; else build again.",
    ),
    Promise(
        "no pickle among the models",
        unsafe,
        "no file that runs code when it is loaded",
        "Use safetensors or ONNX files of the model.",
    ),
)
