"""Images that never came are counted by their CameraInfos."""

import random

from bodypose3d_ros.node.overtaken import Overtaken
from known_people import picture
from node_alone import CAMERA, MESSAGES, STAMP

SENT = range(0, 10_000, 10)


def count(images, infos, seed=0):
    """What is counted where CameraInfos come some images before or after theirs."""
    rng = random.Random(seed)
    events = [(stamp, Overtaken.image, stamp) for stamp in images]
    events += [(stamp + rng.uniform(-35, 35), Overtaken.camera_info, stamp) for stamp in infos]
    overtaken = Overtaken()
    for _, came, stamp in sorted(events, key=lambda event: event[0]):
        came(overtaken, stamp)
    return overtaken.count


def test_all_that_came_are_none():
    assert count(SENT, SENT) == 0


def test_each_that_did_not_come_is_one():
    """The last ones may still come."""
    taken = [stamp for stamp in SENT if stamp % 70 == 0]
    assert abs(count(taken, SENT) - (len(SENT) - len(taken))) <= 6


def test_stamps_that_are_no_images_tell_nothing():
    """As of a CameraInfo that is sent again and again with the time then."""
    assert count(SENT, [stamp + 1 for stamp in SENT]) == 0
    assert count(SENT, []) == 0


def test_a_clock_that_is_set_back_counts_none():
    overtaken = Overtaken()
    for stamp in (5000, 5010, 1000, 1010, 1020):
        overtaken.camera_info(stamp)
        overtaken.image(stamp)
    assert overtaken.count == 0


def test_diagnostics_call_them_dropped_unless_they_were_lost_on_the_way(alone):
    node = alone()
    for number in range(5):
        node.core.camera_info(MESSAGES.camera_info(CAMERA, MESSAGES.header(STAMP + number, "c")))
    node.core.image(MESSAGES.image(picture(), MESSAGES.header(STAMP + 4, "c")))
    node.core.lost(1)
    assert node.core.diagnose().values["images dropped for newer ones"] == "3"
