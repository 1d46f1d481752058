"""Augmentation against torchvision, image by image; laws of boxes and mixtures; draws no device changes."""

import math

import pytest
import torch
from omegaconf import OmegaConf
from torch.nn import functional

from builder.errors import BuilderError
from builder.training.augment import Augmentation, augment, mix
from builder.training.augment.boxes import draw_boxes
from builder.training.augment.pixels import _resize
from builder.training.augment.randaugment import _WARPS, _apply, _matrix, _strength, rand_augment
from builder.training.augment.vision import torchvision_functional

vision = torchvision_functional()
from torchvision.transforms.v2 import RandAugment  # noqa: E402 (imports only once the line above has run)

PEER = RandAugment(fill=128)
FULL = Augmentation(crop="resized", operations=2, mixup=0.8, cutmix=1.0, erasing=0.25)
# The order in which operations are numbered: part of what a seed means.
NAMES = (
    *("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate"),
    *("Brightness", "Color", "Contrast", "Sharpness"),
    *("Identity", "Posterize", "Solarize", "AutoContrast", "Equalize"),
)


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


def photographs(batch=8, channels=3, side=32):
    """Images with smooth parts, of any contrast; the first is of one level."""
    rough = torch.randn(batch, channels, 5, 5, generator=draws(1))
    smooth = functional.interpolate(rough, size=(side, side), mode="bicubic")
    contrast = torch.linspace(0, 90, batch)[:, None, None, None]
    noise = 6 * torch.randn(smooth.shape, generator=draws(2)) * (contrast > 0)
    return (120 + contrast * smooth + noise).clamp(0, 255).to(torch.uint8)


def by_torchvision(image, name, sign, magnitude):
    """Apply an operation to one image as torchvision's RandAugment does."""
    steps, directed = PEER._AUGMENTATION_SPACE[name]
    magnitudes = steps(31, *image.shape[-2:])
    strength = 0.0 if magnitudes is None else float(magnitudes[magnitude])
    strength *= sign if directed else 1
    return PEER._apply_image_or_video_transform(image, name, strength, PEER.interpolation, PEER._fill)


def test_shift_and_flip_are_what_they_were_to_the_bit():
    pixels, shift = photographs(16, side=9), 3
    replay = draws()
    offsets = torch.randint(0, 2 * shift + 1, (2, 16), generator=replay)
    mirrored = torch.rand(16, generator=replay) < 0.5
    padded = functional.pad(pixels, (shift,) * 4)
    expected = torch.stack(
        [padded[i, :, y : y + 9, x : x + 9] for i, (y, x) in enumerate(zip(*offsets.tolist(), strict=True))]
    )
    expected[mirrored] = expected[mirrored].flip(3)
    generator = draws()
    assert torch.equal(augment(pixels, Augmentation(shift=shift), True, generator), expected)
    assert torch.equal(generator.get_state(), replay.get_state())


def test_the_default_leaves_images_and_draws_alone():
    pixels, generator = photographs(), draws()
    assert torch.equal(augment(pixels, Augmentation(), False, generator), pixels)
    assert torch.equal(generator.get_state(), draws().get_state())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("magnitude", "side"), [(0, 8), (9, 32), (17, 28), (30, 32)])
@pytest.mark.parametrize("name", NAMES)
def test_an_operation_is_torchvisions_on_every_image(name, magnitude, side, channels):
    pixels = photographs(channels=channels, side=side)
    kinds = [(name, sign * _strength(name, magnitude, side)) for name in NAMES for sign in (1, -1)]
    for backwards, sign in enumerate((1, -1)):
        drawn = torch.full(
            (len(pixels),), 2 * NAMES.index(name) + backwards * PEER._AUGMENTATION_SPACE[name][1]
        )
        expected = torch.stack([by_torchvision(image, name, sign, magnitude) for image in pixels])
        assert torch.equal(_apply(pixels, kinds, drawn), expected)


def test_the_set_is_torchvisions():
    assert set(NAMES) == set(PEER._AUGMENTATION_SPACE)


