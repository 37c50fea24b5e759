"""Declared parameters, the registry, and what `fuse` gives back."""

import dataclasses
import pickle
from dataclasses import dataclass

import dask
import numpy as np
import pytest
import xarray as xr
from dask.base import tokenize

import xstf
from xstf import registry
from xstf.method import Block, Method, build, param, register
from xstf.parameters import rule_of
from xstf.registry import find, names


def fields_of(name):
    return [f for f in dataclasses.fields(find(name)) if f.metadata and "doc" in f.metadata]


def is_whole(f):
    return str(f.type).startswith("int")


def good_values(f):
    """Return values that the rule of a parameter allows, its bounds among them."""
    m = f.metadata
    none = [None] if m["none"] else []
    if m["choices"]:
        return none + list(m["choices"])
    if f.type == "bool":
        return [*none, True, False]
    if is_whole(f):
        low = m["ge"] if m["ge"] is not None else (m["gt"] + 1 if m["gt"] is not None else -3)
        low = int(low) + (m["odd"] and int(low) % 2 == 0)
        values = [low, low + 2, np.int64(low + 4)]
    else:
        low = m["ge"] if m["ge"] is not None else (m["gt"] + 1e-9 if m["gt"] is not None else -3.5)
        values = [low, np.float32(low + 0.25), int(low) + 1]
    values = [v for v in values if m["le"] is None or v <= m["le"]]
    return [*none, *values, *([m["le"]] if m["le"] is not None and not m["odd"] else [])]


