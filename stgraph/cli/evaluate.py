"""``stgraph evaluate``: measures what a pre-trained encoder knows."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stgraph.cli.parsing import Parser, choosing
from stgraph.cli.places import check_out_file, check_out_folder
from stgraph.cli.sets import SYNTHETIC, check_name, name_of, open_part, title_of
from stgraph.cli.show import count, say, share

DESCRIPTION = """Labels of the training part teach
classifiers on top of the encoder; test recordings are only looked at. Recordings come from the
(first) set that the encoder was trained on unless another is named, which then is transfer."""

EXAMPLES = """  stgraph evaluate --model runs/NAME/model
  stgraph evaluate --model runs/NAME/model --protocols '[knn, finetune]'
  stgraph evaluate --model runs/NAME/model --data.name kth --data.path PATH
  stgraph evaluate --model runs/NAME/model --protocols '[semi]' --share 0.1
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
            (the same with a share of the labels, beside training from scratch); in YAML
        part: part of the set to measure on
        k: neighbours of knn
        shots: examples of each new class
        novel: numbers of the classes that pre-training has not seen, in YAML; by default a third
        draws: how often examples are drawn
        share: share of the labels of semi, at least one recording a class
        epochs: passes of finetune and semi
        seeds: number of seeds of whatever draws at random
        out: CSV file to add the figures to; those measured before are replaced
        pictures: folder for pictures of embeddings, confusions and classes
        cache: folder to keep features in
        batch_size: recordings at a time; changes no figure of frozen features
    """

    model: str
    protocols: list[str] = field(default_factory=lambda: ["knn", "linear"])
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
    cache: str | None = None
    batch_size: int = 64


def add_arguments(parser: Parser) -> None:
    """The options."""
    parser.add_options(EvaluationOptions)
    parser.add_options(EvaluationData, "data")


def run(config: Any) -> None:
    """Measures, prints, and draws."""
    from stgraph.evaluation import extract_features
    from stgraph.evaluation.tables import read_entries
    from stgraph.tasks import build_transform, load_network
    from stgraph.tasks.inspection import check_source_labels
    from stgraph.tasks.limits import check_limits
    from stgraph.tasks.saving import read_pretraining

    with choosing("evaluate"):
        unknown = [name for name in config.protocols if name not in PROTOCOLS]
        if unknown or not config.protocols:
            got = unknown[0] if unknown else "nothing"
            raise ValueError(f"unknown protocol {got!r}; known are {', '.join(PROTOCOLS)}")
        check_limits({"batch_size": config.batch_size, "epochs": config.epochs}, "expected --")
        check_out_file(config.out)
        check_out_folder(config.pictures)
        if config.out is not None:
            read_entries(config.out)
    description = read_pretraining(config.model)
    facts = description["facts"]
    chosen = _data(config, facts)
    with choosing("evaluate"):
        check_name(chosen["name"], chosen["path"])
    encoder = load_network(config.model)
    transform = build_transform(description["transform"])
    train = open_part(part=config.data.train, **chosen)
    test = open_part(part=config.part, **chosen)
    names = tuple(test.class_names or ())
    for source in (train, test):
        check_source_labels(source, len(names) or 1_000_000)
    bank, asked = (
        extract_features(
            encoder,
            source,
            transform=transform,
            batch_size=config.batch_size,
            cache=config.cache,
        )
        for source in (train, test)
    )
    names = names or tuple(f"class {i}" for i in range(int(bank.y.max()) + 1))
    seen = {entry.get("name") for entry in facts.get("data", [])}
    new = "" if chosen["name"] in seen else ", a set that it was not trained on"
    say(f"data    {title_of(chosen['name'])}: {count(len(bank.y), 'recording')} to learn from,")
    say(f"        {count(len(asked.y), 'recording')} of {config.part} to answer{new}")
    number = sum(p.numel() for p in encoder.parameters())
    say(f"model   {type(encoder).__name__}, {number:,} parameters, {config.model}")
    say()
    results: list[dict[str, Any]] = []
    answers: dict[str, Any] = {}
    for protocol in config.protocols:
        parts = (train, test, bank, asked)
        for row in _measure(protocol, config, encoder, transform, parts, answers):
            results.append(row)
            say(_line(row))
    if config.out is not None:
        _write(config, chosen, test, description, encoder, results)
        say(f"\nwritten to {config.out}")
    if config.pictures is not None:
        marked = chosen["name"] == SYNTHETIC
        for path in _draw(Path(config.pictures), bank, asked, names, answers, marked):
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


def _measure(
    protocol: str,
    config: Any,
    encoder: Any,
    transform: Any,
    parts: tuple[Any, Any, Any, Any],
    answers: dict[str, Any],
) -> Any:
    """Rows of one protocol: setting, metric, seed, value, n."""
    from stgraph.evaluation import LinearProbe, few_shot, hold_out_classes, nearest_neighbours

    train, test, bank, asked = parts
    n = len(asked.y)
    if protocol == "knn":
        predicted = nearest_neighbours(bank, asked, config.k)
        answers["knn"] = predicted
        setting, metric = ("knn", "knn1") if config.k == 1 else (f"knn k={config.k}", "top1")
        yield _row(setting, metric, 0, float((predicted == asked.y).double().mean()), n)
    elif protocol == "linear":
        for seed in range(config.seeds):
            predicted = LinearProbe(bank, seed=seed).logits(asked).argmax(dim=1)
            predicted = predicted.where(asked.has_pose, -1)
            answers.setdefault("linear", predicted)
            yield _row("linear", "linear", seed, float((predicted == asked.y).double().mean()), n)
    elif protocol == "fewshot":
        classes = config.novel
        if classes is None:
            classes = hold_out_classes(int(bank.y.max()) + 1)
        found = few_shot(bank, asked, classes, config.shots, config.draws)
        number = int(sum((asked.y == label).sum() for label in classes))
        say(f"        few-shot: classes {classes}; were they left out of pre-training?")
        for draw, value in enumerate(found.tolist()):
            yield _row(f"fewshot {config.shots}-shot", "top1", draw, value, number)
    else:
        yield from _tuned(protocol, config, encoder, transform, train, test, answers)


def _tuned(
    protocol: str,
    config: Any,
    encoder: Any,
    transform: Any,
    train: Any,
    test: Any,
    answers: dict[str, Any],
) -> Any:
    """Rows of fine-tuning: with all labels, or with a share and from scratch beside it."""
    from stgraph.evaluation import fine_tune, labelled_subset
    from stgraph.metrics import top_k_accuracy
    from stgraph.tasks import StoreSubset, predict_logits
    from stgraph.tasks.data import source_labels

    classes = len(train.class_names or ()) or int(source_labels(train).max()) + 1
    for seed in range(config.seeds):
        taught: Any = train
        word = "finetune"
        if protocol == "semi":
            taught = StoreSubset(train, labelled_subset(source_labels(train), config.share, seed))
            word = f"finetune {100 * config.share:g}%"
        for fresh in (False, True) if protocol == "semi" else (False,):
            task, _ = fine_tune(
                encoder,
                taught,
                num_classes=classes,
                fresh=fresh,
                transform=transform,
                epochs=config.epochs,
                seed=seed,
            )
            logits, y, has_pose = predict_logits(task, test, batch_size=config.batch_size)
            if not fresh:
                answers.setdefault(protocol, logits.argmax(dim=1).where(has_pose, -1))
            value = float(top_k_accuracy(logits, y, 1, has_pose))
            yield _row(f"{word}{' from-scratch' * fresh}", "top1", seed, value, y.numel())


def _row(setting: str, metric: str, seed: int, value: float, n: int) -> dict[str, Any]:
    return {"setting": setting, "metric": metric, "seed": seed, "value": value, "n": n}


def _line(row: dict[str, Any]) -> str:
    which = "draw" if row["setting"].startswith("fewshot") else "seed"
    return f"{row['setting']:24} {which} {row['seed']}   {share(row['value'])} of {row['n']:,}"


def _write(
    config: Any,
    chosen: dict[str, Any],
    test: Any,
    description: dict[str, Any],
    encoder: Any,
    results: list[dict[str, Any]],
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
            "model": f"{type(encoder).__name__.lower()}-w{width}",
            "stream": "joint",
            "setting": f"{row['setting']} {system}",
            "seed": row["seed"],
            "metric": row["metric"],
            "value": row["value"],
            "n": row["n"],
            "commit": commit(),
            "hardware": hardware(),
            "command": command_line(["stgraph", *sys.argv[1:]]).removeprefix("python "),
        }
        for row in results
    ]
    merge_entries(Path(config.out), rows)


def _draw(
    folder: Path,
    bank: Any,
    asked: Any,
    names: tuple[str, ...],
    answers: dict[str, Any],
    marked: bool,
) -> list[Path]:
    """Pictures of the test embeddings, and of what the first protocol answered."""
    import torch

    from stgraph.evaluation.projection import project
    from stgraph.metrics import confusion_matrix
    from stgraph.viz import (
        draw_class_differences,
        draw_class_frequencies,
        draw_confusion,
        draw_embedding,
        save_figure,
    )

    shown = asked.take(asked.has_pose)
    written = []
    for how, dims, title in (
        ("tsne", 2, "t-SNE of test embeddings"),
        ("pca", 2, "Two principal components of test embeddings"),
        ("pca", 3, "Three principal components of test embeddings"),
    ):
        points = project(shown.x, how, dims)
        figure = draw_embedding(points, shown.y, names, title=title, synthetic=marked)
        written.append(save_figure(figure, folder / f"{how}_{dims}d.png"))
    counts = torch.bincount(bank.y, minlength=len(names))
    accuracy = None
    if answers:
        protocol, predicted = next(iter(answers.items()))
        logits = torch.nn.functional.one_hot(predicted.clamp(min=0), len(names)).float()
        matrix = confusion_matrix(logits, asked.y, len(names), predicted >= 0, missing_column=True)
        if not bool(matrix[:, -1].any()):
            matrix = matrix[:, :-1]
        total = matrix.sum(dim=1).double()
        accuracy = (matrix.diagonal()[: len(names)] / total).tolist()
        written.append(
            save_figure(
                draw_confusion(matrix, names, title=f"Test: {protocol}", synthetic=marked),
                folder / "confusion.png",
            )
        )
        figure = draw_class_differences(
            accuracy, names, title=f"Accuracy of each class, {protocol}", synthetic=marked
        )
        written.append(save_figure(figure, folder / "class_differences.png"))
    figure = draw_class_frequencies(
        counts.tolist(), names, accuracy=accuracy, title="Frequency of classes", synthetic=marked
    )
    written.append(save_figure(figure, folder / "class_frequencies.png"))
    return written
