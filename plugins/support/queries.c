/* SPDX-License-Identifier: Apache-2.0 */
/* What is shown of a key: to its owner everything, to a ticket system whether it is worth
 * something. */
#include "plugins/support/support.h"

#include <string.h>

static int with_call(struct provost_call *call, int (*work)(struct kit *kit))
{
    struct kit kit;
    int outcome = kit_open(&kit, call);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    return kit_close(&kit, work(&kit));
}

static int do_status(struct kit *kit)
{
    return kit_result(kit,
                      json_pack("{s:s}", "status", provost_text_at(kit->state, "status", "none")));
}

static int status(struct provost_call *call)
{
    return with_call(call, do_status);
}

static json_t *field(struct kit *kit, const char *name, const char *label)
{
    return json_pack("{s:s, s:s, s:s}", "name", name, "label", label, "value",
                     provost_text_at(kit->state, name, ""));
}

static int do_view(struct kit *kit)
{
    json_t *key = json_pack("{s:s, s:s, s:b, s:s}", "name", "support_key", "label", "Support key",
                            "secret", 1, "reveal", "support_key");
    return kit_result(kit, json_pack("{s:s, s:[o, o, o, o, o], s:[s]}", "status",
                                     provost_text_at(kit->state, "status", "none"), "fields", key,
                                     field(kit, "status", "Status"), field(kit, "tier", "Tier"),
                                     field(kit, "email", "E-mail"), field(kit, "since", "Since"),
                                     "actions", "rotate"));
}

static int view(struct provost_call *call)
{
    return with_call(call, do_view);
}

static int do_reveal(struct kit *kit)
{
    const char *key = provost_text_at(kit->state, "key", NULL);
    if (key == NULL) {
        return kit_end(kit, PROVOST_PERMANENT, "this service has no key");
    }
    return kit_result(kit, json_pack("{s:s}", "support_key", key));
}

static int reveal(struct provost_call *call)
{
    return with_call(call, do_reveal);
}

/* People copy keys with blanks, hyphens and small letters. One character too many stays, to be
 * wrong. */
static void clean_key(const char *text, char key[SUPPORT_KEY_LENGTH + 2])
{
    size_t length = 0;
    for (const char *c = text; *c != '\0' && length <= SUPPORT_KEY_LENGTH; c++) {
        if (strchr(" -\t\r\n", *c) == NULL) {
            key[length++] = (char)(*c >= 'a' && *c <= 'z' ? *c - ('a' - 'A') : *c);
        }
    }
    key[length] = '\0';
}

static int do_check(struct kit *kit)
{
    char key[SUPPORT_KEY_LENGTH + 2];
    clean_key(provost_text_at(kit->input, "query.key", ""), key);
    json_t *entry = NULL;
    uint64_t version = 0;
    int outcome = support_read(kit, key, &entry, &version);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    if (entry == NULL) {
        return kit_result(kit, json_pack("{s:b}", "valid", 0));
    }
    const char *is = provost_text_at(entry, "status", "");
    json_t *answer = json_pack("{s:b, s:s, s:s}", "valid", strcmp(is, "active") == 0, "status", is,
                               "tier", provost_text_at(entry, "tier", ""));
    json_decref(entry);
    return kit_result(kit, answer);
}

static int check(struct provost_call *call)
{
    return with_call(call, do_check);
}

static int do_test(struct kit *kit)
{
    json_t *entry = NULL;
    uint64_t version = 0;
    int outcome = support_read(kit, "", &entry, &version);
    json_decref(entry);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    return kit_result(kit,
                      json_pack("{s:b, s:s}", "ok", 1, "text", "the instance's data can be read"));
}

static int test(struct provost_call *call)
{
    return with_call(call, do_test);
}

static int do_capacity(struct kit *kit)
{
    return kit_result(kit, json_pack("{s:b, s:[]}", "accepting", 1, "resources"));
}

static int capacity(struct provost_call *call)
{
    return with_call(call, do_capacity);
}

/* A key is nowhere but in Provost, so that nothing can be left over elsewhere. */
static int do_inventory(struct kit *kit)
{
    return kit_result(kit, json_pack("{s:[], s:n, s:b}", "items", "next", "external", 0));
}

static int inventory(struct provost_call *call)
{
    return with_call(call, do_inventory);
}

static const struct provost_field check_params[] = {
    {.name = "key",
     .label = "Support key",
     .type = PROVOST_T_STRING,
     .flags = PROVOST_F_REQUIRED | PROVOST_F_SECRET,
     .min = 1,
     .max = 64},
    {0},
};

const struct provost_query support_service_queries[] = {
    {.name = "status", .run = status, .access = PROVOST_Q_CUSTOMER},
    {.name = "view", .run = view, .access = PROVOST_Q_CUSTOMER},
    {.name = "reveal", .run = reveal, .access = PROVOST_Q_CUSTOMER},
    {0},
};

const struct provost_query support_instance_queries[] = {
    {.name = "test", .run = test},
    {.name = "capacity", .run = capacity},
    {.name = "inventory", .run = inventory},
    {.name = "check", .run = check, .params = check_params},
    {0},
};
