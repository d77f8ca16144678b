/* SPDX-License-Identifier: Apache-2.0 */
/* The files of `provost support-bundle`: what somebody who helps needs to see, without secrets and
 * without customers. Written into a folder that tar(1) then packs. */
#include "core/cli/bundle.h"

#include "core/cli/doctor.h"
#include "core/config/config.h"
#include "core/config/node.h"

#include "core/base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#define FILE_CAP ((size_t)32 * 1024 * 1024)
#define HIDDEN "(hidden)"

/* ---- without customers ---- */

static bool in_address(unsigned char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c >= 0x80 ||
           strchr(".!#$%&'*+-/=?^_`{|}~", c) != NULL;
}

/* Appends text with every e-mail address replaced. */
int pv_bundle_mask(struct pv_str text, struct pv_buf *out)
{
    size_t kept = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '@') {
            continue;
        }
        size_t start = i;
        size_t end = i + 1;
        while (start > kept && in_address((unsigned char)text.ptr[start - 1])) {
            start--;
        }
        while (end < text.len && in_address((unsigned char)text.ptr[end])) {
            end++;
        }
        if (start < i && end > i + 1) {
            pv_buf_put(out, text.ptr + kept, start - kept);
            pv_buf_c(out, "(e-mail)");
            kept = end;
            i = end - 1;
        }
    }
    return pv_buf_put(out, text.ptr + kept, text.len - kept);
}

/* ---- the configuration ---- */

static bool named_secret(struct pv_str key)
{
    static const char *const words[] = {"pass", "secret", "token", "key", "credential", "auth"};
    char lower[128];
    size_t len = key.len < sizeof(lower) - 1 ? key.len : sizeof(lower) - 1;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)key.ptr[i];
        lower[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    }
    lower[len] = '\0';
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strstr(lower, words[i]) != NULL) {
            return true;
        }
    }
    return false;
}

/* A reference says where a secret is, not what it is. */
static bool is_reference(struct pv_str text)
{
    return pv_str_starts(text, "${") && text.ptr[text.len - 1] == '}' &&
           memchr(text.ptr + 1, '$', text.len - 1) == NULL;
}

/* `hide`: everything below is replaced, except references. */
static json_t *node_json(const struct pv_node *node, bool hide)
{
    json_t *json = NULL;
    switch (node->kind) {
    case PV_NODE_MAP:
        json = json_object();
        break;
    case PV_NODE_LIST:
        json = json_array();
        break;
    case PV_NODE_TEXT:
        return hide && !is_reference(node->text) ? json_string(HIDDEN)
                                                 : json_stringn(node->text.ptr, node->text.len);
    default:
        return json_null();
    }
    for (const struct pv_node *child = node->first; child != NULL; child = child->next) {
        if (node->kind == PV_NODE_LIST) {
            json_array_append_new(json, node_json(child, hide));
        } else {
            json_object_setn_new(json, child->key.ptr, child->key.len,
                                 node_json(child, hide || named_secret(child->key)));
        }
    }
    return json;
}

/* Settings of plugins are hidden as a whole here: which of them are secret is known when the file
 * is in order, and then /v1/instances shows the others. */
static json_t *config_json(const struct pv_node *root)
{
    json_t *json = node_json(root, false);
    const struct pv_node *plugins = pv_node_get(root, "plugins");
    for (const struct pv_node *p = plugins != NULL ? plugins->first : NULL; p != NULL;
         p = p->next) {
        const struct pv_node *settings = pv_node_get(p, "settings");
        json_t *instance =
            json_object_getn(json_object_get(json, "plugins"), p->key.ptr, p->key.len);
        if (settings != NULL && instance != NULL) {
            json_object_set_new(instance, "settings", node_json(settings, true));
        }
    }
    return json;
}

/* ---- files ---- */

