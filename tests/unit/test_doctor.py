"""`bot4 doctor`: every check reports, and what is wrong is said with advice."""

from pathlib import Path

from bot4.app.commands import doctor as d


def test_all_checks_have_a_state_and_bad_ones_have_advice(monkeypatch, tmp_path):
    monkeypatch.setenv("BOT4_CONTROL_DIR", str(tmp_path))
    document = d.doctor(packages=False, as_json=True)
    assert document is not None
    names = [c["name"] for c in document["checks"]]
    assert len(names) == len(set(names))
    assert {"python", "numba", "processor", "memory", "disk", "clock", "kernels", "cache"} <= set(names)
    assert document["healthy"] is all(c["state"] != "bad" for c in document["checks"])
    assert all(c["state"] in ("ok", "note", "bad") and c["found"] for c in document["checks"])
    assert all(c["advice"] for c in document["checks"] if c["state"] == "bad")
    assert set(document["processor"]["offers"]) == {"AVX-512", "AVX2", "SSE4.2", "SSE2"}
    assert document["target"]["cpu"] and document["target"]["level"]
    assert document["kernels"]["packages"]["features"]["modules"] > 10
    assert len(document["bounds"]) >= 10


def test_a_lowered_target_is_noted():
    found = {"processor": {"cores": 1, "machine": "x", "offers": {"SSE2": True}, "level": "SSE2"}}
    found["target"] = {"cpu": "generic", "features": [], "level": "SSE2", "forced_by": "NUMBA_CPU_NAME"}
    row = d._processor(found)[1]
    assert row["state"] == "note" and "NUMBA_CPU_NAME" in row["advice"]


def test_a_folder_that_cannot_be_written_is_bad(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    found = d._writable("cache", blocked / "inside")
    assert found["state"] == "bad"
    assert "XDG_CACHE_HOME" in found["advice"]


def test_little_disk_and_memory_are_told(monkeypatch):
    monkeypatch.setattr(d, "NEEDED_DISK", 1 << 62)
    monkeypatch.setattr(d, "NEEDED_MEMORY", 1 << 62)
    assert d._disk()["state"] == "note"
    assert d._memory()["state"] == "bad"


def test_missing_extra_names_the_extra(monkeypatch):
    monkeypatch.setattr(d.importlib.util, "find_spec", lambda name: None)
    last = d._packages()[-1]
    assert last["name"] == "scikit-learn"
    assert "bot4[ml]" in last["advice"]


def test_the_table_ends_with_a_verdict(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("BOT4_CONTROL_DIR", str(tmp_path))
    assert d.doctor(packages=True, as_json=False) is None
    assert "healthy" in capsys.readouterr().out.splitlines()[-1]
    assert Path(tmp_path / "bot4-control").is_dir()
