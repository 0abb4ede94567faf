"""Saving a network to a folder and loading it again: safetensors and JSON, no code."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from stgraph.files import replacing
from stgraph.nn.sparse_state import pack_zeros, unpack_zeros
from stgraph.nn.state import check_state_dict
from stgraph.skeleton import Partition, PartitionStrategy, SkeletonLayout

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"


class PretrainedMixin:
    """``save_pretrained`` and ``from_pretrained`` for a module whose ``config`` holds the
    arguments of its constructor."""

    config: dict[str, Any]

    def save_pretrained(self, folder: str | Path, pack: bool = False) -> None:
        """Writes ``config.json`` and ``model.safetensors``, each whole or not at all.

        Args:
            folder: Where to.
            pack: Zeros of sparse weights take no room in the file.

        Raises:
            ValueError: if an argument of the constructor cannot be written down.
        """
        folder = Path(folder)
        config = {"model": type(self).__name__}
        partition = self._partition_to_save()
        for key, value in self.config.items():
            config[key] = _to_json(key, partition if key == "partition" else value)
        assert isinstance(self, torch.nn.Module)
        state = {k: v.detach().contiguous().cpu() for k, v in self.state_dict().items()}
        state = pack_zeros(state) if pack else state
        text = json.dumps(config, indent=1) + "\n"
        with replacing(folder / WEIGHTS_NAME) as temporary:
            save_file(state, temporary, metadata={"format": "pt"})
        with replacing(folder / CONFIG_NAME) as temporary:
            temporary.write_text(text, encoding="utf-8")

    @classmethod
    def from_published(cls, weights: Any, layout: Any = None, **options: Any) -> Self:
        """A network of this class with published weights; see :func:`load_published`.

        Raises:
            ValueError: if the weights are of another network, or do not fit.
        """
        from stgraph.nn.published import load_published

        model = load_published(weights, layout, **options)
        if not isinstance(model, cls):
            raise ValueError(
                f"these weights are of a {type(model).__name__}; load them with "
                f"{type(model).__name__}.from_published or load_published"
            )
        return model

    def _partition_to_save(self) -> Any:
        layout = getattr(self, "layout", None)
        if layout is not None and "partition" in self.config:
            return self.partition_of(layout)  # type: ignore[attr-defined]
        return self.config.get("partition")

    @classmethod
    def from_pretrained(cls, folder: str | Path, **changes: Any) -> Self:
        """The network that :meth:`save_pretrained` wrote.

        Args:
            folder: A local folder, or (with the extra ``hub``) ``owner/name`` on a hub.
            **changes: Arguments of the constructor to use instead of the saved ones, such as a
                ``conv`` of your own, which cannot be written down.

        Raises:
            ValueError: if a file is missing, damaged, or does not fit; the message names it.
        """
        path = _fetch(folder)
        config_path, weights_path = path / CONFIG_NAME, path / WEIGHTS_NAME
        for file in (config_path, weights_path):
            if not file.is_file():
                raise ValueError(f"{str(path)!r} holds no {file.name}; expected a saved network")
        try:
            config = json.loads(config_path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ValueError(f"{str(config_path)!r} cannot be read: {error.strerror}") from None
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{str(config_path)!r} is not JSON: {error}") from None
        try:
            state = load_file(weights_path)
        except (SafetensorError, OSError) as error:
            raise ValueError(f"{str(weights_path)!r} is damaged: {error}") from None
        name = config.pop("model", None) if isinstance(config, dict) else None
        if name is None:
            raise ValueError(f"{str(config_path)!r} does not describe a network")
        if name != cls.__name__:
            raise ValueError(
                f"{str(config_path)!r} describes a {name}; load it with {name}.from_pretrained"
            )
        try:
            arguments = {key: _from_json(key, value) for key, value in config.items()}
        except (ValueError, TypeError, RuntimeError) as error:
            raise ValueError(f"{str(config_path)!r} does not describe a {name}: {error}") from None
        arguments.update(changes)
        for key, value in arguments.items():
            if isinstance(value, dict) and "unsaved" in value:
                raise ValueError(
                    f"{str(config_path)!r}: {key} was {value['unsaved']}, which a file cannot "
                    f"hold; pass it again: {cls.__name__}.from_pretrained(folder, {key}=...)"
                )
        try:
            model = cls(**arguments)
        except (
            ArithmeticError,
            AttributeError,
            LookupError,
            RuntimeError,
            TypeError,
            ValueError,
        ) as e:
            raise ValueError(f"{str(config_path)!r} does not describe a {name}: {e}") from None
        assert isinstance(model, torch.nn.Module)
        state = unpack_zeros(state, model.state_dict(), repr(str(weights_path)))
        check_state_dict(model.state_dict(), state, str(weights_path))
        model.load_state_dict(state)
        return model


def _to_json(key: str, value: Any) -> Any:
    if isinstance(value, SkeletonLayout):
        return {"layout": value.to_dict()}
    if isinstance(value, Partition):
        return {
            "partition": {
                "edge_index": value.edge_index.tolist(),
                "edge_type": value.edge_type.tolist(),
                "edge_weight": value.edge_weight.tolist(),
                "num_types": value.num_types,
                "num_joints": value.num_joints,
            }
        }
    if isinstance(value, list | tuple):
        return [_to_json(key, item) for item in value]
    if isinstance(value, dict):
        return {name: _to_json(key, item) for name, item in value.items()}
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, PartitionStrategy) or callable(value):
        return {"unsaved": repr(value)}
    raise ValueError(f"cannot write down the argument {key!r} ({type(value).__name__})")


def _from_json(key: str, value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"layout"}:
        return SkeletonLayout.from_dict(value["layout"])
    if isinstance(value, dict) and set(value) == {"partition"}:
        fields = value["partition"]
        missing = [f.name for f in dataclasses.fields(Partition) if f.name not in fields]
        if missing:
            raise ValueError(f"the partition lacks {', '.join(missing)}")
        return Partition(
            torch.tensor(fields["edge_index"], dtype=torch.long).view(2, -1),
            torch.tensor(fields["edge_type"], dtype=torch.long),
            torch.tensor(fields["edge_weight"], dtype=torch.float32),
            int(fields["num_types"]),
            int(fields["num_joints"]),
        )
    if isinstance(value, dict):
        return {name: _from_json(name, item) for name, item in value.items()}
    if isinstance(value, list):
        return [_from_json(key, item) for item in value]
    return value


def _fetch(folder: str | Path) -> Path:
    path = Path(folder)
    if path.is_dir():
        return path
    if str(folder).count("/") != 1 or str(folder).startswith((".", "/", "~")):
        raise ValueError(f"{str(folder)!r} is no folder; expected one with a saved network")
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise ImportError(
            f"{str(folder)!r} is no local folder; to look for it on a hub install the extra: "
            "pip install 'stgraph-skeleton[hub]'"
        ) from None
    return Path(snapshot_download(str(folder), allow_patterns=[CONFIG_NAME, WEIGHTS_NAME]))
