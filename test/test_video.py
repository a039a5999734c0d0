"""Films in and out: their own times, what is damaged, and what becomes of another size."""

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose

from bodypose3d_ros.errors import InputError, WriteError
from bodypose3d_ros.media.video import Video, VideoWriter

NOISE = np.random.default_rng(0).integers(0, 255, (12, 48, 64, 3), np.uint8)


def jpeg(image):
    return cv2.imencode(".jpg", image)[1].tobytes()


def write(path, frames=NOISE, rate=10, code="MJPG"):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), rate, (64, 48))
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


def read(path):
    """Times in seconds of the frames that could be read, and what is wrong with the others."""
    items = list(Video(path).frames())
    times = [stamp / 1e9 for stamp, image in items if not isinstance(image, str)]
    return times, [image for _, image in items if isinstance(image, str)]


@pytest.mark.parametrize(("name", "code"), [
    ("a.avi", "MJPG"), ("a.mp4", "mp4v"), ("a.mkv", "mp4v"), ("a.webm", "VP80"),
])  # fmt: skip
def test_an_even_rate_gives_even_times(tmp_path, name, code):
    film = write(tmp_path / name, code=code)
    assert read(film) == (pytest.approx(np.arange(12) / 10), [])


@pytest.mark.parametrize("value", [np.inf, np.nan, -1.0, 1e300])
def test_times_and_rates_that_are_none_are_not_believed(tmp_path, monkeypatch, value):
    """A damaged header makes such of OpenCV's divisions (found by make fuzz)."""
    film = write(tmp_path / "a.avi")

    class Damaged:
        def __init__(self, name):
            self.capture = opened(name)
            self.read, self.release = self.capture.read, self.capture.release
            self.isOpened = self.capture.isOpened

        def get(self, what):
            told = (cv2.CAP_PROP_POS_MSEC, cv2.CAP_PROP_FPS)
            return value if what in told else self.capture.get(what)

    opened = cv2.VideoCapture
    monkeypatch.setattr(cv2, "VideoCapture", Damaged)
    assert read(film) == (pytest.approx(np.arange(12) / 30), [])  # a usual film's rate


def test_damaged_frames_are_skipped_and_told(tmp_path):
    film = write(tmp_path / "damaged.avi")
    content = bytearray(film.read_bytes())
    starts = [at for at in range(len(content)) if content[at : at + 2] == b"\xff\xd8"]
    for frame in (3, 7, 8):
        content[starts[frame] : starts[frame] + 700] = bytes(700)
    film.write_bytes(content)
    times, problems = read(film)
    assert times == pytest.approx([0, 0.1, 0.2, 0.4, 0.5, 0.6, 0.9, 1.0, 1.1])
    assert problems == [
        "a frame after 0.200 s is damaged",
        *["a frame after 0.600 s is damaged"] * 2,
    ]


def test_a_film_that_ends_before_its_time_says_so(tmp_path):
    film = write(tmp_path / "cut.mkv", code="mp4v")
    content = film.read_bytes()
    film.write_bytes(content[: len(content) // 2])
    times, problems = read(film)
    assert 3 <= len(times) < 9
    assert len(problems) == 1
    assert "though it says that it has 1.200 s" in problems[0]


def test_every_frame_of_a_gif_has_the_files_own_time(tmp_path):
    if not hasattr(cv2, "Animation"):
        pytest.skip("this OpenCV writes no GIF")
    animation = cv2.Animation()
    animation.frames = [np.dstack([f, np.full((48, 64), 255, np.uint8)]) for f in NOISE[:4]]
    animation.durations = np.array([100, 40, 500, 100])
    film = tmp_path / "wave.gif"
    cv2.imwriteanimation(str(film), animation)
    assert read(film) == (pytest.approx([0, 0.1, 0.14, 0.64]), [])


def test_a_bare_stream_of_jpegs_is_a_film(tmp_path):
    film = tmp_path / "camera.mjpeg"
    film.write_bytes(b"".join(map(jpeg, NOISE[:5])))
    assert read(film) == (pytest.approx(np.arange(5) / 25), [])  # FFmpeg's rate for it


def test_a_name_that_is_not_utf_8_can_be_read_and_written(tmp_path):
    film = tmp_path / "\udce9t\udce9.avi"
    write(tmp_path / "a.avi").rename(film)
    assert len(read(film)[0]) == 12
    copy = tmp_path / "\udce9t\udce9.mp4.part"
    with VideoWriter(copy, 10) as writer:
        writer.write(NOISE[0])
    assert Video(copy).count == 1


def test_a_film_that_is_none_says_how_to_make_one(tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(b"no film" * 100)
    with pytest.raises(InputError, match=r"film\.mp4: is not a film"):
        Video(path)
    with pytest.raises(InputError, match=r"gone\.mp4: there is no such file"):
        Video(tmp_path / "gone.mp4")


def test_images_of_another_size_are_fitted_into_the_film(tmp_path):
    path = tmp_path / "overlay.mp4"
    with VideoWriter(path, 10) as writer:
        writer.write(np.full((48, 64, 3), 200, np.uint8))
        writer.write(np.full((96, 64, 3), 200, np.uint8))  # twice as tall: bars left and right
    frames = [image for _, image in Video(path).frames()]
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 2
    assert_allclose(frames[1][24, [4, 32, 60], 0], [0, 200, 0], atol=12)


@pytest.mark.parametrize("rate", [0.0001, 29.970029, 119.88, 240.123456, 90000.0])
def test_a_film_of_any_rate_can_be_written(tmp_path, rate):
    with VideoWriter(tmp_path / "film.mp4", rate) as writer:
        writer.write(NOISE[0])
        writer.write(NOISE[1])
    assert Video(tmp_path / "film.mp4").count == 2


def test_a_film_that_is_not_whole_on_the_disk_is_no_film(tmp_path):
    """OpenCV writes on without a word where nothing can be written, as on a full disk."""
    writer = VideoWriter(tmp_path / "film.mp4", 10)
    writer.write(NOISE[0])
    (tmp_path / "film.mp4").unlink()
    with pytest.raises(WriteError, match=r"film\.mp4: cannot be written to its end"):
        writer.close()


def test_a_film_without_frames_is_no_file(tmp_path):
    (tmp_path / "old.mp4").write_bytes(b"of an earlier run")
    with VideoWriter(tmp_path / "old.mp4", 10):
        pass
    assert not (tmp_path / "old.mp4").exists()
