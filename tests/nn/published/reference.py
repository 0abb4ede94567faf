"""Published networks as dense functions of a state dict, slow and readable.

Written from the description of the papers' code, one line an operation, on padded arrays
[N*M, C, T, V]; what our ragged networks are compared with where no oracle reaches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

State = Mapping[str, Tensor]


def batch_norm(s: State, name: str, x: Tensor, training: bool = False) -> Tensor:
    stats = (s[f"{name}.running_mean"], s[f"{name}.running_var"])
    return F.batch_norm(x, *stats, s[f"{name}.weight"], s[f"{name}.bias"], training)


def conv(s: State, name: str, x: Tensor, stride: int = 1, dilation: int = 1) -> Tensor:
    weight = s[f"{name}.weight"]
    pad = dilation * (weight.size(2) - 1) // 2
    return F.conv2d(x, weight, s[f"{name}.bias"], (stride, 1), (pad, 0), (dilation, 1))


def fold(x: Tensor) -> Tensor:
    """[N, M, T, V, C] to [N*M, C, T, V]."""
    return x.flatten(0, 1).permute(0, 3, 1, 2)


def normed_input(s: State, name: str, x: Tensor, training: bool = False) -> Tensor:
    """[N, M, T, V, C] to [N*M, C, T, V] through the norm of the input, of VC or MVC channels."""
    n, m, t, v, c = x.shape
    if f"{name}.weight" not in s:
        return fold(x)
    if s[f"{name}.weight"].numel() == v * c:
        flat = x.permute(0, 1, 3, 4, 2).reshape(n * m, v * c, t)
    else:
        flat = x.permute(0, 1, 3, 4, 2).reshape(n, m * v * c, t)
    flat = batch_norm(s, name, flat, training).view(n, m, v, c, t)
    return fold(flat.permute(0, 1, 4, 2, 3))


def pooled(x: Tensor, persons: int) -> Tensor:
    return x.mean(dim=(2, 3)).view(-1, persons, x.size(1)).mean(dim=1)


def original(s: State, x: Tensor, strides: Sequence[int], training: bool = False) -> Tensor:
    """Logits of st-gcn for [N, M, T, V, C]."""
    persons, a = x.size(1), s["A"]
    x = normed_input(s, "data_bn", x, training)
    for i, stride in enumerate(strides):
        unit = f"st_gcn_networks.{i}"
        shortcut = torch.zeros(()) if i == 0 else x
        if f"{unit}.residual.0.weight" in s:
            shortcut = conv(s, f"{unit}.residual.0", x, stride)
            shortcut = batch_norm(s, f"{unit}.residual.1", shortcut, training)
        graph = a * s.get(f"edge_importance.{i}", torch.ones(()))
        y = conv(s, f"{unit}.gcn.conv", x).unflatten(1, (a.size(0), -1))
        y = torch.einsum("nkctv,kvw->nctw", y, graph)
        y = F.relu(batch_norm(s, f"{unit}.tcn.0", y, training))
        y = conv(s, f"{unit}.tcn.2", y, stride)
        x = F.relu(batch_norm(s, f"{unit}.tcn.3", y, training) + shortcut)
    return F.linear(pooled(x, persons), s["fcn.weight"][:, :, 0, 0], s["fcn.bias"])


def branches(
    s: State,
    name: str,
    x: Tensor,
    stride: int,
    dilations: Sequence[int],
    plain: bool,
    training: bool = False,
) -> Tensor:
    """The temporal branches of PYSKL (plain) and CTR-GCN, side by side."""
    out = []
    for j, dilation in enumerate(dilations):
        y = F.relu(batch_norm(s, f"{name}.{j}.1", conv(s, f"{name}.{j}.0", x), training))
        y = conv(s, f"{name}.{j}.3.conv", y, stride, dilation)
        out.append(y if plain else batch_norm(s, f"{name}.{j}.3.bn", y))
    j = len(dilations)
    y = F.relu(batch_norm(s, f"{name}.{j}.1", conv(s, f"{name}.{j}.0", x), training))
    y = F.max_pool2d(y, (3, 1), (stride, 1), (1, 0))
    out.append(y if plain else batch_norm(s, f"{name}.{j}.4", y))
    if plain:
        out.append(conv(s, f"{name}.{j + 1}", x, stride))
    else:
        out.append(batch_norm(s, f"{name}.{j + 1}.1", conv(s, f"{name}.{j + 1}.0", x, stride)))
    return torch.cat(out, dim=1)


def pyskl(
    s: State,
    x: Tensor,
    strides: Sequence[int],
    adaptive: str | None,
    post: bool = False,
    inner: bool = False,
    first_residual: bool = False,
) -> Tensor:
    """Logits of PYSKL's ST-GCN and ST-GCN++ for [N, M, T, V, C]."""
    persons = x.size(1)
    x = normed_input(s, "backbone.data_bn", x)
    for i, stride in enumerate(strides):
        unit = f"backbone.gcn.{i}"
        a = s[f"{unit}.gcn.A"]
        if adaptive == "offset":
            a = a + s[f"{unit}.gcn.PA"]
        if adaptive == "importance":
            a = a * s[f"{unit}.gcn.PA"]
        if post:
            y = torch.einsum("nctv,kvw->nkctw", x, a).flatten(1, 2)
            y = conv(s, f"{unit}.gcn.conv", y)
        else:
            y = conv(s, f"{unit}.gcn.conv", x).unflatten(1, (a.size(0), -1))
            y = torch.einsum("nkctv,kvw->nctw", y, a)
        y = batch_norm(s, f"{unit}.gcn.bn", y)
        if inner and f"{unit}.gcn.down.0.weight" in s:
            y = y + batch_norm(s, f"{unit}.gcn.down.1", conv(s, f"{unit}.gcn.down.0", x))
        elif inner:
            y = y + x
        y = F.relu(y)
        if f"{unit}.tcn.branches.0.0.weight" in s:
            y = branches(s, f"{unit}.tcn.branches", y, stride, (1, 2, 3, 4), plain=True)
            y = F.relu(batch_norm(s, f"{unit}.tcn.transform.0", y))
            y = conv(s, f"{unit}.tcn.transform.2", y)
        else:
            y = conv(s, f"{unit}.tcn.conv", y, stride)
        y = batch_norm(s, f"{unit}.tcn.bn", y)
        if f"{unit}.residual.conv.weight" in s:
            shortcut = conv(s, f"{unit}.residual.conv", x, stride)
            y = y + batch_norm(s, f"{unit}.residual.bn", shortcut)
        elif i > 0 or first_residual:
            y = y + x
        x = F.relu(y)
    return F.linear(pooled(x, persons), s["cls_head.fc_cls.weight"], s["cls_head.fc_cls.bias"])


