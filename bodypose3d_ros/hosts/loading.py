"""Loading takes seconds or minutes, in which a node is to be heard, and to end when told so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_PROGRESS_S = 5.0


def load(
    configure: Callable[[], None],
    *,
    wait: Callable[[threading.Thread], object],
    ended: Callable[[], bool],
    say: Callable[[str], None],
) -> bool:
    """Configure in a thread of its own, while the host goes on.

    Args:
        configure: What takes so long, and cannot be interrupted.
        wait: Lets some time pass, until the thread ends or for a tenth of a second at most.
        ended: Whether the node is to end.
        say: Is told every few seconds that it goes on.

    Returns:
        Whether it was configured; else the node is to end, and the thread goes on until the
        process does.

    Raises:
        Exception: Whatever ``configure`` raised.
    """
    failure: list[Exception] = []

    def run() -> None:
        try:
            configure()
        except Exception as error:  # noqa: BLE001 - raised again below
            failure.append(error)

    loading = threading.Thread(target=run, name="loading", daemon=True)
    begin = said = time.monotonic()
    loading.start()
    while loading.is_alive() and not ended():
        wait(loading)
        now = time.monotonic()
        if now - said > _PROGRESS_S:
            said = now
            say(f"still loading, {now - begin:.0f} s")
    if failure:
        raise failure[0]
    return not loading.is_alive()
