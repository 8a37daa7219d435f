"""How the property tests draw their examples, and what signals do to what the tests start."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

# How fast examples are drawn says something about the machine, not about the code: a busy one must not fail a test.
settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", parent=settings.get_profile("project"), max_examples=15)
settings.load_profile("project")

# Under nohup, or in the background of a shell, these are ignored, and so they are in every process that a test starts.
for _number, _usual in ((signal.SIGHUP, signal.SIG_DFL), (signal.SIGINT, signal.default_int_handler)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)
