/* SPDX-License-Identifier: Apache-2.0 */
/* The rig: everything between the socket and the plugins is real. */
#include "tests/unit/api/rig.h"

#include "core/base/alloc.h"
#include "core/engine/store.h"
#include "core/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- plugins ---- */

#define STEP(name)                                                                                 \
    "[{\"name\":\"" name "\",\"repeatable\":true,\"undo\":true,\"lookup\":false,\"poll\":false,"   \
    "\"timeout_ms\":60000,\"settle_ms\":0}]"
#define FIELD(name, type, required)                                                                \
    "{\"name\":\"" name "\",\"label\":\"" name "\",\"type\":\"" type "\",\"required\":" required   \
    ",\"secret\":false,\"immutable\":false}"
#define QUERY(name, access, params)                                                                \
    "{\"name\":\"" name "\",\"access\":\"" access "\",\"params\":[" params "]}"
#define HEAD(name)                                                                                 \
    "{\"name\":\"" name "\",\"version\":\"1.0.0\",\"summary\":\"For tests.\",\"abi\":1,"           \
    "\"needs\":[],\"settings\":[],"

static const char
    web_json[] =
        HEAD("web") "\"product\":[" FIELD("size",
                                          "int", "false") "," FIELD("domains", "int", "false") "],"
                                                                                               "\"c"
                                                                                               "hec"
                                                                                               "kou"
                                                                                               "t\""
                                                                                               ":"
                                                                                               "[" FIELD("public_ip",
                                                                                                         "ip", "false") "],"
                                                                                                                        "\"operations\":{\"create\":" STEP("make") ",\"suspend\":" STEP("s"
                                                                                                                                                                                        "t"
                                                                                                                                                                                        "o"
                                                                                                                                                                                        "p") ",\"unsuspend\":" STEP("start") ",\"terminate\":" STEP("remove") ",\"upgrade\":" STEP("resize") ",\"renew\":" STEP("renew") "},"
                                                                                                                                                                                                                                                                                                                         "\"actions\":[{\"name\":\"restart\",\"label\":"
                                                                                                                                                                                                                                                                                                                         "\"Restart\","
                                                                                                                                                                                                                                                                                                                         "\"form\":[],\"steps\":" STEP("stop") "},{\"name\":\"add_"
                                                                                                                                                                                                                                                                                                                                                               "domain\",\"label\":"
                                                                                                                                                                                                                                                                                                                                                               "\"Add\",\"form\":"
                                                                                                                                                                                                                                                                                                                                                               "[" FIELD(
                                                                                                                                                                                                                                                                                                                                                                   "domain", "hostname", "true") "],\"steps\":" STEP("add") ",\"quota\""
                                                                                                                                                                                                                                                                                                                                                                                                                            ":\"domains"
                                                                                                                                                                                                                                                                                                                                                                                                                            "\","
                                                                                                                                                                                                                                                                                                                                                                                                                            "\"quota_"
                                                                                                                                                                                                                                                                                                                                                                                                                            "delta\":1}"
                                                                                                                                                                                                                                                                                                                                                                                                                            "],"
                                                                                                                                                                                                                                                                                                                                                                                                                            "\"service_"
                                                                                                                                                                                                                                                                                                                                                                                                                            "queries\":"
                                                                                                                                                                                                                                                                                                                                                                                                                            "[" QUERY(
                                                                                                                                                                                                                                                                                                                                                                                                                                "view", "customer", "") "," QUERY("status",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                  "token", "") "," QUERY("revea"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                         "l",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                         "token", "") "],"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                      "\""
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                      "in"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                      "st"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                      "an"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                      "ce"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                      "_q"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                      "ue"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                      "ri"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                      "es"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                      "\""
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                      ":"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                      "[" QUERY("test", "token", "") "," QUERY("pin"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                               "g",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                               "pub"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                               "li"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                               "c",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                               FIELD(
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                   "key",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                   "string",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                   "true")) "]}";

