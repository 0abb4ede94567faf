"""Where ``stgraph sparsify`` starts: a trained folder, and a sparsity for a latency."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from stgraph.cli.options import DataOptions, InputOptions, NetworkOptions

TARGET = "target.json"


class Start(NamedTuple):
    """A trained network to begin with.

    Attributes:
        folder: Where it lies.
        task: The task, ready to predict.
        facts: What the folder says of its training.
        digest: Changes with the network.
    """

    folder: str
    task: Any
    facts: dict[str, Any]
    digest: str

    def check(self, data: Any) -> None:
        """Refuses recordings of other classes or inputs.

        Raises:
            ValueError: if they are.
        """
        names, own = self.task.class_names, data.class_names
        if data.num_classes != self.task.num_classes or (names and own and names != tuple(own)):
            raise ValueError(
                f"the network of --model knows {_listed(names, self.task.num_classes)}, and the "
                f"recordings have {_listed(own, data.num_classes)}; give those that it learned "
                "from (--data.name, --data.path)"
            )


def read_start(folder: str) -> Start:
    """The trained network of a folder.

    Raises:
        ValueError: if it holds no recogniser, or something is missing or damaged.
    """
    from stgraph.tasks import load_recognition, read_task

    facts = read_task(folder)["facts"]
    task = load_recognition(folder)
    found = hashlib.sha256()
    for name in ("config.json", "model.safetensors", "task.json"):
        found.update((Path(folder) / name).read_bytes())
    return Start(folder, task, facts, found.hexdigest()[:16])


def as_trained(
    start: Start,
    given: set[str],
    data: DataOptions,
    seen: InputOptions,
    net: NetworkOptions,
) -> tuple[DataOptions, InputOptions, NetworkOptions]:
    """Options that a folder's training had, but for what was given.

    Another place of the recordings may be given, and another augmentation; the input and the
    network are the folder's.

    Raises:
        ValueError: if something else was given, or nobody says which recordings.
    """
    facts = start.facts
    for key, options in (("input", seen), ("network", net)):
        trained = _section(facts, key)
        for name, value in dataclasses.asdict(options).items():
            was = trained.get(name)
            if name in given and name != "augment" and value != was:
                said = f"was trained with {was!r}" if name in trained else "does not say its own"
                raise ValueError(
                    f"--{name} {value!r}: the network of --model {said}, and keeps it; leave "
                    f"--{name} out, or train anew without --model"
                )
    trained = _section(facts, "data")
    chosen = {name for name in dataclasses.asdict(data) if f"data.{name}" in given}
    if "name" in chosen and data.name != trained.get("name"):
        trained = {}
    if not trained and "name" not in chosen:
        raise ValueError(
            "the network of --model does not say what it was trained on: give --data.name"
        )
    augment = {"augment": seen.augment} if "augment" in given else {}
    return (
        _made(DataOptions, trained, {name: getattr(data, name) for name in chosen}),
        _made(InputOptions, _section(facts, "input"), augment),
        _made(NetworkOptions, _section(facts, "network"), {}),
    )


def _section(facts: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = facts.get(key)
    return dict(found) if isinstance(found, dict) else {}


def _made(kind: Any, trained: Mapping[str, Any], chosen: Mapping[str, Any]) -> Any:
    known = {field.name for field in dataclasses.fields(kind)}
    return kind(**{k: v for k, v in {**trained, **chosen}.items() if k in known})


def _listed(names: Any, number: int) -> str:
    shown = f" ({', '.join(names[:3])}{', ...' * (len(names) > 3)})" if names else ""
    return f"{number} classes{shown}"


def find_target(
    out: Path,
    network: Any,
    recording: Any,
    seconds: float,
    facts: dict[str, Any],
    resume: bool,
    arguments: dict[str, Any],
) -> Any:
    """The sparsity for a latency, timed once: a run that goes on goes on with what was found.

    Args:
        out: Folder of the run.
        network: Is left as it is.
        recording: A typical one.
        seconds: The latency.
        facts: Of the run, by which its target is known again.
        resume: Whether to go on with what was found before.
        arguments: Of ``sparsify``.

    Raises:
        ValueError: if no sparsity reaches it, or the folder holds another training.
    """
    from stgraph.files import write_atomically
    from stgraph.sparsity import LatencyTarget, sparsity_for_latency
    from stgraph.tasks.keeper import LAST
    from stgraph.tasks.run_folder import ANEW, flat_facts

    run = json.loads(json.dumps(flat_facts(facts)))
    if resume:
        try:
            known = json.loads((out / TARGET).read_text("utf-8"))
            if known["run"] == run:
                return LatencyTarget(**known["found"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # nothing was found yet
        if (out / LAST).is_file():
            raise ValueError(
                f"{str(out)!r} holds another training (none for this latency of this network); "
                f"{ANEW}"
            )
    found = sparsity_for_latency(network, seconds, recording, **arguments)
    text = json.dumps({"found": found._asdict(), "run": run}, indent=1) + "\n"
    write_atomically(out / TARGET, text.encode())
    return found


def cut_at_once(task: Any, out: Path, facts: dict[str, Any], resume: bool) -> None:
    """Cuts a trained network without training it, and saves what is left.

    Raises:
        ValueError: if the folder holds another run.
    """
    from stgraph.tasks.fit import MODEL
    from stgraph.tasks.run_folder import begin_run, flat_facts, write_run

    run = {"max_epochs": 0, **flat_facts(facts)}
    if resume:
        check_unused(out, run)
    begin_run(out, run)
    task.eval()
    task.save(out / MODEL, facts)
    write_run(out, run, finished=True)


def check_unused(out: Path, run: dict[str, Any] | None) -> None:
    """Refuses a folder that holds another run, of which one without training has no checkpoint.

    Args:
        out: Folder of the run.
        run: What is cut without training; None for a training, whose folder is known by its
            checkpoint.

    Raises:
        ValueError: if it does.
    """
    from stgraph.tasks.keeper import LAST
    from stgraph.tasks.run_folder import ANEW, RUN

    trained = (out / LAST).is_file()
    if not (out / RUN).is_file() or (trained and run is None):
        return
    try:
        known = json.loads((out / RUN).read_text("utf-8"))
        finished, epochs = known.pop("finished"), known["max_epochs"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        finished, epochs, known = True, 0, None
    if run is None:
        other = epochs == 0 and finished
    else:
        other = trained or known != json.loads(json.dumps(run))
    if other:
        raise ValueError(f"{str(out)!r} holds another run; {ANEW}")
