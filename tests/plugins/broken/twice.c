/* SPDX-License-Identifier: Apache-2.0 */
/* double-create: says that its create may be called again, which makes a second object. */
#define BROKEN_CREATE_LOOKUP NULL
#define BROKEN_CREATE_FLAGS PROVOST_S_REPEATABLE
#define BROKEN_NAME "twice"
#include "tests/plugins/broken/base.h"