static const char zones_json[] =
    HEAD("zones") "\"product\":[" FIELD(
        "zones",
        "int", "false") "],"
                        "\"checkout\":[" FIELD("zone", "hostname",
                                               "false") "],"
                                                        "\"operations\":{\"create\":" STEP(
                                                            "claim") ",\"suspend\":" STEP("disable") ",\"unsuspend\":" STEP("enable") ",\"terminate\":" STEP("drop") "},"
                                                                                                                                                                     "\"actions\":[{\"name\":\"zone_add\",\"label\":\"Add\",\"form\":[" FIELD("zone", "hostname", "true") "],\"steps\":" STEP("zadd") ",\"quota\":\"zones\",\"quota_delta\":1},"
                                                                                                                                                                                                                                                                                                      "{\"name\":\"zone_delete\",\"label\":\"Delete\",\"form\":[" FIELD("zone",
                                                                                                                                                                                                                                                                                                                                                                        "hostname",
                                                                                                                                                                                                                                                                                                                                                                        "true") "],\"steps\":" STEP("zdel") ",\"quota\":\"zones\",\"quota_delta\":-1},"
                                                                                                                                                                                                                                                                                                                                                                                                            "{\"name\":\"record_add\",\"label\":\"Add\",\"form\":[" FIELD("zone", "hostname", "true") "," FIELD(
                                                                                                                                                                                                                                                                                                                                                                                                                "name",
                                                                                                                                                                                                                                                                                                                                                                                                                "string", "true") "," FIELD("type", "string", "true") "," FIELD("content", "string", "true") "," FIELD("ttl", "int", "false") "," FIELD("priority", "int", "false") "],\"steps\":" STEP("radd") "},"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                "{\"name\":\"record_edit\",\"label\":\"Edit\",\"form\":[" FIELD("zone", "hostname", "true") "," FIELD("record", "string", "true") "," FIELD("name", "string", "false") "," FIELD("type", "string", "false") "," FIELD("content",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                      "string",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                      "false") "," FIELD("ttl",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                         "int",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                         "false") "," FIELD("priority",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                            "int", "false") "],\"steps\":" STEP("redit") "},{\"name\":\"record_delete\",\"label\":\"Delete\",\"form\":[" FIELD("zone",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                               "hostname",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                               "true") "," FIELD("record",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                 "string", "true") "],\"steps\":" STEP("rdel") "}],"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                               "\"service_queries\":[" QUERY("view", "customer", "") "," QUERY(
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                   "zones",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                   "customer",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                   "") "," QUERY("records",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                 "customer", FIELD("zone", "hostname", "true")) "],"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                "\"instance_queries\":[]}";

static int describe(void *ctx, const struct pv_describe_ask *ask, char **ret_json,
                    struct pv_err *err)
{
    const char *path = ask->module;
    (void)ctx;
    *ret_json = pv_strdup(strstr(path, "zones.so") != NULL ? zones_json : web_json);
    return *ret_json != NULL ? 0 : pv_err_set(err, PV_ENOMEM, "out of memory");
}

static const char yaml[] =
    "plugin_dirs: [modules]\n"
    "store: sqlite:///var/lib/provost/provost.db\n"
    "plugins:\n"
    "  web-1: {module: web, aliases: {/check: ping, /probe: test}}\n"
    "  web-2: {module: web}\n"
    "  zones-1: {module: zones}\n"
    "products:\n"
    "  site:\n"
    "    components: [{name: site, plugin: web-1}, {name: support, plugin: web-2}]\n"
    "    plans: {basic: {size: 1, domains: 2}, premium: {size: 2, domains: 5}}\n"
    "  support:\n"
    "    components: [{name: support, plugin: web-2}]\n"
    "    plans: {standard: {}}\n"
    "  dns:\n"
    "    components: [{name: zones, plugin: zones-1}]\n"
    "    plans: {basic: {zones: 2}}\n"
    "sources:\n"
    "  paymenter:\n"
    "    compat: paymenter-backend\n"
    "    products: {site: site, support: support, dns: dns}\n"
    "    plans: {support: standard, dns: basic}\n";