def bad_values(f):
    """Return values that break the rule of a parameter, one for each part of it."""
    m = f.metadata
    none = [] if m["none"] or None in (m["choices"] or ()) else [None]
    if m["choices"]:
        kinds = {type(c) for c in m["choices"]}
        return (
            none
            + [v for v in ("nonsense", 0, 1, 0.5, True, []) if type(v) not in kinds]
            + [*(["nonsense"] if str in kinds else [])]
        )
    if f.type == "bool":
        return [*none, 0, 1, "True", 1.0, []]
    values = [*none, "5", "nonsense", True, [5], np.array([5, 7]), 1j, np.nan, np.inf, -np.inf]
    if m["ge"] is not None:
        values += [m["ge"] - (2 if is_whole(f) else 1e-6)]
    if m["gt"] is not None:
        values += [m["gt"], m["gt"] - 1]
    if m["le"] is not None:
        values += [m["le"] + (2 if is_whole(f) else 1e-6)]
    low = next((m[k] for k in ("ge", "gt") if m[k] is not None), 0)
    if is_whole(f):
        values += [low + 0.5, low + 1.5]
    if m["odd"]:
        values += [2 * (int(low) // 2) + 4]
    return values


def built(name, parameter, value):
    """Build a method; a bound of a range takes its other bound along."""
    other = {"min_": "max_", "max_": "min_"}.get(parameter[:4], "") + parameter[4:]
    also = {other: value} if other in {f.name for f in fields_of(name)} - {parameter} else {}
    return build(name, {parameter: value, **also})


CASES = [(name, f.name) for name in names() for f in fields_of(name)]


@pytest.mark.parametrize(("name", "parameter"), CASES)
def test_rules_of_parameters(name, parameter):
    f = next(f for f in fields_of(name) if f.name == parameter)
    good, bad = good_values(f), bad_values(f)
    assert good
    assert bad
    for value in good:
        made = built(name, parameter, value)
        assert made.parameters[parameter] == value or (made.parameters[parameter] is value)
    for value in bad:
        with pytest.raises(ValueError, match=f"{parameter}=") as caught:
            build(name, {parameter: value})
        message = str(caught.value)
        assert repr(value) in message
        assert rule_of(f) in message
        assert f"breaks its rule for {name}" in message
        assert f"the default is {f.default!r}" in message
        assert f.metadata["doc"] in message


@pytest.mark.parametrize(("name", "parameter"), CASES)
def test_defaults_obey_and_parameters_are_documented(name, parameter):
    f = next(f for f in fields_of(name) if f.name == parameter)
    build(name, {parameter: f.default})
    assert f.metadata["doc"]
    assert not f.metadata["doc"].endswith(".")
    assert f.metadata["choices"] or f.type in (
        "bool", "int", "float", "int | None", "float | None",
    )  # fmt: skip


@pytest.mark.parametrize("name", names())
def test_every_parameter_of_a_method_has_a_rule(name):
    assert [f.name for f in dataclasses.fields(find(name)) if not f.metadata] == []


@pytest.mark.parametrize(("name", "parameter"), CASES)
def test_a_whole_number_is_kept_as_one(name, parameter):
    f = next(f for f in fields_of(name) if f.name == parameter)
    if not is_whole(f) or f.metadata["choices"]:
        return
    value = next(v for v in good_values(f) if v is not None)
    try:
        made = built(name, parameter, float(value))
    except ValueError:
        return
    assert isinstance(made.parameters[parameter], int | np.integer)
    assert isinstance(made.halo(4), int | np.integer)


@pytest.mark.parametrize("name", names())
def test_every_method_is_a_frozen_value(name):
    made, again = find(name)(), find(name)()
    assert made == again
    assert hash(made) == hash(again)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.anything = 1
    back = pickle.loads(pickle.dumps(made))
    assert back == made
    assert type(back) is type(made)
    with pytest.raises(TypeError, match="positional"):
        find(name)(3)


@pytest.mark.parametrize("name", names())
def test_every_method_says_what_it_is(name):
    cls = find(name)
    made = cls()
    assert issubclass(cls, Method)
    assert made.name == name
    assert isinstance(cls.pairs, range)
    assert len(cls.pairs)
    assert cls.pairs[0] >= 1
    assert cls.layers[0] == "fused"
    assert cls.unchanged in ("", "flat", "texture")
    for scale in (1, 2, 16, 17):
        assert made.halo(scale) >= 0
    assert made.reach >= 0
    assert made.window_size >= 1
    assert (cls.__doc__ or "").strip().splitlines()[0].endswith(".")


@pytest.mark.parametrize(("name", "parameter"), CASES)
def test_tokens_are_equal_for_equal_parameters_alone(name, parameter):
    f = next(f for f in fields_of(name) if f.name == parameter)
    made = [built(name, parameter, v) for v in good_values(f)]
    for i, one in enumerate(made):
        for other in made[i:]:
            assert (tokenize(one) == tokenize(other)) == (one == other), (one, other)


def test_tokens_are_equal_however_a_number_is_written():
    for one, other in (
        ({"window": 5}, {"window": np.int64(5)}),
        ({"classes": 40}, {"classes": 40.0}),
        ({"logistic": True}, {"logistic": np.True_}),
    ):
        ours, theirs = build("starfm", one), build("starfm", other)
        assert ours == theirs
        assert tokenize(ours) == tokenize(theirs)


def test_rules_in_words():
    @dataclass(frozen=True)
    class Ruled:
        odd: "int" = param(5, ge=3, le=9, odd=True, doc="d")
        share: "float" = param(0.5, gt=0, le=1, doc="d")
        maybe: "int | None" = param(None, ge=1, none=True, doc="d")
        flag: "bool" = param(True, doc="d")
        pick: "str" = param("a", choices=("a", "b"), doc="d")
        free: "float" = param(0.0, doc="d")

    assert [rule_of(f) for f in dataclasses.fields(Ruled)] == [
        "an odd whole number >= 3 and <= 9",
        "a number > 0 and <= 1",
        "a whole number >= 1, or None",
        "True or False",
        "one of 'a', 'b'",
        "a number",
    ]


# Names


@pytest.mark.parametrize(
    ("name", "near"), [("strafm", "'starfm'"), ("ad", "'add'"), ("STARFN", "'starfm'")]
)
def test_an_unknown_method_names_the_nearest(name, near):
    with pytest.raises(ValueError, match=f"there is no method '{name}'") as caught:
        find(name)
    assert f"did you mean {near}" in str(caught.value)
    assert ", ".join(names()) in str(caught.value)


@pytest.mark.parametrize("name", ["", "xyzzy", "_shared", "__init__", "add.py", "xstf.methods.add"])
def test_what_is_far_from_any_method_is_refused(name):
    with pytest.raises(ValueError, match="there is no method") as caught:
        find(name)
    assert "add" in str(caught.value)


def test_the_case_of_a_name_does_not_matter():
    assert find("STARFM") is find("starfm")


def test_an_unknown_parameter_names_the_nearest_and_all():
    with pytest.raises(ValueError, match="starfm has no parameter 'windw'") as caught:
        build("starfm", {"windw": 5})
    assert "did you mean 'window'?" in str(caught.value)
    assert "uncertainty_coarse" in str(caught.value)
    with pytest.raises(ValueError, match="add has no parameter 'window'"):
        build(find("add")(), {"window": 5})


def test_an_instance_may_be_changed_and_stays():
    starfm = find("starfm")(window=5)
    changed = build(starfm, {"classes": 4})
    assert (changed.window, changed.classes) == (5, 4)
    assert starfm.classes == 40
    assert build(starfm, {}) == starfm
    with pytest.raises(ValueError, match="window=4 breaks its rule"):
        build(starfm, {"window": 4})


@pytest.mark.parametrize(
    "wrong", [None, 3, ["add"], object()], ids=lambda wrong: type(wrong).__name__
)
def test_what_is_no_method_is_named(wrong):
    with pytest.raises(TypeError, match="is no method: give a name or an instance"):
        build(wrong, {})


def test_a_class_instead_of_an_instance_is_told_what_to_give():
    with pytest.raises((TypeError, ValueError), match="instance"):
        build(find("starfm"), {})
    with pytest.raises((TypeError, ValueError), match="give a name or an instance"):
        build(find("starfm"), {"window": 5})


def test_the_table_of_methods():
    table = xstf.list_methods()
    assert table.name.values.tolist() == names()
    row = table.sel(name="starfm")
    assert row.pairs.item() == "1-2"
    assert "window=51" in row.parameters.item()
    assert row.summary.item().startswith("Weighted mean of alike neighbours")


# Plugins


@dataclass(frozen=True, kw_only=True)
class Copy(Method):
    """The fine image of the pair plus a number."""

    plus: float = param(0.0, ge=-1, le=1, doc="what is added")

    def block(self, b: Block) -> dict:
        rows, columns = b.inner
        one = b.fine[0][:, rows, columns] + np.float32(self.plus)
        return {"fused": np.repeat(one[None], len(b.target), 0)}


@dataclass(frozen=True, kw_only=True)
class Layered(Method):
    """Two layers."""

    layers = ("fused", "spread")

    def block(self, b: Block) -> dict:
        shape = (len(b.target), *b.fine.shape[1:])
        return {"fused": np.full(shape, 0.5, "f4"), "spread": np.full(shape, 0.1, "f4")}


@pytest.fixture
def toy():
    """Register `Copy` as a method for one test."""
    register("toycopy")(Copy)
    yield Copy
    del registry._registered["toycopy"]
    Copy.name = ""


@pytest.fixture
def scene(images):
    return xstf.scene(images([0], 8, 12), images([0, 1, 2], 4, 6, pixel=2.0, seed=1))


def test_a_registered_method_is_found_and_run(toy, scene):
    assert find("toycopy") is Copy
    assert "toycopy" in names()
    assert "toycopy" in xstf.list_methods().name.values
    fused = scene.stf.fuse("toycopy", plus=0.25).compute()
    for image in fused:
        np.testing.assert_array_equal(image, scene.fine[0] + np.float32(0.25))
    assert fused.attrs["method"] == "toycopy"
    assert fused.attrs["parameter_plus"] == 0.25
    with pytest.raises(ValueError, match="plus=2 breaks its rule for toycopy: a number >= -1 and"):
        scene.stf.fuse("toycopy", plus=2)


def test_the_toy_is_gone_again():
    assert "toycopy" not in names()


def test_a_method_is_found_by_the_name_that_it_registered():
    register("ToyUpper")(Copy)
    try:
        assert find("ToyUpper") is Copy
        assert find(names()[names().index("ToyUpper")]) is Copy
    finally:
        for name in [n for n in registry._registered if n.lower() == "toyupper"]:
            del registry._registered[name]
        Copy.name = ""


def test_a_method_comes_from_an_entry_point(monkeypatch, scene):
    class Entry:
        name = "toyplugin"

        @staticmethod
        def load():
            return Copy

    try:
        with monkeypatch.context() as patch:
            patch.setattr(registry, "entry_points", lambda group: [Entry()])
            registry._places.cache_clear()
            assert "toyplugin" in names()
            assert scene.stf.fuse("toyplugin").attrs["method"] == "toyplugin"
    finally:
        registry._registered.pop("toyplugin", None)
        registry._places.cache_clear()
        Copy.name = ""
    assert "toyplugin" not in names()


def test_an_instance_needs_no_registration(scene):
    fused = scene.stf.fuse(Copy(plus=0.5), plus=0.125).compute()
    np.testing.assert_array_equal(fused[0], scene.fine[0] + np.float32(0.125))


def test_a_method_without_block_says_so(scene):
    @dataclass(frozen=True)
    class Nothing(Method):
        """Nothing."""

    with pytest.raises(TypeError, match="Nothing has no block method"):
        scene.stf.fuse(Nothing()).compute()


# What fuse gives back


def test_the_result_says_where_when_and_how(images):
    fine, coarse = (
        xstf.georeference(image, "EPSG:32633")
        for image in (images([0, 4], 8, 12), images(slice(None), 4, 6, pixel=2.0, seed=1))
    )
    fine.attrs.update(units="1", long_name="surface reflectance", history="secret")
    scene = xstf.scene(fine, coarse)
    fused = scene.stf.fuse("add", upsample="linear")
    assert isinstance(fused, xr.DataArray)
    assert fused.name == "fused"
    assert fused.dims == ("time", "band", "y", "x")
    assert fused.dtype == fused.compute().dtype == np.float32
    np.testing.assert_array_equal(fused.time, scene.time[1:4])
    for name in ("band", "y", "x"):
        np.testing.assert_array_equal(fused[name], scene[name])
    assert set(fused.coords) == {"time", "band", "y", "x", "pair_dates", "spatial_ref"}
    assert fused.pair_dates.dims == ("time",)
    assert fused.pair_dates.values.tolist() == ["2020-06-01 2020-07-05"] * 3
    assert fused.spatial_ref.attrs == scene.spatial_ref.attrs
    assert fused.encoding["grid_mapping"] == "spatial_ref"
    assert fused.attrs == {
        "units": "1",
        "long_name": "surface reflectance",
        "method": "add",
        "scale": 2,
        "parameter_upsample": "linear",
        "device": "cpu",
        "xstf_version": xstf.__version__,
        "scene_range": [0.0, 1.0],
    }


def test_the_result_has_the_transform_of_its_own_pixels(images):
    pair = images([0], 8, 12), images([0, 1], 4, 6, pixel=2.0)
    scene = xstf.scene(*(xstf.georeference(image, "EPSG:32633") for image in pair))
    fused = scene.isel(y=slice(2, 6), x=slice(4, 12)).stf.fuse("add")
    found = [float(v) for v in fused.spatial_ref.attrs["GeoTransform"].split()]
    assert found == [4.0, 1.0, 0.0, 2.0, 0.0, 1.0]


def test_pair_dates_name_the_hour_where_there_is_one(images):
    pair = images([0], 8), images([0, 1], 4, pixel=2.0)
    hours = [i.assign_coords(time=i.time + np.timedelta64(10 * 60 + 30, "m")) for i in pair]
    fused = xstf.scene(*hours).stf.fuse("add", dates="2020-06-03")
    assert fused.pair_dates.values.tolist() == ["2020-06-01T10:30:00"]


@pytest.mark.parametrize("method", [n for n in names() if not hasattr(find(n), "fit")])
def test_building_computes_nothing(images, nothing_computes, method):
    pair = images([0, 4], 32).chunk(time=1, y=12), images(slice(None), 4, pixel=8.0).chunk(time=1)
    given = {"window": 5} if "window" in find(method)().parameters else {}
    fused = xstf.scene(*pair).stf.fuse(method, **given)
    assert dask.is_dask_collection(fused)
    with pytest.raises(AssertionError, match="computed"):
        fused.compute()


def test_dates_come_in_the_order_of_time(tiny):
    scene, _ = tiny
    some = scene.time.values[[2, 1]]
    fused = scene.stf.fuse("add", dates=some)
    np.testing.assert_array_equal(fused.time, some[::-1])
    whole = scene.stf.fuse("add")
    np.testing.assert_array_equal(fused, whole)


def test_a_named_observed_date_is_predicted_without_itself(tiny):
    scene, _ = tiny
    first = scene.time.values[0]
    fused = scene.stf.fuse("add", dates=first)
    assert fused.pair_dates.values.tolist() == [str(scene.time.values[3])[:10]]
    blind = scene.copy(deep=True)
    blind.fine[0] = np.nan
    np.testing.assert_array_equal(fused, blind.stf.fuse("add", dates=first))


def test_groups_of_dates_come_back_in_their_places(images):
    scene = xstf.scene(images([0, 2, 4], 8), images(slice(None), 4, pixel=2.0, seed=5))
    # the first and the last date share a group, the one between them has its own
    table = {"2020-06-03": ["2020-07-05"], "2020-06-10": ["2020-06-01"], "2020-06-20": "2020-07-05"}
    fused = scene.stf.fuse("add", dates=list(table), pairs=table)
    assert fused.pair_dates.values.tolist() == ["2020-07-05", "2020-06-01", "2020-07-05"]
    np.testing.assert_array_equal(fused.time, scene.time[1:4])
    for date, pair in table.items():
        alone = scene.stf.fuse("add", dates=date, pairs=np.datetime64(np.ravel(pair)[0]))
        np.testing.assert_array_equal(fused.sel(time=date), alone.sel(time=date))


def test_pairs_that_no_method_uses(scene):
    with pytest.raises(ValueError, match="no coarse image|is not a date of the scene"):
        scene.stf.fuse("add", dates="2020-06-20")
    with pytest.raises(ValueError, match="2020-06-03 is no pair"):
        scene.stf.fuse("add", pairs=["2020-06-03"])


@pytest.mark.parametrize("size", [-1, 0, 2.5, True, "8", np.nan, np.inf, [4], (8, 8)], ids=repr)
def test_what_is_no_blocksize_is_named(scene, size):
    with pytest.raises(
        ValueError, match="is not a whole number of fine pixels, 1 or more"
    ) as caught:
        scene.stf.fuse("add", blocksize=size)
    assert f"blocksize={size!r}" in str(caught.value)


@pytest.mark.parametrize("size", [1, 7, 16, np.int64(32), 10**6])
def test_the_picture_does_not_depend_on_the_blocksize(tiny, size):
    scene, _ = tiny
    expected = scene.stf.fuse("starfm", window=9)
    fused = scene.stf.fuse("starfm", window=9, blocksize=size)
    assert {c % 8 for side in fused.chunks[2:] for c in side} == {0}
    np.testing.assert_array_equal(fused, expected)


@pytest.mark.parametrize("device", ["gpu", "CPU", None, 0, "tpu", ""], ids=repr)
def test_what_is_no_device_is_named(scene, device):
    with pytest.raises(ValueError, match="device=") as caught:
        scene.stf.fuse("add", device=device)
    assert repr(device) in str(caught.value)
    assert "cpu" in str(caught.value)


def test_a_window_larger_than_the_scene_names_one_that_fits(scene):
    with pytest.raises(ValueError, match="the window of 51 fine pixels is larger") as caught:
        scene.stf.fuse("starfm")
    assert "8 x 12" in str(caught.value)
    assert "window=7" in str(caught.value)
    scene.stf.fuse("starfm", window=7).compute()


def test_the_window_that_is_named_is_allowed(images):
    scene = xstf.scene(images([0], 2), images([0, 1], 1, pixel=2.0))
    with pytest.raises(ValueError, match="larger than the scene of 2 x 2") as caught:
        scene.stf.fuse("starfm")
    assert "window=1" not in str(caught.value)


def test_a_scene_of_one_pixel(images):
    fine, coarse = images([0], 1), images([0, 1], 1, seed=1)
    fused = xstf.scene(fine, coarse, scale=1).stf.fuse("add").compute()
    expected = fine.values[0] + (coarse.values[1] - coarse.values[0])
    np.testing.assert_allclose(fused[0], expected, rtol=1e-6)


@pytest.mark.parametrize("shape", [(4, 8), (8, 4), (4, 4)])
def test_a_scene_one_cell_wide(images, shape):
    fine = images([0], *shape)
    coarse = images([0, 1], shape[0] // 4, shape[1] // 4, pixel=4.0, seed=1)
    fused = xstf.scene(fine, coarse).stf.fuse("add", upsample="nearest").compute()
    steps = np.kron((coarse[1] - coarse[0]).values, np.ones((1, 4, 4)))
    np.testing.assert_allclose(fused[0], fine[0] + steps, atol=1e-6)


def test_quality_needs_layers(scene):
    with pytest.raises(ValueError, match="quality=True asks for more layers") as caught:
        scene.stf.fuse("add", quality=True)
    assert "add has none" in str(caught.value)
    found = scene.stf.fuse(Layered(), quality=True)
    assert isinstance(found, xr.Dataset)
    assert set(found.data_vars) == {"fused", "spread"}
    np.testing.assert_array_equal(found.spread, np.float32(0.1))
    assert "scene_range" in found.fused.attrs
    assert "scene_range" not in found.spread.attrs
    assert found.spread.dims == ("time", "band", "y", "x")
    assert isinstance(scene.stf.fuse(Layered()), xr.DataArray)


def test_a_block_is_told_which_layers_are_asked_for(scene):
    @dataclass(frozen=True, kw_only=True)
    class Lazy(Layered):
        def block(self, b: Block) -> dict:
            made = super().block(b)
            return {name: made[name] for name in b.layers}

    assert set(scene.stf.fuse(Lazy(), quality=True).compute().data_vars) == {"fused", "spread"}
    np.testing.assert_array_equal(scene.stf.fuse(Lazy()).compute(), 0.5)


def test_the_spread_of_two_sides(tiny):
    ds = tiny[0].compute()
    found = ds.stf.fuse("add", quality=True).compute()
    assert set(found.data_vars) == {"fused", "spread"}
    first, last = (ds.stf.fuse("add", pairs=[ds.time.values[i]]).compute() for i in (0, 3))
    np.testing.assert_array_equal(found.spread, abs(first - last) / 2)
    np.testing.assert_allclose(found.fused, (first + last) / 2, atol=1e-6)
    assert "half the difference" in found.spread.attrs["long_name"]
    assert "counts" not in found.spread.attrs


def test_dates_without_a_pair_on_both_sides_have_no_spread(tiny):
    ds = tiny[0].compute()
    ds["fine_observed"] = ("time", [True, False, True, False])
    ds["fine"][2] = tiny[1][2]
    found = ds.stf.fuse("fsdaf", quality=True, window=9).compute()
    assert set(found.data_vars) == {"fused", "similar", "spread"}
    assert found.spread[0].notnull().all()
    assert found.spread[1].isnull().all()
    assert "similar" not in ds.stf.fuse("add", quality=True)
    named = ds.stf.fuse("fsdaf", quality=True, window=9, pairs=ds.time.values[[0]]).compute()
    assert "spread" not in named  # of the pairs that are named, none lies after


@pytest.mark.parametrize("side", ["fine", "coarse"])
@pytest.mark.parametrize("method", ["add", "starfm"])
def test_an_empty_pair_is_named_when_it_is_computed(images, side, method):
    pair = {"fine": images([0], 8).chunk(), "coarse": images([0, 1], 4, pixel=2.0).chunk()}
    pair[side] = pair[side].where(pair[side].time != pair[side].time[0])
    scene = xstf.scene(**pair)
    fused = scene.stf.fuse(method, **({"window": 3} if method == "starfm" else {}))
    with pytest.raises(
        ValueError, match=f"the {side} image of 2020-06-01 is all missing"
    ) as caught:
        fused.compute()
    assert "leave the date out of pairs" in str(caught.value)
    assert "xstf.find_observed(ds)" in str(caught.value)


def test_inputs_are_left_alone(tiny):
    scene, _ = tiny
    before = scene.copy(deep=True)
    for method in ("add", "starfm"):
        scene.stf.fuse(method, **({"window": 9} if method == "starfm" else {})).compute()
    xr.testing.assert_identical(scene, before)


def test_equal_calls_have_equal_graphs(scene):
    one, same, other = (scene.stf.fuse("add", upsample=u) for u in ("cubic", "cubic", "linear"))
    assert one.data.name == same.data.name
    assert one.data.name != other.data.name


def test_the_result_can_be_pickled(scene):
    fused = scene.stf.fuse("starfm", window=3)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fused)), fused)


