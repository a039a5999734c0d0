"""The node that fuses: the poses of several cameras' nodes in, one truth out."""
