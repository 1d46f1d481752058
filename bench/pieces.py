"""The pieces of the queue, as data: benchmarks first, then the jobs that build release 1."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """What pieces of one kind do.

    overrides: of `python -m builder`.
    about:     in words; then what comes back, and the calls that it takes in each space: estimates.
    splits:    of the images that it needs.
    """

    overrides: tuple[str, ...]
    about: str
    back: str
    calls: dict[str, str]
    splits: tuple[str, ...] = ("train", "test")


SPACES = {"small": "autoformer-small", "tiny": "autoformer-tiny"}
# Task to the names that its files of images begin with, none where no image is to be had, and what it is
# told beside them.
TASKS: dict[str, tuple[str | None, tuple[str, ...]]] = {
    "cifar10": ("cifar10", ()),
    "cifar100": ("cifar100", ()),
    # Shifted or cut images would be torn at the rim of the sphere.
    "spherical_cifar100": (
        "cifar100",
        ("protocol.recipe.augmentation.shift=0", "protocol.recipe.augmentation.cutmix=0"),
    ),
    "class_scene": (None, ()),
}
KINDS = {
    "supernet": Kind(
        ("experiment=release_supernet", "jobs=[sample,accuracy]", "accuracy.architectures=16"),
        "train the supernet and look at 16 architectures",
        "the printed lines; the weights stay on the machine for the next piece",
        {"small": "1 call, 6 to 8.5 minutes", "tiny": "1 call, 3 to 5 minutes"},
    ),
    "evaluate": Kind(
        ("experiment=release_supernet", "jobs=[sample,accuracy]"),
        "inherit and evaluate 2,000 architectures, on the machine that has just trained the supernet",
        "once done, one archive below 2 MB",
        {"small": "1 call, 4 to 8 minutes", "tiny": "1 call, 3 to 6 minutes"},
    ),
    "score": Kind(
        ("experiment=release_supernet", "jobs=[sample,score]"),
        "every proxy on 2,000 architectures with three seeds",
        "each call one archive of its new rows, in all about 16 MB",
        {"small": "7 to 24 calls of 9 minutes", "tiny": "6 to 20 calls of 9 minutes"},
        ("train",),
    ),
    "convolutional": Kind(
        (
            "proxies=convolutional",
            "jobs=[sample,score]",
            "score.batch_size=64",
            "score.block=8",
        ),
        "the proxies with published numbers on {n} convolutional networks",
        "each call one archive of its new rows, in all about 1 MB",
        {
            "nasbench201": "2 to 4 calls of 9 minutes",
            "nasbench101": "1 to 2 calls of 9 minutes",
            "nasbench301": "2 to 5 calls of 9 minutes",
        },
        ("train",),
    ),
    "blind": Kind(
        (
            "proxies.names=[params,macs,l2_norm,synflow,zen]",
            "jobs=[sample,score]",
            "score.batch_size=64",
            "score.block=8",
        ),
        "the proxies with published numbers that look at no image, on {n} convolutional networks",
        "each call one archive of its new rows, in all below 1 MB",
        {"transnas-micro": "1 to 2 calls of 9 minutes", "transnas-macro": "1 to 3 calls of 9 minutes"},
        (),
    ),
    "scratch": Kind(
        ("experiment=release_scratch", "jobs=[sample,accuracy]"),
        "60 architectures trained alone with two seeds",
        "each call one archive below 1 MB",
        {"small": "12 to 20 calls of 9 minutes", "tiny": "5 to 8 calls of 9 minutes"},
    ),
}


@dataclass(frozen=True)
class Draw:
    """Convolutional networks that are scored.

    n:    how many, drawn from the whole space, or all that were published.
    file: of published scores, in the folder of archives, that they are drawn among; the only ones of such a
          space that have an accuracy.
    """

    n: int
    file: str = ""


# space -> its tasks, its networks, and the kind of its pieces
CONVOLUTIONAL: dict[str, tuple[tuple[str, ...], Draw, str]] = {
    "nasbench201": (("cifar10", "cifar100"), Draw(1000), "convolutional"),
    "nasbench101": (("cifar10",), Draw(292, "zc_nasbench101.json"), "convolutional"),
    "nasbench301": (("cifar10",), Draw(725, "zc_nasbench301.json"), "convolutional"),
    "transnas-micro": (("class_scene",), Draw(711, "zc_transbench101_micro.json"), "blind"),
    "transnas-macro": (("class_scene",), Draw(662, "zc_transbench101_macro.json"), "blind"),
}
OF_CONVOLUTIONAL = ("convolutional", "blind")
SCORES = ("score", *OF_CONVOLUTIONAL)  # kinds whose rows are scores


@dataclass(frozen=True)
class Piece:
    """One entry of the queue: a script of `bench` with its arguments, or a kind of job on a task."""

    name: str
    script: tuple[str, ...] = ()
    rehearsed: tuple[str, ...] = ()
    about: str = ""
    calls: str = "1 call"
    space: str = ""
    task: str = ""
    kind: str = ""
    draw: Draw | None = None


def pieces() -> dict[str, Piece]:
    """Return the queue by name, in its order."""
    micro = ("--space", "autoformer-micro", "--image", "32", "--batch", "4", "--architectures", "1")
    found = [
        Piece("ready", about="what is installed, which images are there", calls="1 call, 1 minute"),
        Piece(
            "gpu-check",
            ("bench.gpu_check",),
            about="every proxy, CPU against GPU: what `make gpu-check` runs",
            calls="1 call, 3 to 8 minutes",
        ),
        Piece(
            "proxy-speed",
            ("bench.proxies", "--image", "128"),
            micro,
            "what every proxy costs on autoformer-small at 64 tokens, as in the release",
            "1 call, 2 to 5 minutes",
        ),
        Piece(
            "proxy-speed-196",
            ("bench.proxies",),
            micro,
            "the same at 224 pixels, 196 tokens",
            "1 call, 3 to 8 minutes",
        ),
        Piece(
            "training-speed",
            ("bench.training",),
            ("threads=1",),
            "images a second of the small supernet's training and evaluation",
            "1 call, 2 to 4 minutes",
        ),
        Piece(
            "training-speed-tiny",
            ("bench.training", "space=autoformer-tiny"),
            ("space=autoformer-micro", "threads=1"),
            "the same of the tiny supernet",
            "1 call, 2 to 4 minutes",
        ),
    ]
    for short, space in SPACES.items():
        for task in (task for task, (images, _) in TASKS.items() if images):
            for name, kind in KINDS.items():
                if short in kind.calls:
                    about = (kind.about, kind.calls[short])
                    found.append(Piece(f"{short}-{task}-{name}", (), (), *about, space, task, name))
    for space, (tasks, draw, name) in CONVOLUTIONAL.items():
        kind = KINDS[name]
        for task in tasks:
            about = (kind.about.format(n=f"{draw.n:,}"), kind.calls[space])
            found.append(Piece(f"{space}-{task}-score", (), (), *about, space, task, name, draw))
    return {piece.name: piece for piece in found}


def command(piece: Piece) -> str:
    """Return the command line of a piece on the GPU machine."""
    where = '--images "$HOME/images" --root "$HOME/release" --tables tables --out "$OUT" --minutes 8'
    return f'export PYTHONPATH="$HOME/site" && python3 -m bench.gpu_queue {piece.name} {where}'


def checklist() -> str:
    """Return the queue as the list that `bench/gpu_queue.md` holds, nothing ticked off."""
    lines = []
    for piece in pieces().values():
        back = "the printed lines, as a text file" if piece.script else "the printed lines"
        needed = "nothing" if piece.script else "the images, to see whether they are whole"
        if piece.kind:
            kind, files = KINDS[piece.kind], TASKS[piece.task][0]
            back = kind.back
            sizes = "three files, 107 MB" if "test" in kind.splits else "the two of train, 89 MB"
            needed = f"images of {files} ({sizes})" if files else "no images"
            if piece.draw and piece.draw.file:
                needed += f"; tables/{piece.draw.file}"
            if piece.kind in (*SCORES, "scratch"):
                needed += f"; tables/{piece.name}-*.tar that came back before"
            if piece.kind == "evaluate":
                needed += "; the supernet, which is there"
        lines += [
            f"- [ ] `{piece.name}`: {piece.about}. In: {needed}. Back: {back}. {piece.calls} (estimate).",
            "",
            f"      {command(piece)}",
            "",
        ]
    return "\n".join(lines)
