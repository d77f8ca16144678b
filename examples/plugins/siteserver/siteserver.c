/* SPDX-License-Identifier: Apache-2.0 */
/* An example: a plugin for the small site server in examples/quickstart/backend.py. It shows what
 * most plugins need: a create that is not repeatable and therefore has a look-up, a wait for the
 * backend, undo, an action and a view. siteserver.md is its manual.
 *
 * State document: {"id": 101, "memory": bytes} */
#include <provost/json.h>

#include <stdlib.h>

/* ---- requests ---------------------------------------------------------------------------------
 */

/* Everything a request comes back with. done() gives it back. */
struct answer {
    int code; /* of the host call: 0 or enum provost_error */
    struct provost_http_response response;
    json_t *json;
};

static void done(struct answer *answer)
{
    json_decref(answer->json);
}

static struct answer ask(struct provost_call *call, const char *method, const char *path,
                         json_t *body, uint32_t flags)
{
    struct answer answer = {0};
    json_t *settings = provost_settings(call);
    const char *headers[] = {
        provost_format(call, "Authorization: Bearer %s", provost_text_at(settings, "token", "")),
        NULL};
    const char *url = provost_format(call, "%s%s", provost_text_at(settings, "url", ""), path);
    answer.code =
        provost_http_json(call, method, url, headers, body, flags, &answer.json, &answer.response);
    json_decref(settings);
    return answer;
}

static int judge(struct provost_call *call, const struct answer *answer, int repeatable,
                 const char *what)
{
    return provost_classify_http(call, answer->code, &answer->response, repeatable, what);
}

/* ---- the state document ------------------------------------------------------------------------
 */

static int64_t known_id(struct provost_call *call)
{
    json_t *state = provost_state(call);
    int64_t id = provost_int_at(state, "id", 0);
    json_decref(state);
    return id;
}

static int remember(struct provost_call *call, int64_t id, int64_t memory)
{
    json_t *state = json_pack("{s:I, s:I}", "id", (json_int_t)id, "memory", (json_int_t)memory);
    int code = provost_set_state(call, state);
    json_decref(state);
    return provost_classify(call, code, "keep the site's id");
}

static int64_t wanted_memory(struct provost_call *call)
{
    json_t *input = provost_input(call);
    int64_t memory = provost_int_at(input, "values.memory", 0);
    json_decref(input);
    return memory;
}

/* ---- create: site ------------------------------------------------------------------------------
 */

/* The site that bears our ref: OK with its id and memory, ABSENT, or why that cannot be said. */
static int find_site(struct provost_call *call, int64_t *ret_id, int64_t *ret_memory)
{
    struct answer answer = ask(call, "GET", provost_format(call, "/sites?ref=%s", call->ref), NULL,
                               PROVOST_H_IDEMPOTENT);
    int outcome = judge(call, &answer, 1, "look for the site");
    json_t *sites = provost_at(answer.json, "sites");
    if (outcome == PROVOST_OK && !json_is_array(sites)) {
        outcome =
            provost_fail(call, PROVOST_TEMPORARY, -1, "look for the site: no list in the answer");
    } else if (outcome == PROVOST_OK && json_array_size(sites) == 0) {
        outcome = PROVOST_ABSENT;
    } else if (outcome == PROVOST_OK) {
        *ret_id = provost_int_at(json_array_get(sites, 0), "id", 0);
        *ret_memory = provost_int_at(json_array_get(sites, 0), "memory", 0);
    }
    done(&answer);
    return outcome;
}

static int site_lookup(struct provost_call *call)
{
    int64_t id = 0;
    int64_t memory = 0;
    int outcome = find_site(call, &id, &memory);
    return outcome == PROVOST_OK ? remember(call, id, memory) : outcome;
}

/* Two such requests would make a conflict, so the step is not repeatable: if it is not known what
 * became of it, the look-up tells. */
static int site_create(struct provost_call *call)
{
    json_t *body =
        json_pack("{s:s, s:I}", "ref", call->ref, "memory", (json_int_t)wanted_memory(call));
    struct answer answer = ask(call, "POST", "/sites", body, 0);
    int outcome = judge(call, &answer, 0, "create the site");
    int64_t id = provost_int_at(answer.json, "id", 0);
    if (outcome == PROVOST_OK && id == 0) {
        outcome =
            provost_fail(call, PROVOST_UNKNOWN, -1, "create the site: the answer names no id");
    } else if (outcome == PROVOST_OK) {
        outcome = remember(call, id, provost_int_at(answer.json, "memory", 0));
    }
    json_decref(body);
    done(&answer);
    return outcome;
}

