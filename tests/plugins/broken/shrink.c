/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade: waits for ever for what will never work. */
#include "tests/plugins/broken/base.h"

static int resize(struct provost_call *call)
{
    json_t *input = provost_input(call);
    int smaller =
        provost_int_at(input, "values.size", 0) < provost_int_at(input, "previous.size", 0);
    json_decref(input);
    return smaller ? provost_fail(call, PROVOST_TEMPORARY, -1, "it cannot become smaller")
                   : good_resize(call);
}

#define BROKEN_RESIZE resize
#define BROKEN_NAME "shrink"
#include "tests/plugins/broken/base.h"
