/* SPDX-License-Identifier: Apache-2.0 */
/* A value that is to be checked, whether it came as YAML or as JSON. Borrows everything. */
#ifndef PV_CONFIG_VALUE_H
#define PV_CONFIG_VALUE_H

#include "core/config/node.h"

#include <jansson.h>

enum pv_value_kind {
    PV_VALUE_NULL,
    PV_VALUE_TEXT,
    PV_VALUE_INT,
    PV_VALUE_REAL,
    PV_VALUE_BOOL,
    PV_VALUE_LIST,
    PV_VALUE_MAP,
};

struct pv_value {
    enum pv_value_kind kind;
    struct pv_str text;
    int64_t integer;
    double real;
    bool boolean;
    size_t count;          /* of a list or map */
    struct pv_place place; /* of the value; file none for JSON */
    struct pv_place key_place;
    const struct pv_node *node; /* one of the two; both NULL: made up */
    const json_t *json;
};

struct pv_value pv_value_of_node(const struct pv_node *node); /* NULL gives PV_VALUE_NULL */
struct pv_value pv_value_of_json(const json_t *json);         /* the same */
struct pv_value pv_value_of_text(struct pv_str text);

/* Walks over members or elements: zero-initialise, call until false. The key is none in a list. */
struct pv_value_iter {
    const struct pv_node *node;
    void *member;
    size_t index;
};
bool pv_value_next(const struct pv_value *value, struct pv_value_iter *iter, struct pv_str *ret_key,
                   struct pv_value *ret_value);
/* The member of a map; PV_VALUE_NULL when there is none. */
struct pv_value pv_value_get(const struct pv_value *value, struct pv_str name);
/* How it reads in a message: "\"lots\"", "5", "a list". Text is cut at 60 bytes. */
void pv_value_show(const struct pv_value *value, struct pv_buf *out);

#endif
