/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade: takes its undo for that of a create. */
#include "tests/plugins/broken/base.h"

#define BROKEN_RESIZE_UNDO good_delete
#define BROKEN_NAME "hasty"
#include "tests/plugins/broken/base.h"
