"""The kernel cache: a module's folder changes with all that it is compiled from, and with nothing else."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bot4.kernels import cache, jit_nb


@pytest.fixture
def tree(tmp_path):
    """A small package: `top_nb` calls `deep_nb`, `other_nb` calls nobody."""
    root = tmp_path / "bot4"
    (root / "kernels").mkdir(parents=True)
    (root / "market").mkdir()
    (root / "kernels" / "deep_nb.py").write_text("B = 2\n")
    (root / "market" / "middle_nb.py").write_text("from bot4.kernels import deep_nb\n")
    (root / "market" / "top_nb.py").write_text("from bot4.market.middle_nb import x\n")
    (root / "market" / "other_nb.py").write_text("import numpy\n")
    return root


def digests(root):
    return [cache.digest_of(root / "market" / f"{name}_nb.py", root) for name in ("top", "middle", "other")]


def test_an_edit_changes_the_module_and_its_callers_only(tree):
    """Without this a caller runs the old code of a callee that was edited."""
    before = digests(tree)
    (tree / "kernels" / "deep_nb.py").write_text("B = 33\n")
    after = digests(tree)
    assert before[0] != after[0]
    assert before[1] != after[1]
    assert before[2] == after[2]
    (tree / "market" / "top_nb.py").write_text("from bot4.market.middle_nb import x  # edited\n")
    last = digests(tree)
    assert last[0] != after[0]
    assert last[1:] == after[1:]


def test_every_form_of_import_is_seen():
    source = (
        "import bot4.a_nb\nfrom bot4.b import c_nb, d_nb as e\nfrom bot4.f_nb import (\n    g,\n    h,\n)\n"
        "    from bot4.i_nb import j  # indented\n# from bot4.k_nb import l\n"
    )
    seen = set(cache._imports(source))
    assert {"bot4.a_nb", "bot4.b.c_nb", "bot4.b.d_nb", "bot4.f_nb", "bot4.f_nb.h", "bot4.i_nb"} <= seen
    assert "bot4.k_nb" not in seen


def test_a_cycle_of_imports_ends(tree):
    (tree / "kernels" / "deep_nb.py").write_text("from bot4.market.top_nb import y\n")
    assert len(cache.sources_of(tree / "market" / "top_nb.py", tree)) == 3


def test_two_checkouts_share_what_they_compile(tree, tmp_path):
    copy = tmp_path / "elsewhere" / "bot4"
    shutil.copytree(tree, copy)
    file = Path("market/top_nb.py")
    base = tmp_path / "cache"
    assert cache.folder_of(tree / file, base, tree) == cache.folder_of(copy / file, base, copy)


def test_a_cache_that_cannot_be_written_warns(monkeypatch, tmp_path):
    (tmp_path / "cache").write_text("a file, not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path / "tmp"))
    with pytest.warns(UserWarning, match="kernel cache: .*using .* instead"):
        folder = cache.cache_base()
    assert folder.is_dir()
    assert tmp_path / "tmp" in folder.parents


def test_a_cache_without_the_right_to_write_warns(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cache.os, "access", lambda *_: False)
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path / "tmp"))
    with pytest.warns(UserWarning, match="not writable"):
        cache.cache_base()


def test_only_a_few_old_folders_are_kept(tmp_path):
    for k in range(12):
        folder = tmp_path / "m" / f"{k}"
        folder.mkdir(parents=True)
    cache._drop_old(folder)
    left = list(folder.parent.iterdir())
    assert len(left) <= cache._KEEP + 1
    assert folder in left


def test_warm_means_the_compiled_engine_of_these_sources(monkeypatch, tmp_path):
    monkeypatch.setattr(cache, "folder_of", lambda path: tmp_path)
    assert not cache.cache_is_warm()
    (tmp_path / "f.1.nbc").write_bytes(b"")
    assert cache.cache_is_warm()
    assert cache.compiled_count() > 0


@pytest.mark.jit
def test_a_kernel_of_the_package_is_cached_in_its_folder_and_a_users_elsewhere(tmp_path):
    """Run apart, because a kernel already compiled here would not be compiled again."""
    (tmp_path / "mine.py").write_text(
        "from bot4.kernels.jit_nb import kernel\n"
        "from bot4.kernels.fixed_nb import rate_of\n"
        "@kernel\n"
        "def mine(a, b):\n    return rate_of(a, b)\n"
        "if __name__ == '__main__':\n    print(mine(10**9, 5))\n"
    )
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": "/usr/bin", "HOME": str(tmp_path)}
    subprocess.run([sys.executable, tmp_path / "mine.py"], env=environment, check=True)
    base = tmp_path / "cache" / "bot4" / "kernels"
    assert list((base / "kernels.fixed_nb").rglob("*.nbc"))
    assert list((base / "user").rglob("mine.mine-*.nbc"))


def test_a_kernel_keeps_its_plain_function():
    def plain(a, b):
        """Doc."""
        return a + b

    for make in (jit_nb.kernel, jit_nb.kernel_with_heap):
        made = make(plain)
        assert getattr(made, "py_func", made) is plain
        assert made.__doc__ == "Doc."
        assert made.__name__ == "plain"
