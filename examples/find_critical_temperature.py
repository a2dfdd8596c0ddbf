"""Find T_lazy(0.1) against P for a narrow network, in ten seconds on one core."""

from analysis import analyse_scaling
from search_spaces import LogAxis, SearchSpace
from studies import RunOptions, Study

space = SearchSpace(
    data="digits",
    width=32,
    alpha=100,
    batch_size=1,
    n_train=[32, 64, 128, 256],
    temperature=LogAxis(0.05, 1.6, per_decade=4),
    n_seeds=8,
)
study = Study("narrow-network", space)
study.run(RunOptions(executor="serial"))  # call it again to continue; executor="ray" spreads it
result = analyse_scaling(study.table(), thresholds=[0.1, 0.05])
print(result.headline())
print(result.estimates["a[lazy,c=0.1]"].interval95)
print(study.folder.report)
