/* SPDX-License-Identifier: Apache-2.0 */
/* secrets: sends its token in the URL. */
#include "tests/plugins/broken/base.h"

static const char *path_with_token(struct provost_call *call)
{
    json_t *settings = provost_settings(call);
    const char *path =
        provost_format(call, "/objects?token=%s", provost_text_at(settings, "token", ""));
    json_decref(settings);
    return path;
}

static int enable(struct provost_call *call)
{
    struct answer listed = ask(call, "GET", path_with_token(call), NULL, NULL);
    int outcome = judge(call, &listed, 1, "list the objects");
    done(&listed);
    return outcome != PROVOST_OK ? outcome : good_enable(call);
}

#define BROKEN_ENABLE enable
#define BROKEN_NAME "tokenurl"
#include "tests/plugins/broken/base.h"
