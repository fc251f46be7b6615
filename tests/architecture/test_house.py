"""The rules of the house that no linter knows: time, imports, names, sizes, options that do something."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from bot4.app.settings import SETTINGS
from bot4.model import codes_nb as c
from bot4.model import names

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "bot4"
MODULES = sorted(SRC.rglob("*.py"))
KERNELS = [p for p in MODULES if p.name.endswith("_nb.py")]
DECIDING = (
    "model", "kernels", "safety", "market", "quality", "features", "signals", "strategies", "risk",
    "execution", "venues", "ledger", "engine",
)  # fmt: skip


def short(path):
    return path.relative_to(SRC).as_posix()


@cache
def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(module):
    """Dotted names that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{a.name}" for a in node.names}
    return found


# --- time and chance -----------------------------------------------------------------------

CLOCK_OR_CHANCE = {"time", "random", "uuid", "secrets", "datetime"}
SEEN = {
    "now",
    "utcnow",
    "today",
    "urandom",
    "getrandom",
    "time_ns",
    "perf_counter",
    "monotonic",
    "default_rng",
}
CLOCKS_ALLOWED = {
    "safety/system_clock.py": "the one real clock, behind the Clock port",
    "model/times.py": "datetime only to read and write text; never asks for the present",
    "engine/intake.py": "measures how long an import took, for its report",
    "engine/intake_bars.py": "datetime only to read text in files",
    "engine/intake_text.py": "datetime only to read text in files",
    "engine/intake_frames.py": "measures how long an import took, for its report",
}


def clocks(module):
    """What of time and chance a module touches."""
    found = {name for name in imports(module) if name.split(".")[0] in CLOCK_OR_CHANCE}
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SEEN:
            found.add(ast.unparse(node.func))
        if isinstance(node, ast.Attribute):
            chain = ast.unparse(node)
            if re.match(r"(np|numpy)\.random\b", chain):
                found.add(chain)
    return found


def test_decision_code_asks_no_clock_and_no_chance():
    """A decision that depends on the wall clock cannot be replayed."""
    offenders = {
        short(path): sorted(found)
        for path in MODULES
        if short(path).split("/")[0] in DECIDING
        and short(path) not in CLOCKS_ALLOWED
        and (found := clocks(tree(path)))
    }
    assert offenders == {}


def test_the_list_of_allowed_clocks_is_not_stale():
    assert [name for name in CLOCKS_ALLOWED if not (SRC / name).exists()] == []
    assert clocks(tree(SRC / "safety/system_clock.py"))


@pytest.mark.parametrize(
    "text",
    [
        "import time",
        "from time import monotonic",
        "import numpy as np\nnp.random.rand()",
        "import os\nos.urandom(4)",
        "import datetime as dt\ndt.datetime.now()",
        "from uuid import uuid4",
        "def f():\n    import random",
    ],
)
def test_the_walk_would_see_a_clock(text):
    assert clocks(ast.parse(text))


# --- kernels -------------------------------------------------------------------------------

STDLIB = {"typing", "math", "collections.abc"}
NB_ALLOWED = {
    "kernels/jit_nb.py": "the decorator itself: finds and names the cache folder",
}


def outside(module):
    """Imports of a kernel module that are neither numpy, numba, typing, math nor another kernel module."""
    wrong = set()
    for name in imports(module):
        top = name.split(".")[0]
        if top in ("numpy", "numba") or any(name == s or name.startswith(s + ".") for s in STDLIB):
            continue
        parts = name.split(".")
        if top == "bot4" and any(part.endswith("_nb") for part in parts):
            continue
        wrong.add(name)
    return wrong


def test_kernel_modules_import_only_kernels():
    """A plain module behind a kernel is not in the digest of the cache: its edit would go unseen."""
    wrong = {
        short(p): sorted(found) for p in KERNELS if short(p) not in NB_ALLOWED and (found := outside(tree(p)))
    }
    assert wrong == {}


