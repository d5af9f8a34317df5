"""The blocking client by the name it had before it became a package; see `understudy`."""

from understudy import *  # noqa: F401,F403