static int run_step(void *ctx, uint64_t call, const struct pv_run_step *step)
{
    struct rig *rig = ctx;
    if (rig->step_count == RIG_CALLS) {
        return PV_EBUSY;
    }
    rig->steps[rig->step_count].call = call;
    snprintf(rig->steps[rig->step_count].step, sizeof(rig->steps[0].step), "%.*s",
             PV_STR_ARG(step->wire.step));
    rig->step_count++;
    rig->steps_run++;
    return 0;
}

static void cancel_step(void *ctx, uint64_t call)
{
    (void)ctx;
    (void)call;
}

static int run_query(void *ctx, struct pv_query *query)
{
    struct rig *rig = ctx;
    if (rig->query_count == RIG_CALLS) {
        return PV_EBUSY;
    }
    snprintf(rig->queried, sizeof(rig->queried), "%.*s", PV_STR_ARG(query->wire.input));
    rig->queries[rig->query_count++] = query;
    return 0;
}

static void answer_step(struct rig *rig, size_t i)
{
    uint64_t call = rig->steps[i].call;
    struct pv_wire_outcome outcome = {.code = PV_OUT_OK, .touched = 1, .retry_after_ms = -1};
    if (rig->fail != NULL && strcmp(rig->fail, rig->steps[i].step) == 0) {
        outcome.code = PV_OUT_PERMANENT;
        outcome.text = PV_STR("the backend does not want it");
    } else {
        outcome.state_changed = 1;
        outcome.state = PV_STR("{\"made\":true}");
    }
    memmove(&rig->steps[i], &rig->steps[i + 1], (rig->step_count - i - 1) * sizeof(rig->steps[0]));
    rig->step_count--;
    pv_engine_outcome(rig->engine, call, &outcome);
}

static void answer_query(struct rig *rig, struct pv_query *query)
{
    char result[600];
    struct pv_wire_outcome outcome = {.code = PV_OUT_OK, .retry_after_ms = -1};
    if (rig->fail_query != NULL && pv_str_eq_c(query->wire.component, rig->fail_query)) {
        outcome.code = PV_OUT_TEMPORARY;
        outcome.text = PV_STR("the backend is away");
    } else if (pv_str_eq_c(query->wire.name, "reveal")) {
        outcome.result = PV_STR("{\"support_key\":\"KEY-1\"}");
    } else {
        snprintf(result, sizeof(result), "{\"query\":\"%.*s\",\"component\":\"%.*s\"}",
                 PV_STR_ARG(query->wire.name), PV_STR_ARG(query->wire.component));
        outcome.result = pv_str(result);
    }
    query->done(query, &outcome);
}

static void plugins_turn(struct rig *rig)
{
    size_t i = 0;
    while (i < rig->step_count) {
        if (rig->hold != NULL && strcmp(rig->hold, rig->steps[i].step) == 0) {
            i++;
        } else {
            answer_step(rig, i);
            i = 0;
        }
    }
    while (rig->query_count > 0 && !rig->hold_queries) {
        answer_query(rig, rig->queries[--rig->query_count]);
    }
}

/* ---- the daemon's side ---- */

static int reload(void *ctx, struct pv_api_reload *request)
{
    struct rig *rig = ctx;
    if (rig->reload_status == PV_EBUSY) {
        return PV_EBUSY;
    }
    request->done(request, rig->reload_status, pv_str(rig->reload_report));
    return 0;
}

static void status(void *ctx, struct pv_buf *out)
{
    (void)ctx;
    pv_buf_c(out, ",\"hosts\":[]");
}

static void metrics(void *ctx, struct pv_buf *out)
{
    (void)ctx;
    pv_buf_c(out, "provost_rig 1\n");
}

static const char *not_ready(void *ctx)
{
    const struct rig *rig = ctx;
    return rig->not_ready;
}

static int session_seal(void *ctx, struct pv_str plain, struct pv_buf *out)
{
    const struct rig *rig = ctx;
    return pv_keyring_session_seal(rig->keyring, plain, out);
}