def test_kernels_are_made_by_one_decorator():
    """Another decorator would miss the cache digest, or bring fastmath in."""
    for path in MODULES:
        if short(path) == "kernels/jit_nb.py":
            continue
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef):
                for mark in node.decorator_list:
                    text = ast.unparse(mark)
                    assert "njit" not in text, short(path)
                    assert not text.startswith(("jit", "numba.jit", "vectorize", "guvectorize")), short(path)
                    if text.startswith("kernel"):
                        assert path.name.endswith("_nb.py"), short(path)


def test_every_kernel_module_is_under_test():
    """Each stands in some test by name, or below a module that does; the step is compared as a whole."""
    texts = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "tests").rglob("*.py"))
    reached, todo = set(), [p for p in MODULES if re.search(rf"\b{p.stem}\b", texts)]
    while todo:
        path = todo.pop()
        if path not in reached:
            reached.add(path)
            parts = {part for name in imports(tree(path)) for part in name.split(".")}
            todo += [p for p in KERNELS if p.stem in parts]
    assert [short(p) for p in KERNELS if p not in reached] == []
    assert "test_compiled_step_equals_plain_step" in texts


# --- names and sizes -----------------------------------------------------------------------


def test_every_public_name_is_explained():
    missing = []
    for path in MODULES:
        module = tree(path)
        if not ast.get_docstring(module):
            missing.append(short(path))
        for node in module.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                inner = [node]
                if isinstance(node, ast.ClassDef):
                    inner += [
                        n for n in node.body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")
                    ]
                missing += [f"{short(path)}:{n.lineno} {n.name}" for n in inner if not ast.get_docstring(n)]
    assert missing == []


def test_modules_can_be_held_in_the_head():
    sizes = {short(p): len(p.read_text(encoding="utf-8").splitlines()) for p in MODULES}
    assert {name: n for name, n in sizes.items() if n > 600} == {}


def test_no_drawer_for_everything():
    wrong = {"utils", "util", "helpers", "common", "misc"}
    assert [short(p) for p in MODULES if set(p.relative_to(SRC).with_suffix("").parts) & wrong] == []


def test_no_promises_instead_of_code():
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\b(TODO|FIXME|XXX|HACK|NotImplementedError)\b", text), short(path)


# --- options and codes ---------------------------------------------------------------------


@cache
def strings(*skip):
    """All string constants of the package (docstrings too), but for some modules."""
    found = set()
    for path in MODULES:
        if short(path) not in skip:
            found |= {
                n.value
                for n in ast.walk(tree(path))
                if isinstance(n, ast.Constant) and isinstance(n.value, str)
            }
    return found


@pytest.mark.parametrize("name", [s.name for s in SETTINGS])
def test_every_setting_is_read(name):
    """A limit that nobody reads is a limit that does not hold."""
    leaf = name.split(".")[1]
    known = strings("app/settings.py", "app/config.py")
    read = name in known or any(
        f"{name.split('.')[0]}." in text and leaf in text for text in known if " " not in text
    )
    assert read, name


def test_every_reason_has_a_word():
    codes = {v for k, v in vars(c).items() if k.startswith(("R_", "D_"))}
    assert codes <= set(names.REASONS)


def test_every_event_kind_is_folded_or_says_that_it_is_not():
    used = set()
    for path in MODULES:
        if short(path).split("/")[0] in ("engine", "market", "ledger", "quality") and path.name.endswith(
            "_nb.py"
        ):
            used |= {n.id for n in ast.walk(tree(path)) if isinstance(n, ast.Name)}
            used |= {n.attr for n in ast.walk(tree(path)) if isinstance(n, ast.Attribute)}
    text = (SRC / "model" / "codes_nb.py").read_text(encoding="utf-8")
    for name in vars(c):
        if name.startswith("EV_") and name not in ("EV_NONE", *used):
            line = next(row for row in text.splitlines() if row.startswith(name))
            assert "not folded" in line, f"{name} is handled nowhere in the step and does not say so"
