/* SPDX-License-Identifier: Apache-2.0 */
/* The check file: read as YAML, its backend started, its settings put behind the proxy.
 * docs/plugin-testing.md describes its form. */
#include "core/cli/kit.h"

#include "core/base/alloc.h"
#include "core/cli/match.h"
#include "core/cli/secretive.h"
#include "core/config/check.h"
#include "core/config/node.h"
#include "core/json/json.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_MAX_BYTES ((size_t)1024 * 1024)
#define TEXT_CAP ((size_t)256 * 1024)
#define MAX_ARGV 64
#define READY_MS 20000
#define MOST_READS 256 /* at a time, of what a backend prints */
#define DEFAULT_POLL_MS 20

/* ---- YAML as JSON: every scalar is a text, which fields take for numbers and sizes too; only
 * those of type json get the types of the file, as they do in a configuration ---- */

static json_t *json_of(const struct pv_node *node)
{
    if (node->kind == PV_NODE_TEXT) {
        return json_stringn(node->text.ptr, node->text.len);
    }
    json_t *made = node->kind == PV_NODE_MAP    ? json_object()
                   : node->kind == PV_NODE_LIST ? json_array()
                                                : json_null();
    for (const struct pv_node *child = node->first; child != NULL; child = child->next) {
        json_t *value = json_of(child);
        if (node->kind == PV_NODE_MAP) {
            json_object_setn_new(made, child->key.ptr, child->key.len, value);
        } else {
            json_array_append_new(made, value);
        }
    }
    return made;
}

/* The whole file with types of its own. */
static int typed_of(const struct pv_node *root, struct pv_problems *problems, json_t **ret)
{
    const struct pv_check_at at = {PV_STR(""), '.', "unknown_key", "invalid_value", "missing"};
    const struct pv_field any = {.type = PV_T_JSON, .name = PV_STR("check file")};
    struct pv_check check = {.at = &at, .problems = problems};
    struct pv_value value = pv_value_of_node(root);
    return pv_check_value(&check, &any, &value, ret);
}

static int known_members(const struct pv_node *root, const char *path, struct pv_err *err)
{
    static const char *const known[] = {"settings", "grants", "plans",   "event",  "actions",
                                        "pools",    "poll",   "backend", "witness"};
    for (const struct pv_node *child = root->first; child != NULL; child = child->next) {
        bool found = false;
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
            found = found || pv_str_eq_c(child->key, known[i]);
        }
        if (!found) {
            const char *near = pv_str_nearest(child->key, known, sizeof(known) / sizeof(known[0]));
            return pv_err_set(err, PV_EINVAL, "%s:%u: unknown member “%.*s”%s%s%s", path,
                              child->key_place.line, PV_STR_ARG(child->key),
                              near != NULL ? "; did you mean “" : "", near != NULL ? near : "",
                              near != NULL ? "”?" : "");
        }
    }
    return 0;
}

static int parse(struct pv_kit *kit, const char *path, struct pv_str text, struct pv_err *err)
{
    struct pv_problems problems;
    struct pv_node *root = NULL;
    pv_problems_init(&problems);
    int status = pv_yaml_parse(pv_str(path), text, &problems, &root);
    status = status == 0 ? typed_of(root, &problems, &kit->typed) : status;
    if (status == 0) {
        status = known_members(root, path, err);
    } else {
        struct pv_buf said;
        pv_buf_init(&said, TEXT_CAP);
        pv_problems_print(&problems, &said);
        pv_err_set(err, status, "%.*s", PV_STR_ARG(pv_buf_view(&said)));
        pv_buf_done(&said);
    }
    kit->spec = status == 0 ? json_of(root) : NULL;
    pv_node_free(root);
    pv_problems_done(&problems);
    return status;
}

static int read_file(struct pv_kit *kit, const char *path, struct pv_err *err)
{
    char *text = NULL;
    size_t len = 0;
    if (path == NULL) {
        kit->spec = json_object();
        return 0;
    }
    const char *slash = strrchr(path, '/');
    snprintf(kit->folder, sizeof(kit->folder), "%.*s", slash != NULL ? (int)(slash - path) : 1,
             slash != NULL ? path : ".");
    int status = pv_cli_read(path, FILE_MAX_BYTES, &text, &len, err);
    status = status == 0 ? parse(kit, path, (struct pv_str){text, len}, err) : status;
    pv_free(text);
    return status;
}

/* ---- The backend ---- */