int pv_bundle_write(struct pv_bundle *bundle, const char *name, struct pv_str text,
                    struct pv_err *err)
{
    struct pv_buf masked;
    pv_buf_init(&masked, FILE_CAP);
    int status = pv_bundle_mask(text, &masked);
    if (status != 0) {
        pv_buf_done(&masked);
        return pv_err_set(err, status, "%s: %s", name, pv_status_text(status));
    }
    if (bundle->count == PV_BUNDLE_FILES) {
        pv_buf_done(&masked);
        return pv_err_set(err, PV_ETOOBIG, "%s: too many files", name);
    }
    bundle->names[bundle->count] = name;
    bundle->count = bundle->count + 1;
    int fd = openat(bundle->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    const char *at = masked.ptr;
    size_t left = masked.len;
    bool good = fd >= 0;
    while (good && left > 0) {
        ssize_t n = write(fd, at, left);
        good = n > 0 || (n < 0 && errno == EINTR);
        at += n > 0 ? n : 0;
        left -= n > 0 ? (size_t)n : 0;
    }
    int error = errno;
    if (fd >= 0 && close(fd) != 0 && good) {
        error = errno;
        good = false;
    }
    pv_buf_done(&masked);
    return good ? 0 : pv_err_set(err, pv_status_from_errno(error), "%s: %s", name, strerror(error));
}

static int write_json(struct pv_bundle *bundle, const char *name, json_t *json, struct pv_err *err)
{
    char *text = json != NULL ? json_dumps(json, JSON_INDENT(2)) : NULL;
    json_decref(json);
    if (text == NULL) {
        return pv_err_set(err, PV_ENOMEM, "%s: %s", name, pv_status_text(PV_ENOMEM));
    }
    int status = pv_bundle_write(bundle, name, pv_str(text), err);
    pv_json_release(text);
    return status;
}

/* What the daemon answers at a path; why it does not, where it does not. */
static int add_answer(struct pv_bundle *bundle, const char *name, const char *path,
                      struct pv_err *err)
{
    struct pv_answer answer = {0};
    const struct pv_client_request request = {.path = path};
    if (pv_cli_try(bundle->cli, &request, &answer, err) != 0) {
        char why[sizeof(err->text)];
        snprintf(why, sizeof(why), "%s", err->text);
        return write_json(bundle, name, json_pack("{s:s}", "not_answered", why), err);
    }
    int status = answer.json != NULL
                     ? write_json(bundle, name, json_incref(answer.json), err)
                     : pv_bundle_write(bundle, name, (struct pv_str){answer.text, answer.len}, err);
    pv_answer_done(&answer);
    return status;
}

/* The parked operations, as their ids, states and reasons alone. */
static int add_parked(struct pv_bundle *bundle, struct pv_err *err)
{
    static const char *const members[] = {"operation", "service",  "type",        "state",
                                          "reason",    "accepted", "accepted_at", "attempts"};
    struct pv_answer answer = {0};
    const struct pv_client_request request = {.path =
                                                  "/v1/operations?state=needs_operator&limit=100"};
    if (pv_cli_try(bundle->cli, &request, &answer, err) != 0) {
        return write_json(bundle, "needs_operator.json", json_array(), err);
    }
    json_t *list = json_array();
    const json_t *operations = json_object_get(answer.json, "operations");
    for (size_t i = 0; i < json_array_size(operations); i++) {
        json_t *one = json_object();
        for (size_t m = 0; m < sizeof(members) / sizeof(members[0]); m++) {
            json_t *value = json_object_get(json_array_get(operations, i), members[m]);
            if (value != NULL) {
                json_object_set(one, members[m], value);
            }
        }
        json_array_append_new(list, one);
    }
    pv_answer_done(&answer);
    return write_json(bundle, "needs_operator.json", list, err);
}

static int add_config(struct pv_bundle *bundle, struct pv_err *err)
{
    const char *given = pv_cli_text(bundle->cli, "config");
    const char *file = given != NULL ? given : PV_CONFIG_FILE;
    char *text = NULL;
    size_t len = 0;
    struct pv_err why = {0};
    if (pv_cli_read(file, PV_YAML_MAX_BYTES, &text, &len, &why) != 0) {
        return write_json(bundle, "configuration.json", json_pack("{s:s}", "not_read", why.text),
                          err);
    }
    struct pv_problems problems;
    struct pv_node *root = NULL;
    pv_problems_init(&problems);
    int parsed = pv_yaml_parse(pv_str(file), (struct pv_str){text, len}, &problems, &root);
    json_t *json =
        parsed == 0 ? config_json(root) : json_pack("{s:s}", "not_read", "it is no valid YAML");
    pv_node_free(root);
    pv_problems_done(&problems);
    pv_wipe(text, len);
    pv_free(text);
    return write_json(bundle, "configuration.json", json, err);
}

static int add_machine(struct pv_bundle *bundle, struct pv_err *err)
{
    struct utsname name = {0};
    struct pv_err why = {0};
    char *release = NULL;
    size_t len = 0;
    (void)uname(&name);
    if (pv_cli_read("/etc/os-release", 64 * 1024, &release, &len, &why) != 0) {
        release = NULL;
    }
    json_t *json =
        json_pack("{s:s s:s s:s s:s s:i s:s?}", "provost", PV_VERSION, "kernel", name.release,
                  "kernel_version", name.version, "machine", name.machine, "processors",
                  (int)sysconf(_SC_NPROCESSORS_ONLN), "os_release", release);
    pv_free(release);
    return write_json(bundle, "machine.json", json, err);
}

static int add_doctor(struct pv_bundle *bundle, struct pv_err *err)
{
    json_t *report = NULL;
    int found = pv_doctor(bundle->cli, false, &report); /* what it found is in the report */
    (void)found;
    return write_json(bundle, "doctor.json", report, err);
}

static int add_log(struct pv_bundle *bundle, struct pv_err *err)
{
    if (bundle->log == NULL) {
        return 0;
    }
    char *text = NULL;
    size_t len = 0;
    int status = pv_cli_read(bundle->log, FILE_CAP / 2, &text, &len, err);
    if (status == 0) {
        status = pv_bundle_write(bundle, "log.txt", (struct pv_str){text, len}, err);
    }
    pv_free(text);
    return status;
}

int pv_bundle_fill(struct pv_bundle *bundle, struct pv_err *err)
{
    static const struct {
        const char *name;
        const char *path;
    } answers[] = {
        {"status.json", "/v1/status"},   {"instances.json", "/v1/instances"},
        {"plugins.json", "/v1/plugins"}, {"products.json", "/v1/products"},
        {"readyz.json", "/readyz"},      {"metrics.txt", "/metrics"},
    };
    int status = add_machine(bundle, err);
    status = status != 0 ? status : add_config(bundle, err);
    status = status != 0 ? status : add_doctor(bundle, err);
    for (size_t i = 0; status == 0 && i < sizeof(answers) / sizeof(answers[0]); i++) {
        status = add_answer(bundle, answers[i].name, answers[i].path, err);
    }
    status = status != 0 ? status : add_parked(bundle, err);
    return status != 0 ? status : add_log(bundle, err);
}
