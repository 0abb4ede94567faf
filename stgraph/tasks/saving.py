"""A trained task in a folder: its network, and what it takes to use it."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

import stgraph.nn
import stgraph.objectives
from stgraph.files import replacing, write_atomically
from stgraph.nn import PretrainedMixin
from stgraph.objectives import MaskedReconstruction, MaskTokens
from stgraph.sparsity import SparseAssembly, bake_masks, has_masks
from stgraph.tasks.pretraining import Pretraining
from stgraph.tasks.recognition import Recognition
from stgraph.tasks.specs import build_part, build_transform, describe_part, describe_transform

TASK_NAME = "task.json"
#: Folder of the decoder within that of a pre-trained encoder.
DECODER_NAME = "decoder"
#: Folder of the encoders of further streams.
STREAMS_NAME = "streams"
_MASK_TOKENS = "mask_tokens.safetensors"
#: What a folder may hold instead of a recogniser, by its task.
_OTHERS = {
    "pretraining": "a pre-trained encoder, not a recogniser; measure it with stgraph evaluate",
    "detection": "a detector, not a recogniser; use it with stgraph detect",
    "prediction": "a motion predictor, not a recogniser; use it with stgraph forecast",
}
_KINDS: dict[str, Any] = {
    "num_classes": int,
    "class_names": list | None,
    "transform": list,
    "facts": dict,
}


def load_network(folder: str | Path, **changes: Any) -> Any:
    """The network of a folder, whatever class of :mod:`stgraph.nn` it is.

    Args:
        folder: As ``from_pretrained`` takes it.
        **changes: Arguments of the constructor to use instead of the saved ones.

    Raises:
        ValueError: if the folder holds no network of ours.
    """
    network = load_module(folder, [*stgraph.nn.encoders, SparseAssembly.__name__], **changes)
    check_weights(network, folder)
    return network


def load_module(folder: str | Path, names: Sequence[str], **changes: Any) -> Any:
    """A module of :mod:`stgraph.nn`, or an assembly, that is one of those named.

    Args:
        folder: As ``from_pretrained`` takes it.
        names: Classes that it may be of.
        **changes: Arguments of the constructor to use instead of the saved ones.

    Raises:
        ValueError: if the folder holds none of them.
    """
    file = Path(folder) / "config.json"
    if not file.is_file():
        raise ValueError(f"{str(folder)!r} holds no saved network (there is no config.json)")
    try:
        name = json.loads(file.read_text("utf-8"))["model"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f"{str(file)!r} does not describe a network") from None
    kinds = {n: getattr(stgraph.nn, n, SparseAssembly) for n in names}
    known = [n for n, kind in kinds.items() if hasattr(kind, "from_pretrained")]
    if name not in known:
        raise ValueError(f"{str(file)!r} describes a {name!r}; known are {', '.join(known)}")
    return kinds[name].from_pretrained(folder, **changes)


def save_recognition(
    task: Recognition,
    folder: str | Path,
    facts: Mapping[str, Any] | None = None,
    network: Any = None,
) -> None:
    """Writes ``config.json``, ``model.safetensors`` and ``task.json``.

    The weights are those that predict: the average where there is one, and zeros where a mask cuts,
    which take no room. A transform that is none of
    :mod:`stgraph.transforms` is noted by its name and has to be given again when loading.

    Args:
        task: The trained task; its network has ``save_pretrained``.
        folder: Where to.
        facts: Anything else worth knowing that JSON can hold (data set, stream, recipe).
        network: What predicts instead of the task's network, such as a smaller one; its zeros take
            no room either.

    Raises:
        ValueError: if the network cannot be saved.
    """
    pack = network is not None
    network = task.network if network is None else network
    masked = has_masks(network)
    if masked:
        network = bake_masks(copy.deepcopy(network))
    if not isinstance(network, PretrainedMixin):
        raise ValueError(f"a {type(network).__name__} has no 'save_pretrained'")
    network.save_pretrained(folder, pack=pack or masked)
    layout = getattr(network, "layout", None)
    description = {
        "task": "recognition",
        "version": 1,
        "num_classes": task.num_classes,
        "class_names": task.class_names,
        "layout": None if layout is None else layout.name,
        "transform": describe_transform(task.before) + describe_transform(task.transform),
        "facts": dict(facts or {}),
    }
    write_description(folder, description)


def save_pretraining(
    task: Pretraining, folder: str | Path, facts: Mapping[str, Any] | None = None
) -> None:
    """Writes the encoder (``config.json``, ``model.safetensors``) and ``task.json``; of a
    :class:`~stgraph.objectives.MaskedReconstruction` also the decoder, into ``decoder``; of several
    streams also every encoder, into ``streams``.

    Args:
        task: The trained task; its encoder has ``save_pretrained``.
        folder: Where to.
        facts: Anything else worth knowing that JSON can hold (data sets, objective, recipe).

    Raises:
        ValueError: if the encoder cannot be saved.
    """
    objective = task.objective
    encoders = getattr(objective, "encoders", {})
    for name, encoder in encoders.items():
        own = _describe_pretraining(task, facts, objective.streams[name])
        _save_encoder(encoder, Path(folder) / STREAMS_NAME / name, own)
    after = objective.streams[objective.main] if encoders else None
    description = _describe_pretraining(task, facts, after)
    inner = describe_transform(getattr(objective, "transform", None))
    if isinstance(objective, MaskedReconstruction) and isinstance(
        objective.decoder, PretrainedMixin
    ):
        objective.decoder.save_pretrained(Path(folder) / DECODER_NAME)
        if isinstance(objective.encoder, MaskTokens):
            vectors = {name: p.detach().cpu() for name, p in objective.encoder.vectors().items()}
            with replacing(Path(folder) / DECODER_NAME / _MASK_TOKENS) as temporary:
                save_file(vectors, temporary)
        description["reconstruction"] = {
            "masking": describe_part(objective.masking, stgraph.objectives),
            "target": describe_part(objective.target, stgraph.objectives),
            # what stands before hiding, and what after
            "transform": inner,
        }
    _save_encoder(task.network, folder, description)


def _describe_pretraining(
    task: Pretraining, facts: Mapping[str, Any] | None, stream: Any = None
) -> dict[str, Any]:
    """What ``task.json`` says of an encoder; ``stream``: what makes its input."""
    inner = getattr(task.objective, "transform", None)
    parts = (task.before, task.transform, inner, stream)
    return {
        "task": "pretraining",
        "version": 1,
        "objective": type(task.objective).__name__,
        "transform": [item for part in parts for item in describe_transform(part)],
        "facts": dict(facts or {}),
    }


def _save_encoder(encoder: Any, folder: str | Path, description: dict[str, Any]) -> None:
    if not isinstance(encoder, PretrainedMixin):
        raise ValueError(f"a {type(encoder).__name__} has no 'save_pretrained'")
    encoder.save_pretrained(folder)
    write_description(folder, description)


def load_reconstruction(folder: str | Path) -> MaskedReconstruction:
    """The masked objective of :func:`save_pretraining`: encoder, decoder, masking and target.

    Its ``transform`` is the one after hiding; what stood before it, ``task.json`` names first.

    Args:
        folder: Where from.

    Raises:
        ValueError: if the folder holds no decoder, or something is damaged or does not fit.
    """
    description = read_pretraining(folder)
    decoder_folder = Path(folder) / DECODER_NAME
    if "reconstruction" not in description or not decoder_folder.is_dir():
        raise ValueError(
            f"{str(folder)!r} holds an encoder without a decoder (it was trained by "
            f"{description.get('objective')}); reconstructions need masked pre-training"
        )
    encoder = load_network(folder)
    decoder = load_module(decoder_folder, stgraph.nn.decoders)
    check_weights(decoder, decoder_folder)
    try:
        room, parts = stgraph.objectives, description["reconstruction"]
        masking = build_part(parts["masking"], room, "masking", room.maskings)
        target = build_part(parts["target"], room, "target", room.targets)
        transform = build_transform(parts["transform"])
    except (KeyError, TypeError) as error:
        file = Path(folder) / TASK_NAME
        raise ValueError(f"{str(file)!r} does not describe a reconstruction: {error}") from None
    if _needs_all_nodes(encoder):
        encoder = MaskTokens(encoder)
        file = decoder_folder / _MASK_TOKENS
        try:
            for name, value in load_file(file).items():
                encoder.vectors()[name].data.copy_(value)
        except (SafetensorError, OSError, KeyError, RuntimeError) as error:
            raise ValueError(f"{str(file)!r} is damaged: {error}") from None
    return MaskedReconstruction(encoder, decoder, masking, target, transform=transform).eval()


def outer_transform(folder: str | Path) -> Any:
    """What stood before the objective of :func:`save_pretraining`; None if nothing did.

    Raises:
        ValueError: if the folder holds no reconstruction.
    """
    description = read_pretraining(folder)
    inner = description.get("reconstruction", {}).get("transform", [])
    whole = description["transform"]
    return build_transform(whole[: len(whole) - len(inner)])


def _needs_all_nodes(encoder: Any) -> bool:
    """Whether a masked objective has to wrap an encoder in ``MaskTokens``."""
    return not hasattr(encoder, "encode")


def write_description(folder: str | Path, description: dict[str, Any]) -> None:
    """Writes ``task.json``, whole or not at all."""
    text = json.dumps(description, indent=1) + "\n"
    write_atomically(Path(folder) / TASK_NAME, text.encode())


def find_description(folder: str | Path, what: str) -> Path:
    """The file ``task.json``, or an error that says where it may be."""
    file = Path(folder) / TASK_NAME
    if not file.is_file():
        inside = Path(folder) / "model"
        hint = f"; is it {str(inside)!r}?" if (inside / TASK_NAME).is_file() else ""
        raise ValueError(f"{str(folder)!r} holds no {what} (there is no {TASK_NAME}){hint}")
    return file


def read_pretraining(folder: str | Path) -> dict[str, Any]:
    """What ``task.json`` says of an encoder that :func:`save_pretraining` wrote.

    Raises:
        ValueError: if there is none, or it is of another task.
    """
    file = find_description(folder, "encoder")
    try:
        description = json.loads(file.read_text("utf-8"))
        kind, facts = description["task"], description["facts"]
        filled = description.get("reconstruction", {"transform": []})
        if not isinstance(facts, dict) or not isinstance(description["transform"], list):
            raise TypeError
        if not isinstance(filled, dict) or not isinstance(filled.get("transform"), list):
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f"{str(file)!r} does not describe a pre-trained encoder") from None
    if kind != "pretraining":
        hint = "; measure it with stgraph test" if kind == "recognition" else ""
        raise ValueError(f"{str(folder)!r} holds a {kind} task, not a pre-trained encoder{hint}")
    return description


def task_kind(folder: str | Path) -> str | None:
    """What a folder says its task is; None if it says nothing."""
    try:
        kind = json.loads((Path(folder) / TASK_NAME).read_text("utf-8"))["task"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return kind if isinstance(kind, str) else None


def read_task(folder: str | Path) -> dict[str, Any]:
    """What ``task.json`` says.

    Raises:
        ValueError: if there is none, or it is none of ours.
    """
    file = find_description(folder, "trained task")
    try:
        description = json.loads(file.read_text("utf-8"))
        kind = description["task"]
        if kind not in _OTHERS and (kind, description["version"]) != ("recognition", 1):
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f"{str(file)!r} does not describe a recognition task") from None
    if kind in _OTHERS:
        raise ValueError(f"{str(folder)!r} holds {_OTHERS[kind]}")
    for key, kinds in _KINDS.items():
        if key not in description or not isinstance(description[key], kinds):
            what = "a wrong" if key in description else "no"
            raise ValueError(
                f"{str(file)!r} has {what} {key!r}; the file is damaged: save the task again"
            )
    return description


def load_recognition(folder: str | Path, **changes: Any) -> Recognition:
    """The task that :func:`save_recognition` wrote, ready to predict.

    Args:
        folder: Where from.
        **changes: Arguments of the task to use instead, such as a ``transform`` of your own.

    Raises:
        ValueError: if a file is missing, damaged, or does not fit.
    """
    description = read_task(folder)
    arguments: dict[str, Any] = {"class_names": description["class_names"]}
    if "transform" not in changes:
        arguments["transform"] = build_transform(description["transform"])
    arguments.update(changes)
    network = load_network(folder)
    return Recognition(network, description["num_classes"], **arguments).eval()


def check_weights(network: Any, folder: str | Path) -> None:
    """Raises a ValueError if a loaded network has weights that are no numbers."""
    for name, weight in network.state_dict().items():
        negative = name.endswith("running_var") and bool((weight < 0).any())
        if negative or not bool(weight.isfinite().all()):
            raise ValueError(
                f"the network in {str(folder)!r} has weights that are no numbers ({name}); its "
                "files are damaged or its training failed: train it anew"
            )
