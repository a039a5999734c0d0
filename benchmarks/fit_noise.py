"""What a network's joints are wrong by: the numbers of perception/lifting/shape_model.py.

python -m benchmarks.fit_noise [--model NAME] [--overlap] [FILM ...]

Prints, from the project's films (each counts the same), per joint the root mean square across the
ray (each axis) and along it, once the size of the person is taken out; the size itself and its
spread; and how much of the error has become another one after some frames. Then, film by film, how
the joints' squared errors compare with what the numbers of all the other films expect (leave one
out).
"""

import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bodypose3d_ros.apps.accuracy import match_people
from bodypose3d_ros.body.people import Bodies
from bodypose3d_ros.body.skeleton import JOINT_COUNT, JOINTS, LIMB_JOINTS
from bodypose3d_ros.media import film
from bodypose3d_ros.perception.lifting import occlusion
from bodypose3d_ros.perception.networks import Networks, Options, load_networks

Array = NDArray[np.float64]

_LATER = (1, 2, 4, 8, 15)
_SHARES = (0.0, 0.1, 0.3, 0.6)
_MEDIAN = 0.455
"""Of chi-squared with one degree of freedom: of squares, as few are far beyond what is usual."""


@dataclass(frozen=True)
class Errors:
    """Of M people-frames of one film; NaN where a joint is not seen."""

    across: Array
    """(M, 34, 2) metres on two axes across the ray."""
    along: Array
    """(M, 34) metres."""
    log_size: Array
    """(M,) logarithm of the true size over the one estimated."""
    person: NDArray[np.intp]
    """(M,) whose."""
    frame: NDArray[np.intp]
    """(M,) when."""


def errors_of(networks: Networks, name: str, *, guesses: bool = False) -> Errors:
    """Every person of a film as measured, against the truth."""
    shown = film.load(name)
    pipeline = networks.pipeline(None, guesses=guesses)
    rows = []
    for number, frame in enumerate(shown.frames()):
        bodies = pipeline(frame)
        for person, body in match_people(shown, number, bodies):
            inside = shown.inside[number, person][:, None]
            truth = np.where(inside, shown.joints[number, person], np.nan)
            rows.append((*_split(bodies, body, truth, networks.pose.shape.doubt), person, number))
    across, along, log_size, people, numbers = zip(*rows, strict=True)
    return Errors(
        np.array(across), np.array(along), np.array(log_size), np.array(people),
        np.array(numbers),
    )  # fmt: skip


def _split(bodies: Bodies, body: int, truth: Array, doubt: float) -> tuple[Array, Array, float]:
    """Errors of one person across and along the rays, at the true size, and that size."""
    joints = bodies.joints[body]
    scale = float(np.nanmedian(truth[LIMB_JOINTS, 2] / joints[LIMB_JOINTS, 2]))
    growth = np.exp(doubt * (1 - bodies.confidence[body]))[:, None]
    error = (joints * scale - truth) / growth
    ray = truth / np.linalg.norm(truth, axis=1, keepdims=True)
    along = (error * ray).sum(axis=1)
    across = error - along[:, None] * ray
    return across[:, :2], along, float(np.log(scale))


def main() -> None:
    """Print the numbers."""
    arguments = sys.argv[1:]
    options = Options()
    if "--model" in arguments:
        at = arguments.index("--model")
        options = options.changed({"model": arguments[at + 1]})
        del arguments[at : at + 2]
    by_overlap = "--overlap" in arguments
    names = [name for name in arguments if name != "--overlap"] or film.names()
    if by_overlap:
        with load_networks(options) as networks:
            print_by_overlap(networks, names)
        return
    with load_networks(options) as networks:
        found = {name: errors_of(networks, name) for name in names}
    across = {n: _rms(e.across, (0, 2)) for n, e in found.items()}
    along = {n: _rms(e.along, (0,)) for n, e in found.items()}
    print("| joint | across | along |")
    print("| --- " * 3 + "|")
    for joint in range(JOINT_COUNT):
        a, b = (_together(part, joint) for part in (across, along))
        print(f"| {JOINTS[joint]} | {1000 * a:.0f} mm | {1000 * b:.0f} mm |")
    for name, errors in found.items():
        print(f"{name}: size {np.exp(errors.log_size.mean()):.3f} of what is estimated, "
              f"spread {errors.log_size.std():.3f}")  # fmt: skip
    for frames in _LATER:
        share = _changed(list(found.values()), frames)
        print(f"another one after {frames} frames: {share:.2f} of the variance")
    for name in found:
        others = [n for n in found if n != name]
        if others:
            ratio = _ratio(found[name], [across[n] for n in others], [along[n] for n in others])
            print(f"{name} by the others' numbers: error squared {ratio:.2f} of its expectation")


