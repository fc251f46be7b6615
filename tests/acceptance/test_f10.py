"""F10: keys, host or supply chain compromised. Each test carries its number of the failure list."""

import base64
import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from bot4.app import supply
from helpers import markets as m

CANARY = "canary-5e1f-do-not-print"


def _package(site, name, *, requires=(), tampered=False):
    """A package as pip leaves it: one module, RECORD with its hash."""
    module = site / f"{name.replace('-', '_')}.py"
    module.write_text("x = 1\n")
    digest = base64.urlsafe_b64encode(hashlib.sha256(module.read_bytes()).digest()).rstrip(b"=").decode()
    info = site / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    lines = [
        f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        *(f"Requires-Dist: {r}\n" for r in requires),
    ]
    (info / "METADATA").write_text("".join(lines))
    (info / "RECORD").write_text(f"{module.name},sha256={digest},6\n{info.name}/RECORD,,\n")
    if tampered:
        module.write_text("import os\n")


def test_f10_7_a_changed_file_of_ccxt_is_found_and_a_lookalike_named(tmp_path):
    _package(tmp_path, "ccxt", requires=["aiohttp-fast-zlib (>=0.3)"], tampered=True)
    _package(tmp_path, "aiohttp-fast-zlib")
    _package(tmp_path, "ccxt-mexc-futures")
    _package(tmp_path, "criptography")
    _package(tmp_path, "pandas")
    checked, findings = supply.examine([str(tmp_path)])
    assert checked == 1
    assert {(f.package, f.grave) for f in findings} == {
        ("ccxt", True),
        ("ccxt-mexc-futures", False),
        ("criptography", False),
    }
    assert "ccxt.py" in next(f.what for f in findings if f.grave)


def test_f10_7_a_missing_file_is_a_change(tmp_path):
    _package(tmp_path, "ccxt")
    (tmp_path / "ccxt.py").unlink()
    assert "missing" in supply.examine([str(tmp_path)])[1][0].what


def test_f10_7_this_installation_is_as_released():
    doc = m.bot4("doctor", "--packages", "--json").doc
    [files] = [c for c in doc["checks"] if c["name"] == "package files"]
    assert files["state"] == "ok"
    assert not [c for c in doc["checks"] if c["name"].startswith("package ") and c["state"] == "bad"]


def test_f10_9_a_model_that_is_a_pickle_is_refused_and_never_run(tmp_path):
    """A pickle runs code when it is loaded; bot4 has no loader for one."""
    proof = tmp_path / "ran"

    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(proof),))

    model = tmp_path / "model"
    model.mkdir()
    (model / "model.json").write_text(json.dumps({"format": 1}))
    np.savez(model / "trees.npz", feature=np.array([Bomb()], dtype=object))
    answer = m.bot4("run", "--model", model, "--out", tmp_path / "j", "--for", "1s")
    assert answer.code in (2, 3)
    assert str(model) in answer.err
    assert not proof.exists()


def test_f10_9_no_module_can_load_a_pickle():
    for path in sorted((m.ROOT / "src").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for loader in (
            "import pickle",
            "joblib",
            "torch.load",
            "allow_pickle=True",
            "marshal.load",
            "shelve",
        ):
            known = path.name == "artifact.py" and loader == "joblib"  # its docstring says that there is none
            assert loader not in text or known, (path, loader)


@pytest.mark.parametrize("secret", ["BOT4_RELEASE_PASSPHRASE", "channels"])
def test_f10_4_canaries_appear_in_no_output_log_or_file(tmp_path, secret):
    """Secrets in the environment and in a channel's address; every file that bot4 writes is searched."""
    channels = tmp_path / "channels"
    channels.write_text(
        f"nonsense://{CANARY}@example\n" if secret == "channels" else "json://127.0.0.1:1/x\n"
    )
    environment = {
        **os.environ,
        "BOT4_CONTROL_DIR": str(tmp_path),
        "BOT4_KEY_DIR": str(tmp_path / "keys"),
        "BOT4_RELEASE_PASSPHRASE": CANARY,
    }
    commands = [
        ["keys", "new"],
        ["config", "show", "--set", f"alarm.channels={channels}"],
        ["alarm", "test", "--set", f"alarm.channels={channels}"],
        ["resume"],
        ["doctor", "--json"],
        ["audit", "verify", str(tmp_path)],
    ]
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-m", "bot4.app.main", *command],
            env=environment,
            capture_output=True,
            timeout=120,
        )
        assert CANARY not in (done.stdout + done.stderr).decode(), command
        assert b"Traceback" not in done.stderr, command
    for path in tmp_path.rglob("*"):
        if path.is_file() and path != channels:
            assert CANARY.encode() not in path.read_bytes(), path
