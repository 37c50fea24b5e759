"""Quality flags against words written bit by bit."""

import numpy as np
import pytest
import xarray as xr

from xstf import masks
from xstf.flags import PRODUCTS

WORDS = [  # product, flag word in bits, what it tells, whether it is hidden as a rule
    ("landsat", 0b0101010101000000, [], False),  # clear, all confidences low: 21824
    ("landsat", 0b1, ["fill"], True),
    ("landsat", 0b0101010101000010, ["dilated_cloud"], True),
    ("landsat", 0b1101010101000100, ["cirrus", "likely_cirrus"], True),
    ("landsat", 0b0101011100001000, ["cloud", "likely_cloud"], True),  # 22280, as products have it
    ("landsat", 0b0101011000000000, ["likely_cloud"], False),
    ("landsat", 0b0101110100010000, ["shadow", "likely_shadow"], True),
    ("landsat", 0b0111010101100000, ["snow", "likely_snow"], False),
    ("landsat", 0b0101010111000000, ["water"], False),
    ("hls", 0b00000000, [], False),
    ("hls", 0b00000001, [], False),  # bit 0 is reserved
    ("hls", 0b00000010, ["cloud"], True),
    ("hls", 0b00000100, ["adjacent"], True),
    ("hls", 0b00001000, ["shadow"], True),
    ("hls", 0b00010000, ["snow"], False),
    ("hls", 0b00100000, ["water"], False),
    ("hls", 0b11000000, ["high_aerosol"], False),
    ("hls", 0b10000000, [], False),  # moderate
    ("sentinel2", 0, ["no_data"], True),
    ("sentinel2", 1, ["defective"], True),
    ("sentinel2", 2, ["dark"], False),
    ("sentinel2", 3, ["shadow"], True),
    ("sentinel2", 4, ["vegetation"], False),
    ("sentinel2", 5, ["soil"], False),
    ("sentinel2", 6, ["water"], False),
    ("sentinel2", 7, ["unclassified"], False),
    ("sentinel2", 8, ["cloud"], True),
    ("sentinel2", 9, ["cloud"], True),
    ("sentinel2", 10, ["cirrus"], True),
    ("sentinel2", 11, ["snow"], False),
    ("modis_state", 0b0000000000001000, [], False),  # clear land
    ("modis_state", 0b0000000000001001, ["cloud"], True),
    ("modis_state", 0b0000000000001010, ["mixed"], True),
    ("modis_state", 0b0000000000001011, ["unset"], False),
    ("modis_state", 0b0000000000001100, ["shadow"], True),
    ("modis_state", 0b0000000011001000, ["high_aerosol"], False),
    ("modis_state", 0b0000000100001000, ["small_cirrus"], False),
    ("modis_state", 0b0000001000001000, ["cirrus"], True),
    ("modis_state", 0b0000010000001000, ["internal_cloud"], True),
    ("modis_state", 0b0000100000001000, ["fire"], False),
    ("modis_state", 0b0001000000001000, ["snow"], False),
    ("modis_state", 0b0010000000001000, ["adjacent"], False),
    ("modis_state", 0b1000000000001000, ["internal_snow"], False),
    ("modis_qc", 0b0100 << 28, [], False),
    ("modis_qc", (0b0100 << 28) | 0b10, ["not_produced"], True),
    ("modis_qc", (0b0100 << 28) | 0b11, ["not_produced"], True),
    ("modis_qc", (0b0100 << 28) | 0b01, ["less_than_ideal"], False),
    ("modis_qc", (0b0100 << 28) | 0b1000 << 2, ["band1"], False),
    ("modis_qc", (0b0100 << 28) | 0b0111 << 26, ["band7"], False),
    ("modis_qc", 0, ["not_corrected"], False),
    ("viirs_qf1", 0b00000011, [], False),
    ("viirs_qf1", 0b00000000, ["poor_mask"], False),
    ("viirs_qf1", 0b00000111, ["probably_clear"], False),
    ("viirs_qf1", 0b00001011, ["cloud"], True),
    ("viirs_qf1", 0b00001111, ["cloud"], True),
    ("viirs_qf1", 0b00010011, ["night"], True),
    ("viirs_qf1", 0b00100011, ["low_sun"], False),
    ("viirs_qf1", 0b01000011, ["glint"], False),
    ("viirs_qf2", 0b00000111, [], False),
    ("viirs_qf2", 0b00001001, ["shadow"], True),
    ("viirs_qf2", 0b00010001, ["heavy_aerosol"], True),
    ("viirs_qf2", 0b00100001, ["snow"], False),
    ("viirs_qf2", 0b01000001, ["cirrus"], True),
    ("viirs_qf2", 0b10000001, ["cirrus"], True),
    ("brdf", 0, [], False),
    ("brdf", 1, ["magnitude_inversion"], False),
    ("brdf", 255, ["fill"], True),
]


