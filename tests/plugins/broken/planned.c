/* SPDX-License-Identifier: Apache-2.0 */
/* unknown-plan: crashes on a plan that is not in its table. */
#include "tests/plugins/broken/base.h"

static const char *code_of(const char *plan)
{
    return strcmp(plan, "small") == 0 ? "s" : strcmp(plan, "large") == 0 ? "l" : NULL;
}

static int create(struct provost_call *call)
{
    json_t *input = provost_input(call);
    const volatile char *code = code_of(provost_text_at(input, "service.plan", ""));
    int known = code[0] == 's' || code[0] == 'l';
    json_decref(input);
    return known ? good_create(call) : PROVOST_PERMANENT;
}

#define BROKEN_CREATE create
#define BROKEN_NAME "planned"
#include "tests/plugins/broken/base.h"
