"""The kernel cache: a new folder when any kernel source changes, a loud fallback, old folders removed."""

import shutil
from pathlib import Path

import pytest

from bot4.kernels import jit_nb


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A small package root with two kernel modules, at which the digest looks."""
    root = tmp_path / "bot4"
    (root / "kernels").mkdir(parents=True)
    (root / "kernels" / "jit_nb.py").write_text("a = 1\n")
    (root / "market").mkdir()
    (root / "market" / "deep_nb.py").write_text("b = 2\n")
    (root / "market" / "plain.py").write_text("c = 3\n")
    monkeypatch.setattr(jit_nb, "__file__", str(root / "kernels" / "jit_nb.py"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return root


def test_the_digest_changes_with_every_kernel_source(tree):
    """Without this a caller runs the old code of a callee that was edited."""
    seen = [jit_nb._sources_digest()]
    (tree / "market" / "deep_nb.py").write_text("b = 3\n")
    seen.append(jit_nb._sources_digest())
    (tree / "market" / "new_nb.py").write_text("")
    seen.append(jit_nb._sources_digest())
    (tree / "market" / "new_nb.py").rename(tree / "market" / "other_nb.py")
    seen.append(jit_nb._sources_digest())
    assert len(set(seen)) == 4
    (tree / "market" / "plain.py").write_text("c = 4\n")
    assert jit_nb._sources_digest() == seen[-1]
    shutil.copytree(tree, tree.parent / "elsewhere")
    assert jit_nb._cache_dir().name == f"kernels-{seen[-1]}"


def test_a_cache_that_cannot_be_written_warns(tree, monkeypatch, tmp_path):
    (tmp_path / "cache").write_text("a file, not a folder")
    monkeypatch.setattr(jit_nb.tempfile, "gettempdir", lambda: str(tmp_path / "tmp"))
    with pytest.warns(UserWarning, match="kernel cache: .*using .* instead"):
        folder = jit_nb._cache_dir()
    assert folder.is_dir()
    assert tmp_path / "tmp" in folder.parents


def test_a_cache_without_the_right_to_write_warns(tree, monkeypatch, tmp_path):
    monkeypatch.setattr(jit_nb.os, "access", lambda *_: False)
    monkeypatch.setattr(jit_nb.tempfile, "gettempdir", lambda: str(tmp_path / "tmp"))
    with pytest.warns(UserWarning, match="not writable"):
        jit_nb._cache_dir()


def test_only_a_few_old_caches_are_kept(tree):
    for k in range(12):
        (tree / "market" / "deep_nb.py").write_text(f"b = {k}\n")
        last = jit_nb._cache_dir()
    left = list(last.parent.glob("kernels-*"))
    assert len(left) <= jit_nb._KEEP + 1
    assert last in left


def test_warm_means_compiled_kernels_of_these_sources(tree, monkeypatch):
    folder = jit_nb._cache_dir()
    monkeypatch.setattr(jit_nb, "CACHE_DIR", folder)
    assert not jit_nb.cache_is_warm()
    (folder / "x").mkdir()
    (folder / "x" / "f.1.nbc").write_bytes(b"")
    assert jit_nb.cache_is_warm()


def test_a_kernel_keeps_its_plain_function():
    def plain(a, b):
        """Doc."""
        return a + b

    for make in (jit_nb.kernel, jit_nb.kernel_with_heap):
        made = make(plain)
        assert getattr(made, "py_func", made) is plain
        assert made.__doc__ == "Doc."
        assert made.__name__ == "plain"
    assert Path(jit_nb.CACHE_DIR).is_dir()