def words(values, dtype=None, **coords):
    return xr.DataArray(np.asarray(values, dtype), dims=("time", "y", "x")[-np.ndim(values) :])


def placed(values, **axes):
    array = words(values)
    return array.assign_coords({dim: axis for dim, axis in axes.items()})


@pytest.mark.parametrize(("product", "word", "tells", "hidden"), WORDS)
def test_bits(product, word, tells, hidden):
    flags = words([[word]])
    for name in PRODUCTS[product].meanings:
        assert bool(masks.flagged(flags, product, name)) == (name in tells), name
    assert bool(masks.flagged(flags, product)) == hidden


def test_every_meaning_is_told_by_some_word_above():
    for product, of in PRODUCTS.items():
        told = {name for known, _, tells, _ in WORDS if known == product for name in tells}
        twins = {f"band{n}" for n in range(2, 7)}  # as band1 and band7
        apart = {"fill"} if product in ("hls", "modis_state") else set()  # all bits are set
        assert set(of.meanings) - told - twins - apart == set(), product
        assert set(of.usual) | set(of.absent) <= set(of.meanings)


@pytest.mark.parametrize(("product", "word"), [("hls", 255), ("modis_state", 65535)])
def test_fill_words(product, word):
    assert masks.flagged(words([[word]]), product, "fill").item()
    assert not masks.flagged(words([[word - 1]]), product, "fill").item()


def test_words_read_as_signed_or_as_floats_tell_the_same():
    unsigned = words([[0b1000000000001001, 65535, 8]], "uint16")
    expected = masks.flagged(unsigned, "modis_state", ["cloud", "internal_snow", "fill"])
    assert expected.values.tolist() == [[True, True, False]]
    for other in (unsigned.astype("int16"), unsigned.astype("float32")):
        found = masks.flagged(other, "modis_state", ["cloud", "internal_snow", "fill"])
        np.testing.assert_array_equal(found, expected)
    high = words([[2**30, -(2**31) + 2**30]], "int32")
    assert masks.flagged(high, "modis_qc", "not_corrected").values.tolist() == [[False, False]]


def test_missing_words_are_told_and_fractions_are_refused():
    assert masks.flagged(words([[np.nan, 64.0]]), "landsat", "cloud").values.tolist() == [
        [True, False]
    ]
    with pytest.raises(ValueError, match="8.5, which is no whole number: flags cannot be interpo"):
        masks.flagged(words([[8.5]]), "landsat").load()


def test_hidden_pixels_are_missing_in_all_bands_and_nothing_else_is():
    random = np.random.default_rng(5)
    images = xr.DataArray(
        random.random((3, 2, 4, 5), dtype=np.float32),
        dims=("time", "band", "y", "x"),
        coords={"time": np.array(["2020-01-01", "2020-01-02", "2020-01-05"], "M8[ns]")},
        attrs={"units": "1"},
    )
    scl = xr.DataArray(random.integers(0, 12, (3, 4, 5)), dims=("time", "y", "x"))
    scl = scl.assign_coords(time=images.time)
    clear = np.isin(scl.values, [2, 4, 5, 6, 7, 11])
    expected = np.where(clear[:, None], images, np.nan)
    shown = masks.hide(images, scl, "sentinel2")
    np.testing.assert_array_equal(shown, expected)
    assert shown.dtype == np.float32
    assert shown.attrs == images.attrs
    assert shown.dims == images.dims
    lazy = masks.hide(images.chunk(y=3), scl.chunk(x=2), "sentinel2")
    assert lazy.chunks is not None
    np.testing.assert_array_equal(lazy, expected)
    # flags in another order of dates, and one date alone
    np.testing.assert_array_equal(masks.hide(images, scl[::-1], "sentinel2"), expected)
    np.testing.assert_array_equal(masks.hide(images[1], scl, "sentinel2"), expected[1])
    np.testing.assert_array_equal(masks.hide(images[1], scl[1], "sentinel2"), expected[1])
    with pytest.raises(
        ValueError, match="2020-01-05 has no flags, which have 2 dates from 2020-01"
    ):
        masks.hide(images, scl[:2], "sentinel2")


