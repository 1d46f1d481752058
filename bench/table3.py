"""Print the paper's Table 3, L-SWAG with and without its parts, beside ours on a benchmark's own accuracies.

`python -m bench.table3 ROOT [--space SPACE] [--task TASK] [--interval 3-7]`, after job=layers, which says the
interval, and `job=score proxies=table3 proxies.interval=3-7` there; a second.

The paper's columns are convolutional spaces; ours is one of Vision Transformers. Without --interval it is the
one that the spikes of the gradients choose, without any accuracy; with one that was fitted to accuracies, the
rows that use it are not zero-shot.
"""

from __future__ import annotations

from bench.own_benchmark import Ground, opened
from bench.published_tables import number
from store import StoreError

# the paper's words for what is on: mu, the layer interval, Psi
ROWS = {
    "mu, all layers": "l_swag_lambda_batch[mean=true]",
    "no mu, all layers": "l_swag_lambda_batch",
    "mu, interval": "l_swag_lambda_batch[mean=true,interval={}]",
    "Psi alone, all layers": "l_swag_psi",
    "no mu, interval": "l_swag_lambda_batch[interval={}]",
    "no mu, all layers, Psi": "l_swag_batch",
    "Psi alone, interval": "l_swag_psi[interval={}]",
    "no mu, interval, Psi": "l_swag_batch[interval={}]",
}
LEAST, FULL = "mu, all layers", "no mu, interval, Psi"
WHOLE = "0-9"
CONTROLS = ("params", "macs", "random")
COLUMNS = ("201 C10", "201 C100", "201 IN16", "Mi AE", "Mi Jig", "Mi Norm", "Ma AE", "Ma Jig", "Ma Norm")
PAPER = {LEAST: ".75 .80 .78 .16 .53 .68 .19 .05 .53", FULL: ".79 .83 .80 .31 .58 .75 .79 .78 .84"}


def main() -> None:
    """Print the paper's two whole rows, then ours with their intervals, and whether the parts help."""
    with opened(__doc__, interval="tenths of the depth; default: by the spikes") as ground:
        interval = ground.given.interval or spikes(ground)
        chosen = "as given" if ground.given.interval else "by the spikes"
        chosen += ", which is all layers" if interval == WHOLE else ""
        names = {title: _own_name(name, interval) for title, name in ROWS.items()}
        wanted = [*names.values(), *CONTROLS]
        if missing := [name for name in wanted if name not in ground.benchmark.proxies()]:
            raise StoreError(
                f"No scores by {', '.join(missing)}. Run python -m builder job=score proxies=table3 "
                f"proxies.interval={interval} root={ground.benchmark.path} with this space and task first."
            )
        rho = {row["proxy"]: row for row in ranking(ground, wanted)}
        full, least = names[FULL], names[LEAST]
        compared = ground.benchmark.compare(full, least, ground.task, space=ground.space).to_pylist()
    print(f"paper, rho{'':<15}" + "".join(f"{column:>9}" for column in COLUMNS))
    for title, row in PAPER.items():
        print(f"{title:<25}" + "".join(f"{cell:>9}" for cell in row.split()))
    about = next(iter(rho.values()))
    print(
        f"\nours: {ground.space} on {ground.task}, accuracies by {about['protocol']} ({about['recipe']}), "
        f"interval {interval} {chosen}"
    )
    print(f"{'':<25}{'rho':>9}  {'95 %':<14}{'|params':>8}{'n':>6}{'failed':>8}")
    for title, name in [*names.items(), *zip(CONTROLS, CONTROLS, strict=True)]:
        print(f"{title:<25}{_cells(rho[name])}")
    for row in compared:
        told = "told apart" if row["separable"] else "not told apart"
        ends = f"[{number(row['low'])}, {number(row['high'])}]"
        print(f"all three less none: {number(row['difference'])} {ends}, {told}, {row['n']} architectures")


def spikes(ground: Ground) -> str:
    """Return the interval that the spikes of the gradients choose, as L-SWAG's option has it."""
    curve = ground.benchmark.layers(ground.task, space=ground.space).to_pylist()
    inside = [row["percentile"] for row in curve if row["spike"]]
    if not inside:
        raise StoreError(f"No layers of {ground.space} on {ground.task} here. Run job=layers first.")
    return f"{inside[0]}-{inside[-1]}"


def ranking(ground: Ground, wanted: list[str]) -> list[dict]:
    """Return the ranking of some proxies. Raises StoreError where there are several protocols or recipes."""
    rows = ground.benchmark.rank(ground.task, space=ground.space, proxies=wanted).to_pylist()
    if len(ways := {(row["protocol"], row["recipe"]) for row in rows}) != 1:
        raise StoreError(f"Accuracies by {len(ways)} protocols and recipes are here; expected one.")
    return rows


def _own_name(name: str, interval: str) -> str:
    """The whole depth is what a proxy takes without an interval, and has no name of its own."""
    if interval == WHOLE:
        return name.replace(",interval={}", "").replace("[interval={}]", "")
    return name.format(interval)


def _cells(row: dict) -> str:
    ends = f"[{number(row['low'])}, {number(row['high'])}]"
    beyond = number(row["rho_given_params"])
    return f"{number(row['rho']):>9}  {ends:<14}{beyond:>8}{row['n']:>6}{row['failed']:>8}"


if __name__ == "__main__":
    main()
