"""Find your critical temperature

A narrow network learns the parity of handwritten digits. At low temperature T = eta/B it stays
in the lazy regime: its weights hardly move. At T_lazy(c) noise has moved them by a fraction c of
their initial norm, and the more training points there are, the lower that temperature is:
T_lazy(c) = C P^-a. Where is it, how large is a, and how sure can one be with eight seeds?
"""

from analysis import analyse_scaling
from analysis.critical_temperature.figures import plot_critical_temperatures
from search_spaces import LogAxis, SearchSpace
from studies import RunOptions, Study

# Two of temperature, learning_rate and batch_size define a training; T = eta/B gives the third.
# Every training runs until no training point violates its margin.
space = SearchSpace(
    data="digits",
    width=32,
    alpha=100,
    batch_size=1,
    n_train=[32, 64, 128, 256],
    temperature=LogAxis(0.05, 1.6, per_decade=4),
    n_seeds=8,
)

# A study keeps every finished training in its folder: run it again and nothing is repeated.
study = Study("narrow-network", space)
study.run(RunOptions(executor="serial", tracking=False))  # executor="ray" takes all cores

result = analyse_scaling(study.table(), thresholds=[0.1, 0.05])
print(result.headline())
for point in result.laws[0].lazy[0.1].points:
    print(" ", point)

# a depends on c, so that c is always quoted. a[lazy,c=0.05] is the same law at half the distance.
for key in ("a[lazy,c=0.1]", "a[lazy,c=0.05]"):
    estimate = result.estimates[key]
    low, high = estimate.interval95
    print(f"{key} = {estimate}, 95% interval [{low:.2f}, {high:.2f}]")

# The verdict says whether a referee would believe the power law, and what is missing if not.
print(result.verdicts["power_law"].status, "-", result.verdicts["power_law"].reason)

plot_critical_temperatures(result.laws[0]).savefig("find_your_critical_temperature.svg")
