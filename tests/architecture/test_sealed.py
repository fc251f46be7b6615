"""Only the gate may make an ApprovedOrder; anything else would be a door around risk."""

import ast
from pathlib import Path

SRC = Path(__file__).parents[2] / "src" / "bot4"
WORDS = {"ApprovedOrder", "take_seal", "_seal", "_held"}
HOMES = {"safety/gate.py", "model/approved.py"}


def _calls(tree: ast.AST) -> set[str]:
    """Names that are called, however they were reached (name, attribute, alias of an import)."""
    aliases = {
        a.asname: a.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for a in node.names
        if a.asname
    }
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            f = node.func
            name = f.id if isinstance(f, ast.Name) else f.attr if isinstance(f, ast.Attribute) else ""
            found.add(aliases.get(name, name))
        elif isinstance(node, ast.ImportFrom) and node.module == "bot4.model.approved":
            found |= {a.name for a in node.names if a.name in {"take_seal", "_seal", "_held"}}
    return found


def _offenders(root: Path) -> list[str]:
    return [
        path.relative_to(root).as_posix()
        for path in sorted(root.rglob("*.py"))
        if path.relative_to(root).as_posix() not in HOMES
        and _calls(ast.parse(path.read_text(encoding="utf-8"))) & WORDS
    ]


def test_only_the_gate_makes_approved_orders():
    assert _offenders(SRC) == []
    assert {"ApprovedOrder", "take_seal"} <= _calls(ast.parse((SRC / "safety/gate.py").read_text()))


def test_the_check_would_see_a_door(tmp_path):
    (tmp_path / "door.py").write_text(
        "from bot4.model.approved import ApprovedOrder as Fine\norder = Fine(1, 2, 3, 4, 5)\n"
    )
    (tmp_path / "seal.py").write_text("import bot4.model.approved as a\nseal = a.take_seal()\n")
    (tmp_path / "typed.py").write_text("from bot4.model.approved import ApprovedOrder\nX = ApprovedOrder\n")
    assert _offenders(tmp_path) == ["door.py", "seal.py"]


def test_no_bypass_word_on_the_way_of_an_order():
    for folder in ("safety", "execution"):
        for path in (SRC / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8").lower()
            assert "bypass" not in text, path
            assert "skip_check" not in text, path