/* Also what terminate does: a site that is gone is as good as deleted. */
static int site_delete(struct provost_call *call)
{
    int64_t id = known_id(call);
    int64_t memory = 0;
    int outcome = id == 0 ? find_site(call, &id, &memory) : PROVOST_OK;
    if (outcome != PROVOST_OK) {
        return outcome == PROVOST_ABSENT ? PROVOST_OK : outcome;
    }
    struct answer answer = ask(call, "DELETE", provost_format(call, "/sites/%lld", (long long)id),
                               NULL, PROVOST_H_IDEMPOTENT);
    if (answer.code != 0 || answer.response.status != 404) {
        outcome = judge(call, &answer, 1, "delete the site");
    }
    done(&answer);
    return outcome;
}

/* ---- create: install ----------------------------------------------------------------------------
 */

/* The product field `crash`, for the demonstration: what a plugin with a bug costs. */
static void crash_if_asked(struct provost_call *call)
{
    json_t *input = provost_input(call);
    int crash = provost_bool_at(input, "values.crash", 0);
    json_decref(input);
    if (crash) {
        abort();
    }
}

/* The site installs itself; we ask again every 200 ms. Nothing waits in memory meanwhile: between
 * two calls only the state document is kept. */
static int install_poll(struct provost_call *call)
{
    crash_if_asked(call);
    struct answer answer =
        ask(call, "GET", provost_format(call, "/sites/%lld", (long long)known_id(call)), NULL,
            PROVOST_H_IDEMPOTENT);
    int outcome = judge(call, &answer, 1, "wait for the site");
    if (outcome == PROVOST_OK &&
        strcmp(provost_text_at(answer.json, "status", ""), "running") != 0) {
        call->host->progress(call, 50, "the site is being installed");
        outcome = provost_fail(call, PROVOST_PENDING, 200, "the site is being installed");
    }
    done(&answer);
    return outcome;
}

static const struct provost_step create[] = {
    {.name = "site", .run = site_create, .undo = site_delete, .lookup = site_lookup},
    {.name = "install", .run = install_poll, .poll = install_poll, .flags = PROVOST_S_REPEATABLE},
    {0},
};

static const struct provost_step terminate[] = {
    {.name = "delete", .run = site_delete, .flags = PROVOST_S_REPEATABLE},
    {0},
};

/* ---- suspend, unsuspend, restart
 * ----------------------------------------------------------------- */

static int power(struct provost_call *call, const char *verb, int repeatable)
{
    const char *path = provost_format(call, "/sites/%lld/%s", (long long)known_id(call), verb);
    struct answer answer = ask(call, "POST", path, NULL, repeatable ? PROVOST_H_IDEMPOTENT : 0);
    int outcome = judge(call, &answer, repeatable, verb);
    done(&answer);
    return outcome;
}

static int stop(struct provost_call *call)
{
    return power(call, "stop", 1);
}

static int start(struct provost_call *call)
{
    return power(call, "start", 1);
}

static int restart(struct provost_call *call)
{
    int outcome = power(call, "restart", 1);
    if (outcome == PROVOST_OK) {
        call->host->result(call, "{\"message\": \"The site was restarted.\"}");
    }
    return outcome;
}

static const struct provost_step suspend[] = {
    {.name = "stop", .run = stop, .flags = PROVOST_S_REPEATABLE},
    {0},
};

static const struct provost_step unsuspend[] = {
    {.name = "start", .run = start, .flags = PROVOST_S_REPEATABLE},
    {0},
};

static const struct provost_step restart_steps[] = {
    {.name = "restart", .run = restart, .flags = PROVOST_S_REPEATABLE},
    {0},
};

/* ---- change: upgrade, and the action `title`
 * ------------------------------------------------------ */

static int change(struct provost_call *call, json_t *body, const char *what)
{
    const char *path = provost_format(call, "/sites/%lld", (long long)known_id(call));
    struct answer answer = ask(call, "PATCH", path, body, PROVOST_H_IDEMPOTENT);
    int outcome = judge(call, &answer, 1, what);
    json_decref(body);
    done(&answer);
    return outcome;
}

static int resize_to(struct provost_call *call, int64_t memory)
{
    int outcome = change(call, json_pack("{s:I}", "memory", (json_int_t)memory), "resize the site");
    return outcome == PROVOST_OK ? remember(call, known_id(call), memory) : outcome;
}

static int resize(struct provost_call *call)
{
    return resize_to(call, wanted_memory(call));
}

/* `previous` has the values that the service had before the upgrade. */
static int resize_back(struct provost_call *call)
{
    json_t *input = provost_input(call);
    int64_t memory = provost_int_at(input, "previous.memory", 0);
    json_decref(input);
    return resize_to(call, memory);
}

static int title(struct provost_call *call)
{
    json_t *input = provost_input(call);
    json_t *body = json_pack("{s:s}", "title", provost_text_at(input, "form.title", ""));
    json_decref(input);
    return change(call, body, "change the title");
}

