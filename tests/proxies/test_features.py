"""Proxies of activations, features and Jacobians against straightforward computations, in float64."""

import math

import pytest
import torch
from torch import nn

import proxies
from proxies.gradient_based.jacov import correlation
from proxies.probe.feed_forward import HiddenRows, principal_variances
from proxies.probe.jacobian import collect_tangent_kernel, kernel_modules
from proxies.probe.layers import activation_modules
from proxies.probe.walk import Walk
from tests.proxies.networks import TinyViT, batches, convolutional, draw, rectifier

DOUBLE = batches(size=8, dtype=torch.float64)


def score(name, network, data=DOUBLE, **options):
    return proxies.compute([name], network, data, **options)[name]


def value(name, network, data=DOUBLE, **options):
    found = score(name, network, data, **options)
    assert found.status == "ok", found
    return found.value


class Linear(nn.Module):
    """Logits that are a given linear map of the pixels."""

    def __init__(self, rows):
        super().__init__()
        self.layer = nn.Linear(192, len(rows), bias=False).double()
        with torch.no_grad():
            self.layer.weight.copy_(rows)

    def forward(self, images):
        return self.layer(images.flatten(1))


class Gated(Linear):
    """Summed logits whose gradient by image b is a row of its own: (image's first pixel) picks it."""

    def forward(self, images):
        picked = images.detach().flatten(1)[:, 0].long()
        return super().forward(images) * nn.functional.one_hot(picked, self.layer.out_features)


def numbered(count):
    images = torch.zeros(count, 3, 8, 8, dtype=torch.float64)
    images[:, 0, 0, 0] = torch.arange(count)
    return [(images, torch.zeros(count, dtype=torch.int64))]


# Input Jacobian


@pytest.mark.parametrize("build", [TinyViT, convolutional], ids=["vit", "convolutional"])
def test_jacov_is_the_formula(build):
    network = build().double().train()
    images = DOUBLE[0][0].clone().requires_grad_()
    (jacobian,) = torch.autograd.grad(network(images).sum(), images)
    values = torch.linalg.eigvalsh(torch.corrcoef(jacobian.flatten(1))).clamp(min=0) + 1e-5
    expected = -(values.log() + 1 / values).sum().item()
    assert value("jacov", build().double().train()) == pytest.approx(expected, rel=1e-9)


def test_jacov_of_orthogonal_rows_is_its_maximum():
    rows = torch.zeros(6, 192, dtype=torch.float64)
    for b in range(6):  # rows without correlation: each of mean 0, apart from one another
        rows[b, 2 * b + 2], rows[b, 2 * b + 3] = 1, -1
    expected = -6 * (math.log(1 + 1e-5) + 1 / (1 + 1e-5))
    assert value("jacov", Gated(rows), numbered(6)) == pytest.approx(expected, rel=1e-12)
    rows[5] = rows[4]  # two identical rows: a null direction, and finite
    assert value("jacov", Gated(rows), numbered(6)) == pytest.approx(-1e5, rel=1e-2)


def test_jacov_keeps_when_logits_are_scaled_and_images_permuted():
    first = value("jacov", TinyViT().double())
    images, labels = DOUBLE[0]
    order = torch.randperm(8, generator=torch.Generator().manual_seed(2))
    assert value("jacov", TinyViT().double(), [(images[order], labels)]) == pytest.approx(first, rel=1e-9)
    scaled = TinyViT().double()
    with torch.no_grad():
        scaled.head.weight *= 3
    assert value("jacov", scaled) == pytest.approx(first, rel=1e-9)


def test_a_row_of_one_value_is_not_a_number():
    rows = torch.zeros(3, 192, dtype=torch.float64)
    rows[0, 1], rows[1, 2] = 1, 1
    assert score("jacov", Gated(rows), numbered(3)).status == "nan"


@pytest.mark.parametrize("classes", [4, 101])
def test_epe_nas_of_a_class_balanced_batch_of_64(classes):
    data = batches(1, size=64, dtype=torch.float64)
    images, labels = data[0][0], torch.arange(64) % 8 if classes > 8 else torch.arange(64) % 4
    network = TinyViT(classes=classes).double()
    leaf = images.clone().requires_grad_()
    (jacobian,) = torch.autograd.grad(network(leaf).sum(), leaf)
    sums = [
        (correlation(jacobian[labels == c]).abs() + 1e-5).log().sum().item() for c in labels.unique().tolist()
    ]
    if classes <= 100:
        expected = sum(map(abs, sums))
    else:
        means = [s / 8 for s in sums]
        expected = sum(abs(a - b) for a in means for b in means) / 8
    assert value("epe_nas", network, [(images, labels)]) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("classes", [100, 101])
