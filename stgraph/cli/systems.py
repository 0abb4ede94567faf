"""The systems of ``stgraph pretrain``, put together from options."""

from __future__ import annotations

from typing import Any

MASKED = {"mamp": "motion", "skeletonmae": "parts"}
#: Encoder of each system where none is named.
BACKBONES = {
    "mamp": "transformer",
    "skeletonmae": "gin",
    "skeletonclr": "stgcn",
    "crossclr": "stgcn",
    "hitrs": "hitrs",
}
#: Systems whose transform is a part of the objective, applied after hiding.
HIDING = (*MASKED, "hitrs")
STREAMS = ("joint", "joint_motion", "bone")
#: CrosSCLR's views: shear, and a stretch of time.
VIEWS: list[Any] = ["RandomShear", {"RandomTimeCrop": {"part": [0.5, 1.0], "min_frames": 8}}]


def build_masking(options: Any) -> Any:
    """The masking by its name; None for the system's own.

    Raises:
        ValueError: if the name is unknown, or the system hides nothing.
    """
    import stgraph.objectives as room

    if options.masking is None and options.ratio is None:
        return None
    if options.system not in MASKED:
        raise ValueError(f"{options.system} has no choice of masking: leave out --masking, --ratio")
    makers = {
        "motion": room.MotionAware,
        "tokens": room.RandomTokens,
        "joints": room.RandomJoints,
        "parts": room.BodyParts,
        "tubes": room.Tubes,
        "frames": room.Frames,
    }
    name = options.masking or MASKED[options.system]
    if name not in makers:
        raise ValueError(f"unknown masking {name!r}; known are {', '.join(makers)}")
    return makers[name](**({} if options.ratio is None else {"ratio": options.ratio}))


def build_target(options: Any) -> Any:
    """The target by its name; None for the system's own.

    Raises:
        ValueError: if the name is unknown, or the system fills in nothing.
    """
    import stgraph.objectives as room

    makers = {"motion": room.Motion, "coordinates": room.Coordinates, "bones": room.Bones}
    if options.target is None:
        return None
    if options.system not in MASKED:
        raise ValueError(f"{options.system} fills in nothing: leave out --target")
    if options.target not in makers:
        raise ValueError(f"unknown target {options.target!r}; known are {', '.join(makers)}")
    return makers[options.target]()


def build_views(options: Any) -> Any:
    """The two views of a contrast; None: each recording once, unaltered.

    Raises:
        ValueError: if a transform is unknown, or the system takes no views.
    """
    from stgraph.tasks import build_transform

    if options.system in HIDING:
        if options.views is not None:
            raise ValueError(f"{options.system} contrasts no views: leave out --views")
        return None
    default = [] if options.system == "stars" else VIEWS
    view = build_transform(default if options.views is None else options.views)
    return None if view is None else (view, view)


def check_system(options: Any) -> None:
    """Refuses options that the system has no use for.

    Raises:
        ValueError: with the option in question.
    """
    if options.system == "stars" and options.encoder is None:
        raise ValueError(
            "stars tunes an encoder: give --encoder (OUT/model of another stgraph pretrain)"
        )
    if options.system == "crossclr" and options.encoder is not None:
        raise ValueError("crossclr begins with new encoders: leave out --encoder")
    of_poses = ("gin", "gcn", "gat", "stgcn")
    allowed = {
        "mamp": ("transformer",),
        "skeletonmae": of_poses,
        "stars": (),
        "hitrs": ("hitrs",),
    }
    backbones = allowed.get(options.system, (*of_poses, "transformer", "hitrs"))
    if options.backbone is not None and options.backbone not in backbones:
        known = " or ".join(backbones) or "what --encoder holds"
        raise ValueError(f"the backbone of {options.system} is {known} (got {options.backbone})")


