# SPDX-License-Identifier: Apache-2.0
from fixtures import backend, make_provost  # noqa: F401