@pytest.mark.parametrize("channels", [1, 3])
def test_every_image_undergoes_what_it_drew(channels):
    pixels = photographs(64, channels)
    names = [name for name in NAMES if name != "Color" or channels == 3]
    expected, replay = list(pixels), draws()
    for _ in range(2):
        chosen = torch.randint(len(names), (64,), generator=replay).tolist()
        signs = (1 - 2 * torch.randint(2, (64,), generator=replay)).tolist()
        expected = [
            by_torchvision(image, names[which], sign, 9)
            for image, which, sign in zip(expected, chosen, signs, strict=True)
        ]
    assert torch.equal(rand_augment(pixels, 2, 9, draws()), torch.stack(expected))


@pytest.mark.parametrize("name", sorted(_WARPS))
def test_no_warp_mirrors(name):
    for magnitude in range(31):
        for sign in (1, -1):
            matrix = torch.tensor(_matrix(name, sign * _strength(name, magnitude, 32), 32))
            assert torch.linalg.det(matrix[:, :2]) > 0.9


@pytest.mark.parametrize("crop", ["shift", "resized"])
def test_only_a_task_that_may_be_mirrored_is(crop):
    slope = torch.arange(100, 132, dtype=torch.uint8).expand(200, 3, 32, 32)

    def rising(images):
        return (images[:, 0, 16, 24] > images[:, 0, 16, 8]).float().mean()

    augmentation = Augmentation(crop=crop, shift=4)
    assert rising(augment(slope, augmentation, False, draws())) == 1
    assert 0.3 < rising(augment(slope, augmentation, True, draws())) < 0.7


def test_a_resized_crop_is_torchvisions_of_the_same_box():
    pixels = photographs(64)
    boxes = draw_boxes(64, 32, (0.08, 1.0), (3 / 4, 4 / 3), draws())
    expected = torch.stack(
        [
            vision.resized_crop(image, *box, size=[32, 32])
            for image, box in zip(pixels, boxes.T.tolist(), strict=True)
        ]
    )
    assert (
        _resize(pixels, boxes).int() - expected.int()
    ).abs().max() <= 1  # rounded from floats of two kinds
    assert torch.equal(augment(pixels, Augmentation(crop="resized"), False, draws()), _resize(pixels, boxes))


def test_a_crop_of_the_whole_image_is_the_image():
    pixels = photographs()
    boxes = draw_boxes(len(pixels), 32, (1.0, 1.0), (1.0, 1.0), draws())
    assert torch.equal(_resize(pixels, boxes), pixels)


def test_boxes_lie_inside_with_the_area_and_aspect_asked_for():
    top, left, height, width = draw_boxes(20_000, 200, (0.1, 0.5), (0.5, 2.0), draws())
    assert (
        (top >= 0).all() and (top + height <= 200).all() and (left >= 0).all() and (left + width <= 200).all()
    )
    assert (top == 0).any() and (top + height == 200).any()
    share = height * width / 200**2
    assert 0.095 < share.min() < 0.11 and 0.49 < share.max() < 0.51
    assert share.mean() == pytest.approx(0.3, abs=0.005)  # uniform
    logarithm = (width / height).log()
    assert logarithm.mean() == pytest.approx(0, abs=0.01)
    assert logarithm.std() == pytest.approx(2 * math.log(2) / math.sqrt(12), abs=0.01)  # uniform


def test_a_box_larger_than_the_image_is_cut():
    _, _, height, width = draw_boxes(1000, 32, (1.0, 1.0), (3 / 4, 4 / 3), draws())
    assert (height.maximum(width) == 32).all() and height.minimum(
        width
    ).min() == 28  # 32 times the root of 3/4


def test_erasing_fills_one_box_with_noise():
    pixels = torch.full((400, 1, 32, 32), 77, dtype=torch.uint8)
    erased = augment(pixels, Augmentation(erasing=0.25), False, draws())
    changed = (erased != pixels)[:, 0]
    hit = changed.flatten(1).any(1)
    assert 70 < hit.sum() < 130
    for mask, image in zip(changed[hit], erased[hit, 0], strict=True):
        rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
        box = image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert 0.01 < box.numel() / 32**2 < 0.36
        assert (box != 77).float().mean() > 0.8
    noise = erased[erased != 77].float()
    assert noise.mean() == pytest.approx(127.5, abs=2) and noise.std() == pytest.approx(73.9, abs=2)


