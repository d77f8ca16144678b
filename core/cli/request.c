/* SPDX-License-Identifier: Apache-2.0 */
/* Lists with paging, bodies with a reason, receipts. */
#include "core/cli/request.h"

#include "core/base/alloc.h"

#include <string.h>

#define PATH_CAP 16384

static void put_query(struct pv_buf *path, const char *name, const char *value)
{
    pv_buf_char(path, memchr(path->ptr, '?', path->len) != NULL ? '&' : '?');
    pv_buf_printf(path, "%s=", name);
    pv_url_put(path, value);
}

static void put_filters(struct pv_cli *cli, const struct pv_cli_list *list, struct pv_buf *path)
{
    for (const struct pv_cli_filter *f = list->filters; f != NULL && f->option != NULL; f++) {
        const char *value = pv_cli_text(cli, f->option);
        if (value != NULL) {
            put_query(path, f->param, value);
        }
    }
    char limit[24];
    snprintf(limit, sizeof(limit), "%lld", (long long)pv_cli_number(cli, "limit", 50));
    put_query(path, "limit", limit);
    const char *after = pv_cli_text(cli, "after");
    if (after != NULL) {
        put_query(path, "after", after);
    }
}

static int print_list(struct pv_cli *cli, const struct pv_cli_list *list, const json_t *answer)
{
    const json_t *items = pv_json_at(answer, list->member);
    if (cli->out.quiet) {
        for (size_t i = 0; i < json_array_size(items); i++) {
            const char *id = pv_json_text(json_array_get(items, i), list->id);
            fprintf(cli->out.file, "%s\n", id != NULL ? id : "");
        }
        return PV_EXIT_OK;
    }
    if (json_array_size(items) == 0) {
        fprintf(cli->out.errors, "%s\n", list->empty);
        return PV_EXIT_OK;
    }
    if (pv_view_table(&cli->out, items, list->views) != 0) {
        return pv_cli_fail(cli, PV_EXIT_FAILED, "out of memory");
    }
    const json_t *next = pv_json_at(answer, "next");
    if (next != NULL) {
        struct pv_buf text;
        pv_buf_init(&text, 1024);
        pv_view_value(&text, next, PV_VIEW_TEXT);
        fprintf(cli->out.errors, "there are more: --after %s\n", text.ptr != NULL ? text.ptr : "");
        pv_buf_done(&text);
    }
    return PV_EXIT_OK;
}

int pv_cli_list(struct pv_cli *cli, const struct pv_cli_list *list)
{
    char id[PV_ID_TEXT];
    const char *service = list->by_service ? pv_cli_text(cli, "service") : NULL;
    int status = service != NULL ? pv_cli_service_id(cli, service, id) : PV_EXIT_OK;
    if (status != PV_EXIT_OK) {
        return status;
    }
    struct pv_buf path;
    pv_buf_init(&path, PATH_CAP);
    pv_buf_c(&path, list->path);
    if (path.status == 0 && service != NULL) {
        put_query(&path, "service", id);
    }
    if (path.status == 0) {
        put_filters(cli, list, &path);
    }
    if (path.status != 0) {
        pv_buf_done(&path);
        return pv_cli_fail(cli, PV_EXIT_USAGE, "the filters are too long");
    }
    struct pv_answer answer;
    status = pv_cli_call(cli, &(struct pv_client_request){.path = path.ptr}, &answer);
    pv_buf_done(&path);
    if (status != PV_EXIT_OK) {
        return status;
    }
    status = cli->out.json ? PV_EXIT_OK : print_list(cli, list, answer.json);
    pv_answer_done(&answer);
    return status;
}

const struct pv_view pv_cli_component_views[] = {
    {"COMPONENT", "name", PV_VIEW_TEXT, 0},
    {"INSTANCE", "instance", PV_VIEW_TEXT, 0},
    {"PLUGIN", "plugin", PV_VIEW_TEXT, 0},
    {"VERSION", "plugin_version", PV_VIEW_TEXT, 0},
    {0},
};