static int session_unseal(void *ctx, struct pv_str sealed, struct pv_arena *arena,
                          struct pv_str *ret_plain)
{
    const struct rig *rig = ctx;
    return pv_keyring_session_unseal(rig->keyring, sealed, arena, ret_plain);
}

static bool signal_key(void *ctx, struct pv_id op, uint8_t out[PV_SIGNAL_KEY_BYTES])
{
    const struct rig *rig = ctx;
    pv_keyring_signal_key(rig->keyring, op, out);
    return !rig->no_signal_keys;
}

static void arm(void *ctx, int64_t mono_ms)
{
    struct rig *rig = ctx;
    rig->tick_ms = mono_ms;
}

/* ---- life ---- */

static int64_t rig_mono(void *ctx)
{
    const struct rig *rig = ctx;
    return rig->frozen_ms != 0 ? rig->frozen_ms : pv_mono_ms(&pv_clock_system);
}

static int64_t rig_wall(void *ctx)
{
    const struct rig *rig = ctx;
    return pv_wall_ms(&pv_clock_system) - rig->back_ms;
}

static void load_config(struct rig *rig)
{
    char path[200];
    static const char *const files[] = {"modules/web.so", "modules/zones.so"};
    snprintf(path, sizeof(path), "%s/modules", rig->dir);
    assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
    for (size_t i = 0; i < PV_COUNT(files); i++) {
        snprintf(path, sizeof(path), "%s/%s", rig->dir, files[i]);
        int fd = open(path, O_CREAT | O_WRONLY, 0600);
        assert_true(fd >= 0);
        close(fd);
    }
    snprintf(path, sizeof(path), "%s/provost.yaml", rig->dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(yaml, file);
    fputs(rig->more_yaml != NULL ? rig->more_yaml : "", file);
    fclose(file);
    struct pv_describe table = {rig, describe};
    struct pv_problems problems;
    pv_problems_init(&problems);
    if (pv_config_load(path, &table, &problems, &rig->live.config) != 0) {
        struct pv_buf out;
        pv_buf_init(&out, 100000);
        pv_problems_print(&problems, &out);
        fail_msg("%s", out.ptr);
    }
    pv_problems_done(&problems);
}

static void on_async(uv_async_t *async)
{
    (void)async;
}

static void add_token(struct rig *rig, const char *source, const char *scopes, char *out,
                      size_t size)
{
    char body[400];
    snprintf(body, sizeof(body), "{\"source\":\"%s\",\"scopes\":[%s]}", source, scopes);
    reply_take(rig_admin(rig, "POST", "/v1/tokens", NULL, body), 201, "token", out, size);
}

int rig_open(void **state)
{
    static const uint8_t key[64] = {1};
    struct rig *rig = calloc(1, sizeof(*rig));
    assert_non_null(rig);
    *state = rig;
    assert_int_equal(pv_base_init(), 0);
    pv_log_setup(2, 0, PV_ERROR, "rig");
    uv_loop_init(&rig->loop);
    uv_async_init(&rig->loop, &rig->async, on_async);
    rig->async.data = rig;
    rig->clock = (struct pv_clock){rig_mono, rig_wall, rig};
    snprintf(rig->dir, sizeof(rig->dir), "/tmp/pv-rig-XXXXXX");
    assert_non_null(mkdtemp(rig->dir));
    snprintf(rig->socket, sizeof(rig->socket), "%s/admin.sock", rig->dir);
    load_config(rig);
    assert_int_equal(pv_keyring_fixed(key, &rig->keyring), 0);
    struct pv_id deployment = pv_id_new(&rig->clock, &pv_rng_system);
    assert_int_equal(pv_mem_store_open(rig->keyring, deployment, &rig->store), 0);
    struct pv_runner runner = {
        .ctx = rig, .start = run_step, .cancel = cancel_step, .query = run_query};
    struct pv_engine_options engine = {.clock = rig->clock,
                                       .rng = pv_rng_system,
                                       .store = rig->store,
                                       .planner = pv_config_planner(&rig->live),
                                       .runner = runner,
                                       .max_backlog = 2000,
                                       .arm = arm,
                                       .arm_ctx = rig};
    assert_int_equal(pv_engine_new(&engine, &rig->engine), 0);
    assert_int_equal(pv_engine_start(rig->engine), 0);
    struct pv_api_options options = {.loop = &rig->loop,
                                     .clock = rig->clock,
                                     .rng = pv_rng_system,
                                     .config = rig->live.config,
                                     .engine = rig->engine,
                                     .store = rig->store,
                                     .runner = runner,
                                     .daemon = {.ctx = rig,
                                                .reload = reload,
                                                .status = status,
                                                .metrics = metrics,
                                                .not_ready = not_ready,
                                                .signal_key = signal_key,
                                                .session_seal = session_seal,
                                                .session_unseal = session_unseal},
                                     .version = "1.2.3",
                                     .listen = "127.0.0.1:0",
                                     .admin_socket = rig->socket};
    struct pv_err err = {0};
    if (pv_api_new(&options, &rig->api, &err) != 0) {
        fail_msg("%s", err.text);
    }
    rig->port = pv_api_port(rig->api);
    add_token(rig, "shop",
              "\"events:write\",\"services:read\",\"services:act\",\"services:reveal\","
              "\"operations:read\",\"operations:write\",\"signals:write\",\"instances:query\","
              "\"plugins:read\",\"audit:read\",\"metrics:read\"",
              rig->token, sizeof(rig->token));
    return 0;
}

static void on_api_closed(void *user)
{
    struct rig *rig = user;
    rig->closed = true;
}

static void on_stopped(void *user)
{
    struct rig *rig = user;
    rig->stopped = true;
}

static void on_store_closed(void *user)
{
    struct rig *rig = user;
    rig->store = NULL;
}

int rig_close(void **state)
{
    struct rig *rig = *state;
    rig->hold = NULL;
    if (rig->api != NULL) {
        pv_api_close(rig->api, on_api_closed, rig);
        while (!rig->closed) {
            rig_turn(rig);
        }
    }
    pv_engine_stop(rig->engine, on_stopped, rig);
    while (!rig->stopped) {
        rig_turn(rig);
    }
    pv_engine_free(rig->engine);
    rig->store->ops->close(rig->store, on_store_closed, rig);
    for (int i = 0; i < 100 && rig->store != NULL; i++) {
        pv_mem_store_turn(rig->store, 1000);
    }
    pv_keyring_free(rig->keyring);
    pv_config_free(rig->live.config);
    uv_close((uv_handle_t *)&rig->async, NULL);
    uv_run(&rig->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&rig->loop), 0);
    char command[300];
    static const char *const files[] = {"modules/web.so", "modules/zones.so", "provost.yaml"};
    for (size_t i = 0; i < PV_COUNT(files); i++) {
        snprintf(command, sizeof(command), "%s/%s", rig->dir, files[i]);
        unlink(command);
    }
    snprintf(command, sizeof(command), "%s/modules", rig->dir);
    rmdir(command);
    rmdir(rig->dir);
    free(rig);
    return 0;
}

void rig_turn(struct rig *rig)
{
    uv_run(&rig->loop, UV_RUN_NOWAIT);
    if (rig->reloads && (pv_mem_store_waits(rig->store) || rig->query_count > 0)) {
        rig_reload(rig);
    }
    if (rig->store != NULL) {
        pv_mem_store_turn(rig->store, rig->reloads ? 1 : 1000);
    }
    plugins_turn(rig);
    if (rig->tick_ms != 0 && pv_mono_ms(&rig->clock) >= rig->tick_ms) {
        rig->tick_ms = 0;
        pv_engine_tick(rig->engine);
    }
}

void rig_reload(struct rig *rig)
{
    struct pv_config *old = rig->live.config;
    load_config(rig);
    pv_api_set_config(rig->api, rig->live.config);
    pv_config_free(old);
}

void rig_release(struct rig *rig)
{
    rig->hold = NULL;
}

void rig_settle(struct rig *rig)
{
    while (pv_engine_backlog(rig->engine) > 0) {
        rig_turn(rig);
    }
}
