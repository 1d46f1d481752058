"""What each value is that an author's code gave: which of our proxies it must equal, or why none does.

Rows are regular expressions over "network set/peer/proxy/variant"; one row, and only one, fits each record.
The reasons are what reading and measuring the authors' code showed.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Setting:
    """What the peer was given, where it is not all 16 images and their labels, once, in training mode.

    size:    the images are cut into batches of this size; None leaves one batch.
    images:  their key among the set's data.
    labels:  their key; None gives none.
    classes: of the head; None leaves it as it is.
    train:   the network's mode.
    draws:   which random draws stand in for ours, see `oracle.draws_of`.
    """

    size: int | None = None
    images: str = "images"
    labels: str | None = "labels"
    classes: int | None = None
    train: bool = True
    draws: str | None = None


ONCE = Setting()
HEAD_1000 = Setting(labels="labels1000", classes=1000)


@dataclass(frozen=True)
class Peer:
    """One of our proxies, options included, that computes what a record holds.

    sign:      1, or -1 where theirs is the negative of ours.
    item:      where the record's values are tables, the entry meant.
    only:      the architectures on which both compute the same; all when empty.
    without:   architectures whose value is rounding noise.
    single:    tolerance in float32, relative, where rounding costs more than usual.
    """

    proxy: str
    setting: Setting = ONCE
    sign: int = 1
    item: str | None = None
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    single: float | None = None


# On it the logits are constant: a ratio of two sums that are 0 but for rounding.
CONSTANT = ("f_all_none",)
# There the attention's output projection is square, and Auto-Prox knows it for attention by that.
SQUARE = ("a_largest", "b_smallest", "smallest")

PORTS = "samsung_zero_cost_nas|naslib|autoprox"  # of one code
OWN_DRAWS = "Draws its own weights, or images, from torch's global generator."
NO_SUCH = "Measures something that none of our proxies does."
CRASHES = "Crashes on this network."
INTERMEDIATE = "Not a score, but what one is made of."

ROWS: dict[str, Peer | tuple[Peer, ...] | str] = {
    # Sums over weights
    r"cnn_nb201/counts/params/.*": Peer("params"),
    r".*/(naslib|autoprox)/l2_norm/.*|.*/samsung_zero_cost_nas/l2_norm/direct.*": Peer("l2_norm"),
    r".*/samsung_zero_cost_nas/l2_norm/as_released": "Crashes: its harness passes it an argument it lacks.",
    rf".*/({PORTS})/grad_norm/.*": Peer("grad_norm"),
    r".*/(zennas|aznas_nb201)/grad_norm/.*": "One norm over all parameters, biases and norms too.",
    rf".*/({PORTS}|aznas_nb201)/snip/.*": Peer("snip"),
    r".*/(aznas_vit|tftas)/snip/direct.*, 10 classes|vit_tiny224/.*/snip/direct.*": Peer("snip"),
    r".*/(aznas_vit|tftas)/snip/direct.*, 1000 classes": Peer("snip", HEAD_1000),
    r".*/(aznas_vit|tftas)/snip/as_released.*": "Sums the gradients of ten parts of the batch.",
    # A signed sum that cancels: kernels of another processor round it by several times the peer's rounding.
    rf".*/({PORTS})/plain/.*": Peer("plain", single=1e-3),
    rf".*/({PORTS}|aznas_nb201)/grasp/.*": Peer("grasp"),
    r".*/(aznas_vit|tftas)/grasp/direct.*deepcopy(, 10 classes)?": Peer("grasp"),
    r".*/(aznas_vit|tftas)/grasp/direct.*deepcopy, 1000 classes": Peer("grasp", HEAD_1000),
    r".*/(aznas_vit|tftas)/grasp/direct.*with grad.*|.*/aznas_vit/grasp/as_released.*": (
        "Always 0: the gradients of the sampled slices are not kept."
    ),
    r".*/tftas/grasp/as_released.*": "Keeps the gradient of the last of ten parts of the batch.",
    rf"cnn_nb201/({PORTS})/fisher/.*": Peer("fisher"),
    rf"vit.*/({PORTS})/fisher/.*": Peer("fisher[tokens_as_channels=true]"),
    # Without data
    rf".*/({PORTS}|aznas_nb201)/synflow/.*|vit.*/({PORTS})/synflow_bn/.*": Peer("synflow"),
    rf"cnn_nb201/({PORTS})/synflow_bn/.*": "Keeps BatchNorm, which ours bypasses.",
    r".*/zennas/synflow/.*": "Keeps BatchNorm, averages over output channels, and returns the negative.",
    r".*/autoprox/logsynflow(_bn)?/.*": "Takes logs of the gradients; NaN where one is negative.",
    r"vit_small/aznas_vit/dss/.*(split_data=10\)|with grad), 10 classes": Peer("dss"),
    r"vit.*/aznas_vit/dss/.*(split_data=10\)|with grad), 1000 classes|vit_tiny224/aznas_vit/dss/.*": (
        "Counts the head twice when it has 1000 classes."
    ),
    r"vit.*/aznas_vit/dss/.*deepcopy.*": CRASHES,
    r"vit.*/autoprox/dss/as_released\(seed0\)": Peer("dss", only=SQUARE),
    r"vit.*/autoprox/dss/as_released, 1000 classes": Peer("dss", HEAD_1000, only=SQUARE),
    r"cnn_nb201/autoprox/dss/.*": "Takes square linear layers for attention; this network has none.",
    r"vit.*/tftas/dss/.*": "Weights keep their signs, and qkv drops out (with 1000 classes the head too).",
    # The input Jacobian
    rf".*/({PORTS})/(jacov|jacob_cov)/.*": Peer("jacov"),
    # As plain: logs of how far correlations of four images are from 1.
    r"(cnn_nb201|vit_small)/(naslib|autoprox)/epe_nas/as_released.*": Peer("epe_nas", single=5e-3),
    r"vit_tiny224/naslib/epe_nas/.*": "0 for want of two images of one class: ours is empty.",
    r".*/naslib/epe_nas/labels_balanced4x4": (
        Peer("epe_nas", Setting(labels="labels_balanced4x4"), single=5e-3)
    ),
    # Activation patterns
    r"vit.*/autoprox/nwot/given.*|vit.*/(aznas_vit|tftas)/NASWOT/given.*": Peer("nwot"),
    r"cnn_nb201/aznas_nb201/naswot/given.*": Peer("nwot"),
    r"cnn_nb201/naslib/nwot/.*|cnn_nb201/autoprox/nwot/given.*": (
        "Takes whatever has ReLU in its class's name for an activation, ReLUConvBN too."
    ),
    r"vit.*/naslib/nwot/.*|cnn_nb201/zennas/naswot/.*": "Finds no activation: it looks for another class.",
    r".*/autoprox/nwot/as_released.*|.*/NASWOT/as_released.*": OWN_DRAWS,
    r"cnn_nb201/swap/swap/as_released\(train mode\)|vit.*/swap/swap/ADAPTED.*": Peer("swap"),
    r"cnn_nb201/swap/swap/as_released\(eval mode\)": Peer("swap", Setting(train=False)),
    r"cnn_nb201/swap/swap/eval mode, lr_tiny_inputs.*": (
        Peer("swap", Setting(images="tiny_inputs", labels=None, train=False))
    ),
    r"vit.*/swap/swap/as_released": "Finds no activation: it looks for nn.ReLU on images.",
    r"cnn_nb201/swap/swap_regularised/.*": Peer("swap_reg[mu=200,sigma=20000]"),
    r"vit.*/swap/swap_regularised/.*": Peer("swap_reg[mu=500,sigma=200000]"),
    r"cnn_nb201/(tenas/linear_regions/res.*|aznas_nb201/linear_region/.*)": Peer("linear_regions"),
    r"cnn_nb201/tenas/linear_regions/.*duplicates.*": (
        Peer("linear_regions", Setting(images="duplicates", labels=None, train=False))
    ),
    r"cnn_nb201/tenas/linear_regions/.*lr_tiny_inputs.*": (
        Peer("linear_regions", Setting(images="tiny_inputs", labels=None, train=False))
    ),
    r"cnn_nb201/tenas/linear_regions/as_released": "Crashes on this torch: it adds a matrix to its own view.",
    r"vit.*/te_nas_linear_regions/.*|vit.*/tenas/linear_regions/.*": "Crashes: it hooks nn.ReLU on images.",
    r".*/autoprox/linear_region/.*": "Crashes without a GPU.",
    # Gradients over batches, samples and classes
    r".*/(zico|aznas_nb201)/zico/2x8": Peer("zico", Setting(size=8), without=CONSTANT, single=1e-2),
    r".*/(zico|aznas_nb201)/zico/4x4": Peer("zico", Setting(size=4)),
    r".*/(zico|aznas_nb201)/zico/16x1": Peer("zico", Setting(size=1)),
    r"vit_tiny224/zico/zico/2x2": Peer("zico", Setting(size=2), single=1e-2),
    r".*/meco/zico/.*": "Does not clear the gradients of the first half before the second.",
    r".*/autoprox/zico/.*": "Another quantity: |mean| over spread of one gradient's entries.",
    r".*/gradsign_mean/zero-cost-nas-code.*|.*/aznas_nb201/gradsign(_rev)?/.*": (
        Peer("gradsign[average=true]")
    ),
    # The record of the last pattern is called a mean, but the file it names sums.
    r".*/(gradsign/gradsign_sum|gradsign/grad_conflict|meco/gradsign|autoprox/grad_conflict)/.*"
    r"|vit_tiny224/gradsign/gradsign_mean/naswot-code.*": Peer("gradsign"),
    r"cnn_nb201/tenas/ntk/as_released|cnn_nb201/aznas_nb201/ntk/.*|vit_small/tenas/ntk/as_released"
    r"|vit_small/autoprox/ntk/given.*": Peer("ntk_cond", sign=-1, without=CONSTANT, single=1e-3),
    r"vit_tiny224/tenas/ntk/as_released": Peer("ntk_cond", sign=-1, single=1e-3),
    r"vit_small/tenas/ntk/batch8": Peer("ntk_cond", Setting(size=8), sign=-1, single=2e-3),
    r".*/autoprox/ntk/as_released.*": OWN_DRAWS,
    r".*/ntk_matrix_facts/.*": INTERMEDIATE,
    r"vit.*/aznas_vit/te_nas/.*": "Crashes: it finds no gradient.",
    r"vit.*/tftas/te_nas/.*": "Leaves out qkv, and adds up the gradients of one image after another.",
    # Feature maps
    r"cnn_nb201/(naslib|zennas|aznas_nb201)/zen/given.*": (
        Peer("zen[redraw=false]", Setting(draws="images, noise"))
    ),
    r"vit.*/autoprox/zen/given.*": Peer("zen[pooled=true,redraw=false]", Setting(draws="images, noise")),
    r"cnn_nb201/aznas_nb201/zen/as_released.*": Peer("zen", Setting(draws="seed 7")),
    r"vit_small/autoprox/(zen|mixup)/as_released.*": Peer("zen[pooled=true]", Setting(draws="seed 0")),
    # Weights of N(0, 1) turn the softmax into a step, which magnifies rounding.
    r"vit_tiny224/autoprox/zen/as_released.*": (
        Peer("zen[pooled=true]", Setting(draws="seed 0"), single=1e-2)
    ),
    r"cnn_nb201/(naslib|autoprox)/zen/as_released.*": OWN_DRAWS,
    r"vit.*/naslib/zen/.*": "Crashes: it asks the network for a method that it has not.",
    r"cnn_nb201/meco/meco/as_released": Peer("meco"),
    r"cnn_nb201/meco/meco/eval mode": Peer("meco", Setting(train=False)),
    r"cnn_nb201/meco/meco/first image.*": Peer("meco", Setting(size=1)),
    r"vit.*/meco/meco/.*": "Sums over all modules, and that network has others: Identity, Dropout.",
    r"cnn_nb201/aznas_nb201/expressivity/.*|vit_small/aznas_vit/expressivity/.*": Peer("az_expressivity"),
    r"cnn_nb201/aznas_nb201/progressivity/.*": Peer("az_progressivity"),
    r"cnn_nb201/aznas_nb201/trainability/.*|vit_small/aznas_vit/trainability/.*": (
        Peer("az_trainability", Setting(draws="signs"))
    ),
    r"vit_tiny224/aznas_vit/az_nas/.*": (
        Peer("az_expressivity", item="expressivity"),
        Peer("az_trainability", Setting(draws="signs"), item="trainability"),
    ),
    r"vit_small/aznas_vit/complexity/.*": "Not the multiply-accumulates: it counts 198 of 197 tokens.",
    r"(vit_small|cnn_nb201)/.*/az_nas/.*": OWN_DRAWS,
    r"vit_small/aznas_vit/extract_res_features/.*": INTERMEDIATE,
    # What Auto-Prox has besides
    r".*/autoprox/(grad_angle|mgm|size|jacobian_trace|bn_score|condnum|ntk_trace|entropy)/.*": NO_SUCH,
    r".*/autoprox/(nst|logits_entropy)/.*": CRASHES,
    r"vit_tiny224/check/.*": "Not a score: how far two of their networks' logits are apart.",
}


def entry(record: str) -> Peer | tuple[Peer, ...] | str:
    """Return what the table says of a record; KeyError unless exactly one row fits it."""
    rows = [row for row in ROWS if re.fullmatch(row, record)]
    if len(rows) != 1:
        raise KeyError(f"{record}: {len(rows)} rows fit, {rows}")
    return ROWS[rows[0]]
