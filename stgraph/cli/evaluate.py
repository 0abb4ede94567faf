"""``stgraph evaluate``: measures what a pre-trained encoder knows."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stgraph.cli.parsing import Parser, choosing
from stgraph.cli.places import check_out_file, check_out_folder
from stgraph.cli.sets import (
    SYNTHETIC,
    check_name,
    check_untaught,
    name_of,
    open_part,
    part_hint,
    run_name,
    title_of,
)
from stgraph.cli.show import count, say, share

DESCRIPTION = """Labels of the training part teach
classifiers on top of the encoder; test recordings are only looked at. Recordings come from the
(first) set that the encoder was trained on unless another is named, which then is transfer."""

EXAMPLES = """  stgraph evaluate --model runs/NAME/model
  stgraph evaluate --model runs/NAME/model --protocols knn,finetune
  stgraph evaluate --model runs/NAME/model --data.name kth --data.path PATH
  stgraph evaluate --model runs/NAME/model --protocols semi --share 0.1
  stgraph evaluate --model runs/NAME/model --part test_clean --out figures.csv
  stgraph evaluate --model runs/NAME/model --pictures pictures"""

PROTOCOLS = ("knn", "linear", "fewshot", "finetune", "semi")


@dataclass
class EvaluationData:
    """recordings

    Args:
        name: data set; by default the first that the encoder was trained on
        path: its folder or archive; likewise
        protocol: how it is split; likewise
        train: part whose labels teach classifiers
        args: further arguments of the set
    """

    name: str | None = None
    path: str | None = None
    protocol: str | None = None
    train: str = "train"
    args: dict[str, Any] = field(default_factory=dict)


@dataclass
class EvaluationOptions:
    """what to measure

    Args:
        model: folder of the encoder (OUT/model of stgraph pretrain)
        protocols: knn (nearest neighbour by cosine), linear (a linear layer on frozen features),
            fewshot (a few examples of new classes), finetune (the whole network, all labels), semi
            (the same with a share of the labels, beside training from scratch); several with
            commas; knn,linear by default
        part: part of the set to measure on
        k: neighbours of knn
        shots: examples of each new class
        novel: numbers of the classes that pre-training has not seen, in YAML; by default those
            that it left out
        draws: how often examples are drawn
        share: share of the labels of semi, at least one recording a class
        epochs: passes of finetune and semi
        seeds: number of seeds of whatever draws at random
        out: CSV file to add the figures to; those measured before are replaced
        pictures: folder for pictures of embeddings, confusions and classes, and of an encoder that
            was trained by filling in also what it fills in
        recording: number of the recording of the part whose filling in is drawn
        cache: folder to keep features in
        batch_size: recordings at a time; changes no figure of frozen features
    """

    model: str
    protocols: list[str] | str = field(default_factory=lambda: ["knn", "linear"])
    part: str = "test"
    k: int = 1
    shots: int = 1
    novel: list[int] | None = None
    draws: int = 10
    share: float = 0.1
    epochs: int = 100
    seeds: int = 1
    out: str | None = None
    pictures: str | None = None
    recording: int = 0
    cache: str | None = None
    batch_size: int = 64


def add_arguments(parser: Parser) -> None:
    """The options."""
    parser.add_options(EvaluationOptions)
    parser.add_options(EvaluationData, "data")


def run(config: Any) -> None:
    """Measures, prints, and draws."""
    from stgraph.evaluation import EncoderEvaluation
    from stgraph.evaluation.tables import read_entries
    from stgraph.tasks import build_transform, load_network
    from stgraph.tasks.inspection import check_source_labels
    from stgraph.tasks.limits import check_limits
    from stgraph.tasks.saving import DECODER_NAME, read_pretraining

    if isinstance(config.protocols, str):
        config.protocols = [name.strip() for name in config.protocols.split(",")]
    with choosing("evaluate"):
        unknown = [name for name in config.protocols if name not in PROTOCOLS]
        if unknown or not config.protocols:
            got = unknown[0] if unknown else "nothing"
            raise ValueError(f"unknown protocol {got!r}; known are {', '.join(PROTOCOLS)}")
        check_limits(vars(config), "expected --")
        check_out_file(config.out)
        check_out_folder(config.pictures, "--pictures")
        if config.out is not None:
            read_entries(config.out)
    description = read_pretraining(config.model)
    facts = description["facts"]
    chosen = _data(config, facts)
    with choosing("evaluate"):
        check_name(chosen["name"], chosen["path"])
    encoder = load_network(config.model)
    train = open_part(part=config.data.train, **chosen)
    test = open_part(part=config.part, **chosen)
    check_untaught(train, test)
    if not 0 <= config.recording < len(test):
        raise ValueError(f"--recording expected 0 to {len(test) - 1} (got {config.recording})")
    names = tuple(test.class_names or ())
    for source in (train, test):
        check_source_labels(source, len(names) or 1_000_000)
    evaluation = EncoderEvaluation(
        encoder,
        train,
        {config.part: test},
        num_classes=len(names) or None,
        transform=build_transform(description["transform"]),
        batch_size=config.batch_size,
        cache=config.cache,
    )
    bank, asked = evaluation.bank, evaluation.asked[config.part]
    names = names or tuple(f"class {i}" for i in range(evaluation.num_classes))
    trained = {entry.get("name"): entry for entry in facts.get("data", [])}
    new = "" if chosen["name"] in trained else ", a set that it was not trained on"
    everything = list(range(evaluation.num_classes))
    left_out = trained.get(chosen["name"], {"leave_out": everything}).get("leave_out") or []
    say(f"data    {title_of(chosen['name'])}: {count(len(bank.y), 'recording')} to learn from,")
    say(f"        {count(len(asked.y), 'recording')} of {config.part} to answer{new}")
    hint = part_hint(chosen["name"], config.part)
    if hint:
        say(f"        {hint}")
    number = sum(p.numel() for p in encoder.parameters())
    say(f"model   {type(encoder).__name__}, {number:,} parameters, {config.model}")
    say()
    results = []
    for protocol in config.protocols:
        for measured in _measure(protocol, config, evaluation, left_out):
            results.append(measured)
            say(_line(measured))
        spread = _spread(results) if results else ""
        if spread:
            say(spread)
    if config.out is not None:
        _write(config, chosen, test, description, encoder, results)
        say(f"\nwritten to {config.out}")
    if config.pictures is not None:
        from stgraph.cli.pictures import draw_evaluation, draw_filled_in

        folder, marked = Path(config.pictures), chosen["name"] == SYNTHETIC
        paths = draw_evaluation(folder, bank, asked, names, results, marked)
        if (Path(config.model) / DECODER_NAME).is_dir():
            paths += draw_filled_in(folder, config.model, test, config.recording, marked)
        for path in paths:
            say(f"drawn   {path}")


def _data(config: Any, facts: dict[str, Any]) -> dict[str, Any]:
    """What to open: what is said, and the rest as in training."""
    trained = dict((facts.get("data") or [{}])[0])
    wanted = {key: value for key, value in vars(config.data).items() if value and key != "train"}
    if "name" in wanted and wanted["name"] != trained.get("name"):
        trained = {}
    chosen = {
        key: wanted.get(key, trained.get(key)) for key in ("name", "path", "protocol", "args")
    }
    if chosen["name"] is None:
        raise ValueError("the encoder does not say what it was trained on: give --data.name")
    return chosen


def _measure(protocol: str, config: Any, evaluation: Any, left_out: list[int]) -> Iterator[Any]:
    """Figures of one protocol; ``left_out``: the classes that pre-training has not seen."""
    from stgraph.evaluation import hold_out_classes

    if protocol == "knn":
        yield from evaluation.knn(config.k)
    elif protocol == "fewshot":
        classes = config.novel or left_out or hold_out_classes(evaluation.num_classes)
        strange = [label for label in classes if not 0 <= label < evaluation.num_classes]
        if strange:
            last = evaluation.num_classes - 1
            raise ValueError(f"--novel expected classes 0 to {last} (got {strange[0]})")
        known = sorted(set(classes) - set(left_out))
        seen = f"; pre-training has seen {known} (see stgraph pretrain --data.leave_out)"
        say(f"        few-shot: classes {list(classes)}{seen if known else ''}")
        yield from evaluation.few_shot(classes, config.shots, config.draws)
    else:
        for seed in range(config.seeds):
            if protocol == "linear":
                yield from evaluation.linear(seed)
                continue
            share = config.share if protocol == "semi" else None
            yield from evaluation.finetune(share, seed=seed, epochs=config.epochs)
            if protocol == "semi":
                yield from evaluation.finetune(share, True, seed=seed, epochs=config.epochs)


def _spread(results: list[Any]) -> str:
    """A line with mean and standard deviation of the last setting, if it has several figures."""
    last = results[-1].setting
    values = [row.value for row in results if row.setting == last]
    if len(values) < 2:
        return ""
    mean, sd = statistics.mean(values), statistics.stdev(values)
    return f"{last:24} mean {mean:.3f} ± {sd:.3f} over {len(values)}"


def _line(row: Any) -> str:
    which = "draw" if row.setting.startswith("fewshot") else "seed"
    return f"{row.setting:24} {which} {row.seed}   {share(row.value)} of {row.n:,}"


def _write(
    config: Any,
    chosen: dict[str, Any],
    test: Any,
    description: dict[str, Any],
    encoder: Any,
    results: list[Any],
) -> None:
    from stgraph.evaluation import command_line, commit, hardware
    from stgraph.evaluation.tables import merge_entries

    system = description["facts"].get("system", {}).get("system", description["objective"])
    width = getattr(encoder, "config", {}).get("width", "")
    rows = [
        {
            "dataset": name_of(chosen["name"], chosen["path"]),
            "protocol": getattr(test, "protocol", None) or "official",
            "split": config.part,
            "model": f"{type(encoder).__name__.lower()}-w{width} {run_name(config.model)}",
            "stream": "joint",
            "setting": f"{row.setting} {system}",
            "seed": row.seed,
            "metric": row.metric,
            "value": row.value,
            "n": row.n,
            "commit": commit(),
            "hardware": hardware(),
            "command": command_line(["stgraph", *sys.argv[1:]]).removeprefix("python "),
        }
        for row in results
    ]
    merge_entries(Path(config.out), rows)