def print_by_overlap(networks: Networks, names: list[str]) -> None:
    """Squared errors by how much of a person lies before or behind somebody else in the image."""
    occlusion.DOUBT = 0.0
    rows = np.concatenate([overlaps_of(networks, name) for name in names])
    print("| where | of the body | people-frames | error squared, of its expectation |")
    print("| --- " * 4 + "|")
    for low, high in zip(_SHARES, (*_SHARES[1:], 1.01), strict=True):
        for behind in (True, False):
            inside = (rows[:, 0] >= low) & (rows[:, 0] < high) & (rows[:, 1] == behind)
            if inside.any():
                where = "behind" if behind else "before or beside"
                print(f"| {where} | {low:.1f} to {min(high, 1):.1f} | {inside.sum()} | "
                      f"{rows[inside, 2].mean():.2f} |")  # fmt: skip


def overlaps_of(networks: Networks, name: str) -> Array:
    """(M, 3) the largest share that anybody else covers, whether from before, and squared errors.

    These are a person's mean over its expectation.
    """
    shown = film.load(name)
    pipeline = networks.pipeline(None)
    distance = np.linalg.norm(shown.joints, axis=3).mean(axis=2)
    rows = []
    for number, frame in enumerate(shown.frames()):
        bodies = pipeline(frame)
        inside = shown.inside[number][..., None]
        pixels = np.where(inside, shown.pixels[number], np.nan)
        share = occlusion.overlap(pixels, pixels)
        np.fill_diagonal(share, 0)
        for person, body in match_people(shown, number, bodies):
            other = int(share[person].argmax())
            behind = share[person, other] > 0 and distance[number, other] < distance[number, person]
            error = bodies.joints[body] - np.where(inside, shown.joints[number], np.nan)[person]
            there = np.isfinite(error).all(axis=1)
            solved = np.linalg.solve(bodies.covariance[body][there], error[there][..., None])
            squared = (error[there] * solved[..., 0]).sum(axis=1).mean() / 3
            rows.append((share[person, other], behind, squared))
    return np.array(rows)


def _rms(values: Array, axes: tuple[int, ...]) -> Array:
    """Root mean square of what is known, NaN where nothing is."""
    there = np.isfinite(values)
    total = np.where(there, values, 0) ** 2
    count = there.sum(axis=axes)
    mean = total.sum(axis=axes) / np.maximum(count, 1)
    return np.where(count > 0, np.sqrt(mean), np.nan)


def _together(parts: dict[str, Array], joint: int) -> float:
    return float(_rms(np.array([part[joint] for part in parts.values()]), (0,)))


def _changed(films: list[Errors], frames: int) -> float:
    """Half the mean squared difference after so many frames, over the mean square."""
    new, all_of_it = [], []
    for errors in films:
        rows = zip(errors.person, errors.frame, strict=True)
        moments = {moment: n for n, moment in enumerate(rows)}
        pairs = [(n, moments.get((p, f + frames), -1)) for (p, f), n in moments.items()]
        before, after = np.array([pair for pair in pairs if pair[1] >= 0]).T
        for values in (errors.across[..., 0], errors.across[..., 1], errors.along):
            new.append(np.nanmedian((values[after] - values[before]) ** 2) / _MEDIAN / 2)
            all_of_it.append(np.nanmean(values**2))
    return float(np.sum(new) / np.sum(all_of_it))


def _ratio(errors: Errors, across: list[Array], along: list[Array]) -> float:
    a, b = (_rms(np.array(part), (0,)) for part in (across, along))
    squared = (errors.across**2).sum(axis=2) / a**2 + errors.along**2 / b**2
    return float(np.nanmean(squared) / 3)


if __name__ == "__main__":
    main()
