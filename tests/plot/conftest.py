import pytest

pytest.importorskip("matplotlib")


@pytest.fixture
def fused(tiny):
    """Return a simulated scene, its truth, and two predictions of its two middle dates."""
    scene, truth = tiny
    return scene, truth, {n: scene.stf.fuse(n).compute() for n in ("add", "upsampled")}
