/* SPDX-License-Identifier: Apache-2.0 */
/* Verdicts of the kit, and the witnesses that they are founded on. */
#include "core/cli/kit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define TEXT_CAP ((size_t)64 * 1024)
#define MAX_PAGES 200

/* ---- Verdicts ---- */

static void add_evidence(struct pv_finding *finding, const char *fmt, va_list ap)
{
    if (json_array_size(finding->evidence) < PV_KIT_EVIDENCE) {
        json_array_append_new(finding->evidence, json_vsprintf(fmt, ap));
    }
}

void pv_kit_fail(struct pv_finding *finding, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (finding->verdict != PV_FAIL) {
        json_array_clear(finding->evidence);
    }
    finding->verdict = PV_FAIL;
    finding->failures++;
    add_evidence(finding, fmt, ap);
    va_end(ap);
}

void pv_kit_skip(struct pv_finding *finding, const char *fmt, ...)
{
    if (finding->verdict == PV_FAIL) {
        return;
    }
    va_list ap;
    va_start(ap, fmt);
    finding->verdict = PV_NOT_APPLICABLE;
    add_evidence(finding, fmt, ap);
    va_end(ap);
}

void pv_kit_note(struct pv_finding *finding, const char *fmt, ...)
{
    va_list ap;
    size_t i = 0;
    json_t *said = NULL;
    if (finding->verdict == PV_FAIL) {
        return;
    }
    va_start(ap, fmt);
    json_t *sentence = json_vsprintf(fmt, ap);
    va_end(ap);
    bool there = false;
    json_array_foreach(finding->evidence, i, said)
    {
        there = there || json_equal(said, sentence);
    }
    if (!there && json_array_size(finding->evidence) < PV_KIT_EVIDENCE) {
        json_array_append(finding->evidence, sentence);
    }
    json_decref(sentence);
}

size_t pv_kit_most(struct pv_finding *finding, size_t count, const char *whose, const char *what)
{
    if (count <= PV_KIT_MOST) {
        return count;
    }
    pv_kit_note(finding, "%s: the first %d of %zu %s are played, not every one", whose, PV_KIT_MOST,
                count, what);
    return PV_KIT_MOST;
}

void pv_kit_fail_end(struct pv_finding *finding, const char *what, const struct pv_scene *scene)
{
    const char *reason = scene->result.reason;
    if (scene->lost) {
        pv_kit_fail(finding, "%s: the host was lost: %s", what, scene->lost_text);
        return;
    }
    pv_kit_fail(finding, "%s: the operation ended “%s”%s%s", what,
                pv_play_end_name(scene->result.end), reason[0] != '\0' ? ": " : "", reason);
}

/* ---- The witness ---- */

static void count_thing(json_t *things, const char *kind)
{
    json_int_t count = json_integer_value(json_object_get(things, kind));
    json_object_set_new(things, kind, json_integer(count + 1));
}

/* The name of the parameter that `next` of a page belongs to: the first that the query has. */
static json_t *next_page(const struct pv_kit *kit, const json_t *next)
{
    const struct pv_plugin_query *query =
        pv_plugin_instance_query(kit->job.plugin, PV_STR("inventory"));
    if (next == NULL || json_is_null(next) || query->params.count == 0) {
        return NULL;
    }
    json_t *params = json_object();
    json_object_setn(params, query->params.items[0].name.ptr, query->params.items[0].name.len,
                     (json_t *)(uintptr_t)next);
    return params;
}

static json_t *inventory(struct pv_kit *kit, struct pv_kit_service *service)
{
    json_t *things = json_object();
    json_t *params = NULL;
    const char *ref = pv_local_service(&service->local, "ref");
    for (int page = 0; page < MAX_PAGES; page++) {
        json_t *answer = pv_kit_query(kit, service, "inventory", false, params);
        json_decref(params);
        if (answer == NULL) {
            json_decref(things);
            return NULL;
        }
        size_t i = 0;
        json_t *item = NULL;
        json_array_foreach(json_object_get(answer, "items"), i, item)
        {
            const char *whose = json_string_value(json_object_get(item, "ref"));
            const char *kind = json_string_value(json_object_get(item, "kind"));
            if (whose != NULL && strcmp(whose, ref) == 0) {
                count_thing(things, kind != NULL ? kind : "thing");
            }
        }
        params = next_page(kit, json_object_get(answer, "next"));
        json_decref(answer);
        if (params == NULL) {
            break;
        }
    }
    return things;
}

static json_t *keys(const struct pv_kit_service *service)
{
    json_t *things = json_object();
    const char *key = NULL;
    json_t *entry = NULL;
    json_object_foreach(json_object_get(json_object_get(service->local.root, "kv"), "instance"),
                        key, entry)
    {
        if (json_object_get(entry, "value") != NULL) {
            count_thing(things, "key");
        }
    }
    return things;
}