def test_erasing_may_hit_no_image_or_all():
    pixels = photographs(64)
    assert torch.equal(augment(pixels, Augmentation(erasing=1e-9), False, draws()), pixels)
    assert (augment(pixels, Augmentation(erasing=1.0), False, draws()) != pixels).flatten(1).any(1).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_equal_draws_give_equal_images_and_others_do_not(channels):
    pixels = photographs(64, channels)
    kept = pixels.clone()
    first, again, other = (augment(pixels, FULL, True, draws(seed)) for seed in (3, 3, 4))
    assert first.shape == pixels.shape and first.dtype == torch.uint8
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(pixels, kept)


def batch():
    """Images of one level each, their position, so that a mixture tells where it came from."""
    images = torch.arange(6.0)[:, None, None, None].expand(6, 3, 16, 16)
    return images, torch.tensor([0, 3, 1, 4, 2, 2])


def previous(position):
    return (position - 1) % 6


@pytest.mark.parametrize("mixing", [{}, {"mixup": 0.8}, {"cutmix": 1.0}, {"mixup": 0.8, "cutmix": 1.0}])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_targets_are_distributions(mixing, smoothing):
    images, labels = batch()
    for seed in range(20):
        mixed, targets = mix(images, labels, 5, Augmentation(**mixing), smoothing, draws(seed))
        assert mixed.shape == images.shape and targets.shape == (6, 5) and targets.dtype == torch.float32
        assert (targets >= 0).all() and torch.allclose(targets.sum(1), torch.ones(6), atol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7, 1.0])
def test_smoothing_alone_is_that_of_cross_entropy(smoothing):
    logits = torch.randn(32, 7, generator=draws(), dtype=torch.float64)
    labels = torch.randint(7, (32,), generator=draws(1))
    generator = draws(2)
    images, targets = mix(logits, labels, 7, Augmentation(), smoothing, generator)
    assert images is logits and torch.equal(generator.get_state(), draws(2).get_state())
    ours = functional.cross_entropy(logits, targets.double())
    assert ours == pytest.approx(
        functional.cross_entropy(logits, labels, label_smoothing=smoothing).item(), rel=1e-6
    )


def test_mixup_blends_images_and_labels_by_one_share():
    images, labels = batch()
    shares = []
    for seed in range(200):
        mixed, targets = mix(images, labels, 5, Augmentation(mixup=0.8), 0.0, draws(seed))
        share = targets[1, labels[1]].item()
        shares.append(share)
        for i in range(6):
            expected = share * i + (1 - share) * previous(i)
            assert torch.allclose(mixed[i], torch.full((3, 16, 16), expected), atol=1e-5)
            blend = share * functional.one_hot(labels[i], 5) + (1 - share) * functional.one_hot(
                labels[i - 1], 5
            )
            assert torch.allclose(targets[i], blend, atol=1e-6)
    shares = torch.tensor(shares)
    assert shares.mean() == pytest.approx(0.5, abs=0.06)
    assert shares.var() == pytest.approx(1 / (4 * (2 * 0.8 + 1)), abs=0.02)  # of Beta(0.8, 0.8)


def test_cutmix_counts_the_area_it_pasted():
    images, labels = batch()
    kept = images.clone()
    shares = []
    for seed in range(200):
        mixed, targets = mix(images, labels, 5, Augmentation(cutmix=1.0), 0.0, draws(seed))
        for i in range(6):
            own, pasted = (mixed[i] == i).all(0), (mixed[i] == previous(i)).all(0)
            assert (own ^ pasted).all()
            shares.append(own.float().mean().item())
            expected = torch.zeros(5)
            expected[labels[i]] += own.sum() / 256
            expected[labels[i - 1]] += pasted.sum() / 256
            assert torch.allclose(targets[i], expected, atol=1e-6)
        rows, columns = pasted.any(1), pasted.any(0)
        assert torch.equal(pasted, rows[:, None] & columns)  # one box
    assert min(shares) < 0.3 and max(shares) > 0.95
    assert torch.equal(images, kept)