int pv_cli_section(struct pv_cli *cli, const char *title, const json_t *items,
                   const struct pv_view *views)
{
    if (json_array_size(items) == 0) {
        return 0;
    }
    fputc('\n', cli->out.file);
    if (title != NULL) {
        fprintf(cli->out.file, "%s%s%s\n", pv_out_on(&cli->out, PV_TONE_BOLD), title,
                pv_out_off(&cli->out, PV_TONE_BOLD));
    }
    return pv_view_table(&cli->out, items, views);
}

int pv_cli_reason_body(const struct pv_cli *cli, char **ret_body)
{
    const char *reason = pv_cli_text(cli, "reason");
    if (reason == NULL || reason[0] == '\0') {
        return pv_cli_fail(cli, PV_EXIT_USAGE,
                           "--reason is needed: it tells the audit trail why you do this");
    }
    struct pv_buf body;
    size_t len = 0;
    pv_buf_init(&body, (size_t)64 * 1024);
    pv_buf_c(&body, "{\"reason\":");
    pv_buf_json(&body, pv_str(reason));
    pv_buf_char(&body, '}');
    int status = pv_buf_finish(&body, ret_body, &len);
    pv_buf_done(&body);
    return status == 0 ? PV_EXIT_OK
                       : pv_cli_fail(cli, PV_EXIT_FAILED, "--reason: %s", pv_status_text(status));
}

const struct pv_cli_option pv_cli_list_options[] = {
    PV_CLI_LIST_OPTIONS,
    {0},
};

const struct pv_cli_option pv_cli_reason_options[] = {
    PV_CLI_REASON_OPTION,
    {0},
};

/* ---- Calls that change something ---- */

int pv_cli_post(struct pv_cli *cli, const char *path, const char *body, int64_t wait_s,
                struct pv_answer *ret_answer)
{
    const struct pv_client_request request = {.method = "POST",
                                              .path = path,
                                              .body = body,
                                              .body_len = body != NULL ? strlen(body) : 0,
                                              .wait_s = wait_s};
    return pv_cli_call(cli, &request, ret_answer);
}

int pv_cli_target_path(struct pv_cli *cli, const struct pv_cli_target *target, const char *tail,
                       struct pv_buf *ret_path)
{
    pv_buf_init(ret_path, 4096);
    pv_buf_c(ret_path, target->folder);
    pv_url_put(ret_path, pv_cli_arg(cli, 0));
    pv_buf_printf(ret_path, "/%s", tail);
    return ret_path->status == 0 ? PV_EXIT_OK
                                 : pv_cli_fail(cli, PV_EXIT_USAGE, "%s is too long", target->word);
}

int pv_cli_target_post(struct pv_cli *cli, const struct pv_cli_target *target, const char *body,
                       int64_t wait_s, struct pv_answer *ret_answer)
{
    struct pv_buf path;
    int status = pv_cli_target_path(cli, target, cli->args.command->name, &path);
    status = status == PV_EXIT_OK ? pv_cli_post(cli, path.ptr, body, wait_s, ret_answer) : status;
    pv_buf_done(&path);
    return status;
}

int pv_cli_target_act(struct pv_cli *cli, const struct pv_cli_target *target, const char *said)
{
    struct pv_answer answer;
    char *body = NULL;
    int status = pv_cli_reason_body(cli, &body);
    if (status == PV_EXIT_OK) {
        status = pv_cli_target_post(cli, target, body, 0, &answer);
    }
    pv_free(body);
    if (status != PV_EXIT_OK) {
        return status;
    }
    if (!cli->out.json && !cli->out.quiet) {
        fprintf(cli->out.file, "%s %s\n", pv_cli_arg(cli, 0), said);
    }
    pv_answer_done(&answer);
    return PV_EXIT_OK;
}