def test_epe_nas_leaves_out_classes_of_one_image_where_there_are_many(classes):
    network, images = TinyViT(classes=classes).double(), DOUBLE[0][0]
    correlations = (correlation(proxies.Probe(network, DOUBLE).input_jacobian()).abs() + 1e-5).log()
    first, second = correlations[:2, :2].sum().item(), correlations[2:5, 2:5].sum().item()
    single = math.log(1 + 1e-5)
    expected = abs(first) + abs(second) + 3 * single if classes <= 100 else abs(first / 2 - second / 3)
    labels = torch.tensor([0, 0, 1, 1, 1, 2, 3, 4])
    assert value("epe_nas", network, [(images, labels)]) == pytest.approx(expected, rel=1e-9)


def test_epe_nas_of_many_classes_compares_two_of_them():
    labels = torch.tensor([0, 0, 0, 1, 2, 3, 4, 5])
    found = score("epe_nas", TinyViT(classes=101).double(), [(DOUBLE[0][0], labels)])
    assert (found.status, found.value) == ("empty", None)
    assert found.message.startswith("Only one class has two images")


def test_epe_nas_says_that_no_class_has_two_images():
    images = DOUBLE[0][0][:4]
    found = score("epe_nas", TinyViT().double(), [(images, torch.arange(4))])
    assert (found.status, found.value) == ("empty", None)
    assert found.message.startswith("No class has two images in the batch")


# Tangent kernel


@pytest.mark.parametrize("build", [TinyViT, lambda: convolutional().eval(), rectifier], ids=["v", "c", "r"])
def test_the_tangent_kernel_is_that_of_one_backward_pass_a_sample(build):
    network = build().double()
    probe = proxies.Probe(network, DOUBLE)
    expected = collect_tangent_kernel(network, probe.images)
    torch.testing.assert_close(probe.tangent_kernel(), expected, rtol=1e-10, atol=1e-10)
    in_shares = collect_tangent_kernel(network, probe.images, memory_gib=1e-9)
    torch.testing.assert_close(in_shares, expected, rtol=1e-12, atol=1e-12)


def test_the_quick_way_is_taken_where_it_holds():
    assert kernel_modules(TinyViT()) is not None
    assert kernel_modules(convolutional().train()) is None
    attention = nn.MultiheadAttention(8, 2)
    assert kernel_modules(attention) is None  # its in_proj_weight belongs to no linear layer


def test_ntk_cond_of_orthonormal_gradients_is_one():
    images = torch.eye(192, dtype=torch.float64)[:5].reshape(5, 3, 8, 8)
    data = [(images, torch.zeros(5, dtype=torch.int64))]
    assert value("ntk_cond", Linear(torch.zeros(2, 192)), data) == pytest.approx(-1, abs=1e-12)
    images[4] = images[3]
    assert score("ntk_cond", Linear(torch.zeros(2, 192)), data).status == "inf"


def test_a_drawn_class_gradient_is_its_samples_own_where_a_batch_couples_them():
    network = convolutional().double().train()
    images, _ = DOUBLE[0]
    gradients = proxies.Probe(network, DOUBLE).class_gradients()  # (layers, images)
    weight = network[0].weight
    for image, found in zip(images, gradients[0], strict=True):
        logs = network(image[None]).log_softmax(dim=1)[0]
        candidates = torch.stack([torch.autograd.grad(-y, weight, retain_graph=True)[0] for y in logs])
        assert (candidates - found).abs().min() < 1e-12


