"""Where a policy comes from: files, profiles and options, each value with its origin."""

from kinspect.settings.effective import Effective, effective
from kinspect.settings.setting import Setting

__all__ = ["Effective", "Setting", "effective"]
