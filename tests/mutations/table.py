"""Every mutation."""

from tests.mutations.containers import CONTAINERS
from tests.mutations.device import DEVICE
from tests.mutations.files import FILES
from tests.mutations.hosts import HOSTS

MUTATIONS = (*DEVICE, *CONTAINERS, *HOSTS, *FILES)
