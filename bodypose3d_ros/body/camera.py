"""A camera: pixels to rays and back, from CameraInfo, a calibration file or a field of view.

Lens models are OpenCV's (REP 2005 names: plumb_bob, rational_polynomial, equidistant). Pixel
(0, 0) is the centre of the first pixel, as in OpenCV and ROS.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import CameraError, InputError
from . import yaml_file

Array = NDArray[np.float64]

COEFFICIENTS = {"plumb_bob": (4, 5), "rational_polynomial": (8, 12, 14), "equidistant": (4,)}
"""How many distortion coefficients each lens model takes."""

_CONVERGED = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-10)
# OpenCV 5 gave undistortPoints the stopping criterion that OpenCV 4 has in a function of its own.
_undistort_iterated = getattr(cv2, "undistortPointsIter", cv2.undistortPoints)
# A pixel whose ray does not project back onto it lies where the lens model cannot be inverted.
_INVERSION_TOLERANCE_PX = 0.5

# What no camera has: a field of view of one degree, or of more than 179.
_FOCAL_LENGTHS = (0.001, 50.0)  # in units of the image's longer side
_SQUEEZE = 1.02  # a pixel more or less of a small image
_FARTHEST_CENTER = 10.0  # likewise, of the optical axis from the image's centre
_ROUNDED = 1e-5  # by who wrote a matrix down
_LARGEST_COEFFICIENT = 1e6  # calibrations of wide lenses that fit badly have thousands


@dataclass(frozen=True)
class Camera:
    """A calibrated camera, for images of exactly its size.

    Raises:
        CameraError: The calibration cannot be used; the message says why.
    """

    width: int
    height: int
    matrix: Array
    """(3, 3) K, pixels."""
    distortion_model: str = "plumb_bob"
    distortion: Array = field(default_factory=lambda: np.zeros(5))
    """(n,) coefficients in OpenCV's order."""
    assumed_hfov: float | None = None
    """Degrees, when nobody calibrated this camera and its field of view was assumed."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "matrix", np.asarray(self.matrix, np.float64).reshape(3, 3))
        coefficients = np.asarray(self.distortion, np.float64).ravel()
        object.__setattr__(self, "distortion", coefficients)
        _check(self)

    # -- where cameras come from ------------------------------------------------------------

    @classmethod
    def from_hfov(cls, width: int, height: int, hfov: float) -> Camera:
        """A camera nobody calibrated: square pixels, centred, ``hfov`` degrees wide."""
        if not 0 < hfov < 180:
            raise CameraError(
                f"a horizontal field of view of {hfov:g} degrees is not possible: "
                "give one between 0 and 180"
            )
        focal = width / 2 / math.tan(math.radians(hfov) / 2)
        matrix = [[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]]
        return cls(width, height, np.array(matrix), assumed_hfov=hfov)

    @classmethod
    def from_camera_info(
        cls,
        info: Any,  # noqa: ANN401 - any host's class
        *,
        rectified: bool = False,
        image_size: tuple[int, int] | None = None,
    ) -> Camera:
        """The camera of the images that come with a ``sensor_msgs/CameraInfo``.

        Binning and region of interest are honoured with image_geometry's convention: a pixel of
        the image is (pixel of the full sensor - offset) / binning.

        Args:
            info: The message, of any host's class.
            rectified: The image is an ``image_rect``: the projection matrix P describes it and
                it has no distortion. P's fourth column (a stereo baseline) is not applied, since
                joints are given in the frame of the camera that took the image.
            image_size: The image's width and height, taken where the message says 0x0, as
                drivers do whose calibration was typed in.

        Raises:
            CameraError: The calibration cannot be used, or no camera can have it.
        """
        distortion_model, distortion = str(info.distortion_model), np.array(info.d, np.float64)
        matrix = np.array(info.k, np.float64).reshape(3, 3)
        if rectified:
            matrix = np.array(info.p, np.float64).reshape(3, 4)[:, :3]
            distortion_model, distortion = "plumb_bob", np.zeros(5)
        size = int(info.width), int(info.height)
        if size == (0, 0) and image_size is not None:
            size = image_size
        full = cls(*size, matrix, distortion_model, distortion)
        _check_plausible(full)
        roi = info.roi
        return full._cropped(
            (int(roi.x_offset), int(roi.y_offset)),
            (int(roi.width) or full.width, int(roi.height) or full.height),
            (max(int(info.binning_x), 1), max(int(info.binning_y), 1)),
        )

    @classmethod
    def from_yaml(cls, path: Path | str, *, rectified: bool = False) -> Camera:
        """The camera of a file that ROS' camera_calibration wrote, or a CameraInfo as YAML.

        The latter is what ``ros2 topic echo --once /camera/camera_info > camera.yaml`` writes.

        Raises:
            CameraError: The file cannot be read, or holds no calibration that can be used.
        """
        path = Path(path)
        try:
            content = yaml_file.read(path)
        except InputError as error:
            raise CameraError(str(error)) from error
        try:
            if isinstance(content, Mapping) and ("k" in content or "K" in content):
                return cls.from_camera_info(_as_message(content), rectified=rectified)
            return cls._from_calibration(content, rectified)
        except (KeyError, AttributeError, TypeError, ValueError, OverflowError) as error:
            raise CameraError(
                f"{path}: is not a camera_calibration file ({_wrong(content, error)}); it needs "
                "image_width, image_height, camera_matrix, distortion_model and "
                "distortion_coefficients, or the fields of a CameraInfo"
            ) from error
        except CameraError as error:
            raise CameraError(f"{path}: {error}") from error

    @classmethod
    def _from_calibration(cls, content: Mapping[str, Any], rectified: bool) -> Camera:
        width, height = int(content["image_width"]), int(content["image_height"])
        if rectified:
            projection = np.array(content["projection_matrix"]["data"], np.float64)
            camera = cls(width, height, projection.reshape(3, 4)[:, :3])
        else:
            # Some versions of camera_calibration call the lens model camera_model.
            model = "distortion_model" if "distortion_model" in content else "camera_model"
            camera = cls(
                width,
                height,
                np.array(content["camera_matrix"]["data"], np.float64).reshape(3, 3),
                str(content[model]),
                np.array(content["distortion_coefficients"]["data"], np.float64),
            )
        _check_plausible(camera)
        return camera

    def _cropped(
        self, offset: tuple[int, int], size: tuple[int, int], binning: tuple[int, int]
    ) -> Camera:
        if (offset, size, binning) == ((0, 0), (self.width, self.height), (1, 1)):
            return self
        to_image = np.diag([1 / binning[0], 1 / binning[1], 1.0]) @ np.array(
            [[1.0, 0, -offset[0]], [0, 1, -offset[1]], [0, 0, 1]]
        )
        return replace(
            self,
            width=size[0] // binning[0],
            height=size[1] // binning[1],
            matrix=to_image @ self.matrix,
        )

    def resized(self, width: int, height: int) -> Camera:
        """The same camera with its images scaled to another size.

        Raises:
            CameraError: That would squeeze them: the size is of another camera.
        """
        scale = np.array([width / self.width, height / self.height])
        if not 1 / _SQUEEZE < scale[0] / scale[1] < _SQUEEZE:
            raise CameraError(
                f"images of {width}x{height} are no scaled images of {self.width}x{self.height}"
            )
        matrix = np.diag([*scale, 1.0]) @ self.matrix
        matrix[:2, 2] += scale / 2 - 0.5  # (0, 0) is the centre of the first pixel
        return replace(self, width=width, height=height, matrix=matrix)

    # -- what cameras do --------------------------------------------------------------------

    @property
    def k_inv(self) -> Array:
        """(3, 3) inverse of K: undistorted pixels to rays with z = 1."""
        (fx, skew, cx), (_, fy, cy), _ = self.matrix.tolist()
        return np.array(
            [
                [1 / fx, -skew / (fx * fy), (skew * cy / fy - cx) / fx],
                [0, 1 / fy, -cy / fy],
                [0, 0, 1],
            ]
        )

    @property
    def distorted(self) -> bool:
        """Whether the lens bends anything."""
        return bool(self.distortion.any())

    def check_size(self, width: int, height: int) -> None:
        """Refuse an image that this camera did not take.

        Raises:
            CameraError: The calibration is for another image size.
        """
        if (width, height) != (self.width, self.height):
            raise CameraError(
                f"the calibration is for {self.width}x{self.height} images, this one is "
                f"{width}x{height}: calibrate at this size, or publish the CameraInfo that "
                "belongs to it"
            )

    def in_image(self, pixels: Array) -> NDArray[np.bool_]:
        """(...,) whether points (..., 2) lie in the image, to its outermost pixels' edges."""
        last = np.array([self.width, self.height]) - 0.5
        return np.asarray(((pixels >= -0.5) & (pixels < last)).all(axis=-1), np.bool_)

    def rays(self, pixels: ArrayLike) -> Array:
        """Undistort pixels (..., 2) of the raw image to x/z, y/z (..., 2) in the optical frame.

        NaN stays NaN, and so does a pixel outside what the lens model can be inverted for.
        """
        pixels = np.asarray(pixels, np.float64)
        if not self.distorted:
            return _through(self.k_inv, pixels)
        flat = pixels.reshape(-1, 2)
        rays = np.full(flat.shape, np.nan)
        known = np.isfinite(flat).all(axis=1)
        if known.any():
            rays[known] = self._undistort(flat[known])
            back = self.project(np.concatenate([rays, np.ones((len(rays), 1))], axis=1))
            miss = np.linalg.norm(back - flat, axis=1)
            rays[~(miss < _INVERSION_TOLERANCE_PX)] = np.nan
        return rays.reshape(pixels.shape)

    def project(self, points: ArrayLike) -> Array:
        """Points (..., 3) in the optical frame, metres, to pixels (..., 2) of the raw image.

        NaN for points that are unknown or not in front of the camera.
        """
        points = np.asarray(points, np.float64)
        flat = points.reshape(-1, 3)
        pixels = np.full((len(flat), 2), np.nan)
        seen = np.isfinite(flat).all(axis=1) & (flat[:, 2] > 0)
        if seen.any():
            pixels[seen] = self._project(flat[seen])
        return pixels.reshape(*points.shape[:-1], 2)

    # OpenCV is handed the lens alone, with K outside: what it does with K leaves out its skew.
    def _undistort(self, pixels: Array) -> Array:
        source = np.ascontiguousarray(_through(self.k_inv, pixels)[:, None])
        if self.distortion_model == "equidistant":
            rays = cv2.fisheye.undistortPoints(source, np.eye(3), self.distortion)
        else:
            rays = _undistort_iterated(
                source, np.eye(3), self.distortion, R=None, P=None, criteria=_CONVERGED
            )
        return np.asarray(rays, np.float64).reshape(-1, 2)

    def _project(self, points: Array) -> Array:
        if not self.distorted:
            return _through(self.matrix, points[:, :2] / points[:, 2:])
        zero, one = np.zeros(3), np.eye(3)
        source = np.ascontiguousarray(points[:, None])
        if self.distortion_model == "equidistant":
            bent, _ = cv2.fisheye.projectPoints(source, zero, zero, one, self.distortion)
        else:
            bent, _ = cv2.projectPoints(source, zero, zero, one, self.distortion)
        return _through(self.matrix, np.asarray(bent, np.float64).reshape(-1, 2))