def test_vkdnw_is_the_entropy_of_the_deciles_of_drawn_gradients():
    probe = proxies.Probe(TinyViT().double(), DOUBLE, seed=3)
    gradients = probe.class_gradients()
    assert gradients.shape == (10, 8)
    # The gradient of -log p(y) for one of the classes of its image, by one of the layer's weights.
    network, (images, _) = TinyViT().double(), DOUBLE[0]
    candidates = [
        torch.autograd.grad(-network(image[None]).log_softmax(dim=1)[0, y], network.head.weight)[0].flatten()
        for image in images
        for y in range(4)
    ]
    table = torch.stack(candidates)  # (images * classes, weights)
    near = (table.unsqueeze(0) - gradients[-1][:, None, None]).abs().amin(dim=(1, 2))
    assert near.max() < 1e-12
    values = torch.linalg.eigvalsh(gradients @ gradients.T / 8).clamp(min=0)
    deciles = values.quantile(torch.linspace(0.1, 0.9, 9, dtype=torch.float64))
    share = deciles / deciles.sum()
    expected = 10 - (share * (share + 1e-10).log()).sum().item()
    assert value("vkdnw", TinyViT().double(), seed=3) == pytest.approx(expected, rel=1e-9)


# Stages


class Stages(nn.Module):
    """Two stages on features of one's choice."""

    def __init__(self, second, channels=12):
        super().__init__()
        self.first, self.second = nn.Identity(), second
        self.head = nn.Linear(channels, 4).double()
        self.stages = ["first", "second"]

    def forward(self, images):
        x = self.first(images.flatten(1).unflatten(1, (16, 12)))
        return self.head(self.second(x).mean(dim=1))


def test_white_features_have_the_entropy_of_their_channels():
    tokens = torch.linalg.qr(torch.randn(128, 12, generator=torch.Generator().manual_seed(0)).double())[0]
    white = torch.cat((tokens, -tokens))  # mean 0, covariance a multiple of the identity
    data = [(white.reshape(16, 3, 8, 8), torch.zeros(16, dtype=torch.int64))]
    rotation = torch.linalg.qr(torch.randn(12, 12, generator=torch.Generator().manual_seed(1)).double())[0]
    turn = nn.Linear(12, 12, bias=False).double()
    with torch.no_grad():
        turn.weight.copy_(rotation)
    assert value("az_expressivity", Stages(turn), data) == pytest.approx(2 * math.log(12), abs=1e-6)
    assert value("az_progressivity", Stages(turn), data) == pytest.approx(0, abs=1e-12)


def test_az_trainability_is_the_spectral_norm_of_the_aligned_signs():
    layer = draw(nn.Linear(12, 12), 4).double()
    probe = proxies.Probe(Stages(layer), DOUBLE, seed=5)
    drawn = torch.randint(2, (8, 16, 12), generator=probe.generator("signs"), dtype=torch.int8)
    signs = (drawn.double() * 2 - 1).flatten(0, 1)
    aligned = (signs @ layer.weight.detach()).T @ signs / len(signs)
    norm = torch.linalg.matrix_norm(aligned, 2).item()
    expected = 2 - norm - 1 / (norm + 1e-6)
    assert value("az_trainability", Stages(layer), seed=5) == pytest.approx(expected, rel=1e-9)


def test_a_stage_that_is_the_identity_has_no_trainability():
    assert score("az_trainability", Stages(nn.Identity())).status == "inf"


def test_a_single_stage_has_no_progress():
    network = Stages(nn.Identity())
    network.stages = ["second"]
    for name in ("az_progressivity", "az_trainability"):
        assert (score(name, network).status, score("az_expressivity", network).status) == ("empty", "ok")


# Activations


def test_linear_regions_and_patterns_of_repeated_images():
    images, labels = DOUBLE[0]
    chosen = [0, 0, 1, 1, 1, 2, 3, 3]
    network = TinyViT().double()
    assert value("linear_regions", network, [(images[chosen], labels)]) == 4
    assert value("swap", network, [(images[chosen], labels)]) == value(
        "swap", network, [(images[:4], labels[:4])]
    )


def test_swap_reg_is_a_bell_curve_around_mu():
    network = TinyViT().double()
    thousands, plain = value("params", network) / 1e3, value("swap", network)
    assert value(f"swap_reg[mu={thousands}]", network) == pytest.approx(plain, rel=1e-12)
    assert value(f"swap_reg[mu={thousands + 2},sigma=8.0]", network) == pytest.approx(plain * math.exp(-0.5))


def hidden(network, images):
    """What the activations of a TinyViT are given and return, tokens of all images as rows."""
    found = []
    hooks = [
        block.act.register_forward_hook(
            lambda m, i, out: found.append((i[0].flatten(0, 1), out.flatten(0, 1)))
        )
        for block in network.blocks
    ]
    with torch.no_grad():
        network(images)
    for hook in hooks:
        hook.remove()
    return found