int pv_cli_post_for_token(struct pv_cli *cli, const char *path, char *body,
                          struct pv_answer *ret_answer)
{
    int status = pv_cli_post(cli, path, body, 0, ret_answer);
    pv_json_release(body);
    if (status != PV_EXIT_OK) {
        return status;
    }
    const char *token = pv_json_text(ret_answer->json, "token");
    if (token == NULL) {
        pv_answer_done(ret_answer);
        return pv_cli_fail(cli, PV_EXIT_FAILED, "the daemon's answer holds no token");
    }
    if (!cli->out.json) {
        fprintf(cli->out.file, "%s\n", token);
    }
    return PV_EXIT_OK;
}

/* ---- Receipts ---- */

static const struct pv_view receipt_views[] = {
    {"OPERATION", "operation", PV_VIEW_TEXT, 0},
    {"SERVICE", "service", PV_VIEW_TEXT, 0},
    {"STATE", "state", PV_VIEW_STATE, 0},
    {"DUPLICATE", "duplicate", PV_VIEW_TEXT, 0},
    {0},
};

/* The worse of two exit statuses: a failure before what needs somebody, before what is not over. */
static int worse(int a, int b)
{
    static const int order[] = {PV_EXIT_OK,     PV_EXIT_CANCELED,       PV_EXIT_UNFINISHED,
                                PV_EXIT_BUSY,   PV_EXIT_NEEDS_OPERATOR, PV_EXIT_NOT_FOUND,
                                PV_EXIT_FAILED, PV_EXIT_UNREACHABLE};
    int rank_a = 0;
    int rank_b = 0;
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        rank_a = order[i] == a ? (int)i : rank_a;
        rank_b = order[i] == b ? (int)i : rank_b;
    }
    return rank_a >= rank_b ? a : b;
}

static int wait_for_all(struct pv_cli *cli, const json_t *receipts, int64_t wait_ms)
{
    int status = PV_EXIT_OK;
    int64_t until = pv_mono_ms(&pv_clock_system) + wait_ms;
    for (size_t i = 0; i < json_array_size(receipts); i++) {
        const char *id = pv_json_text(json_array_get(receipts, i), "operation");
        int64_t left = until - pv_mono_ms(&pv_clock_system);
        if (id != NULL) {
            status = worse(status, pv_cli_follow(cli, id, left > 1 ? left : 1,
                                                 !cli->out.quiet && !cli->out.json));
        }
    }
    return status;
}

int pv_cli_receipts(struct pv_cli *cli, const json_t *answer)
{
    json_t *list = json_object_get(answer, "operations");
    json_t *own = NULL;
    if (!json_is_array(list)) {
        own = json_pack("[O]", (json_t *)(uintptr_t)answer);
        list = own;
    }
    int status = PV_EXIT_OK;
    if (cli->out.quiet && !cli->out.json) {
        for (size_t i = 0; i < json_array_size(list); i++) {
            const char *id = pv_json_text(json_array_get(list, i), "operation");
            fprintf(cli->out.file, "%s\n", id != NULL ? id : "");
        }
    } else if (!cli->out.json && pv_view_table(&cli->out, list, receipt_views) != 0) {
        status = pv_cli_fail(cli, PV_EXIT_FAILED, "out of memory");
    }
    int64_t wait_ms = pv_cli_number(cli, "wait", 0);
    if (status == PV_EXIT_OK && wait_ms > 0) {
        fflush(cli->out.file);
        status = wait_for_all(cli, list, wait_ms);
    }
    json_decref(own);
    return status;
}

json_t *pv_cli_names(const char *text)
{
    json_t *list = json_array();
    while (list != NULL && *text != '\0') {
        size_t len = strcspn(text, ", ");
        if (len > 0 && json_array_append_new(list, json_stringn(text, len)) != 0) {
            json_decref(list);
            return NULL;
        }
        text += len;
        text += strspn(text, ", ");
    }
    return list;
}