def _through(matrix: Array, points: Array) -> Array:
    """Points (..., 2) through a matrix whose last row is 0, 0, 1."""
    return np.asarray(points @ matrix[:2, :2].T + matrix[:2, 2])


def _check(camera: Camera) -> None:
    K, D, model = camera.matrix, camera.distortion, camera.distortion_model
    if camera.width < 1 or camera.height < 1:
        raise CameraError(f"an image of {camera.width}x{camera.height} pixels is not possible")
    if not np.isfinite(K).all():
        raise CameraError("the camera matrix holds NaN or infinity: calibrate the camera")
    if not K.any():
        raise CameraError(
            "the camera matrix is all zeros, which says 'not calibrated': calibrate the camera "
            "(ros2 run camera_calibration cameracalibrator), or give a field of view with --hfov"
        )
    affine = np.abs(K[2] - (0, 0, 1)).max() < _ROUNDED
    if K[0, 0] <= 0 or K[1, 1] <= 0 or not affine or K[1, 0] != 0:
        raise CameraError(
            "the camera matrix is not fx s cx / 0 fy cy / 0 0 1 with positive focal lengths: "
            f"{K.ravel().tolist()}"
        )
    if not np.isfinite(D).all():
        raise CameraError("the distortion coefficients hold NaN or infinity: calibrate the camera")
    if np.abs(D).max(initial=0) > _LARGEST_COEFFICIENT:
        raise CameraError(
            f"a distortion coefficient of {np.abs(D).max():g} is no lens's: calibrate the camera"
        )
    if not D.any():  # as image_geometry takes it: no lens, whatever its model is called
        object.__setattr__(camera, "distortion_model", "plumb_bob")
        object.__setattr__(camera, "distortion", np.zeros(5))
    elif model not in COEFFICIENTS:
        raise CameraError(
            f"the distortion model {model!r} is not known: use one of {', '.join(COEFFICIENTS)}"
        )
    else:
        object.__setattr__(camera, "distortion", _fitting(model, D))


