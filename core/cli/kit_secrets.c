/* SPDX-License-Identifier: Apache-2.0 */
/* The check of the kit that looks for secrets in what the plugin says, keeps and sends. */
#include "core/cli/kit.h"

#include "core/base/alloc.h"
#include "core/cli/secretive.h"
#include "core/json/json.h"

#include <stdio.h>
#include <string.h>

#define SHORTEST 6

/* ---- One secret, in the forms in which it may be seen ---- */

static bool holds(struct pv_str text, const char *word)
{
    size_t len = strlen(word);
    return len > 0 && text.len >= len && memmem(text.ptr, text.len, word, len) != NULL;
}

/* How the text shows the secret; NULL: it does not. */
static const char *shows(struct pv_str text, const char *secret)
{
    char other[PV_SECRET_FORM_SIZE];
    if (strlen(secret) < SHORTEST) {
        return NULL;
    }
    const char *how = pv_secret_form(secret, 0, other);
    for (int form = 0; how != NULL; how = pv_secret_form(secret, ++form, other)) {
        if (holds(text, other)) {
            return how;
        }
    }
    return NULL;
}

static void look(struct pv_finding *finding, const json_t *secrets, struct pv_str text,
                 const char *where)
{
    size_t i = 0;
    json_t *secret = NULL;
    json_array_foreach((json_t *)(uintptr_t)secrets, i, secret)
    {
        const char *how = shows(text, json_string_value(secret));
        if (how != NULL) {
            pv_kit_fail(finding, "%s holds a secret of %zu characters %s", where,
                        json_string_length(secret), how);
            return;
        }
    }
}

/* ---- Where they may be ---- */

static void look_at_json(struct pv_finding *finding, const json_t *secrets, const json_t *json,
                         const char *where)
{
    struct pv_buf text;
    pv_buf_init(&text, (size_t)1024 * 1024);
    if (json != NULL && pv_json_put(&text, json) == 0) {
        look(finding, secrets, pv_buf_view(&text), where);
    }
    pv_buf_done(&text);
}

static void look_at_urls(struct pv_finding *finding, const json_t *secrets, const json_t *ledger)
{
    size_t i = 0;
    json_t *entry = NULL;
    json_array_foreach((json_t *)(uintptr_t)ledger, i, entry)
    {
        const char *path = json_string_value(json_object_get(entry, "path"));
        const char *method = json_string_value(json_object_get(entry, "method"));
        char where[300];
        snprintf(where, sizeof(where), "the URL of a request (%s %.*s…)", method,
                 (int)(path != NULL ? strcspn(path, "?") : 0) / 2, path);
        look(finding, secrets, pv_str(path), where);
    }
}

/* What the backend answered under names such as password. */
static void learn(json_t *secrets, const json_t *ledger)
{
    size_t i = 0;
    json_t *entry = NULL;
    json_array_foreach((json_t *)(uintptr_t)ledger, i, entry)
    {
        const char *said = json_string_value(json_object_get(entry, "response"));
        json_t *json = said != NULL ? json_loads(said, JSON_DECODE_ANY, NULL) : NULL;
        pv_find_secrets(json, secrets);
        json_decref(json);
    }
}

static void look_at_views(struct pv_kit *kit, struct pv_finding *finding,
                          struct pv_kit_service *service, const json_t *secrets)
{
    static const char *const names[] = {"status", "view", "usage"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char where[100];
        snprintf(where, sizeof(where), "the answer of the query `%s`", names[i]);
        json_t *answer = pv_kit_query(kit, service, names[i], true, NULL);
        look_at_json(finding, secrets, answer, where);
        json_decref(answer);
    }
}

/* A life in which every request of an operation is refused at first, so that errors are said. */
static void listen(struct pv_kit *kit, struct pv_finding *finding, int type, enum pv_fault fault)
{
    struct pv_kit_service service;
    struct pv_scene scene;
    struct pv_str nothing = {NULL, 0};
    pv_scene_init(&scene);
    scene.fault = fault;
    scene.at = 1;
    pv_buf_clear(&kit->said);
    json_t *secrets = json_deep_copy(kit->secrets);
    json_t *settings = json_deep_copy(kit->secrets);
    if (pv_kit_service_init(kit, &service) == 0 && pv_kit_bring(kit, finding, &service, type) &&
        pv_kit_play(kit, finding, &service, type, &scene)) {
        finding->played++;
        learn(secrets, scene.ledger);
        json_array_extend(secrets, (json_t *)(uintptr_t)pv_local_secrets(&service.local));
        look_at_urls(finding, secrets, scene.ledger);
        if (type != PV_OP_TERMINATE) {
            look_at_views(kit, finding, &service, secrets);
        }
        look_at_json(finding, settings, pv_local_state(&service.local), "the state document");
        look(finding, secrets, kit->said.ptr != NULL ? pv_buf_view(&kit->said) : nothing,
             "what the plugin logs, reports or gives as a reason");
    }
    json_decref(settings);
    json_decref(secrets);
    pv_scene_done(&scene);
    pv_kit_service_done(&service);
}

void pv_check_secrets(struct pv_kit *kit, struct pv_finding *finding)
{
    for (int type = PV_OP_CREATE; type <= PV_OP_RENEW; type++) {
        if (kit->life[type].declared) {
            listen(kit, finding, type, PV_FAULT_NONE);
            listen(kit, finding, type, PV_FAULT_DENIED);
            listen(kit, finding, type, PV_FAULT_BROKEN);
        }
    }
}
