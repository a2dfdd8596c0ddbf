"""Packs hold every planned replica exactly once, whatever their size."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces import SearchSpace
from studies.plans.queue import PACK_SECONDS, PackQueue, expected_seconds
from studies.units import Unit, halve

SPACE = SearchSpace(n_train=[64, 256, 1024], temperature=[3e-4, 0.1, 1], batch_size=1)


def replicas(packs):
    return Counter((u.point.identity, seed) for pack in packs for u in pack for seed in u.seeds)


@settings(deadline=None)
@given(n_seeds=st.integers(0, 70), slowness=st.floats(0.01, 100))
def test_every_replica_is_handed_out_once(n_seeds, slowness):
    queue = PackQueue((point, range(n_seeds)) for point in SPACE.points())
    packs = []
    while queue:
        pack = queue.take()
        packs.append(pack)
        seconds = sum(expected_seconds(u.point) * len(u.seeds) for u in pack)
        queue.settled(pack, slowness * seconds)
    expected = Counter((p.identity, s) for p in SPACE.points() for s in range(n_seeds))
    assert replicas(packs) == expected


def test_packs_are_not_longer_than_intended_once_the_speed_is_known():
    slowness = 20.0
    queue = PackQueue((point, range(64)) for point in SPACE.points())
    durations = []
    while queue:
        pack = queue.take()
        seconds = slowness * sum(expected_seconds(u.point) * len(u.seeds) for u in pack)
        queue.settled(pack, seconds)
        single = max(slowness * expected_seconds(u.point) for u in pack)
        durations.append(seconds / max(PACK_SECONDS, single))
    assert max(durations[10:]) < 2.5


def test_packs_are_sized_for_the_place_where_they_are_trained():
    """Cores that are slow beside a GPU that is fast and wants many replicas together."""
    slowness = {"cpu": 10.0, "cuda": 0.1}
    queue = PackQueue(((p, range(4000)) for p in SPACE.points()), together={"cuda": 64})
    durations = {place: [] for place in slowness}
    for _ in range(10):
        for place, factor in slowness.items():
            pack = queue.take(place=place)
            seconds = factor * sum(expected_seconds(u.point) * len(u.seeds) for u in pack)
            queue.settled(pack, seconds, place)
            durations[place].append(seconds)
    for place in slowness:
        assert all(0.3 < seconds / PACK_SECONDS < 2.5 for seconds in durations[place][3:]), place
    queue.settled((Unit(SPACE.points()[0], (0,)),), 1e9, "cuda")
    assert [len(unit.seeds) for unit in queue.take(place="cuda")] == [64]


def test_halving_ends_at_single_replicas():
    point = SPACE.points()[0]
    packs = [(Unit(point, (0, 1, 2)), Unit(point, (3,)))]
    while any(len(halve(pack)) > 1 for pack in packs):
        packs = [part for pack in packs for part in halve(pack)]
    assert replicas(packs) == Counter((point.identity, seed) for seed in range(4))
    assert all(len(pack) == 1 and len(pack[0].seeds) == 1 for pack in packs)


def test_a_unit_asked_by_a_sampler_is_not_split():
    unit = Unit(SPACE.points()[0], (0, 1, 2), trial=7)
    assert halve((unit,)) == ((unit,),)
