"""Messages of any type with random content."""

import numpy as np
from rosbags.interfaces import Nodetype


def random_message(types, name, rng):
    """A message of every field's full range; strings may be empty, sequences too."""
    fields = {f: _value(types, what, rng) for f, what in types.store.fielddefs[name][1]}
    return types[name](**fields)


def _value(types, description, rng):
    kind, what = description
    if kind == Nodetype.NAME:
        return random_message(types, what, rng)
    if kind == Nodetype.BASE:
        return _base(what[0], rng)
    (element_kind, element), bound = what
    count = bound if kind == Nodetype.ARRAY else int(rng.integers(0, min(bound or 5, 5)))
    if element_kind == Nodetype.BASE and element[0] != "string":
        return _numbers(element[0], count, rng)
    return [_value(types, what[0], rng) for _ in range(count)]


def _base(name, rng):
    if name == "string":
        return "".join(rng.choice(list("aé界 /_"), rng.integers(0, 9)))
    return _numbers(name, 1, rng)[0].item()


def _numbers(name, count, rng):
    if name == "bool":
        return rng.integers(0, 2, count).astype(np.bool_)
    dtype = np.dtype({"byte": "int8"}.get(name, name))  # rosbags reads a lone byte as signed
    if dtype.kind == "f":
        special = np.array([np.nan, np.inf, -np.inf, -0.0], dtype)
        return rng.choice([*special, *rng.normal(0, 1e6, 4).astype(dtype)], count).astype(dtype)
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    return rng.integers(low, high, count, dtype=dtype, endpoint=True)
