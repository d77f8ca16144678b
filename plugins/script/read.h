/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a description's JSON into the tables of plugin.h, and the memory that these live in:
 * nothing of it is freed. Functions return 0, or -1 with the sentence ("WHERE: …") in the reader.
 */
#ifndef PLUGINS_SCRIPT_READ_H
#define PLUGINS_SCRIPT_READ_H

#include "plugins/script/script.h"

struct script_reader {
    const json_t *settings;
    const char *path;
    bool folder;
    char *error;
    size_t error_size;
};

/* Sets the sentence; -1. */
int read_refuse(struct script_reader *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Zeroed memory; NULL: the sentence is set. */
void *read_keep(struct script_reader *r, size_t size);
/* Members that are not there leave *ret as it is. */
int read_text(struct script_reader *r, const json_t *json, const char *where, const char *member,
              const char **ret);
int read_flag(struct script_reader *r, const json_t *json, const char *where, const char *member,
              uint32_t bit, uint32_t *flags);
int read_number(struct script_reader *r, const json_t *json, const char *where, const char *member,
                int64_t least, int64_t most, int64_t *ret);
/* The member as a list; NULL when it is not there. */
int read_array(struct script_reader *r, const json_t *json, const char *where, const char *member,
               const json_t **ret);
int read_check_members(struct script_reader *r, const json_t *json, const char *where,
                       const char *const *known);
int read_fields(struct script_reader *r, const json_t *json, const char *where, const char *member,
                const struct provost_field **ret);

#endif