static void become(const struct pv_kit *kit, char *const *argv, int out)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);
    int null = open("/dev/null", O_RDONLY);
    bool ready = null >= 0 && dup2(null, 0) == 0 && dup2(out, 1) == 1 && chdir(kit->folder) == 0;
    if (ready) {
        execvp(argv[0], argv);
    }
    dprintf(2, "provost: %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

/* Reads its output up to a line with a URL. */
static int await_url(struct pv_kit *kit, struct pv_err *err)
{
    char text[4096];
    size_t len = 0;
    for (;;) {
        struct pollfd wait = {.fd = kit->backend_out, .events = POLLIN};
        int ready = poll(&wait, 1, READY_MS);
        ssize_t got = ready > 0 ? read(kit->backend_out, text + len, sizeof(text) - 1 - len) : -1;
        if (got <= 0) {
            return pv_err_set(err, PV_EINVAL,
                              "backend.command %s; it has to print a line with its URL",
                              ready == 0 ? "said nothing for 20 s" : "ended");
        }
        len += (size_t)got;
        text[len] = '\0';
        const char *url = strstr(text, "http");
        size_t url_len = url != NULL ? strcspn(url, " \t\r\n") : 0;
        if (url != NULL && url[url_len] != '\0') {
            snprintf(kit->backend_url, sizeof(kit->backend_url), "%.*s", (int)url_len, url);
            return 0;
        }
    }
}

int pv_kit_spawn(const struct pv_kit *kit, const char *member, pid_t *ret_pid, int *ret_out,
                 struct pv_err *err)
{
    char *argv[MAX_ARGV + 1] = {NULL};
    const json_t *command = pv_json_at(kit->spec, member);
    size_t count = json_array_size(command);
    int pipes[2];
    if (count == 0 || count > MAX_ARGV) {
        return pv_err_set(err, PV_EINVAL, "%s: expected a list of words", member);
    }
    for (size_t i = 0; i < count; i++) {
        const char *word = json_string_value(json_array_get(command, i));
        argv[i] = (char *)(uintptr_t)(word != NULL ? word : "");
    }
    if (pipe2(pipes, O_CLOEXEC) != 0) {
        return pv_err_set(err, PV_EIO, "pipe: %s", strerror(errno));
    }
    pid_t pid = fork();
    if (pid == 0) {
        become(kit, argv, pipes[1]);
    }
    close(pipes[1]);
    if (pid < 0) {
        close(pipes[0]);
        return pv_err_set(err, PV_EIO, "fork: %s", strerror(errno));
    }
    (void)setpgid(pid, pid); /* whichever of the two comes first */
    *ret_pid = pid;
    *ret_out = pipes[0];
    return 0;
}

static int start_backend(struct pv_kit *kit, struct pv_err *err)
{
    const char *url = pv_json_text(kit->spec, "backend.url");
    if (url != NULL) {
        snprintf(kit->backend_url, sizeof(kit->backend_url), "%s", url);
    }
    if (pv_json_at(kit->spec, "backend.command") == NULL) {
        return 0;
    }
    int status = pv_kit_spawn(kit, "backend.command", &kit->backend, &kit->backend_out, err);
    status = status == 0 ? await_url(kit, err) : status;
    if (status == 0 && fcntl(kit->backend_out, F_SETFL, O_NONBLOCK) != 0) {
        status = pv_err_set(err, PV_EIO, "fcntl: %s", strerror(errno));
    }
    return status;
}

void pv_kit_drain(const struct pv_kit *kit)
{
    char text[4096];
    bool more = kit->backend_out >= 0;
    for (int i = 0; i < MOST_READS && more; i++) {
        more = read(kit->backend_out, text, sizeof(text)) > 0;
    }
}

static void stop_backend(struct pv_kit *kit)
{
    if (kit->backend > 0) {
        kill(-kit->backend, SIGKILL); /* whatever it has started */
        while (waitpid(kit->backend, NULL, 0) < 0 && errno == EINTR) {}
    }
    if (kit->backend_out >= 0) {
        close(kit->backend_out);
    }
}

/* ---- Settings ---- */

static int fill_in(struct pv_kit *kit)
{
    const struct pv_match_name names[] = {{"backend", kit->backend_url}, {NULL, NULL}};
    json_t *filled = pv_match_fill(kit->spec, names);
    if (filled == NULL) {
        return PV_ENOMEM;
    }
    json_t *typed = pv_match_fill(kit->typed, names);
    json_decref(kit->typed);
    kit->typed = typed;
    json_decref(kit->spec);
    kit->spec = filled;
    const json_t *plans = json_object_get(filled, "plans");
    kit->plans = json_is_object(plans) && json_object_size(plans) > 0
                     ? json_incref((json_t *)(uintptr_t)plans)
                     : json_pack("{s{}}", "check");
    return kit->plans != NULL ? 0 : PV_ENOMEM;
}

/* Gives the members that are of type json the types of the file. */
static void set_types(const struct pv_fields *fields, json_t *given, const json_t *typed)
{
    for (size_t i = 0; i < fields->count; i++) {
        const struct pv_str name = fields->items[i].name;
        json_t *value = json_object_getn(typed, name.ptr, name.len);
        if (fields->items[i].type == PV_T_JSON && value != NULL) {
            json_object_setn(given, name.ptr, name.len, value);
        }
    }
}

static void set_types_of_services(struct pv_kit *kit)
{
    const struct pv_plugin *plugin = kit->job.plugin;
    const char *plan = NULL;
    json_t *values = NULL;
    json_object_foreach(kit->plans, plan, values)
    {
        set_types(&plugin->product, values,
                  json_object_get(json_object_get(kit->typed, "plans"), plan));
    }
    set_types(&plugin->checkout, (json_t *)(uintptr_t)pv_json_at(kit->spec, "event.service.params"),
              pv_json_at(kit->typed, "event.service.params"));
}

static int check_settings(struct pv_kit *kit, struct pv_err *err)
{
    struct pv_problems problems;
    pv_problems_init(&problems);
    json_t *given = json_object_get(kit->spec, "settings");
    set_types(&kit->job.plugin->settings, given, json_object_get(kit->typed, "settings"));
    int status = pv_grants_add(&kit->job.grants, json_object_get(kit->spec, "grants"), kit->folder,
                               &problems);
    int declared = pv_job_declare(kit->cli, &kit->job, given, &problems);
    int settled = declared == PV_EXIT_OK ? pv_job_settings(&kit->job, given, &problems) : PV_EINVAL;
    status = status == 0 ? settled : status;
    if (problems.errors > 0) {
        struct pv_buf text;
        pv_buf_init(&text, TEXT_CAP);
        pv_problems_print(&problems, &text);
        struct pv_str said = pv_buf_view(&text);
        said.len -= said.len > 0 ? 1 : 0;
        pv_err_set(err, status, "%.*s", PV_STR_ARG(said));
        pv_buf_done(&text);
    } else if (status != 0) {
        pv_err_set(err, status, "what the plugin declares with these settings cannot be read");
    }
    pv_problems_done(&problems);
    return status;
}

static int stand_before(struct pv_kit *kit, struct pv_err *err)
{
    if (pv_find_secret_settings(&kit->job.plugin->settings, kit->job.settings, kit->secrets) != 0) {
        return pv_err_set(err, PV_ENOMEM, "out of memory");
    }
    return pv_job_stand_before(&kit->job, kit->proxy, &kit->proxied, err);
}

static int read_poll(struct pv_kit *kit, struct pv_err *err)
{
    const char *poll = pv_json_text(kit->spec, "poll");
    kit->poll_ms = DEFAULT_POLL_MS;
    if (poll != NULL && pv_str_to_duration(pv_str(poll), &kit->poll_ms) != 0) {
        return pv_err_set(err, PV_EINVAL, "poll: expected a duration such as 200ms, got “%s”",
                          poll);
    }
    return 0;
}

int pv_kit_open(struct pv_kit *kit, const char *path, struct pv_err *err)
{
    pthread_mutex_init(&kit->lock, NULL);
    kit->backend_out = -1;
    kit->secrets = json_array();
    pv_buf_init(&kit->said, (size_t)8 * 1024 * 1024);
    int status = pv_proxy_new(&kit->proxy, err);
    status = status == 0 ? read_file(kit, path, err) : status;
    status = status == 0 ? read_poll(kit, err) : status;
    status = status == 0 ? start_backend(kit, err) : status;
    status = status == 0 ? fill_in(kit) : status;
    status = status == 0 ? check_settings(kit, err) : status;
    if (status == 0) {
        set_types_of_services(kit);
        status = pv_play_make_dir(kit->data_dir, err);
    }
    return status == 0 ? stand_before(kit, err) : status;
}

void pv_kit_close(struct pv_kit *kit)
{
    pv_proxy_free(kit->proxy);
    stop_backend(kit);
    for (int i = 0; i <= PV_OP_TYPES; i++) {
        json_decref(kit->life[i].things);
        json_decref(kit->life[i].ledger);
    }
    pv_play_remove_dir(kit->data_dir);
    json_decref(kit->spec);
    json_decref(kit->typed);
    json_decref(kit->plans);
    json_decref(kit->secrets);
    pv_buf_done(&kit->said);
    pthread_mutex_destroy(&kit->lock);
}
