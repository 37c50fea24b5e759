"""What hypothesis draws: cuts of a scene."""

from hypothesis import strategies as st


@st.composite
def chunks_of(draw, size):
    """Uneven chunks that add up to size."""
    cuts = draw(st.sets(st.integers(1, size - 1), max_size=4)) if size > 1 else set()
    edges = [0, *sorted(cuts), size]
    return tuple(b - a for a, b in zip(edges, edges[1:], strict=False))


@st.composite
def cuts_of(draw, ds):
    """Chunks for every dimension of a scene that has images."""
    dims = ("band", "y", "x", "y_coarse", "x_coarse")
    return {dim: draw(chunks_of(ds.sizes[dim])) for dim in dims}
