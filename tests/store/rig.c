/* SPDX-License-Identifier: Apache-2.0 */
/* See rig.h. */
#include "tests/store/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int rig_try_open(struct rig *r, struct pv_err *err)
{
    struct pv_sqlite_options options = {.path = r->path, .keyring = r->keyring, .migrate = true};
    r->logic = (struct pv_logic){.rows = &r->db.rows, .keyring = r->keyring, .writer = 1};
    pv_arena_init(&r->logic.scratch);
    int status = pv_sqlite_db_open(&options, &r->db, &r->logic, err);
    r->open = status == 0;
    return status;
}

void rig_shut(struct rig *r)
{
    if (r->open) {
        pv_sqlite_db_close(&r->db);
        r->open = false;
    }
    pv_arena_done(&r->logic.scratch);
    pv_keyring_free(r->keyring);
    r->keyring = NULL;
}

/* With the keys file as it is now. */
void rig_reopen(struct rig *r)
{
    struct pv_err err = {0};
    if (pv_keyring_open(r->keys, &r->keyring, &err) || rig_try_open(r, &err)) {
        fail_msg("%s", err.text);
    }
}

int rig_setup(void **state)
{
    struct rig *r = calloc(1, sizeof(*r));
    assert_non_null(r);
    const char *base = getenv("TMPDIR");
    snprintf(r->folder, sizeof(r->folder), "%.40s/pv-rotate-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(r->folder));
    snprintf(r->path, sizeof(r->path), "%s/provost.db", r->folder);
    snprintf(r->keys, sizeof(r->keys), "%s/keys", r->folder);
    assert_int_equal(pv_base_init(), 0);
    rig_reopen(r);
    *state = r;
    return 0;
}

int rig_teardown(void **state)
{
    struct rig *r = *state;
    rig_shut(r);
    fix_remove_folder(r->folder);
    assert_int_not_equal(access(r->folder, F_OK), 0); /* nothing else was left in it */
    free(r);
    return 0;
}

size_t rig_read_keys(const struct rig *r, char out[8192])
{
    FILE *file = fopen(r->keys, "r");
    assert_non_null(file);
    size_t len = fread(out, 1, 8191, file);
    out[len] = '\0';
    fclose(file);
    return len;
}

/* Takes the line of a key out, as an operator does. */
void rig_drop_line(const struct rig *r, unsigned id)
{
    char text[8192];
    char start[24];
    rig_read_keys(r, text);
    snprintf(start, sizeof(start), "\nkey %u ", id);
    char *line = strstr(text, start);
    assert_non_null(line);
    char *end = strchr(line + 1, '\n');
    assert_non_null(end);
    FILE *file = fopen(r->keys, "w");
    assert_non_null(file);
    fprintf(file, "%.*s%s", (int)(line - text), text, end);
    fclose(file);
}

uint32_t rig_rotate(struct rig *r)
{
    struct pv_err err = {0};
    uint32_t id = 0;
    if (pv_keyring_rotate(r->keyring, r->keys, &id, &err)) {
        fail_msg("%s", err.text);
    }
    return id;
}
