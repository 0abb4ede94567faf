"""Checks STARS: nearest-neighbour contrast by the text, by its code, and kNN evaluation."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from _oracles.cases import (
    ABSOLUTE,
    Arrays,
    Case,
    Result,
    absolute,
    as_batch,
    cases,
    clips,
    worst,
)
from torch import Tensor, nn
from torch.nn import functional as F

from stgraph.evaluation import Features, nearest_neighbours, weighted_vote
from stgraph.nn import MAMPParts, SkeletonTransformer, load_mamp, to_mamp
from stgraph.objectives import (
    FeatureQueue,
    NearestNeighbourContrast,
    nearest_neighbour_nce,
)
from stgraph.skeleton import SkeletonLayout
from stgraph.tasks import layer_decay_groups

STUDENT = "encoder_student."


# --- the paper's text ---
def stars_small(case: Case) -> Iterator[Result]:
    """Two views, each other's neighbour the answer; heads by batch statistics, in float64."""
    config = case.config
    queue = FeatureQueue(config["queue"], config["projection_dim"]).double()
    queue.features.copy_(case.tensor("queue_initial"))
    for step in range(config["steps"]):
        at = f"step{step}"
        z, predicted = {}, {}
        for view in (1, 2):
            x = case.tensor(f"{at}/features_view{view}").double()
            z[view] = mlp(case, "projector", x)
            predicted[view] = mlp(case, "predictor", z[view])
            for name, value in (("z", z[view]), ("p", predicted[view])):
                expected = case.tensor(f"{at}/{name}{view}")
                yield Result(f"{at} {name}{view}", absolute(value, expected), 1e-5)
            z[view] = F.normalize(z[view], dim=1)
        losses = []
        for a, b in ((1, 2), (2, 1)):
            near, place = queue.neighbours(z[a])
            expected = case.tensor(f"{at}/nn_index_view{a}")
            yield Result(f"{at} neighbours {a}", absolute(place, expected), 0.0)
            raw = predicted[b].detach().requires_grad_()
            loss, logits = nearest_neighbour_nce(
                near, F.normalize(raw, dim=1), config["temperature"]
            )
            rows = F.cross_entropy(logits, torch.arange(len(logits)), reduction="none")
            word = f"nn{a}_p{b}"
            for name, value in (
                (f"logits_{word}", logits),
                (f"loss_rows_{word}", rows),
                (f"loss_{word}", loss),
            ):
                if f"{at}/{name}" in case:
                    expected = case.tensor(f"{at}/{name}")
                    yield Result(f"{at} {name}", absolute(value, expected), 1e-5)
            loss.backward()
            name = f"{at}/grad_loss_{word}_wrt_p{b}"
            if name in case:
                assert raw.grad is not None
                yield Result(name, absolute(raw.grad, case.tensor(name)), 1e-5)
            losses.append(loss)
        mean = torch.stack(losses).mean()
        expected = case.tensor(f"{at}/loss_symmetric_mean")
        yield Result(f"{at} loss", absolute(mean, expected), 1e-5)
        queue.enqueue(z[1])
        found = queue.features
        yield Result(f"{at} queue", absolute(found, case.tensor(f"{at}/queue_after")), 1e-5)
        expected = case.tensor(f"{at}/queue_ptr_after").reshape(())
        yield Result(f"{at} pointer", absolute(queue.pointer, expected), 0.0)


def mlp(case: Case, name: str, x: Tensor) -> Tensor:
    """Linear layers with batch norm by batch statistics and ReLU between."""
    layers = sorted({int(key.split(".")[1]) for key in case.keys if key.startswith(f"{name}.")})
    for i in layers:
        weights = {k: case.tensor(f"{name}.{i}.{k}").double() for k in ("weight", "bias")}
        x = F.linear(x, **weights)
        if f"{name}.{i}.bn_weight" in case:
            scale, shift = (case.tensor(f"{name}.{i}.bn_{k}").double() for k in ("weight", "bias"))
            x = F.batch_norm(x, None, None, scale, shift, training=True).relu()
    return x


