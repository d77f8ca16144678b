/* SPDX-License-Identifier: Apache-2.0 */
/* provost status, explain, reload, moves and version. */
#include "core/cli/groups.h"
#include "core/cli/request.h"

#include "core/engine/moves.h"

#include <string.h>

#define RELOAD_WAIT_S 60

static const struct pv_view status_views[] = {
    {"version", "version", PV_VIEW_TEXT, 0},
    {"ready", "ready", PV_VIEW_TEXT, 0},
    {"why not", "not_ready", PV_VIEW_TEXT, 0},
    {"configuration", "config", PV_VIEW_TEXT, 0},
    {"process", "pid", PV_VIEW_TEXT, 0},
    {"runs for", "uptime_ms", PV_VIEW_MS, 0},
    {"store", "store", PV_VIEW_TEXT, 0},
    {"isolation of plugins", "isolation.mode", PV_VIEW_TEXT, 0},
    {"  Landlock ABI", "isolation.landlock_abi", PV_VIEW_TEXT, 0},
    {"  seccomp", "isolation.seccomp", PV_VIEW_TEXT, 0},
    {"  lacks", "isolation.lacks", PV_VIEW_TEXT, 0},
    {"memory limit of plugins", "memory_limit.by", PV_VIEW_TEXT, 0},
    {"  because", "memory_limit.because", PV_VIEW_TEXT, 0},
    {"  hosts only watched", "memory_limit.watched_hosts", PV_VIEW_TEXT, 0},
    {"services", "services", PV_VIEW_TEXT, 0},
    {"operations not over", "operations.unfinished", PV_VIEW_TEXT, 0},
    {"  waiting to go on", "operations.ready", PV_VIEW_TEXT, 0},
    {"  behind another", "operations.queued", PV_VIEW_TEXT, 0},
    {"  need an operator", "operations.needs_operator", PV_VIEW_TEXT, 0},
    {"steps in flight", "operations.steps_in_flight", PV_VIEW_TEXT, 0},
    {0},
};

static const struct pv_view host_views[] = {
    {"HOST OF", "instance", PV_VIEW_TEXT, 0},
    {"PID", "pid", PV_VIEW_TEXT, PV_COLUMN_RIGHT},
    {"STATE", "state", PV_VIEW_STATE, 0},
    {"IN FLIGHT", "in_flight", PV_VIEW_TEXT, PV_COLUMN_RIGHT},
    {"RESTARTS", "restarts", PV_VIEW_TEXT, PV_COLUMN_RIGHT},
    {"MEMORY", "resident_bytes", PV_VIEW_BYTES, PV_COLUMN_RIGHT},
    {"RUNS FOR", "running_ms", PV_VIEW_MS, PV_COLUMN_RIGHT},
    {"FAULT", "fault", PV_VIEW_TEXT, PV_COLUMN_SHRINK},
    {0},
};

static int table(struct pv_cli *cli, const json_t *items, const struct pv_view *views)
{
    if (json_array_size(items) == 0) {
        return 0;
    }
    fputc('\n', cli->out.file);
    return pv_view_table(&cli->out, items, views);
}

static int status(struct pv_cli *cli)
{
    struct pv_answer answer;
    int result = pv_cli_call(cli, &(struct pv_client_request){.path = "/v1/status"}, &answer);
    if (result != PV_EXIT_OK) {
        return result;
    }
    const char *store = pv_json_text(answer.json, "store");
    bool not_ready = json_is_false(json_object_get(answer.json, "ready")) ||
                     (store != NULL && strcmp(store, "ok") != 0);
    if (cli->out.quiet && !cli->out.json) {
        fprintf(cli->out.file, "%s\n", not_ready ? "not ready" : "ready");
    } else if (!cli->out.json) {
        bool shown =
            pv_view_object(&cli->out, answer.json, status_views) == 0 &&
            table(cli, json_object_get(answer.json, "instances"), pv_cli_instance_views) == 0 &&
            table(cli, json_object_get(answer.json, "hosts"), host_views) == 0;
        result = shown ? result : pv_cli_fail(cli, PV_EXIT_FAILED, "out of memory");
    }
    pv_answer_done(&answer);
    return result == PV_EXIT_OK && not_ready ? PV_EXIT_BUSY : result;
}

const struct pv_cli_command pv_cli_status[] = {
    {.name = "",
     .args = "",
     .summary = "how the daemon is doing: version, configuration, operations, hosts",
     .details = "Exits with 8 where the daemon runs but is not ready for traffic.",
     .run = status},
    {0},
};

/* ---- explain ---- */

