"""Croissant: the release described for machines, as MLCommons' format 1.0 has it.

Source: https://docs.mlcommons.org/croissant/docs/croissant-spec.html
"""

import json
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from store.rank import RANKING
from store.release.manifest import File, Manifest
from store.schema import TABLES

CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
TYPES = {
    pa.string(): "sc:Text",
    pa.int64(): "sc:Integer",
    pa.float64(): "sc:Float",
    pa.bool_(): "sc:Boolean",
    pa.timestamp("us", tz="UTC"): "sc:Date",
}


def croissant(manifest: Manifest, files: Iterable[File]) -> str:
    """croissant.json: every Parquet file with its checksum, tables as record sets, columns as fields."""
    files = list(files)
    described: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": "ViT-Zero-Bench",
        "description": "Vision Transformer architectures, their accuracies on several tasks, and the scores "
        "of every zero-cost proxy.",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "license": "https://creativecommons.org/licenses/by/4.0/",
        "version": manifest.version,
        "datePublished": manifest.date,
        "citeAs": f"The ViT-Zero-Bench team: ViT-Zero-Bench, data {manifest.version}, {manifest.date[:4]}",
        "creator": {"@type": "sc:Organization", "name": "The ViT-Zero-Bench team"},
        "distribution": [_file(file) for file in files],
        "recordSet": [_record_set(file) for file in files],
    }
    return json.dumps(described, indent=1, ensure_ascii=False) + "\n"


def _file(file: File) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file.path,
        "name": file.path,
        "contentUrl": file.path,
        "contentSize": f"{file.bytes} B",
        "encodingFormat": "application/x-parquet",
        "sha256": file.sha256,
    }


def _record_set(file: File) -> dict[str, Any]:
    name = file.path.partition("/")[0]
    schema = RANKING if name == "rankings" else TABLES[name].schema
    found: dict[str, Any] = {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "field": [_field(file, name, field) for field in schema],
    }
    if name != "rankings":
        found["key"] = [{"@id": f"{name}/{column}"} for column in TABLES[name].key]
    return found


def _field(file: File, table: str, field: pa.Field) -> dict[str, Any]:
    listed = pa.types.is_list(field.type)
    found: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"{table}/{field.name}",
        "name": field.name,
        "description": f"{field.metadata[b'meaning'].decode()} ({field.metadata[b'unit'].decode()})",
        "dataType": TYPES[field.type.value_type if listed else field.type],
        "source": {"fileObject": {"@id": file.path}, "extract": {"column": field.name}},
    }
    if listed:
        found["repeated"] = True
    if field.name == "arch_id" and table != "architectures":
        found["references"] = {"field": {"@id": "architectures/arch_id"}}
    return found
