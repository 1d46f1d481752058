"""Combiners: one file each, a function that makes one ranking out of several proxies. Needs no torch.

`blind/` holds those that see scores alone, `fitted/` those that look at accuracies. Those need an honest
judge, `judge`: what a combiner says of architectures it was fitted on is no evidence.
"""

from proxies.combiners.combination import Choice, Combination
from proxies.combiners.judge import Judgement, judge
from proxies.combiners.registry import Combiner, combiner, get, names, resolve
from proxies.combiners.table import Table
from proxies.errors import ProxyError

__all__ = [
    "Choice",
    "Combination",
    "Combiner",
    "Judgement",
    "ProxyError",
    "Table",
    "combiner",
    "get",
    "judge",
    "names",
    "resolve",
]
