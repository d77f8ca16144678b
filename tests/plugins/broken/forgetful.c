/* SPDX-License-Identifier: Apache-2.0 */
/* kill: keeps in memory what the next step needs. */
#include "tests/plugins/broken/base.h"

static char known[64];

static int create(struct provost_call *call)
{
    snprintf(known, sizeof(known), "%s", call->ref);
    return good_create(call);
}

static int lookup(struct provost_call *call)
{
    snprintf(known, sizeof(known), "%s", call->ref);
    return good_lookup(call);
}

static int enable(struct provost_call *call)
{
    return strcmp(known, call->ref) == 0
               ? good_enable(call)
               : provost_fail(call, PROVOST_PERMANENT, -1, "I do not know this object");
}

#define BROKEN_CREATE create
#define BROKEN_CREATE_LOOKUP lookup
#define BROKEN_ENABLE enable
#define BROKEN_NAME "forgetful"
#include "tests/plugins/broken/base.h"