def build_objective(
    options: Any, train: Any, masking: Any, target: Any, views: Any, transform: Any
) -> Any:
    """The objective; of a masked system the transform is a part.

    Raises:
        ValueError: if the sets or an argument do not fit the system.
    """
    import stgraph.objectives as room
    from stgraph.tasks import load_network

    layouts = layouts_of(train)
    if options.bound and len(layouts) > 1:
        raise ValueError(
            "--bound true (perhaps of the recipe) gives joints of one layout embeddings; the sets "
            "have several: give --bound false"
        )
    dims, extra = dims_of(train), options.system_args
    encoder: Any = None if options.encoder is None else load_network(options.encoder)
    if getattr(encoder, "num_classes", None) is not None:
        raise ValueError(
            f"--encoder {options.encoder} holds a classifier; pre-training needs an encoder "
            "without one, as stgraph pretrain saves"
        )
    if options.system == "mamp" and encoder is not None and not hasattr(encoder, "encode"):
        raise ValueError(
            f"--encoder {options.encoder} holds a {type(encoder).__name__}; mamp needs a "
            "SkeletonTransformer"
        )

    if options.system == "hitrs" and encoder is not None and not hasattr(encoder, "levels_of"):
        raise ValueError(
            f"--encoder {options.encoder} holds a {type(encoder).__name__}; hitrs needs a HiTRS"
        )

    def new_encoder() -> Any:
        return build_encoder(options, layouts, dims)

    try:
        if options.system == "stars":
            return room.stars(encoder, queue_size=options.queue_size, views=views, **extra)
        if options.system == "skeletonclr":
            encoder = new_encoder() if encoder is None else encoder
            return room.skeletonclr(encoder, views, queue_size=options.queue_size, **extra)
        if options.system == "crossclr":
            encoders = {name: new_encoder() for name in STREAMS}
            return room.crossclr(encoders, views, queue_size=options.queue_size, **extra)
        if options.system == "hitrs":
            encoder = new_encoder() if encoder is None else encoder
            return room.hitrs(encoder=encoder, num_dims=dims, transform=transform, **extra)
        parts: Any = {"masking": masking, "target": target, "transform": transform, **extra}
        parts["encoder"] = new_encoder() if encoder is None else encoder
        if options.system == "skeletonmae":
            return room.skeletonmae(num_dims=dims, **parts)
        sizes = {"num_heads": options.heads, "decoder_depth": options.decoder_depth}
        return room.mamp(num_dims=dims, **sizes, **parts)
    except TypeError as error:
        raise ValueError(f"the system {options.system} does not take that: {error}") from None


def build_encoder(options: Any, layouts: list[Any], dims: int) -> Any:
    """A new encoder of the backbone.

    Raises:
        ValueError: if the backbone needs one layout and there are several.
    """
    from stgraph.nn import STGCN, HiTRS, SkeletonGIN, SkeletonTransformer, stgcn_channels

    layout = layouts[0] if options.bound else None
    backbone = options.backbone or BACKBONES[options.system]
    if backbone == "transformer":
        return SkeletonTransformer(
            max(dims, 3),
            layout=layout,
            width=options.width,
            depth=options.depth,
            num_heads=options.heads,
            patch_size=options.patch_size,
        )
    if backbone == "hitrs":
        return HiTRS(
            max(dims, 3),
            layout=layout,
            width=options.width,
            depth=options.depth,
            num_heads=options.heads,
            head_channels=max(options.width // 2, 1),
            window=options.window,
            stride=options.stride,
            dilation=options.dilation,
        )
    if backbone in ("gin", "gcn", "gat"):
        return SkeletonGIN(dims, options.width, options.depth, layout=layout, layer=backbone)
    if len(layouts) > 1:
        names = ", ".join(one.name for one in layouts)
        raise ValueError(
            f"an stgcn has one layout and the sets have several ({names}): take --backbone gin"
        )
    return STGCN(dims, layout=layouts[0], channels=stgcn_channels(options.width))


def layouts_of(train: Any) -> list[Any]:
    """The layouts of a source, each once."""
    store = train.store
    return list(dict.fromkeys(getattr(store, "layouts", None) or (store.layout,)))


def dims_of(train: Any) -> int:
    """The dimensions of a source's coordinates."""
    return int(train.store.batch(train.indices()[:1]).pos.size(1))
