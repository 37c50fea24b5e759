import dataclasses
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xstf.grid import Grid, Tile, scale_of

scales = st.integers(1, 40)
cells = st.integers(1, 30)


@given(scales, cells, cells, st.integers(1, 300))
def test_tiles_cover_every_pixel_once_in_whole_cells(scale, rows, columns, blocksize):
    grid = Grid((rows * scale, columns * scale), scale)
    heights, widths = grid.cut(blocksize)
    hits = np.zeros(grid.shape, int)
    for i, j, tile in grid.tiles(blocksize):
        assert 0 <= tile.y0 < tile.y1 <= grid.shape[0]
        assert 0 <= tile.x0 < tile.x1 <= grid.shape[1]
        assert (tile.y1 - tile.y0, tile.x1 - tile.x0) == (heights[i], widths[j])
        assert not any(edge % scale for edge in dataclasses.astuple(tile))
        assert not tile.y0 % grid.unit
        assert not tile.x0 % grid.unit
        hits[tile.y0 : tile.y1, tile.x0 : tile.x1] += 1
    assert (hits == 1).all()
    assert (sum(heights), sum(widths)) == grid.shape


def test_tiles_come_row_by_row():
    found = [(i, j, t.y0, t.x0) for i, j, t in Grid((48, 32), 16).tiles(16)]
    assert found == [
        (0, 0, 0, 0), (0, 1, 0, 16),
        (1, 0, 16, 0), (1, 1, 16, 16),
        (2, 0, 32, 0), (2, 1, 32, 16),
    ]  # fmt: skip


@given(scales, st.integers(1, 500))
def test_tiles_are_about_the_size_asked_for(scale, blocksize):
    grid = Grid((2000 * scale, 2000 * scale), scale)
    side = grid.cut(blocksize)[0][0]
    assert side % grid.unit == 0
    assert side == grid.unit or abs(side - blocksize) <= grid.unit / 2


@given(scales)
def test_a_summary_square_is_the_smallest_of_16_pixels_in_whole_cells(scale):
    unit = Grid((scale, scale), scale).unit
    assert unit >= 16
    assert unit % scale == 0
    assert unit - scale < 16


@given(scales, st.integers(0, 500))
def test_halos_round_up_to_whole_cells(scale, pixels):
    rounded = Grid((scale, scale), scale).round_up(pixels)
    assert rounded % scale == 0
    assert 0 <= rounded - pixels < scale


@given(st.tuples(*[st.integers(-20, 20)] * 2), st.tuples(*[st.integers(1, 9)] * 2), scales, cells)
def test_cells_below_a_tile(corner, size, scale, reach):
    low = Tile(corner[0], corner[0] + size[0], corner[1], corner[1] + size[1])
    fine = Tile(*(edge * scale for edge in dataclasses.astuple(low)))
    assert fine.cells(scale) == low
    assert fine.cells(scale, reach) == low.grow(reach)
    assert fine.grow(reach * scale).cells(scale) == low.grow(reach)


def test_growing_a_tile():
    assert Tile(0, 4, 8, 10).grow(3) == Tile(-3, 7, 5, 13)


@given(cells, cells, st.integers(2, 50))
def test_scale_is_the_ratio_of_the_shapes(rows, columns, scale):
    assert scale_of((rows * scale, columns * scale), (rows, columns)) == scale


def test_equal_shapes_have_two_readings():
    with pytest.raises(ValueError, match=re.escape("(30, 40)")) as caught:
        scale_of((30, 40), (30, 40))
    assert "scale=16" in str(caught.value)
    assert "scale=1)" in str(caught.value)


@pytest.mark.parametrize(
    ("fine", "coarse"),
    [
        ((30, 40), (7, 8)),  # not whole
        ((30, 40), (15, 10)),  # 2 and 4
        ((30, 40), (30, 20)),  # 1 and 2
        ((4, 4), (8, 8)),  # coarse is the finer one
        ((30, 40), (0, 0)),
        ((0, 40), (3, 4)),
    ],
)
def test_shapes_that_do_not_meet_name_both_and_the_cure(fine, coarse):
    with pytest.raises(ValueError, match="the grids do not meet") as caught:
        scale_of(fine, coarse)
    message = str(caught.value)
    assert str(fine) in message
    assert str(coarse) in message
    assert ".isel(y=..., x=...)" in message


def test_cells_of_a_grid():
    assert Grid((48, 64), 8).cells == (6, 8)
