"""Long sources in parts: measured apart, tracked as one, as if they had not been divided."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bodypose3d_ros.apps.parts import WARM_UP, Joined, Part, measure, parts_of
from bodypose3d_ros.body.people import Frame
from bodypose3d_ros.body.skeleton import INDEX
from bodypose3d_ros.errors import InputError, OutputError
from bodypose3d_ros.media import film
from bodypose3d_ros.media.recording import Item
from bodypose3d_ros.media.sources import Source
from bodypose3d_ros.perception.networks import load_networks
from bodypose3d_ros.perception.tracking.tracker import Tracker
from known_people import KnownPeople, picture
from node_alone import CAMERA


def source_of(items):
    items = list(items)
    return Source(Path("long"), True, 0, 20.0, lambda: iter(items))


def test_parts_are_equal_and_leave_nothing_out():
    assert parts_of(10, 10) == parts_of(10_000, 0) == ()
    assert parts_of(11, 10) == (Part(0, 6), Part(6, None))  # the count may be an estimate
    parts = parts_of(1000, 300)
    assert [part.first for part in parts] == [0, 250, 500, 750]
    assert [part.end for part in parts] == [250, 500, 750, None]


@pytest.fixture(scope="module")
def networks():
    with load_networks() as loaded:
        yield loaded


def test_who_is_who_and_where_is_as_in_the_undivided_film(networks, tmp_path):
    """Parts of some 20 images, all but the first warmed up; one person hides the other a while."""
    frames = list(film.load("two_people").frames())[10:60]
    source = source_of([Item(frame) for frame in frames])
    parts = parts_of(len(frames), 20)
    for part in reversed(parts):  # in any order
        measure(source, part, networks.pipeline(None, guesses=True), tmp_path)
    joined = Joined(parts, tmp_path, Tracker())
    whole = networks.pipeline(Tracker())
    apart, shared, alone = [], 0, 0
    for frame in frames:
        ours, theirs = joined(frame), whole(frame)
        ids, other = ours.track_id.tolist(), theirs.track_id.tolist()
        same = set(ids) & set(other)
        shared, alone = shared + len(same), alone + len(set(ids) ^ set(other))
        for each in same:
            off = ours.joints[ids.index(each)] - theirs.joints[other.index(each)]
            apart.append(np.linalg.norm(off, axis=1)[INDEX["pelvis"]])
    # Each part is searched whole once, so that somebody is found a few images earlier or later.
    assert alone <= 0.05 * shared
    assert np.nanmedian(apart) < 0.001
    assert np.nanpercentile(apart, 95) < 0.03


class Known(KnownPeople):
    """A pipeline that finds whom the picture says; some pictures no network can answer."""

    def __init__(self, unanswered=()):
        super().__init__()
        self.unanswered = unanswered

    def __call__(self, frame):
        bodies = self.estimate(frame)
        if frame.stamp in self.unanswered:
            raise OutputError("NaN in it")
        return bodies

    def reset(self):
        """Nothing is remembered."""


FRAME = 50_000_000


@pytest.fixture
def frames():
    return [Frame(picture(1 + n % 3), CAMERA, n * FRAME) for n in range(2 * WARM_UP + 10)]


def test_a_part_is_warmed_up_on_images_before_its_own_and_keeps_its_own(frames, tmp_path):
    pipeline, part = Known(), Part(WARM_UP + 5, WARM_UP + 9)
    measure(source_of(map(Item, frames)), part, pipeline, tmp_path)
    assert [stamp // FRAME for stamp, _ in pipeline.frames] == list(range(5, WARM_UP + 9))
    joined = Joined([part], tmp_path, Tracker())
    for frame in frames[WARM_UP + 5 : WARM_UP + 9]:
        assert len(joined(frame)) >= 1 + frame.stamp // FRAME % 3  # who is coasting is there, too
        assert joined.milliseconds.keys() == {"network", "track"}
    again = Known()
    measure(source_of(map(Item, frames)), part, again, tmp_path)
    assert not again.frames  # what is measured is not measured again


def test_images_that_cannot_be_used_have_no_number_and_those_without_answer_are_told(
    frames, tmp_path
):
    items = [Item(problem="damaged"), *map(Item, frames[:3]), Item(problem="damaged"),
             *map(Item, frames[3:9])]  # fmt: skip
    parts = (Part(0, 4), Part(4, None))
    for part in parts:
        measure(source_of(items), part, Known(unanswered=[frames[5].stamp]), tmp_path)
    joined = Joined(parts, tmp_path, Tracker())
    for frame in frames[:9]:
        if frame is frames[5]:
            with pytest.raises(OutputError, match="NaN in it"):
                joined(frame)
        else:
            assert len(joined(frame))


def test_a_source_that_ends_early_has_what_was_read_and_one_that_changed_is_refused(
    frames, tmp_path
):
    def cut():
        yield from map(Item, frames[:8])
        raise InputError("cut off")

    source = Source(Path("cut"), True, 0, 20.0, cut)
    for part in (Part(0, 5), Part(5, None)):
        measure(source, part, Known(), tmp_path)
    joined = Joined((Part(0, 5), Part(5, None)), tmp_path, Tracker())
    for frame in frames[:7]:
        joined(frame)
    for other in (frames[8], replace(frames[7], stamp=frames[7].stamp + 1)):
        with pytest.raises(InputError, match="has changed while it was worked on"):
            Joined((Part(5, None),), tmp_path, Tracker())(other)
    joined(frames[7])
    with pytest.raises(InputError, match="has changed while it was worked on"):
        joined(frames[8])


def test_a_long_part_is_written_page_by_page(frames, tmp_path, monkeypatch):
    monkeypatch.setattr("bodypose3d_ros.apps.parts._PAGE", 7)
    part = Part(0, None)
    measure(source_of(map(Item, frames)), part, Known(), tmp_path)
    assert len(list(part.folder(tmp_path).glob("*.npz"))) == -(-len(frames) // 7)
    joined = Joined([part], tmp_path, Tracker())
    assert all(len(joined(frame)) for frame in frames)
    known = set()
    for _ in range(2):  # nobody is known from before, be it long ago or this very moment
        joined.reset()
        (identity,) = joined(frames[0]).track_id
        assert identity not in known
        known.add(identity)
