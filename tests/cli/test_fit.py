"""Training from the command line, and fusing with what was trained."""

import warnings

import numpy as np
import pytest

import xstf
from tests.networks import lesson
from tests.test_cli import fused_of, run

SHORT = ["-p", "width=2", "-p", "patch=32", "-p", "epochs=1"]
DAYS = ["2020-04-01", "2020-05-03"]


@pytest.fixture
def scene(tmp_path):
    """Return the path of a scene that a network can learn from."""
    return xstf.save(lesson()[0], tmp_path / "scene.zarr")


def test_a_network_is_trained_kept_and_used(scene, tmp_path):
    out = tmp_path / "hcnn.safetensors"
    said = run("fit", scene, "-m", "hcnn", "-o", out, *SHORT).output
    assert f"wrote {out}: hcnn, 1 pass\n" in said
    assert "held out, RMSE" in said
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        expected = xstf.fit(
            xstf.open_scene(scene), "hcnn", width=2, patch=32, epochs=1, progress=False
        )
    assert xstf.load(out) == expected
    errors = expected.history.held_out_best.values
    assert "  ".join(f"{v:8.4f}" for v in errors) in said
    said = run("fuse", scene, "--weights", out, "-o", tmp_path / "a.zarr").output
    assert "wrote" in said
    found = fused_of(tmp_path / "a.zarr")
    np.testing.assert_array_equal(found, lesson()[0].stf.fuse(expected))
    assert found.attrs["parameter_weights"] == expected.weights.digest
    run("fuse", scene, "--weights", out, "-o", tmp_path / "tifs")
    assert [p.name for p in (tmp_path / "tifs").iterdir()] == ["fused_2020-04-17.tif"]
    run("fit", scene, "-m", "hcnn", "-o", tmp_path / "b", "--init", out, *SHORT)
    assert xstf.load(tmp_path / "b").history.rate[0] == pytest.approx(1e-4)


def test_a_training_is_kept_and_gone_on_with(scene, tmp_path):
    kept, out = tmp_path / "run", tmp_path / "out"
    call = ["fit", scene, "-m", "hcnn", "--checkpoint", kept, *SHORT]
    run(*call, "-o", out)
    said = run(*call, "-o", tmp_path / "again", code=1).stderr
    assert "go on with the training that was stopped with --resume, or give another" in said
    run(*call, "-o", tmp_path / "again", "--resume")
    assert xstf.load(tmp_path / "again") == xstf.load(out)
    said = run("fuse", scene, "--weights", kept, "-o", tmp_path / "a.zarr", code=1).stderr
    assert "holds a training that is under way" in said


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["-m", "starfm"], "starfm learns nothing"),
        (["-m", "hcnn", "--dates", DAYS[0]], "learns from two or more dates"),
        (["-m", "hcnn", "--dates", "2020-04-01/2020-04-02"], "learns from two or more dates"),
        (["-m", "hcnn", "--dates", "2021-01-01"], "is not a date of the scene"),
        (["-m", "hcnn", "-p", "depth=3"], "hcnn has no parameter 'depth'"),
        (["-m", "hcnn", "--resume"], "resume=True needs|--resume needs"),
    ],
)
def test_what_cannot_be_trained_is_said_in_a_line(scene, tmp_path, given, message):
    import re

    said = run("fit", scene, *given, "-o", tmp_path / "out", code=1).stderr
    assert re.search(message, said)
    assert not (tmp_path / "out").exists()


def test_nothing_is_replaced_unasked(scene, tmp_path):
    out = tmp_path / "notes.txt"
    out.write_text("mine")
    call = ["fit", scene, "-m", "hcnn", "-o", out, *SHORT]
    assert "--overwrite" in run(*call, code=1).stderr
    assert "holds no trained network" in run(*call, "--overwrite", code=1).stderr
    assert out.read_text() == "mine"
    gone = run("fit", scene, "-m", "hcnn", "-o", tmp_path / "none" / "a", code=1).stderr
    assert "there is no folder for --out" in gone


def test_a_method_or_weights_but_not_both(scene, tmp_path):
    for given in ([], ["-m", "add", "--weights", "a"]):
        said = run("fuse", scene, *given, "-o", tmp_path / "a.zarr", code=2).stderr
        assert "either --method with a name, or --weights with a file" in said


def test_untrained_networks_name_the_command_that_trains(scene, tmp_path):
    said = run("fuse", scene, "-m", "hcnn", "-o", tmp_path / "a.zarr", code=1).stderr
    assert "xstf fit -m hcnn -o FILE, then xstf fuse --weights FILE" in said


def test_the_help_has_examples():
    assert "xstf fuse scene.zarr --weights hcnn.safetensors" in run("fit", "--help").output