# --- STARS' code ---
class GivenNeighbours(FeatureQueue):
    """A queue whose choice among the nearest is that of the reference; it notes its own."""

    given: list[Tensor]
    nearest: list[Tensor]

    def neighbours(
        self,
        query: Tensor,
        ids: Tensor | None = None,
        top: int = 1,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        self.nearest.append(self.similarity(query, ids).argmax(dim=1))
        place = self.given.pop(0)
        return self.features[place], place


HEADS = {
    "projector.0": "projector",
    "predictor.0": "predictor.0",
    "predictor.1": "predictor.1",
    "predictor.3": "predictor.3",
}


def heads_of(
    state: Mapping[str, Tensor], start: str = "encoder_student.head."
) -> dict[str, Tensor]:
    """Tensors of projector and predictor under our names."""
    out = {}
    for theirs, ours in HEADS.items():
        for key in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            if f"{start}{theirs}.{key}" in state:
                out[f"{ours}.{key}"] = state[f"{start}{theirs}.{key}"]
    return out


def stars_objective(case: Case, encoder: nn.Module) -> NearestNeighbourContrast:
    config, state = case.config, case.below("state")
    objective = NearestNeighbourContrast(
        encoder,
        queue_size=config["queue"],
        temperature=config["temperature"],
        predictor_width=state["encoder_student.head.predictor.0.weight"].size(0),
        as_published=True,
    )
    objective.load_state_dict({**objective.state_dict(), **heads_of(state)})
    queue = GivenNeighbours(config["queue"], config["feature_dim"])
    queue.given, queue.nearest = [], []
    objective.queue = queue
    fill_queue(objective.queue, state, "queue", "queue_id", "queue_ptr")
    return objective.train()


def fill_queue(
    queue: FeatureQueue, state: Mapping[str, Tensor], features: str, ids: str, pointer: str
) -> None:
    queue.features.copy_(state[features].T)
    queue.ids.copy_(state[ids])
    queue.pointer.copy_(state[pointer].reshape(()))


def queue_results(case: Case, at: str, queue: FeatureQueue, end: str) -> Iterator[Result]:
    for name, found in (
        ("queue", queue.features.T),
        ("queue_id", queue.ids),
        ("queue_ptr", queue.pointer),
    ):
        expected = case.tensor(f"{at}/{name}{end}" if end else f"{at}/state_after/{name}")
        yield Result(f"{at} {name}", absolute(found, expected.reshape(found.shape)), 1e-5)


class Pooled(nn.Module):
    """Stands for an encoder whose embeddings are known."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out_channels = width


def stars_code(case: Case) -> Iterator[Result]:
    if case.name == "lr_table":
        yield from layer_rates(case)
        return
    if "state/encoder_student.pos_embed" in case:
        yield from stars_full(case)
        return
    config = case.config
    objective = stars_objective(case, Pooled(config["feature_dim"]))
    for step in range(config["steps"]):
        at = f"step{step}"
        before = {
            key: case.tensor(f"{at}/{key}_before") for key in ("queue", "queue_id", "queue_ptr")
        }
        fill_queue(objective.queue, before, "queue", "queue_id", "queue_ptr")
        ids = case.tensor(f"{at}/ids")
        features = [case.tensor(f"{at}/features_pass{i}").requires_grad_() for i in (0, 1)]
        # the order of the second pass changes nothing, so that any order will do
        order = case.tensor(f"{at}/shuffle_pass1").sort().values
        yield Result(f"{at} order", absolute(order, torch.arange(len(order))), 0.0)
        if f"{at}/tokens_pass0" in case:
            for i in (0, 1):
                mean = case.tensor(f"{at}/tokens_pass{i}").flatten(1, 2).mean(dim=1)
                yield Result(f"{at} pooled {i}", absolute(mean, features[i]), 1e-5)
            tokens = case.tensor(f"{at}/grad_tokens_pass0")
            share = case.tensor(f"{at}/grad_features_pass0") / tokens[0, ..., 0].numel()
            error = absolute(tokens, share[:, None, None].expand_as(tokens))
            yield Result(f"{at} gradient of tokens", error, 1e-5)
        queue: Any = objective.queue
        queue.given = [case.tensor(f"{at}/nn_index_pass{i}").long() for i in (0, 1)]
        places = list(queue.given)
        statistics = {k: v.clone() for k, v in objective.state_dict().items()}
        yield from stars_pieces(case, at, objective, features, ids, places)
        objective.load_state_dict(statistics)
        objective.zero_grad()
        output = objective.contrast(features, ids)
        output.loss.backward()
        yield Result(f"{at} loss", absolute(output.loss, case.tensor(f"{at}/loss")), 1e-5)
        for i, x in enumerate(features):
            grad = torch.zeros_like(x) if x.grad is None else x.grad
            expected = case.tensor(f"{at}/grad_features_pass{i}")
            yield Result(f"{at} gradient of pass {i}", absolute(grad, expected), 1e-5)
        yield from stars_tensors(case, f"{at}/grad", gradients_of(objective))
        yield from stars_tensors(case, f"{at}/buffer_after", objective.state_dict())
        yield from queue_results(case, at, objective.queue, "_after")
        if f"{at}/grad_features_pass0_both" in case:
            yield from stars_both(case, at, objective, features, ids, places, before, statistics)


def stars_pieces(
    case: Case,
    at: str,
    objective: NearestNeighbourContrast,
    features: list[Tensor],
    ids: Tensor,
    places: list[Tensor],
) -> Iterator[Result]:
    """Projections, predictions, similarities, neighbours and both directions of the loss."""
    z = [objective.projector(x) for x in features]
    p = [F.normalize(objective.predictor(x), dim=1) for x in z]
    z = [F.normalize(x, dim=1) for x in z]
    for i in (0, 1):
        similar = objective.queue.similarity(z[i].detach(), ids)
        yield Result(f"{at} z{i}", absolute(z[i], case.tensor(f"{at}/z_pass{i}")), 1e-5)
        yield Result(f"{at} p{i}", absolute(p[i], case.tensor(f"{at}/p_pass{i}")), 1e-5)
        expected = case.tensor(f"{at}/similarity_pass{i}")
        yield Result(f"{at} similarity {i}", absolute(similar, expected), 1e-5)
        top = max(case.config["topk"], 1)
        best = similar.topk(top, dim=1).indices
        chosen = (best == places[i][:, None]).any(dim=1)
        yield Result(f"{at} neighbours {i}", float((~chosen).sum()), 0.0)
        if f"{at}/candidates_pass{i}" in case:
            expected = case.tensor(f"{at}/candidates_pass{i}").long()
            ours, theirs = best.sort(dim=1).values, expected.sort(dim=1).values
            yield Result(f"{at} candidates {i}", absolute(ours, theirs), 0.0)
        entries = objective.queue.features[places[i]]
        loss, _ = nearest_neighbour_nce(entries, p[1 - i], objective.temperature)
        expected = case.tensor(f"{at}/loss_pred{1 - i}_nn{i}")
        yield Result(f"{at} loss of neighbour {i}", absolute(loss, expected), 1e-5)


def stars_both(
    case: Case,
    at: str,
    objective: NearestNeighbourContrast,
    features: list[Tensor],
    ids: Tensor,
    places: list[Tensor],
    before: Mapping[str, Tensor],
    statistics: Mapping[str, Tensor],
) -> Iterator[Result]:
    """The gradient if both directions had one: two views without ``as_published``."""
    after = {k: v.clone() for k, v in objective.state_dict().items()}
    objective.load_state_dict(statistics)
    fill_queue(objective.queue, before, "queue", "queue_id", "queue_ptr")
    objective.as_published = False
    objective.queue.given = list(places)  # type: ignore[attr-defined, assignment]
    objective.zero_grad()
    fresh = [x.detach().requires_grad_() for x in features]
    objective.contrast(fresh, ids).loss.backward()
    for i, x in enumerate(fresh):
        assert x.grad is not None
        expected = case.tensor(f"{at}/grad_features_pass{i}_both")
        yield Result(f"{at} gradient of pass {i}, both ways", absolute(x.grad, expected), 1e-5)
    yield from stars_tensors(case, f"{at}/grad_both", gradients_of(objective))
    objective.as_published = True
    objective.load_state_dict(after)


def gradients_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad for name, p in module.named_parameters() if p.grad is not None}


def stars_tensors(case: Case, below: str, found: Mapping[str, Tensor]) -> Iterator[Result]:
    """Tensors of the heads against those below a key."""
    for name, expected in heads_of(case.below(below)).items():
        yield Result(f"{below} {name}", absolute(found[name], expected), 1e-5)


def stars_full(case: Case) -> Iterator[Result]:
    """Encoder, heads, clipping and AdamW over several steps."""
    config = case.config
    joints = config["num_joints"]
    chain = [(i, i + 1) for i in range(joints - 1)]
    layout = SkeletonLayout("chain", [f"joint_{i}" for i in range(joints)], chain, centre=0)
    state = {k.removeprefix(STUDENT): v for k, v in case.below("state").items()}
    encoder_state = {k: v for k, v in state.items() if not k.startswith(("head.", "queue"))}
    encoder = load_mamp(encoder_state, num_heads=config["num_heads"], layout=layout).encoder
    objective = stars_objective(case, encoder)
    known = {id(p) for p in encoder.parameters()}
    heads = [p for p in objective.parameters() if id(p) not in known]
    groups = layer_decay_groups(
        encoder.layers(),
        heads,
        config["base_lr"],
        config["layer_decay"],
        weight_decay=0.01,
        first_tuned=1 + config["depth"] // 2,
    )
    optimizer = torch.optim.AdamW(groups, lr=config["base_lr"], betas=(0.9, 0.95))
    rates = {id(p): group["lr"] for group in groups for p in group["params"]}
    names = {id(p): name for name, p in published_parameters(encoder, objective)}
    found = {names[key]: rate for key, rate in rates.items()}
    wanted = config["learning_rate"]
    yield Result("which are trained", float(len(found.keys() ^ wanted.keys())), 0.0)
    worst_rate = max(abs(found.get(k, 0.0) / rate - 1) for k, rate in wanted.items())
    yield Result("learning rates", worst_rate, 1e-6)
    batch: Any = None
    queue: Any = objective.queue
    for step in range(config["steps"]):
        at = f"step{step}"
        batch = as_batch(clips(case.tensor(f"{at}/input"), "N C T V M", joints), layout)
        batch.number = case.tensor(f"{at}/ids")
        given = case.tensor(f"{at}/nn_index_pass0").long()
        queue.given, queue.nearest = [given, given], []
        objective.zero_grad()
        kept: dict[str, list[Tensor]] = {"z": [], "p": []}
        hooks = [
            module.register_forward_hook(
                lambda module, args, out, rows=kept[name]: rows.append(out.detach())
            )
            for name, module in (("z", objective.projector), ("p", objective.predictor))
        ]
        output = objective(batch)
        for hook in hooks:
            hook.remove()
        output.loss.backward()
        yield Result(f"{at} neighbours", absolute(queue.nearest[0], given), 0.0)
        for name, rows in kept.items():
            expected = case.tensor(f"{at}/{name}_pass0")
            error = absolute(F.normalize(rows[0], dim=1), expected)
            yield Result(f"{at} {name}", error, 1e-5)
        for name in ("loss", "loss_pred0_nn1", "loss_pred1_nn0"):
            error = absolute(output.loss, case.tensor(f"{at}/{name}"))
            yield Result(f"{at} {name}", error, 1e-5 if name == "loss" else ABSOLUTE)
        factors = json.loads(str(case.arrays[case.keys[f"{at}/clip_factor_json"]]))
        large = {}
        for name, p in published_parameters(encoder, objective):
            grad = torch.zeros_like(p) if p.grad is None else p.grad
            large[name] = grad.abs() > 1e-5
            if f"{at}/grad/{name}" in case:
                expected = published_shape(case.tensor(f"{at}/grad/{name}"), p)
                allowed = 1e-3 * float(expected.abs().max()) + 1e-5
                yield Result(f"{at} gradient of {name}", absolute(grad, expected) / allowed, 1.0)
            if p.grad is not None:
                norm = nn.utils.clip_grad_norm_([p], config["clip_grad"])
                factor = min(1.0, config["clip_grad"] / (float(norm) + 1e-6))
                if name in factors:
                    error = abs(factor / factors[name] - 1)
                    yield Result(f"{at} clipping of {name}", error, 1e-2)
        optimizer.step()
        for name, p in published_parameters(encoder, objective):
            expected = published_shape(case.tensor(f"{at}/state_after/{name}"), p)
            moved = (p.detach() - expected).abs() / max(rates.get(id(p), 0.0), 1e-12)
            error = float(moved[large[name]].max()) if bool(large[name].any()) else 0.0
            if id(p) in rates:
                yield Result(f"{at} {name} after", error, 1e-2)
            # rounding that AdamW made a step of must not reach the next one
            p.data.copy_(expected)
        after = case.below(f"{at}/state_after")
        for name, expected in heads_of(after).items():
            if "running" in name or "tracked" in name:
                error = absolute(objective.state_dict()[name], expected)
                yield Result(f"{at} {name} after", error, 1e-5)
        yield from queue_results(case, at, queue, "")
    objective.eval()
    with torch.no_grad():
        z = objective.projector(encoder(batch))
        for name, value in (("project", z), ("predict", objective.predictor(z))):
            expected = case.tensor(f"eval_after/{name}")
            yield Result(f"after, {name}", absolute(value, expected), ABSOLUTE)


def published_parameters(
    encoder: SkeletonTransformer, objective: NearestNeighbourContrast
) -> Iterator[tuple[str, nn.Parameter]]:
    """Our parameters under the names of STARS."""
    marks = {name: torch.full_like(p, i) for i, (name, p) in enumerate(encoder.named_parameters())}
    parameters = list(encoder.parameters())
    twin = copy.deepcopy(encoder)
    twin.load_state_dict(marks)
    for name, value in to_mamp(MAMPParts(twin, None)).items():
        yield STUDENT + name, parameters[int(value.flatten()[0])]
    ours = dict(objective.named_parameters())
    for theirs, mine in HEADS.items():
        for key in ("weight", "bias"):
            if f"{mine}.{key}" in ours:
                yield f"{STUDENT}head.{theirs}.{key}", ours[f"{mine}.{key}"]


def published_shape(tensor: Tensor, like: Tensor) -> Tensor:
    """A published tensor in the order of ours."""
    if tensor.dim() == 4 and like.dim() == 2 and tensor.size(3) == 1 and tensor.size(0) > 1:
        tensor = tensor[..., 0].transpose(1, 2)  # the patch embedding: pose before coordinate
    return tensor.reshape(like.shape)


def layer_rates(case: Case) -> Iterator[Result]:
    """The table of learning rates; NaN stands for what is not trained."""
    for name, config in case.config.items():
        blocks = case.tensor(f"{name}/block_lr")
        layers = [[nn.Parameter(torch.zeros(1))] for _ in range(len(blocks) + 2)]
        head = nn.Parameter(torch.zeros(1))
        first = 1 + (0 if config["fully_tune"] else len(blocks) // 2)
        if not config["third_stage"]:
            first = len(layers)
        groups = layer_decay_groups(
            layers, [head], config["base_lr"], config["layer_decay"], 0.01, first_tuned=first
        )
        rate = {id(p): group["lr"] for group in groups for p in group["params"]}
        nan = float("nan")
        found = torch.tensor([rate.get(id(layer[0]), nan) for layer in layers])
        expected = torch.cat(
            [
                case.tensor(f"{name}/embedding_lr").reshape(1),
                blocks,
                case.tensor(f"{name}/norm_lr").reshape(1),
            ]
        )
        same = torch.equal(found.isnan(), expected.isnan())
        yield Result(f"{name}: which are trained", float(not same), 0.0)
        relative = (found.double() / expected.double() - 1).nan_to_num(0.0).abs().max()
        yield Result(name, float(relative), 1e-5)
        error = abs(rate[id(head)] - float(case.tensor(f"{name}/head_lr")))
        yield Result(f"{name}: head", error, 1e-9)


# --- classes by neighbours ---
def neighbours(case: Case) -> Iterator[Result]:
    train, test = (features_of(case, part) for part in ("train", "test"))
    for k, expected in case.numbered("k#/expected_prediction"):
        keep = ~case.tensor(f"k{k}/boundary_tied").bool()
        found = nearest_neighbours(train, test, k)
        yield Result(f"k={k}", float((found != expected)[keep].sum()), 0.0)
        similar = F.normalize(test.x.double(), dim=1) @ F.normalize(train.x.double(), dim=1).T
        votes = F.one_hot(train.y[similar.topk(k, dim=1).indices]).sum(dim=1)
        tied = (votes == votes.amax(dim=1, keepdim=True)).sum(dim=1) > 1
        tied_there = case.tensor(f"k{k}/vote_tied").bool()
        yield Result(f"k={k} ties", float((tied != tied_there)[keep].sum()), 0.0)
        accuracy = (found == test.y).double().mean()
        expected_accuracy = case.tensor(f"k{k}/expected_accuracy").double()
        # of rows whose last neighbour is one of several the reference takes an arbitrary one
        free = float((~keep).double().mean())
        error = max(absolute(accuracy, expected_accuracy) - free, 0.0)
        yield Result(f"k={k} accuracy", error, ABSOLUTE)
        for ties, key in (("nearest", "nearest"), ("similarity", "summed_similarity")):
            other = case.tensor(f"k{k}/prediction_if_{key}_breaks_tie")
            found = nearest_neighbours(train, test, k, ties)
            yield Result(f"k={k} {ties}", float((found != other)[keep].sum()), 0.0)
    for k, expected in case.numbered("weighted_k#/expected_scores"):
        scores = weighted_vote(train, test, k)
        error = absolute(scores, expected) / float(expected.abs().max())
        yield Result(f"weighted k={k}", error, ABSOLUTE)
        classes = case.tensor(f"weighted_k{k}/expected_prediction")
        yield Result(f"weighted k={k} classes", float((scores.argmax(1) != classes).sum()), 0.0)
        accuracy = (scores.argmax(1) == test.y).double().mean()
        expected = case.tensor(f"weighted_k{k}/expected_accuracy").double()
        yield Result(f"weighted k={k} accuracy", absolute(accuracy, expected), ABSOLUTE)


def features_of(case: Case, part: str) -> Features:
    x, y = case.tensor(f"{part}_features"), case.tensor(f"{part}_labels").long()
    return Features(x, y, torch.ones(len(y), dtype=torch.bool))


FAMILIES: dict[str, Any] = {
    "stars_small": stars_small,
    "stars_code": stars_code,
    "knn": neighbours,
}


def check(
    family: str, arrays: Arrays, config: Mapping[str, Any]
) -> Iterator[Result | tuple[str, float, float] | str]:
    for case in cases(arrays, config):
        yield worst(case.name, FAMILIES[family](case))