def _fitting(model: str, D: Array) -> Array:
    """The coefficients without the zeros that some drivers fill up with."""
    counts = COEFFICIENTS[model]
    longest = max(counts)
    if len(D) > longest and not D[longest:].any():
        return D[:longest]
    if len(D) not in counts:
        raise CameraError(
            f"{model} takes {_alternatives(counts)} distortion coefficients, here are {len(D)}"
        )
    return D


def _check_plausible(camera: Camera) -> None:
    """Refuse what a whole sensor cannot have, though a small part of one could.

    Raises:
        CameraError: The focal length or the optical axis is out of this world.
    """
    side = max(camera.width, camera.height)
    focal = np.diag(camera.matrix)[:2]
    shortest, longest = (limit * side for limit in _FOCAL_LENGTHS)
    if focal.min() < shortest or focal.max() > longest:
        raise CameraError(
            f"focal lengths of {focal[0]:g} and {focal[1]:g} pixels are no camera's with images of "
            f"{camera.width}x{camera.height}: calibrate it again"
        )
    center = camera.matrix[:2, 2]
    if np.abs(center - (camera.width / 2, camera.height / 2)).max() > _FARTHEST_CENTER * side:
        raise CameraError(
            f"an optical axis through the pixel ({center[0]:g}, {center[1]:g}) is no camera's with "
            f"images of {camera.width}x{camera.height}: calibrate it again"
        )


def _wrong(content: object, error: Exception) -> str:
    """Why a file's content is no calibration."""
    if not isinstance(content, Mapping):
        return "it holds no names with values"
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def _as_message(content: Mapping[str, Any]) -> Any:  # noqa: ANN401 - as a CameraInfo
    """The fields of a CameraInfo that were written as YAML; ROS 1 had D, K and P."""
    fields = {str(name).lower(): value for name, value in content.items()}
    filled = {"roi": {}, "binning_x": 0, "binning_y": 0, "p": np.zeros(12), **fields}
    roi = {"x_offset": 0, "y_offset": 0, "width": 0, "height": 0, **filled["roi"]}
    return SimpleNamespace(**{**filled, "roi": SimpleNamespace(**roi)})


def is_calibrated(info: Any) -> bool:  # noqa: ANN401 - any host's class
    """Whether a CameraInfo says anything: drivers without a calibration send K as zeros."""
    return bool(np.any(info.k))


def _alternatives(counts: tuple[int, ...]) -> str:
    return " or ".join(str(count) for count in counts)