/* A sentence, or several of them. */
static void put_paragraph(struct pv_cli *cli, const char *title, const json_t *value)
{
    size_t count = json_is_array(value) ? json_array_size(value) : (size_t)(value != NULL);
    for (size_t i = 0; i < count; i++) {
        struct pv_buf text;
        struct pv_buf clean;
        pv_buf_init(&text, (size_t)64 * 1024);
        pv_buf_init(&clean, (size_t)64 * 1024);
        pv_view_value(&text, json_is_array(value) ? json_array_get(value, i) : value, PV_VIEW_TEXT);
        pv_text_clean(&clean, pv_buf_view(&text));
        fprintf(cli->out.file, "%s%s%s%s\n", pv_out_on(&cli->out, PV_TONE_BOLD), title,
                pv_out_off(&cli->out, PV_TONE_BOLD), clean.ptr != NULL ? clean.ptr : "");
        pv_buf_done(&clean);
        pv_buf_done(&text);
    }
}

static int explain(struct pv_cli *cli)
{
    const char *given = pv_cli_arg(cli, 0);
    char service[PV_ID_TEXT];
    const char *id = given;
    int result = PV_EXIT_OK;
    if (strncmp(given, "op_", 3) == 0) {
        result = pv_cli_operation_id(cli, given);
    } else {
        result = pv_cli_service_id(cli, given, service);
        id = service;
    }
    if (result != PV_EXIT_OK) {
        return result;
    }
    char path[128];
    snprintf(path, sizeof(path), "/v1/explain/%s", id);
    struct pv_answer answer;
    result = pv_cli_call(cli, &(struct pv_client_request){.path = path}, &answer);
    if (result != PV_EXIT_OK) {
        return result;
    }
    if (!cli->out.json) {
        put_paragraph(cli, "", pv_json_at(answer.json, "sentence"));
        put_paragraph(cli, "What to do: ", pv_json_at(answer.json, "advice"));
    }
    pv_answer_done(&answer);
    return PV_EXIT_OK;
}

const struct pv_cli_command pv_cli_explain[] = {
    {.name = "",
     .args = "SERVICE|OPERATION",
     .summary = "why a service or an operation waits, in a sentence, and what to do",
     .details = "  provost explain shop/12345",
     .run = explain},
    {0},
};

/* ---- reload, moves, version ---- */

static int reload(struct pv_cli *cli)
{
    struct pv_answer answer;
    int result = pv_cli_post(cli, "/v1/reload", NULL, RELOAD_WAIT_S, &answer);
    if (result != PV_EXIT_OK) {
        return result;
    }
    if (!cli->out.json && !cli->out.quiet) {
        fputs("the new configuration is in use\n", cli->out.file);
        put_paragraph(cli, "", pv_json_at(answer.json, "report"));
    }
    pv_answer_done(&answer);
    return PV_EXIT_OK;
}

const struct pv_cli_command pv_cli_reload[] = {
    {.name = "",
     .args = "",
     .summary = "have the daemon read its configuration again",
     .details =
         "A configuration with a mistake changes nothing, and every mistake is listed; the exit "
         "status is 1 then. Changed instances finish their steps and start again.",
     .run = reload},
    {0},
};

/* Names hold nothing that JSON would escape. */
static int moves_json(struct pv_buf *out)
{
    static const char *const verdicts[] = {
        [PV_MOVE_RUN] = "run", [PV_MOVE_NOOP] = "nothing_to_do", [PV_MOVE_ILLEGAL] = "refused"};
    pv_buf_c(out, "{\"moves\":[");
    for (int state = 0; state < PV_SVC_STATES; state++) {
        for (int type = PV_OP_CREATE; type <= PV_OP_TYPES; type++) {
            struct pv_move move = pv_move_judge(type, state, false);
            const char *next = move.judgement == PV_MOVE_ILLEGAL ? "" : "\"";
            pv_buf_printf(out,
                          "%s{\"state\":\"%s\",\"operation\":\"%s\",\"verdict\":\"%s\","
                          "\"next\":%s%s%s}",
                          state > 0 || type > PV_OP_CREATE ? "," : "", pv_svc_state_name(state),
                          pv_op_type_name(type), verdicts[move.judgement], next,
                          next[0] != '\0' ? pv_svc_state_name((int)move.next) : "null", next);
        }
    }
    pv_buf_c(out, "]}\n");
    return out->status;
}

static int moves(struct pv_cli *cli)
{
    struct pv_buf text;
    pv_buf_init(&text, 64u * 1024);
    int result = cli->out.json ? moves_json(&text) : pv_moves_print(&text);
    if (result != 0) {
        result = pv_cli_fail(cli, PV_EXIT_FAILED, "out of memory");
    } else {
        fputs(text.ptr, cli->out.file);
    }
    pv_buf_done(&text);
    return result;
}

const struct pv_cli_command pv_cli_moves[] = {
    {.name = "",
     .args = "",
     .summary = "which operation is legal in which state of a service, as Markdown",
     .run = moves},
    {0},
};

static int version(struct pv_cli *cli)
{
    if (cli->out.json) {
        fprintf(cli->out.file, "{\"version\":\"%s\"}\n", PV_VERSION);
    } else {
        fprintf(cli->out.file, "%s%s\n", cli->out.quiet ? "" : "provost ", PV_VERSION);
    }
    return PV_EXIT_OK;
}

const struct pv_cli_command pv_cli_version[] = {
    {.name = "", .args = "", .summary = "print the version of this program", .run = version},
    {0},
};
