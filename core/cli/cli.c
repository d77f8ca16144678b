/* SPDX-License-Identifier: Apache-2.0 */
/* What commands share: options, errors, calls of the daemon, names of services and operations. */
#include "core/cli/cli.h"

#include "core/base/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SENTENCE_CAP ((size_t)64 * 1024)

int pv_cli_fail(const struct pv_cli *cli, int status, const char *fmt, ...)
{
    struct pv_buf text;
    va_list ap;
    pv_buf_init(&text, SENTENCE_CAP);
    va_start(ap, fmt);
    pv_buf_vprintf(&text, fmt, ap);
    va_end(ap);
    fputs("provost: ", cli->out.errors);
    pv_text_print(cli->out.errors, text.ptr != NULL ? text.ptr : pv_status_text(text.status));
    fputc('\n', cli->out.errors);
    pv_buf_done(&text);
    return status;
}

int pv_cli_fail_err(const struct pv_cli *cli, const struct pv_err *err)
{
    return pv_cli_fail(cli, err->status == PV_ENOTFOUND ? PV_EXIT_NOT_FOUND : PV_EXIT_FAILED, "%s",
                       err->text);
}

const char *pv_cli_text(const struct pv_cli *cli, const char *option)
{
    const struct pv_cli_given *given = pv_cli_given(&cli->args, option);
    return given != NULL ? given->value : NULL;
}

bool pv_cli_on(const struct pv_cli *cli, const char *option)
{
    return pv_cli_given(&cli->args, option) != NULL;
}

int64_t pv_cli_number(const struct pv_cli *cli, const char *option, int64_t fallback)
{
    const struct pv_cli_given *given = pv_cli_given(&cli->args, option);
    return given != NULL ? given->number : fallback;
}

const char *pv_cli_arg(const struct pv_cli *cli, size_t index)
{
    return index < cli->args.arg_count ? cli->args.args[index] : NULL;
}

int pv_cli_read(const char *path, size_t max_bytes, char **ret_text, size_t *ret_len,
                struct pv_err *err)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "re");
    if (file == NULL) {
        return pv_err_set(err, pv_status_from_errno(errno), "%s: %s", path, strerror(errno));
    }
    struct pv_buf text;
    pv_buf_init(&text, max_bytes);
    char chunk[16384];
    size_t got = fread(chunk, 1, sizeof(chunk), file);
    while (got > 0 && pv_buf_put(&text, chunk, got) == 0) {
        got = fread(chunk, 1, sizeof(chunk), file);
    }
    int status = ferror(file) ? PV_EIO : text.status;
    if (status == PV_EIO) {
        pv_err_set(err, status, "%s: cannot be read: %s", path, strerror(errno));
    } else if (status != 0 || pv_buf_finish(&text, ret_text, ret_len) != 0) {
        status = status != 0 ? status : PV_ENOMEM;
        pv_err_set(err, status, "%s: %s", path, pv_status_text(status));
    }
    if (!standard) {
        fclose(file);
    }
    pv_buf_done(&text);
    return status;
}

/* ---- Calls of the daemon ---- */

static int need_client(struct pv_cli *cli, struct pv_err *err)
{
    if (cli->client != NULL) {
        return 0;
    }
    char *path = NULL;
    int status =
        pv_client_socket(pv_cli_text(cli, "socket"), pv_cli_text(cli, "config"), &path, err);
    if (status == 0) {
        status = pv_client_new(path, &cli->client, err);
    }
    pv_free(path);
    return status;
}

int pv_cli_try(struct pv_cli *cli, const struct pv_client_request *request,
               struct pv_answer *ret_answer, struct pv_err *err)
{
    int status = need_client(cli, err);
    return status != 0 ? status : pv_client_call(cli->client, request, ret_answer, err);
}

static int exit_of(long status)
{
    if (status >= 200 && status < 300) {
        return PV_EXIT_OK;
    }
    if (status == 404) {
        return PV_EXIT_NOT_FOUND;
    }
    return status == 429 || status == 503 ? PV_EXIT_BUSY : PV_EXIT_FAILED;
}

/* "event 3: /service/plan: unknown plan" for each problem, where there is more than the sentence
 * says. */
static void print_problems(const struct pv_cli *cli, const json_t *errors)
{
    for (size_t i = 0; i < json_array_size(errors); i++) {
        const json_t *problem = json_array_get(errors, i);
        const json_t *index = json_object_get(problem, "index");
        const json_t *line = pv_json_at(problem, "position.line");
        const char *path = pv_json_text(problem, "path");
        const char *text = pv_json_text(problem, "error");
        FILE *to = cli->out.errors;
        fputs("  ", to);
        if (json_is_integer(index)) {
            fprintf(to, "event %lld: ", (long long)json_integer_value(index) + 1);
        }
        if (line != NULL) {
            fprintf(to, "line %lld, column %lld: ", (long long)json_integer_value(line),
                    (long long)json_integer_value(pv_json_at(problem, "position.column")));
        }
        pv_text_print(to, path);
        fputs(path != NULL && path[0] != '\0' ? ": " : "", to);
        pv_text_print(to, text);
        fputc('\n', to);
    }
}

