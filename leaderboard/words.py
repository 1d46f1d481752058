"""The words of the page: every statistic in one sentence, and text of strangers made harmless."""

import re

DASH = "–"
LONG = 60  # characters of a stranger's text that a sentence can hold

# Every statistic on the pages, in the order of the page About.
STATISTICS = {
    "rho": "Spearman's rank correlation between a proxy's scores and the accuracies, ties at their average "
    "rank, mean over the proxy's seeds: 1 is the same order, 0 none, -1 the opposite. No sign is flipped.",
    "mean rho": "The mean of rho over the tasks shown; a proxy without rho on one of them has none, and is "
    "listed apart.",
    "interval": "The range in which rho falls for 95 % of 1000 random redraws of the architectures "
    "(percentile bootstrap).",
    "place": "From the best to the worst place a proxy may hold: proxies count as different where a paired "
    "bootstrap tells them apart, corrected for all pairs (Holm, 5 %); others are tied.",
    "rho given params": "The rank correlation that is left once the parameter count has explained what it "
    "can (partial rho): near 0, the proxy tells nothing beyond size.",
    "ceiling": "The rho that even a perfect proxy could reach, since training with another seed orders the "
    "architectures differently; from the rank correlation between disjoint groups of seeds.",
    "n": "Architectures with both an accuracy and a score: the fewest of any proxy seed.",
    "failed": "Scores that came out as no number, over all seeds; they are left out, never replaced.",
    "unscored": "Architectures with an accuracy that the proxy has not scored.",
    "ms": "Median time of the proxy for one architecture; passes it shares with others count in full.",
    "noise": "The standard deviation of one architecture's accuracy over training seeds.",
    "bias": "The rank correlation of a proxy, or of the accuracies, with the parameter count.",
    "information gain": "How many bits a second proxy tells about the accuracy beyond the first, over "
    "binned values.",
    "published": "A fitted combiner's rho on the architectures it was fitted on, as papers report it.",
    "honest": "A fitted combiner's rho on the half of the architectures that it has not seen, mean over "
    "both halves.",
    "across tasks": "A fitted combiner's rho on a task it has not seen, fitted on the others.",
    "log sigma": "The logarithm of the spread of a weight's gradient over images, averaged over the layers "
    "of a tenth of the depth.",
    "Lambda": "What L-SWAG sums over the layers of an interval of the depth: the logarithm of the sum over a "
    "layer's weights of 1 / the spread of the weight's gradient over images.",
    "spikes": "The interval from the first to the last tenth of the depth where log sigma stands out above "
    "the rest of the curve; all of the depth where none does. It is chosen without an accuracy.",
    "Pareto front": "The proxies that no other beats in both price and rho.",
}


def plain(text: object, most: int = LONG) -> str:
    """A stranger's text for use inside Markdown: one line that is shown as it is, never as markup.

    most: characters it may have before it is cut
    """
    line = " ".join(str(text)[: 2 * most].split())
    line = line if len(line) <= most else f"{line[:most]}..."
    line = "".join(sign for sign in line if sign.isprintable())
    # An entity cannot start a link, a picture, a formula, a directive of colour, or an element of HTML.
    return re.sub(r"[\\`*_{}\[\]()#+!|<>~$:&^@/]", lambda sign: f"&#{ord(sign[0])};", line)


def short(count: float) -> str:
    """A count as people say it: 136 k, 5.7 M."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            return f"{count / size:.6g} {unit}"
    return f"{count:.6g}"
