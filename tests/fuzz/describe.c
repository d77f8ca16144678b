/* SPDX-License-Identifier: Apache-2.0 */
/* What a host says of its module; it comes from foreign code. */
#include "core/config/describe.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void no_secret_tree(const struct pv_fields *fields)
{
    for (size_t i = 0; i < fields->count; i++) {
        const struct pv_field *field = &fields->items[i];
        FUZZ_CHECK(field->type != PV_T_JSON || (field->flags & PV_F_SECRET) == 0);
    }
}

bool fuzz_seed(size_t n, struct pv_buf *out)
{
    static const char *const seeds[] = {
        "{\"name\":\"dns\",\"version\":\"1.0.0\",\"summary\":\"Zones.\",\"abi\":1,\"needs\":["
        "\"exec\"],"
        "\"settings\":[{\"name\":\"url\",\"type\":\"url\",\"label\":\"URL\",\"required\":true,"
        "\"secret\":false,\"immutable\":false,\"pattern\":\"^http\",\"min\":1,\"max\":10}],"
        "\"product\":[{\"name\":\"n\",\"type\":\"int\",\"default\":\"3\"},{\"name\":\"l\",\"type\":"
        "\"list\","
        "\"default\":\"a, "
        "b\"},{\"name\":\"s\",\"type\":\"select\",\"options\":[\"a\",\"b\"]}],\"checkout\":[]}",
        "{\"name\":\"x\",\"operations\":{\"create\":[{\"name\":\"a\",\"repeatable\":true,\"undo\":"
        "true,"
        "\"timeout_ms\":60000,\"settle_ms\":5000}],\"renew\":[]},\"actions\":[{\"name\":\"b\","
        "\"label\":\"B\","
        "\"confirm\":\"?\",\"form\":[],\"steps\":[],\"quota\":\"q\",\"quota_delta\":-1}],"
        "\"service_queries\":[{\"name\":\"view\",\"access\":\"customer\",\"params\":[]}],"
        "\"instance_queries\":[{\"name\":\"test\",\"access\":\"public\"}]}",
    };
    return n < sizeof(seeds) / sizeof(seeds[0]) && pv_buf_c(out, seeds[n]) == PV_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pv_plugin *plugin = NULL;
    struct pv_err err = {0};
    int status =
        pv_plugin_parse((struct pv_str){(const char *)data, size}, PV_STR("/x.so"), &plugin, &err);
    FUZZ_CHECK((status == PV_OK) == (plugin != NULL));
    FUZZ_CHECK(status == PV_OK || err.text[0] != '\0');
    if (status != PV_OK) {
        return 0;
    }
    no_secret_tree(&plugin->settings);
    no_secret_tree(&plugin->product);
    no_secret_tree(&plugin->checkout);
    for (size_t i = 0; i < plugin->action_count; i++) {
        no_secret_tree(&plugin->actions[i].form);
    }
    struct pv_buf out;
    pv_buf_init(&out, 8u << 20);
    FUZZ_CHECK(pv_plugin_print(plugin, &out) == PV_OK);
    json_t *schema = pv_fields_schema(&plugin->product);
    FUZZ_CHECK(schema != NULL);
    json_decref(schema);
    pv_buf_done(&out);
    pv_plugin_unref(plugin);
    return 0;
}
