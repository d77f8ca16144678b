/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration file: YAML into a tree, and the tree against the table of options. */
#include "core/config/raw.h"
#include "core/json/json.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

bool fuzz_seed(size_t n, struct pv_buf *out)
{
    static const char *const seeds[] = {
        "listen: 127.0.0.1:7070\nstore: sqlite:///a/b.db\nlog: {level: debug, format: text}\n",
        "pools: {a: {range: 1000-1999, reuse_after: 2h}}\nhttp: {max_body: 2MiB}\nmigrate: no\n",
        "plugins:\n  a:\n    module: dns\n    settings: {url: \"http://x\", key: \"${file:k}\"}\n"
        "    rate: 2.5\n    breaker: {failures: 3, open: 2s}\n    aliases: {/a/b: c}\n",
        "products:\n  w:\n    on_failure: hold\n    components:\n      - {name: a, plugin: b, "
        "values: {x: y}}\n"
        "      - {plugin: c}\n    plans:\n      basic: {memory: 2GiB}\n      \"big\": ~\n",
        "sources: {p: {compat: paymenter-backend, products: {site: w}, plans: {dns: b}}}\n",
        "a: &x [1, *x]\nb: !!str 'c'\n? [d]\n: e\n---\nf: |\n  g\n",
        "plugin_dirs: a, b\ndata_dir: $${x}${env:HOME}\nlisten: 1\nlisten: 2\n",
    };
    return n < sizeof(seeds) / sizeof(seeds[0]) && pv_buf_c(out, seeds[n]) == PV_OK;
}

static void check_node(const struct pv_node *node, unsigned depth)
{
    size_t count = 0;
    FUZZ_CHECK(depth <= PV_YAML_MAX_DEPTH);
    FUZZ_CHECK(node->place.line >= 1 && node->place.column >= 1);
    FUZZ_CHECK(node->text.len == 0 || strlen(node->text.ptr) == node->text.len);
    for (const struct pv_node *child = node->first; child; child = child->next) {
        check_node(child, depth + 1);
        count++;
    }
    FUZZ_CHECK(count == node->count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pv_problems problems;
    struct pv_arena arena;
    struct pv_raw_file raw;
    struct pv_node *root = NULL;
    pv_problems_init(&problems);
    pv_arena_init(&arena);
    memset(&raw, 0, sizeof(raw));
    int status = pv_yaml_parse(PV_STR("f.yaml"), (struct pv_str){(const char *)data, size},
                               &problems, &root);
    if (status == PV_OK) {
        check_node(root, 0);
        struct pv_options_run run = {
            .problems = &problems, .arena = &arena, .base_dir = PV_STR("/nonexistent")};
        status = pv_options_read(&run, pv_file_options, root, PV_STR(""), &raw);
    }
    FUZZ_CHECK(status == PV_OK || problems.errors > 0);
    struct pv_buf out;
    pv_buf_init(&out, 1u << 20);
    FUZZ_CHECK(pv_problems_print(&problems, &out) == PV_OK);
    pv_buf_done(&out);
    pv_node_free(root);
    pv_arena_done(&arena);
    pv_problems_done(&problems);
    return 0;
}