static int refused(const struct pv_cli *cli, const struct pv_answer *answer)
{
    const char *sentence = pv_json_text(answer->json, "error");
    if (cli->out.json && answer->json != NULL) {
        fprintf(cli->out.file, "%s\n", answer->text);
    }
    if (sentence == NULL) {
        pv_cli_fail(cli, 0, "the daemon answered %ld and said no more", answer->status);
    } else if (answer->retry_after_s >= 0) {
        pv_cli_fail(cli, 0, "%s (try again in %ld s)", sentence, answer->retry_after_s);
    } else {
        pv_cli_fail(cli, 0, "%s", sentence);
    }
    const json_t *errors = json_object_get(answer->json, "errors");
    if (json_array_size(errors) > 1 || pv_json_at(json_array_get(errors, 0), "position") != NULL) {
        print_problems(cli, errors);
    }
    return exit_of(answer->status);
}

int pv_cli_ask(struct pv_cli *cli, const struct pv_client_request *request,
               struct pv_answer *ret_answer)
{
    struct pv_err err = {0};
    struct pv_answer answer;
    int status = need_client(cli, &err);
    if (status != 0) {
        return pv_cli_fail_err(cli, &err);
    }
    if (pv_client_call(cli->client, request, &answer, &err) != 0) {
        return pv_cli_fail(cli, PV_EXIT_UNREACHABLE, "%s", err.text);
    }
    if (exit_of(answer.status) != PV_EXIT_OK) {
        status = refused(cli, &answer);
        pv_answer_done(&answer);
        return status;
    }
    *ret_answer = answer;
    return PV_EXIT_OK;
}

int pv_cli_call(struct pv_cli *cli, const struct pv_client_request *request,
                struct pv_answer *ret_answer)
{
    int status = pv_cli_ask(cli, request, ret_answer);
    bool later = pv_cli_number(cli, "wait", 0) > 0; /* what came of it is printed instead */
    if (status == PV_EXIT_OK && cli->out.json && !later) {
        fprintf(cli->out.file, "%s\n", ret_answer->len > 0 ? ret_answer->text : "{}");
    }
    return status;
}

int pv_cli_operation_id(struct pv_cli *cli, const char *given)
{
    struct pv_id id;
    if (pv_id_parse("op", pv_str(given), &id) == 0) {
        return PV_EXIT_OK;
    }
    return pv_cli_fail(cli, PV_EXIT_USAGE, "“%s” is no operation's id; they look like op_01jd3v…",
                       given);
}

static int find_service(struct pv_cli *cli, const char *given, const char *slash,
                        char out[PV_ID_TEXT])
{
    struct pv_buf path;
    pv_buf_init(&path, 8192);
    char source[256];
    struct pv_str name = {given, (size_t)(slash - given)};
    int status = pv_str_to_c(name, source, sizeof(source)) == 0 ? PV_EXIT_OK : PV_EXIT_NOT_FOUND;
    pv_buf_c(&path, "/v1/services?limit=1&source=");
    pv_url_put(&path, source);
    pv_buf_c(&path, "&external_id=");
    pv_url_put(&path, slash + 1);
    struct pv_answer answer = {0};
    if (status == PV_EXIT_OK && path.status == 0) {
        status = pv_cli_ask(cli, &(struct pv_client_request){.path = path.ptr}, &answer);
    }
    const json_t *items = json_object_get(answer.json, "services");
    const char *id = pv_json_text(json_array_get(items, 0), "service");
    bool found = id != NULL && pv_str_to_c(pv_str(id), out, PV_ID_TEXT) == 0;
    if (status == PV_EXIT_OK && !found) {
        status = pv_cli_fail(cli, PV_EXIT_NOT_FOUND, "source “%s” has no service “%s”", source,
                             slash + 1);
    }
    pv_answer_done(&answer);
    pv_buf_done(&path);
    return status;
}

int pv_cli_service_id(struct pv_cli *cli, const char *given, char out[PV_ID_TEXT])
{
    struct pv_id id;
    if (pv_id_parse("svc", pv_str(given), &id) == 0) {
        pv_id_format("svc", id, out);
        return PV_EXIT_OK;
    }
    const char *slash = strchr(given, '/');
    if (slash == NULL || slash == given || slash[1] == '\0') {
        return pv_cli_fail(
            cli, PV_EXIT_USAGE,
            "“%s” names no service: give its id (svc_…), or SOURCE/EXTERNAL_ID as in "
            "shop/12345",
            given);
    }
    return find_service(cli, given, slash, out);
}

int pv_cli_state_exit(const char *state)
{
    static const struct {
        const char *state;
        int status;
    } states[] = {
        {"done", PV_EXIT_OK},
        {"failed", PV_EXIT_FAILED},
        {"needs_operator", PV_EXIT_NEEDS_OPERATOR},
        {"canceled", PV_EXIT_CANCELED},
        {"superseded", PV_EXIT_CANCELED},
        {"abandoned", PV_EXIT_CANCELED},
    };
    for (size_t i = 0; state != NULL && i < sizeof(states) / sizeof(states[0]); i++) {
        if (strcmp(state, states[i].state) == 0) {
            return states[i].status;
        }
    }
    return PV_EXIT_UNFINISHED;
}