def test_with_both_a_batch_has_one_of_them_with_equal_odds():
    images, labels = batch()
    blended = 0
    for seed in range(400):
        mixed, _ = mix(images, labels, 5, Augmentation(mixup=1.0, cutmix=1.0), 0.0, draws(seed))
        blended += bool((mixed != mixed.round()).any())
    assert 160 < blended < 240


def test_draws_do_not_depend_on_the_device_and_nothing_is_read_back():
    # The meta device holds no numbers: what would read one from it fails.
    pixels, labels = photographs(64), torch.arange(64) % 5
    here, elsewhere = draws(), draws()
    for _ in range(4):
        images = augment(pixels, FULL, True, here)
        mix(images.float(), labels, 5, FULL, 0.1, here)
        images = augment(pixels.to("meta"), FULL, True, elsewhere)
        images, targets = mix(images.float(), labels.to("meta"), 5, FULL, 0.1, elsewhere)
        assert images.shape == pixels.shape and images.device == targets.device == torch.device("meta")
    assert torch.equal(here.get_state(), elsewhere.get_state())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("channels", [1, 3])
def test_cpu_and_gpu_see_the_same_and_the_gpu_is_not_waited_for(channels):
    pixels, labels = photographs(256, channels), torch.arange(256) % 5
    there = pixels.cuda(), labels.cuda()
    for seed in range(4):
        generators = draws(seed), draws(seed)
        expected = augment(pixels, FULL, True, generators[0])
        mixed, targets = mix(expected.float(), labels, 5, FULL, 0.1, generators[0])
        torch.cuda.set_sync_debug_mode("error")
        try:
            images = augment(there[0], FULL, True, generators[1])
            mixed_there, targets_there = mix(images.float(), there[1], 5, FULL, 0.1, generators[1])
        finally:
            torch.cuda.set_sync_debug_mode("default")
        # A level apart where floats are rounded; an operation that sees a level (Equalize) spreads a few.
        apart = (images.cpu().int() - expected.int()).abs()
        assert (apart > 1).float().mean() < 1e-3
        assert ((mixed_there.cpu() - mixed).abs() > 1.01).float().mean() < 1e-3
        assert torch.allclose(targets_there.cpu(), targets, atol=1e-6)


def test_the_defaults_are_a_configuration():
    assert OmegaConf.to_object(OmegaConf.structured(Augmentation)) == Augmentation()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("crop", "middle", "is 'middle', expected shift or resized."),
        ("shift", -1, "is -1, expected at least 0, and finite."),
        ("operations", -1, "is -1, expected at least 0, and finite."),
        ("magnitude", 31, "is 31, expected 0 to 30."),
        ("magnitude", -1, "is -1, expected 0 to 30."),
        ("mixup", -0.1, "is -0.1, expected at least 0, and finite."),
        ("mixup", math.inf, "is inf, expected at least 0, and finite."),
        ("cutmix", math.nan, "is nan, expected at least 0, and finite."),
        ("erasing", 1.1, "is 1.1, expected a probability, 0 to 1."),
        ("scale", [0.5], "is [0.5], expected two fractions"),
        ("scale", [0.0, 1.0], "is [0.0, 1.0], expected two fractions"),
        ("scale", [0.8, 0.2], "is [0.8, 0.2], expected two fractions"),
        ("scale", [0.5, 1.5], "is [0.5, 1.5], expected two fractions"),
    ],
)
def test_a_value_out_of_range_is_one_line(name, value, expected):
    with pytest.raises(BuilderError) as error:
        Augmentation(**{name: value})
    assert str(error.value).startswith(f"protocol.recipe.augmentation.{name} {expected}")
    assert "\n" not in str(error.value)
