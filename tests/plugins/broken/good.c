/* SPDX-License-Identifier: Apache-2.0 */
/* Right in every way: passes all checks. */
#include "tests/plugins/broken/base.h"

#define BROKEN_NAME "good"
#include "tests/plugins/broken/base.h"
