"""All declared features, found by name: `rsi_14`, `macd_signal_12_26_9`, `sar_0.02_0.2`.

A name is the feature's base name, then (for one of several outputs) the output, then parameters; those
left out take their defaults. Base names and outputs do not end in a number.
"""

import difflib
import importlib
import pkgutil
import re
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from bot4.features import catalogue
from bot4.features.declare import Declaration, Feature, bind

_NUMBER = re.compile(r"\d+(\.\d+)?")


class UnknownFeature(KeyError):
    """No feature has this name; the message offers the nearest."""

    def __str__(self) -> str:
        return str(self.args[0])


class Column(NamedTuple):
    """One output of a feature."""

    feature: Feature
    output: int


def collect(declarations: Iterable[Declaration]) -> dict[str, Declaration]:
    """Declarations by base name; a ValueError names a duplicate or a name that could not be parsed."""
    found: dict[str, Declaration] = {}
    columns: dict[str, str] = {}
    for d in declarations:
        if d.name in found:
            raise ValueError(f"two features are called {d.name!r}")
        found[d.name] = d
        for output in d.outputs:
            column = f"{d.name}_{output.name}" if output.name else d.name
            if _NUMBER.fullmatch(column.rsplit("_", 1)[-1]):
                raise ValueError(f"{column!r} ends in a number, which would read as a parameter")
            if column in columns:
                raise ValueError(f"{columns[column]!r} and {d.name!r} both give {column!r}")
            columns[column] = d.name
    for column, owner in columns.items():
        if column in found and owner != column:
            raise ValueError(f"{column!r} is a feature and an output of {owner!r}")
    return found


@cache
def declarations() -> dict[str, Declaration]:
    """All declarations of the catalogue's modules, by base name, in the order of module and position."""
    found: list[Declaration] = []
    for module in sorted(m.name for m in pkgutil.iter_modules(catalogue.__path__)):
        if not module.endswith("_nb"):
            found.extend(getattr(importlib.import_module(f"{catalogue.__name__}.{module}"), "FEATURES", ()))
    return collect(found)


@cache
def _outputs() -> dict[str, tuple[str, int]]:
    """Name without parameters -> (base name, output). A feature without an output of its own name is -1."""
    table: dict[str, tuple[str, int]] = {}
    for d in declarations().values():
        table[d.name] = (d.name, -1)
        for k, output in enumerate(d.outputs):
            table[f"{d.name}_{output.name}" if output.name else d.name] = (d.name, k)
    return table


def _split(name: str) -> tuple[str, tuple[float, ...]]:
    words = name.strip().lower().split("_")
    end = len(words)
    while end > 1 and _NUMBER.fullmatch(words[end - 1]):
        end -= 1
    return "_".join(words[:end]), tuple(float(word) for word in words[end:])


def _find(name: str) -> tuple[Feature, int]:
    base, params = _split(name)
    table = _outputs()
    if base not in table:
        near = difflib.get_close_matches(base, table, n=3, cutoff=0.5)
        hint = f"; near it: {', '.join(near)}" if near else ""
        raise UnknownFeature(f"no feature is called {name!r}{hint} (see `bot4 features list`)")
    owner, output = table[base]
    return bind(declarations()[owner], params), output


def get(name: str) -> Feature:
    """The feature of this name, or the one that has an output of this name.

    Raises UnknownFeature (with the nearest names) and ValueError (a parameter out of bounds).
    """
    return _find(name)[0]


def column(name: str) -> Column:
    """The one output of this name. A ValueError lists the outputs where the name fits all of them."""
    feature, output = _find(name)
    if output < 0 and len(feature.columns) > 1:
        raise ValueError(f"{name!r} has several outputs: {', '.join(feature.columns)}")
    return Column(feature, max(output, 0))


def groups() -> tuple[str, ...]:
    """The groups that have a feature, in the order of the catalogue."""
    return tuple(dict.fromkeys(d.group for d in declarations().values()))


def defaults(group: str = "") -> tuple[Feature, ...]:
    """Every feature (of a group) with its default parameters."""
    return tuple(bind(d) for d in declarations().values() if group in ("", d.group))