def ctrgcn(s: State, x: Tensor, strides: Sequence[int], dilations: Sequence[int]) -> Tensor:
    """Logits of CTR-GCN for [N, M, T, V, C]."""
    persons = x.size(1)
    x = normed_input(s, "data_bn", x)
    for i, stride in enumerate(strides, 1):
        graph = f"l{i}.gcn1"
        y = torch.zeros(())
        for k, a in enumerate(s[f"{graph}.PA"]):
            part = f"{graph}.convs.{k}"
            mean = x.mean(dim=2, keepdim=True)
            query = conv(s, f"{part}.conv1", mean)[:, :, 0]
            key = conv(s, f"{part}.conv2", mean)[:, :, 0]
            relation = torch.tanh(query[:, :, :, None] - key[:, :, None, :])
            refined = conv(s, f"{part}.conv4", relation) * s[f"{graph}.alpha"] + a
            y = y + torch.einsum("ncuv,nctv->nctu", refined, conv(s, f"{part}.conv3", x))
        y = batch_norm(s, f"{graph}.bn", y)
        if f"{graph}.down.0.weight" in s:
            y = F.relu(y + batch_norm(s, f"{graph}.down.1", conv(s, f"{graph}.down.0", x)))
        else:
            y = F.relu(y + x)
        y = branches(s, f"l{i}.tcn1.branches", y, stride, dilations, plain=False)
        if f"l{i}.residual.conv.weight" in s:
            shortcut = conv(s, f"l{i}.residual.conv", x, stride)
            y = y + batch_norm(s, f"l{i}.residual.bn", shortcut)
        elif i > 1:
            y = y + x
        x = F.relu(y)
    return F.linear(pooled(x, persons), s["fc.weight"], s["fc.bias"])