def test_one_date_of_the_result_alone(scene):
    fused = scene.stf.fuse("starfm", window=3)
    np.testing.assert_array_equal(fused.isel(time=1), fused.compute()[1])


@pytest.mark.parametrize("limits", [None, (0.0, 1.0)])
@pytest.mark.parametrize("method", ["add", "starfm"])
def test_the_result_can_be_written(images, tmp_path, limits, method):
    pair = (i.drop_vars("band") for i in (images([0], 8), images([0, 1], 4, pixel=2.0)))
    scene = xstf.scene(*pair, valid_range=limits)
    fused = scene.stf.fuse(method, **({"window": 3} if method == "starfm" else {}))
    fused.drop_vars("pair_dates").to_netcdf(tmp_path / "fused.nc", engine="scipy")
    with xr.open_dataset(tmp_path / "fused.nc", engine="scipy") as back:
        np.testing.assert_array_equal(back.fused, fused)


def test_rules_hold_whatever_the_annotations_are():
    @dataclass(frozen=True, kw_only=True)
    class Plain(Method):
        k: int = param(3, ge=1, doc="number")
        weights: str = param("a.pt", doc="file")

    assert Plain(k=4.0).k == 4
    assert isinstance(Plain(k=4.0).k, int)
    assert Plain(weights="b.pt").weights == "b.pt"
    for bad in ({"k": 2.5}, {"weights": 3}):
        with pytest.raises(ValueError, match="breaks its rule for plain"):
            Plain(**bad)
