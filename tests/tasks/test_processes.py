"""Two processes give the figures of one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

# The networks have no batch norm, whose statistics would be those of each process's part.
HEAD = """
import json, sys
import torch
from stgraph import STGCN, SkeletonGraph
from stgraph.tasks import Pretraining, Recognition, SkeletonDataModule, fit_task

def graphs(number, seed, empty=()):
    generator = torch.Generator().manual_seed(seed)
    out = []
    for i in range(number):
        poses = 0 if i in empty else 2 + i % 4
        pos = torch.randn(poses, 20, 3, generator=generator) + i % 3
        out.append(SkeletonGraph(pos, layout="kinect_v1_20", y=i % 3))
    return out

devices, out = int(sys.argv[1]), sys.argv[2]
torch.manual_seed(0)
"""
RECOGNITION = """
network = STGCN(
    3, 3, layout="kinect_v1_20", channels=[4], temporal_kernel=3, block="plain",
    data_norm="none", block_kwargs={"norm": "none", "dropout": 0.0},
)
task = Recognition(network, 3, lr=0.05, ema_decay=0.9)
data = SkeletonDataModule(graphs(12, 0), graphs(7, 1, empty=(3,)), batch_size=4)
options = {}
"""
# Negatives and queue entries come from both processes.
CONTRAST = """
from torch import nn
from stgraph.nn import SkeletonTransformer
from stgraph.objectives import NearestNeighbourContrast

encoder = SkeletonTransformer(3, layout="kinect_v1_20", width=8, depth=1, num_heads=2)
objective = NearestNeighbourContrast(encoder, nn.Identity(), nn.Linear(8, 8), queue_size=8)
task = Pretraining(objective, optimizer="sgd", lr=0.05)
data = SkeletonDataModule(graphs(12, 0), batch_size=4, numbered=True)
options = {"select": "last"}
"""
TAIL = """
result = fit_task(
    task, data, max_epochs=3, out=out, devices=devices, accelerator="cpu", progress=False, **options
)
if task.global_rank == 0:
    whole = task.objective.encoder if isinstance(task, Pretraining) else task.model
    weights = {name: value.tolist() for name, value in whole.state_dict().items()}
    print(json.dumps([result.history, result.best_epoch, weights]))
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.slow
@pytest.mark.parametrize("script", [RECOGNITION, CONTRAST], ids=["recognition", "contrast"])
def test_two_processes_give_the_figures_of_one(
    script: str, tmp_path: Path, repository: Path
) -> None:
    def start(devices: int, rank: int, port: int) -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            "PYTHONPATH": str(repository),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "OMP_NUM_THREADS": "1",
        }
        if devices > 1:
            environment |= {"LOCAL_RANK": str(rank), "NODE_RANK": "0"}
        return subprocess.Popen(
            [
                sys.executable,
                "-W",
                "ignore",
                "-c",
                HEAD + script + TAIL,
                str(devices),
                str(tmp_path / str(devices)),
            ],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    port = free_port()
    running = [start(1, 0, port), start(2, 0, port), start(2, 1, port)]
    try:
        ended = [process.communicate(timeout=180) for process in running]
    finally:
        for process in running:
            process.kill()
    for process, (_, errors) in zip(running, ended, strict=True):
        assert process.returncode == 0, errors
    alone, first, second = (out for out, _ in ended)
    assert second == "", "only the first process talks"
    history, best, weights = json.loads(alone)
    shared_history, shared_best, shared_weights = json.loads(first)
    assert shared_best == best
    for row, shared_row in zip(history, shared_history, strict=True):
        assert shared_row.keys() == row.keys()
        for name in {"val/top1", "val/top5", "val/mean_class", "lr"} & row.keys():
            assert shared_row[name] == row[name], name
        for name in {"train/loss", "val/loss"} & row.keys():
            assert shared_row[name] == pytest.approx(row[name], rel=1e-5), name
    for name, value in weights.items():
        flat = [shared_weights[name]] if not isinstance(value, list) else shared_weights[name]
        assert _flat(flat) == pytest.approx(_flat(value), rel=1e-4, abs=1e-6), name


def _flat(value: object) -> list[float]:
    if isinstance(value, list):
        return [number for item in value for number in _flat(item)]
    return [float(value)]  # type: ignore[arg-type]