def beside(s: State, name: str, x: Tensor, y: Tensor, training: bool) -> Tensor:
    """The end of PYSKL's graph units: batch norm, shortcut, ReLU."""
    y = batch_norm(s, f"{name}.bn", y, training)
    if f"{name}.down.0.weight" in s:
        x = batch_norm(s, f"{name}.down.1", conv(s, f"{name}.down.0", x), training)
    return F.relu(y + x)


def around(s: State, name: str, x: Tensor, y: Tensor, stride: int, training: bool) -> Tensor:
    """The end of PYSKL's units: shortcut (unless the unit widens the input first), ReLU."""
    if f"{name}.residual.conv.weight" in s:
        x = conv(s, f"{name}.residual.conv", x, stride)
        return F.relu(y + batch_norm(s, f"{name}.residual.bn", x, training))
    return F.relu(y + x if x.size(1) == y.size(1) else y)


def gate(x: Tensor, score: Tensor) -> Tensor:
    return x + x * torch.sigmoid(score)


def aagcn(s: State, x: Tensor, strides: Sequence[int], training: bool = False) -> Tensor:
    """Logits of PYSKL's AAGCN for [N, M, T, V, C]."""
    persons = x.size(1)
    x = normed_input(s, "backbone.data_bn", x, training)
    for i, stride in enumerate(strides):
        unit, graph = f"backbone.gcn.{i}", f"backbone.gcn.{i}.gcn"
        y = torch.zeros((), dtype=x.dtype)
        for k, a in enumerate(s[f"{graph}.A"]):  # [source, target]
            left, right = conv(s, f"{graph}.conv_a.{k}", x), conv(s, f"{graph}.conv_b.{k}", x)
            likeness = torch.einsum("nctv,nctw->nvw", left, right) / (left.size(1) * left.size(2))
            adapted = a + s[f"{graph}.alpha"] * torch.tanh(likeness)
            y = y + conv(s, f"{graph}.conv_d.{k}", torch.einsum("nctv,nvw->nctw", x, adapted))
        y = beside(s, graph, x, y, training)
        if f"{graph}.conv_sa.weight" in s:
            for name, over, axis in (("conv_sa", 2, 2), ("conv_ta", 3, 3)):
                weight, bias = s[f"{graph}.{name}.weight"], s[f"{graph}.{name}.bias"]
                score = F.conv1d(y.mean(dim=over), weight, bias, padding=weight.size(2) // 2)
                y = gate(y, score.unsqueeze(axis))
            hidden = F.linear(
                y.mean(dim=(2, 3)), s[f"{graph}.fc1c.weight"], s[f"{graph}.fc1c.bias"]
            )
            score = F.linear(F.relu(hidden), s[f"{graph}.fc2c.weight"], s[f"{graph}.fc2c.bias"])
            y = gate(y, score[:, :, None, None])
        if f"{unit}.tcn.conv.weight" in s:
            y = conv(s, f"{unit}.tcn.conv", y, stride)
        else:
            y = branches(s, f"{unit}.tcn.branches", y, stride, (1, 2, 3, 4), True, training)
            y = F.relu(batch_norm(s, f"{unit}.tcn.transform.0", y, training))
            y = conv(s, f"{unit}.tcn.transform.2", y)
        x = around(s, unit, x, batch_norm(s, f"{unit}.tcn.bn", y, training), stride, training)
    return F.linear(pooled(x, persons), s["cls_head.fc_cls.weight"], s["cls_head.fc_cls.bias"])


def dgstgcn(
    s: State,
    x: Tensor,
    strides: Sequence[int],
    gate_per_group: bool = False,
    training: bool = False,
) -> Tensor:
    """Logits of PYSKL's DG-STGCN for [N, M, T, V, C]."""
    persons = x.size(1)
    x = normed_input(s, "backbone.data_bn", x, training)
    for i, stride in enumerate(strides):
        unit, graph = f"backbone.gcn.{i}", f"backbone.gcn.{i}.gcn"
        a = s[f"{graph}.A"]
        groups = (len(a), -1)
        sent = F.relu(batch_norm(s, f"{graph}.pre.1", conv(s, f"{graph}.pre.0", x), training))
        mean = x.mean(dim=2, keepdim=True)
        left = conv(s, f"{graph}.conv1", mean)[:, :, 0].unflatten(1, groups)  # [N, K, C, V]
        right = conv(s, f"{graph}.conv2", mean)[:, :, 0].unflatten(1, groups)
        y = []
        for k in range(len(a)):
            own = k if gate_per_group else 0
            within = torch.tanh(left[:, k, :, :, None] - right[:, k, :, None, :])
            between = torch.einsum("ncv,ncw->nvw", left[:, k], right[:, k]).softmax(dim=1)
            within = within * s[f"{graph}.alpha"][own]
            between = between * s[f"{graph}.beta"][own]
            topology = a[k] + within + between[:, None]  # [N, C, source, target]
            y.append(torch.einsum("nctv,ncvw->nctw", sent.unflatten(1, groups)[:, k], topology))
        y = conv(s, f"{graph}.post", torch.cat(y, dim=1))
        y = beside(s, graph, x, y, training)
        joints = y.size(3)
        y = torch.cat([y, y.mean(dim=3, keepdim=True)], dim=3)
        y = branches(s, f"{unit}.tcn.branches", y, stride, (1, 2, 3, 4), True, training)
        y = y[..., :joints] + y[..., joints:] * s[f"{unit}.tcn.add_coeff"][:joints]
        y = F.relu(batch_norm(s, f"{unit}.tcn.transform.0", y, training))
        y = batch_norm(s, f"{unit}.tcn.bn", conv(s, f"{unit}.tcn.transform.2", y), training)
        x = around(s, unit, x, y, stride, training)
    return F.linear(pooled(x, persons), s["cls_head.fc_cls.weight"], s["cls_head.fc_cls.bias"])


def kth(s: State, x: Tensor, strides: Sequence[int]) -> Tensor:
    """Logits of the KTH report's network for [N, 1, T, V, C]."""
    x = fold(x)
    residual = any("apply_residual" in key for key in s)
    for i, stride in enumerate(strides):
        unit = f"conv.{i}"
        a = s[f"{unit}.spatialConv.A"]
        y = batch_norm(s, f"{unit}.batch_n", x)
        y = conv(s, f"{unit}.spatialConv.W", F.relu(y) if residual else y)
        y = torch.einsum("kvw,nkctw->nctv", a, y.unflatten(1, (a.size(0), -1)))
        if residual:
            y = F.relu(batch_norm(s, f"{unit}.batch_n_2", y))
            y = conv(s, f"{unit}.temporalConv", y, stride)
            shortcut = x
            if f"{unit}.apply_residual.weight" in s:
                shortcut = conv(s, f"{unit}.apply_residual", x, stride)
            x = F.relu(y + shortcut)
        else:
            y = conv(s, f"{unit}.temporalConv", y, stride)
            x = F.relu(batch_norm(s, f"{unit}.batch_n_2", y))
    return F.linear(pooled(x, 1), s["fc_layer.weight"], s["fc_layer.bias"])
