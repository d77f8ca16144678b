/* SPDX-License-Identifier: Apache-2.0 */
/* declared: shows its token to everybody. */
#include "tests/plugins/broken/base.h"

#define BROKEN_TOKEN_FLAGS PROVOST_F_REQUIRED

#define BROKEN_NAME "open"
#include "tests/plugins/broken/base.h"
