"""The version of this package.

In a module of its own: some ROS 2 distributions install an empty ``__init__.py`` beside generated
messages.
"""

__version__ = "0.1.0"
