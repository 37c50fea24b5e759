# %% [markdown]
# # Which method suits a scene?
# Each known fine image is held out in turn, predicted from the others, and scored.

# %%
import xstf
from xstf.report import table, write_page

scene, _ = xstf.simulate("mixed", size=128, scale=16, dates=7, pairs=5, seed=2)
methods = {"starfm": ("starfm", {"window": 31}), "fsdaf": "fsdaf"}
found = xstf.compare(scene, methods, gap=30, folder="predictions")
print(table(found))

# %% [markdown]
# All rows are judged on the same pixels; those that do nothing come first.

# %%
print(xstf.recommend(found))

# %% [markdown]
# What the scores of one date and band are:

# %%
print(found.rmse.isel(time=2).sel(band="nir").to_series())

# %% [markdown]
# One page to look at and to hand on.

# %%
page = write_page(
    found,
    "report.html",
    truth=scene.fine.sel(time=found.time),
    predicted=xstf.open_predictions(found),
    coarse=scene.coarse.sel(time=found.time),
    title="A simulated scene",
    notes=[str(xstf.recommend(found))],
)
print(f"wrote {page}")
