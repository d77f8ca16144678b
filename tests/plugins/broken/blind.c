/* SPDX-License-Identifier: Apache-2.0 */
/* lost-answer: takes a lost answer for a request that was not carried out. */
#include "tests/plugins/broken/base.h"

static int create(struct provost_call *call)
{
    struct answer answer = post_object(call);
    return keep(call, &answer,
                answer.code == PROVOST_E_LOST ? PROVOST_TEMPORARY
                                              : judge(call, &answer, 0, "create the object"));
}

#define BROKEN_CREATE create
#define BROKEN_NAME "blind"
#include "tests/plugins/broken/base.h"
