/* SPDX-License-Identifier: Apache-2.0 */
/* double-create: says that its create may be called again, which makes a second object. */
#include "tests/plugins/broken/base.h"

#define BROKEN_CREATE                                                                              \
    {                                                                                              \
        .name = "object", .run = good_create, .undo = good_delete, .flags = PROVOST_S_REPEATABLE   \
    }

#define BROKEN_NAME "twice"
#include "tests/plugins/broken/base.h"