/* Reads lines to the end, and counts those with the ref. */
static json_t *count_lines(int fd, const char *ref)
{
    json_t *things = json_object();
    char line[4096];
    FILE *file = fdopen(fd, "r");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strstr(line, ref) != NULL) {
            count_thing(things, "line");
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return things;
}

/* NULL: the command failed. */
static json_t *command_lines(const struct pv_kit *kit, const struct pv_kit_service *service)
{
    struct pv_err err = {0};
    pid_t pid = 0;
    int fd = -1;
    int how = 0;
    if (pv_json_at(kit->spec, "witness") == NULL ||
        pv_kit_spawn(kit, "witness", &pid, &fd, &err) != 0) {
        return NULL;
    }
    json_t *things = count_lines(fd, pv_local_service(&service->local, "ref"));
    while (waitpid(pid, &how, 0) < 0 && errno == EINTR) {}
    if (how != 0) {
        json_decref(things);
        return NULL;
    }
    return things;
}

static json_t *objects(const struct pv_kit_service *service)
{
    return service->objects != 0 ? json_pack("{sI}", "object", (json_int_t)service->objects)
                                 : json_object();
}

json_t *pv_kit_things(struct pv_kit *kit, struct pv_kit_service *service)
{
    switch (kit->witness) {
    case PV_WITNESS_INVENTORY:
        return inventory(kit, service);
    case PV_WITNESS_KEYS:
        return keys(service);
    case PV_WITNESS_COMMAND:
        return command_lines(kit, service);
    case PV_WITNESS_LEDGER:
        return objects(service);
    default:
        return NULL;
    }
}

/* "1 site, 2 records"; "nothing". */
static void put_things(struct pv_buf *out, const json_t *things)
{
    const char *kind = NULL;
    json_t *count = NULL;
    size_t start = out->len;
    json_object_foreach((json_t *)(uintptr_t)things, kind, count)
    {
        pv_buf_printf(out, "%s%lld of kind “%s”", out->len > start ? ", " : "",
                      (long long)json_integer_value(count), kind);
    }
    if (out->len == start) {
        pv_buf_c(out, "nothing");
    }
}

bool pv_kit_expect(struct pv_kit *kit, struct pv_finding *finding, struct pv_kit_service *service,
                   int type, const char *what)
{
    if (kit->witness == PV_WITNESS_NONE) {
        return true;
    }
    json_t *none = json_object();
    json_t *found = pv_kit_things(kit, service);
    const json_t *wanted = type != 0 ? kit->life[type].things : none;
    bool same = found != NULL && json_equal(found, wanted);
    if (found == NULL) {
        pv_kit_fail(finding, "%s: the witness gives no answer", what);
    } else if (!same) {
        struct pv_buf text;
        pv_buf_init(&text, TEXT_CAP);
        put_things(&text, found);
        pv_buf_c(&text, " bears the service's ref where there should be ");
        put_things(&text, wanted);
        pv_kit_fail(finding, "%s: %s", what, text.ptr);
        pv_buf_done(&text);
    }
    json_decref(found);
    json_decref(none);
    return same;
}

bool pv_kit_has_blind_step(const struct pv_kit *kit, int type)
{
    const struct pv_plugin_steps *steps = &kit->job.plugin->operations[type];
    for (size_t i = 0; i < steps->count; i++) {
        if ((steps->items[i].flags & (PV_STEP_REPEATABLE | PV_STEP_LOOKUP)) == 0) {
            return true;
        }
    }
    return false;
}

void pv_kit_judge(struct pv_kit *kit, struct pv_finding *finding, struct pv_kit_service *service,
                  int type, const struct pv_scene *scene, unsigned may, const char *what)
{
    enum pv_play_end end = scene->result.end;
    finding->played++;
    if (scene->lost) {
        pv_kit_fail_end(finding, what, scene);
        return;
    }
    bool parked = end == PV_PLAY_NEEDS_OPERATOR && (may & PV_MAY_PARK) != 0;
    bool failed = end == PV_PLAY_FAILED && (may & PV_MAY_FAIL) != 0;
    if (end != PV_PLAY_DONE && !parked && !failed) {
        pv_kit_fail_end(finding, what, scene);
        return;
    }
    if (parked) {
        return; /* a person looks at what is there */
    }
    int left = failed ? (type == PV_OP_CREATE ? 0 : PV_OP_CREATE) : type;
    if (!pv_kit_expect(kit, finding, service, left, what) || type == PV_OP_TERMINATE || left == 0) {
        return;
    }
    if (kit->life[PV_OP_TERMINATE].declared) {
        struct pv_scene last;
        char after[400];
        snprintf(after, sizeof(after), "%s; terminate afterwards", what);
        pv_scene_init(&last);
        if (pv_kit_play(kit, finding, service, PV_OP_TERMINATE, &last)) {
            if (last.result.end != PV_PLAY_DONE) {
                pv_kit_fail_end(finding, after, &last);
            } else {
                (void)pv_kit_expect(kit, finding, service, 0, after);
            }
        }
        pv_scene_done(&last);
    }
}
