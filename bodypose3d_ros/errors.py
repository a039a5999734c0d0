"""The errors of this package: one small family, each message says what to do."""

STOPPED = 130
"""The exit code of what SIGINT ended, as shells say it."""


class Bodypose3dError(Exception):
    """What every error raised on purpose by this package is.

    ``exit_code`` is the command line's answer to it.
    """

    exit_code = 1


class InputError(Bodypose3dError):
    """A picture, recording, message or parameter that cannot be used."""

    exit_code = 3


class RefusedError(Bodypose3dError):
    """What would destroy a file that is there; another argument mends it."""

    exit_code = 2


class WriteError(Bodypose3dError):
    """A file that cannot be written: nothing that comes after it could be kept, either."""

    exit_code = 3


class ImageError(InputError):
    """An image that cannot be read: damaged, or of an encoding that is none."""


class CameraError(InputError):
    """A camera calibration that cannot be used, or that does not belong to the image."""


class ModelError(Bodypose3dError):
    """A model file that is missing, damaged, or not what it should be."""

    exit_code = 4


class EngineError(Bodypose3dError):
    """A runtime (ONNX Runtime, TensorRT) that is missing or has failed."""

    exit_code = 4


class OutputError(EngineError):
    """A network's answer to one image that is no number: the next image may be fine."""


def printable(text: object) -> str:
    """A text as every terminal and file of UTF-8 takes it: file names need not be UTF-8."""
    return str(text).encode(errors="surrogateescape").decode(errors="replace")