static const struct provost_step upgrade[] = {
    {.name = "resize", .run = resize, .undo = resize_back, .flags = PROVOST_S_REPEATABLE},
    {0},
};

static const struct provost_step title_steps[] = {
    {.name = "title", .run = title, .flags = PROVOST_S_REPEATABLE},
    {0},
};

/* ---- queries
 * --------------------------------------------------------------------------------------- */

static int view(struct provost_call *call)
{
    struct answer answer =
        ask(call, "GET", provost_format(call, "/sites/%lld", (long long)known_id(call)), NULL,
            PROVOST_H_IDEMPOTENT);
    int outcome = judge(call, &answer, 1, "read the site");
    if (outcome == PROVOST_OK) {
        json_t *result = json_pack(
            "{s:s, s:[{s:s, s:s, s:s}, {s:s, s:s, s:s}, {s:s, s:s, s:I}], s:[s, s]}", "status",
            provost_text_at(answer.json, "status", "unknown"), "fields", "name", "url", "label",
            "Address", "value", provost_text_at(answer.json, "url", ""), "name", "title", "label",
            "Title", "value", provost_text_at(answer.json, "title", ""), "name", "memory", "label",
            "Memory", "value", (json_int_t)provost_int_at(answer.json, "memory", 0), "actions",
            "restart", "title");
        outcome = provost_classify(call, provost_set_result(call, result), "answer");
        json_decref(result);
    }
    done(&answer);
    return outcome;
}

static int test(struct provost_call *call)
{
    struct answer answer = ask(call, "GET", "/sites", NULL, PROVOST_H_IDEMPOTENT);
    int outcome = judge(call, &answer, 1, "ask the site server");
    if (outcome == PROVOST_OK) {
        call->host->result(call, "{\"ok\": true}");
    }
    done(&answer);
    return outcome;
}

/* Everything there that bears a ref, so that leftovers can be found. */
static int inventory(struct provost_call *call)
{
    struct answer answer = ask(call, "GET", "/sites", NULL, PROVOST_H_IDEMPOTENT);
    int outcome = judge(call, &answer, 1, "list the sites");
    if (outcome == PROVOST_OK) {
        json_t *result = json_pack("{s:[], s:n}", "items", "next");
        size_t i;
        json_t *site;
        json_array_foreach(provost_at(answer.json, "sites"), i, site)
        {
            json_array_append_new(json_object_get(result, "items"),
                                  json_pack("{s:s, s:s, s:I}", "ref",
                                            provost_text_at(site, "ref", ""), "kind", "site", "id",
                                            (json_int_t)provost_int_at(site, "id", 0)));
        }
        outcome = provost_classify(call, provost_set_result(call, result), "answer");
        json_decref(result);
    }
    done(&answer);
    return outcome;
}

/* ---- what it declares
 * ------------------------------------------------------------------------------ */

static const struct provost_field settings[] = {
    {.name = "url",
     .label = "URL of the site server",
     .type = PROVOST_T_URL,
     .flags = PROVOST_F_REQUIRED},
    {.name = "token",
     .label = "Token",
     .type = PROVOST_T_STRING,
     .flags = PROVOST_F_REQUIRED | PROVOST_F_SECRET},
    {0},
};

static const struct provost_field product[] = {
    {.name = "memory", .label = "Memory", .type = PROVOST_T_SIZE, .fallback = "512MiB"},
    {.name = "crash",
     .type = PROVOST_T_BOOL,
     .fallback = "false",
     .description = "Crash while installing, to see what becomes of it."},
    {0},
};

static const struct provost_field title_form[] = {
    {.name = "title",
     .label = "Title",
     .type = PROVOST_T_STRING,
     .flags = PROVOST_F_REQUIRED,
     .max = 80},
    {0},
};

static const struct provost_action actions[] = {
    {.name = "restart",
     .label = "Restart",
     .confirm = "The site is away for a moment.",
     .steps = restart_steps},
    {.name = "title", .label = "Change the title", .form = title_form, .steps = title_steps},
    {0},
};

static const struct provost_query service_queries[] = {
    {.name = "view", .run = view, .access = PROVOST_Q_CUSTOMER},
    {0},
};

static const struct provost_query instance_queries[] = {
    {.name = "test", .run = test},
    {.name = "inventory", .run = inventory},
    {0},
};

static const struct provost_plugin plugin = {
    PROVOST_PLUGIN_HEAD,
    .name = "siteserver",
    .version = "1.0.0",
    .summary = "Sites on the example's small site server.",
    .settings = settings,
    .product = product,
    .create = create,
    .suspend = suspend,
    .unsuspend = unsuspend,
    .terminate = terminate,
    .upgrade = upgrade,
    .actions = actions,
    .service_queries = service_queries,
    .instance_queries = instance_queries,
};

PROVOST_PLUGIN(plugin)
