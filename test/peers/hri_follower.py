"""pyhri, as a robot's program uses it: says who is tracked, and what is known of each body."""

import sys
import time
from datetime import timedelta

from hri import HRIListener, SkeletalKeypoint

listener = HRIListener("follower", auto_spin=False)
listener.set_reference_frame(sys.argv[1])
print("ready", flush=True)
while True:
    listener.spin_some(timedelta(seconds=0.05))
    bodies = listener.bodies
    print("tracked", *sorted(bodies), flush=True)
    for identity, body in bodies.items():
        if body.transform is not None and body.roi is not None and body.skeleton:
            place = body.transform.transform.translation
            u, v, *_ = body.skeleton[SkeletalKeypoint.NOSE]
            x, y, width, height = body.roi
            print("body", identity, place.x, place.y, place.z, u, v, x, y, width, height,
                  flush=True)  # fmt: skip
    time.sleep(0.02)