def test_flags_as_files_have_them_and_what_is_no_flags():
    image = xr.DataArray(np.ones((1, 2, 1, 2), "f4"), dims=("time", "band", "y", "x"))
    image = image.assign_coords(time=np.array(["2020-06-01"], "M8[ns]"), band=["red", "nir"])
    flags = xr.DataArray([[[21824, 22280]]], dims=("band", "y", "x"), coords={"band": [1]})
    shown = masks.hide(image, flags, "landsat")
    np.testing.assert_array_equal(shown[0], [[[1, np.nan]]] * 2)
    with pytest.raises(TypeError, match="flags are a ndarray, not a DataArray"):
        masks.hide(image, flags.values, "landsat")
    with pytest.raises(TypeError, match="images are a Dataset.*take a variable"):
        masks.hide(image.to_dataset("band"), flags, "landsat")
    with pytest.raises(ValueError, match="a dimension time and no dates; give them"):
        masks.hide(image, flags.rename(band="time").drop_vars("time"), "landsat")


def test_whole_numbers_become_float32():
    shown = masks.hide(words([[3, 4]], "int16"), words([[9, 4]]), "sentinel2")
    assert shown.dtype == np.float32
    np.testing.assert_array_equal(shown, [[np.nan, 4]])


def test_coarser_flags_serve_all_their_pixels():
    images = placed(np.ones((4, 6)), y=np.arange(4) * -10.0, x=np.arange(6) * 10.0)
    state = placed([[8, 9, 8], [8, 8, 12]], y=[-5.0, -25], x=[5.0, 25, 45])
    expected = np.ones((4, 6))
    expected[:2, 2:4] = np.nan
    expected[2:, 4:] = np.nan
    np.testing.assert_array_equal(masks.hide(images, state, "modis_state"), expected)
    np.testing.assert_array_equal(
        masks.hide(images.chunk(x=4), state.chunk(y=1), "modis_state"), expected
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": [-6.0, -26]}, r"0.1 pixels off the images along y"),
        ({"y": [-25.0, -5]}, r"2 pixels off the images along y.*both run the same way"),
        ({"x": [15.0, 35, 55]}, r"1 pixels off the images along x"),
    ],
)
def test_flags_of_another_place_are_refused(change, message):
    images = placed(np.ones((4, 6)), y=np.arange(4) * -10.0, x=np.arange(6) * 10.0)
    state = placed([[8, 9, 8], [8, 8, 12]], **({"y": [-5.0, -25], "x": [5.0, 25, 45]} | change))
    with pytest.raises(ValueError, match=message):
        masks.hide(images, state, "modis_state")


@pytest.mark.parametrize(
    ("images", "flags", "match"),
    [
        (
            words(np.ones((3, 4))),
            words(np.zeros((2, 4), int)),
            "3 pixels along y and their flags 2",
        ),
        (
            words(np.ones((2, 4))),
            words(np.zeros((4, 4), int)),
            "2 pixels along y and their flags 4",
        ),
        (words(np.ones((2, 4))).rename(y="lat"), words(np.zeros((2, 4), int)), "without 'y'"),
        (words(np.ones((2, 4))), words(np.zeros((2, 4), int)).rename(y="lat"), "flags have dims"),
        (words(np.ones((2, 4))), words(np.zeros((1, 2, 4), int)), "the images have none"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(images, flags, match):
    with pytest.raises(ValueError, match=match):
        masks.hide(images, flags, "sentinel2")


@pytest.mark.parametrize(
    ("how", "match"),
    [
        ({"product": "landsat8"}, "product='landsat8' is none of landsat, hls,"),
        ({"product": "hls", "what": "cirrus"}, "what='cirrus': hls flags tell fill, cloud"),
        ({"product": "hls", "what": []}, "at least one is needed"),
        ({"product": "hls", "widen": -1}, "widen=-1 is no number of pixels"),
        ({"product": "hls", "widen": 1.5}, "widen=1.5 is no number of pixels"),
    ],
)
def test_nonsense_is_refused(how, match):
    with pytest.raises(ValueError, match=match):
        masks.flagged(words([[0]]), **how)


@pytest.mark.parametrize("chunks", [None, (3, 5), (1, 1), (17, 20)])
@pytest.mark.parametrize("distance", [1, 2, 4])
def test_widening_is_by_distance_and_spares_what_was_not_measured(distance, chunks):
    random = np.random.default_rng(3)
    scl = np.where(random.random((2, 17, 20)) < 0.02, 9, 4)
    scl[:, :, 15:] = np.where(random.random((2, 17, 5)) < 0.5, 0, scl[:, :, 15:])
    expected = scl == 0
    for t, i, j in np.argwhere(scl == 9):
        y, x = np.mgrid[:17, :20]
        expected[t] |= (y - i) ** 2 + (x - j) ** 2 <= distance**2
    flags = words(scl)
    if chunks:
        flags = flags.chunk(y=chunks[0], x=chunks[1])
    found = masks.flagged(flags, "sentinel2", widen=distance)
    np.testing.assert_array_equal(found, expected)
    assert (scl == 9).sum() > 5