@pytest.mark.parametrize("eta", [0.5, 0.99])
def test_v_pca_counts_components_and_w_pca_multiplies_them(eta):
    network, expected = TinyViT().double(), 0
    for before, _ in hidden(network, DOUBLE[0][0]):
        variances = torch.linalg.eigvalsh(before.T.cov(correction=0)).flip(0).cumsum(dim=0)
        expected += int((variances < eta * variances[-1]).sum()) + 1
    assert (
        value(f"v_pca[eta={eta}]", network) == expected
        if eta != 0.99
        else value("v_pca", network) == expected
    )
    name = "w_pca" if eta == 0.99 else f"w_pca[eta={eta}]"
    assert value(name, network) == expected * value("params", network)


def test_principal_variances_through_a_weight_are_those_of_the_product():
    generator = torch.Generator().manual_seed(0)
    rows, weight = (
        torch.randn(50, 6, generator=generator).double(),
        torch.randn(9, 6, generator=generator).double(),
    )
    direct = torch.linalg.eigvalsh((rows @ weight.T).T.cov(correction=0)).flip(0)
    found = principal_variances(rows.T.cov(correction=0), weight)
    torch.testing.assert_close(found, direct[:6], rtol=1e-10, atol=1e-12)


def test_near_is_the_effective_rank_before_and_after():
    def rank(matrix):
        values = torch.linalg.svdvals(matrix)
        share = values / values.sum()
        return math.exp(-(share * share.log()).sum())

    expected = sum(rank(rows) for pair in hidden(TinyViT().double(), DOUBLE[0][0]) for rows in pair)
    assert value("near", TinyViT().double()) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("at_once", [120, 7, 1])
def test_near_takes_rows_evenly_where_there_are_many(at_once):
    data = [(torch.randn(120, 3, 8, 8, generator=torch.Generator().manual_seed(0)).double(), None)]
    network = TinyViT().double()
    rows = HiddenRows({name: module for name, (_, module) in activation_modules(network).items()}, 120, 512)
    Walk(network, data[0][0], None, {"hidden_rows": rows}, at_once).run()
    before, after = rows.result()[0]
    everything = hidden(TinyViT().double(), data[0][0])[0]  # 600 rows
    chosen = torch.arange(512) * 600 // 512
    torch.testing.assert_close(before, everything[0][chosen])
    torch.testing.assert_close(after, everything[1][chosen])


def test_meco_is_the_sum_over_all_modules():
    network, found = convolutional().double().eval(), []
    hooks = [
        m.register_forward_hook(lambda m, i, out: found.append(out[0].clone())) for m in network.modules()
    ]
    with torch.no_grad():
        network(DOUBLE[0][0])
    for hook in hooks:
        hook.remove()
    expected = 0.0
    for output in found:
        if output.ndim > 1:
            kernel = torch.corrcoef(output.flatten(1)).nan_to_num(0)
            expected += torch.linalg.eigvals(kernel).real.min().item()
    assert value("meco", convolutional().double().eval()) == pytest.approx(expected, rel=1e-9)


def test_attention_heads_are_counted_by_hand():
    network, (images, _) = TinyViT().double(), DOUBLE[0]
    weights, outputs = [], []
    for block in network.blocks:
        block.softmax.register_forward_hook(lambda m, i, out: weights.append(out))
        block.proj.register_forward_pre_hook(
            lambda m, i: (i[0].retain_grad(), outputs.append(i[0]))[:0] or None
        )
    network(images).sum().backward()
    heads = [output.unflatten(-1, (2, 8)) for output in outputs]  # (batch, tokens, heads, head_dim)
    softmax = sum(w.amax(dim=-1).mean(dim=(0, 2)).sum().item() for w in weights)
    confidence = sum(h.amax(dim=-1).mean(dim=(0, 1)).sum().item() for h in heads)
    importance = sum(
        (o * o.grad).unflatten(-1, (2, 8)).sum(dim=(1, 3)).abs().mean(dim=0).sum().item() for o in outputs
    )
    assert value("softmax_confidence", TinyViT().double()) == pytest.approx(softmax, rel=1e-12)
    assert value("attn_confidence", TinyViT().double()) == pytest.approx(confidence, rel=1e-12)
    assert value("head_importance", TinyViT().double()) == pytest.approx(importance, rel=1e-12)
