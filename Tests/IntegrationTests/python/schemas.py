"""The JSON Schemas of protocol/schemas, with Debian's jsonschema and without a network."""

import functools
import json
import os

import jsonschema

PROTOCOL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "protocol")


def load(name):
    with open(os.path.join(PROTOCOL, name), encoding="utf-8") as file:
        return json.load(file)


SCHEMAS = {
    name: load(f"schemas/{name}")
    for name in sorted(os.listdir(os.path.join(PROTOCOL, "schemas")))
    if name.endswith(".json")
}


@functools.cache
def validator(reference):
    """A validator of `file` or `file#/$defs/name`."""
    file, _, name = reference.partition("#/$defs/")
    resolver = jsonschema.RefResolver(base_uri=file, referrer=SCHEMAS[file], store=SCHEMAS)
    schema = {"$ref": f"{file}#/$defs/{name}" if name else file}
    return jsonschema.Draft202012Validator(schema, resolver=resolver)


def check(reference, value):
    """Fails when `value` does not fit, and shows it."""
    for error in validator(reference).iter_errors(value):
        raise AssertionError(f"{reference}: {error.json_path}: {error.message}\nin {json.dumps(value)[:2000]}")


def check_header(role, verb, header):
    check(f"headers.schema.json#/$defs/{role}.{verb}", header)


def properties(reference):
    """Names of the members that a header has."""
    file, _, name = reference.partition("#/$defs/")
    schema = SCHEMAS[file]["$defs"][name] if name else SCHEMAS[file]
    if "$ref" in schema:
        target = schema["$ref"]
        return properties(file + target if target.startswith("#") else target)
    names = set(schema.get("properties", {}))
    for part in schema.get("oneOf", []):
        names |= properties(file + part["$ref"])
    return names
