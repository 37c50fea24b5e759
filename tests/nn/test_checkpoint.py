"""What is kept of a trained network: exact, whole or not at all, and never run."""

import json
import pickle
import struct

import numpy as np
import pytest
import torch
import xarray as xr
from dask.base import tokenize

import xstf
from tests.networks import TINY, lesson, trained
from xstf.nn import NETWORKS
from xstf.nn.checkpoint import differences, pack, read, unpack, write


def test_all_networks_are_tried():
    assert set(TINY) == set(NETWORKS)


@pytest.mark.parametrize("name", NETWORKS)
def test_saved_and_loaded_it_is_the_same(name, tmp_path):
    fitted = trained(name)
    again = xstf.load(fitted.save(tmp_path / "a.safetensors"))
    assert again == fitted
    assert hash(again) == hash(fitted)
    assert tokenize(again) == tokenize(fitted)
    assert again.weights.data == fitted.weights.data
    scene, _ = lesson()
    xr.testing.assert_identical(scene.stf.fuse(again).compute(), scene.stf.fuse(fitted).compute())
    assert scene.stf.fuse(again).data.name == scene.stf.fuse(fitted).data.name
    xr.testing.assert_identical(again.history, fitted.history)


def test_the_file_says_what_it_is(tmp_path):
    known = read(trained("hcnn").save(tmp_path / "a")).known
    assert known["method"] == "hcnn"
    assert known["scene"] == {"bands": ["red", "nir"], "scale": 4, "valid_range": [0.0, 1.0]}
    assert known["parameters"]["width"] == 2
    assert known["dates"] == ["2020-04-01", "2020-05-03"]
    assert known["halo"] == 8 + 10 + 4  # network, pixels alike, sides
    assert set(known["versions"]) == {"xstf", "torch"}


def test_a_fitted_method_travels_whole_and_through_blocks_light():
    fitted = trained("dlsdfm")
    assert len(pickle.dumps(fitted.light)) < 12_000 < len(pickle.dumps(fitted))
    assert fitted.light == fitted
    assert tokenize(fitted.light) == tokenize(fitted)
    with pytest.raises(ValueError, match="travel apart"):
        fitted.light.save("nowhere")
    lazy = lesson()[0].stf.fuse(fitted, blocksize=32)
    graph = dict(lazy.data.__dask_graph__())
    sizes = [len(pickle.dumps(t)) for k, t in graph.items() if str(k[0]).startswith("stf-block")]
    assert sizes
    assert max(sizes) < 40_000
    held = [k for k in graph if str(k).startswith("stf-constant")]
    assert held == [f"stf-constant-{fitted.weights.digest}"]


def test_other_weights_are_another_method():
    one, other = trained("hcnn"), trained("biastf")
    assert one.weights != other.weights
    assert "Weights(" in repr(one.weights)
    assert one.parameters["weights"] == one.weights.digest
    fused = lesson()[0].stf.fuse(one)
    assert fused.attrs["parameter_weights"] == one.weights.digest


def test_what_does_not_fit_is_refused_by_name():
    fitted, (scene, _) = trained("hcnn"), lesson()
    with pytest.raises(ValueError, match="bands red, nir there, green, nir here"):
        scene.assign_coords(band=["green", "nir"]).stf.fuse(fitted)
    with pytest.raises(ValueError, match="scale 4 there, 8 here.; fit it on this one"):
        lesson(8)[0].stf.fuse(fitted)
    with pytest.raises(ValueError, match="valid_range 0.0, 1.0 there, none here"):
        scene.assign_attrs(valid_range=None).stf.fuse(fitted)
    with pytest.raises(ValueError, match="width 2 there, 4 here"):
        scene.stf.fuse(fitted, width=4)
    with pytest.raises(ValueError, match="combine"):
        scene.stf.fuse(fitted, combine="temporal")


def test_parameters_that_the_weights_do_not_depend_on_may_change():
    scene, _ = lesson()
    one = scene.stf.fuse(trained("biastf")).compute()
    other = scene.stf.fuse(trained("biastf"), weigh="likeness").compute()
    assert not np.array_equal(one, other)


def test_files_that_hold_something_else_are_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    whole = trained("hcnn").save(path).read_bytes()
    for data in (whole[:-5], whole[:40], b"", b"nonsense" * 9, pickle.dumps({"a": 1})):
        path.write_bytes(data)
        with pytest.raises(ValueError, match="holds no trained network of xstf, or is damaged"):
            xstf.load(path)
    header = json.dumps({"__metadata__": {"other": "1"}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(ValueError, match="holds no trained network"):
        xstf.load(path)


def test_nothing_is_replaced_unasked(tmp_path):
    path = trained("hcnn").save(tmp_path / "a")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        trained("biastf").save(path)
    trained("biastf").save(path, overwrite=True)
    assert xstf.load(path) == trained("biastf")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds no trained network"):
        trained("hcnn").save(tmp_path / "notes.txt", overwrite=True)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = trained("hcnn").save(tmp_path / "a")

    def fail(*_):
        raise OSError("no space")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="no space"):
        trained("biastf").save(path, overwrite=True)
    assert xstf.load(path) == trained("hcnn")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_an_unfitted_method_has_nothing_to_save():
    with pytest.raises(ValueError, match="hcnn is not trained yet"):
        xstf.method.build("hcnn", {}).save("nowhere")


def test_equal_tensors_make_equal_files(tmp_path):
    tensors = {"b": torch.arange(3.0), "a": torch.ones(2, 2)}
    one = pack(tensors, {"y": 1, "x": [2.5, None]})
    other = pack(dict(reversed(tensors.items())), {"x": [2.5, None], "y": 1})
    assert one == other
    assert one != pack(tensors, {"y": 2, "x": [2.5, None]})
    again = read(write(tmp_path / "t", one))
    assert again.known == {"x": [2.5, None], "y": 1}
    assert torch.equal(unpack(again.data)["b"], tensors["b"])


def test_differences_in_words():
    found = {"a": 1, "b": [1, 2], "c": None}
    assert differences(found, {"a": 1, "b": (1, 2), "d": 3}) == []
    assert differences(found, {"a": 2, "c": "x"}) == ["a 1 there, 2 here", "c none there, x here"]
