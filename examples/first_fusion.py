# %% [markdown]
# # A first fusion
# Simulate a scene whose truth is known, predict a date that has only a coarse image, and look.

# %%
from pathlib import Path

import xstf
from xstf.plot import overview
from xstf.report import table

scene, truth = xstf.simulate("mixed", size=256, scale=16, dates=5, pairs=2, seed=1)
print(scene)

# %% [markdown]
# Nothing is computed while the graph is built.

# %%
date = scene.time.values[2]
fused = {name: scene.stf.fuse(name, dates=date) for name in ("add", "starfm", "fsdaf")}
print(fused["fsdaf"])

# %% [markdown]
# Scores, beside what doing nothing says.

# %%
wanted = truth.sel(time=[date])
print(table(xstf.score(fused, wanted, scene=scene).compute()))

# %% [markdown]
# And a look, for what no score shows.

# %%
images = {"before": scene.fine[0], "true": wanted[0], **{n: f[0] for n, f in fused.items()}}
out = overview({n: i.compute() for n, i in images.items()}, Path("first_fusion.png"))
print(f"wrote {out}")
