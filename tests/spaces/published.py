"""The architectures of published tables, as our spaces have them."""

import ast

import pyarrow.compute as pc
import pyarrow.parquet as pq

import spaces
from spaces.nasbench101 import OPERATIONS as VERTEX_OPERATIONS
from spaces.nasbench301 import OPERATIONS as EDGE_OPERATIONS
from tests.shared import TABLES

# NASLib's networks of TransNAS-Bench-101's tasks: what comes out, how many of it, the image's side.
TRANSNAS_SHAPES = {
    "autoencoder": {"target": "image", "classes": 3, "image_size": 256},
    "normal": {"target": "image", "classes": 3, "image_size": 256},
    "class_object": {"target": "probabilities", "classes": 100, "image_size": 256},
    "class_scene": {"target": "probabilities", "classes": 63, "image_size": 256},
    "room_layout": {"target": "values", "classes": 9, "image_size": 256},
    "jigsaw": {"target": "permutation", "classes": 1000, "image_size": 64},
    "segmentsemantic": {"target": "segments", "classes": 17, "image_size": 256},
}


def table(name):
    """The rows of a published table."""
    return pq.read_table(TABLES / f"{name}.parquet").to_pylist()


def suite_zero(space, *sources):
    """NAS-Bench-Suite-Zero's rows with the number of parameters, of one of its spaces and some sources."""
    rows = pq.read_table(TABLES / "nas_bench_suite_zero.parquet")
    chosen = pc.field("search_space").isin([space]) & pc.field("source").isin(sources)
    return rows.filter(chosen & pc.field("params").is_valid()).to_pylist()


def vertex_cell(row):
    """The architecture of a row of NAS-Bench-101."""
    operations = [VERTEX_OPERATIONS[int(code)] for code in row["ops"]]
    values = {"adjacency": row["adjacency_upper"], "operations": operations}
    return spaces.get("nasbench101").architecture(values)


def genotype(space, text):
    """The architecture of NASLib's compact text of DARTS's two cells."""
    cells = zip(("normal", "reduce"), ast.literal_eval(text), strict=True)
    return space.architecture(
        {name: [(EDGE_OPERATIONS[code], source) for source, code in cell] for name, cell in cells}
    )
