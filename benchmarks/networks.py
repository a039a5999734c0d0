"""The networks against each other on the project's films, as docs/models.md has it.

python -m benchmarks.networks [--by-film] [NAME ...]

A network that finds more finds who is half hidden, whose size and distance nobody knows well: so
the pelvis' error is given of everybody found, and of those whom all of these networks find.
"""

import argparse
import time
from collections.abc import Iterable
from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray

from bodypose3d_ros.apps.accuracy import Accuracy, measure
from bodypose3d_ros.body.skeleton import LIMB_JOINTS
from bodypose3d_ros.engines import models
from bodypose3d_ros.engines.batches import zeros
from bodypose3d_ros.media import film
from bodypose3d_ros.perception.networks import NETWORKS, Networks, Options, load_networks
from bodypose3d_ros.perception.tracking.tracker import Tracker

FILMS = ("one_person", "two_people", "three_people", "walk_through")
RUNS = 20


def main() -> None:
    """Print a row a network that is here."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="else all that are fetched")
    parser.add_argument("--by-film", action="store_true", help="a row a film, without cost")
    options = parser.parse_args()
    fetched = (n for n, each in NETWORKS.items() if each.model and models.is_fetched(each.model))
    names = options.names or list(fetched)
    cost = {} if options.by_film else costs(names)
    first = "film" if options.by_film else "processor time of a person"
    print(f"| network | {first} | found | in the image | pelvis on pelvis | pelvis "
          "| of whom all find | across the ray | their distance, of the true one |")  # fmt: skip
    print("| --- " * 9 + "|")
    measured = {}
    for name in names:
        with load_networks(Options(name)) as networks:
            measured[name] = [accuracy(networks, each) for each in FILMS]
    for name, films in measured.items():
        others = list(zip(*measured.values(), strict=True))
        common = [roots_of_all(one, all_of) for one, all_of in zip(films, others, strict=True)]
        if options.by_film:
            for one, roots in zip(films, common, strict=True):
                print(row(name, one.film, [one], roots))
        else:
            print(row(name, f"{cost[name]:.2f}", films, np.concatenate(common)))


def roots_of_all(one: Accuracy, networks: Iterable[Accuracy]) -> NDArray[np.float64]:
    """(M, 2, 3) one network's ``roots`` of those who are found in the same image by all."""
    found = set.intersection(*({*map(tuple, each.root_moments.tolist())} for each in networks))
    return one.roots[[tuple(moment) in found for moment in one.root_moments.tolist()]]


def row(name: str, first: str, measured: list[Accuracy], common: NDArray[np.float64]) -> str:
    """Share of people found; mean pixels, root-aligned and pelvis millimetres of some films.

    Then the pelvis of whom all networks find, and of that the part that no size changes. Last how
    far away they are said to be, which is as wrong as the size they are taken for.
    """
    found = sum(m.found for m in measured) / sum(m.expected for m in measured)
    pixels = np.nanmean(np.concatenate([m.pixels[:, LIMB_JOINTS] for m in measured]))
    aligned = np.nanmean(np.concatenate([m.root_aligned[:, LIMB_JOINTS] for m in measured])) * 1e3
    pelvis, shared = (
        np.linalg.norm(roots[:, 1] - roots[:, 0], axis=1).mean() * 1e3
        for roots in (np.concatenate([m.roots for m in measured]), common)
    )
    true, said = np.linalg.norm(common, axis=2).T
    resized = common[:, 1] * (true / said)[:, None]
    across = np.linalg.norm(resized - common[:, 0], axis=1).mean() * 1e3
    return (
        f"| `{name}` | {first} | {found:.1%} | {pixels:.1f} px | {aligned:.0f} mm "
        f"| {pelvis:.0f} mm | {shared:.0f} mm | {across:.0f} mm "
        f"| {np.exp(np.log(said / true).mean()):.3f} |"
    )


def costs(names: list[str]) -> dict[str, float]:
    """The processor time of one person on one thread, relative to BlazePose full.

    In turns, and of each the shortest: what else the machine does only ever makes it longer. The
    clock on the wall would stand for that, too, and most for the networks that take longest.
    """
    shortest = dict.fromkeys(("blazepose", *names), np.inf)
    with ExitStack() as stack:
        loaded = {n: stack.enter_context(load_networks(Options(n, threads=1))) for n in shortest}
        for _ in range(RUNS):
            for name, networks in loaded.items():
                engine = networks.pose.engine
                batch = zeros(engine.inputs)
                start = time.thread_time()
                engine.infer(batch)
                shortest[name] = min(shortest[name], time.thread_time() - start)
    return {name: seconds / shortest["blazepose"] for name, seconds in shortest.items()}


def accuracy(networks: Networks, name: str) -> Accuracy:
    """One film through a pipeline of its own."""
    shown = film.load(name)
    pipeline = networks.pipeline(Tracker())
    return measure(shown, dict(enumerate(map(pipeline, shown.frames()))))


if __name__ == "__main__":
    main()
