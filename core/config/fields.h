/* SPDX-License-Identifier: Apache-2.0 */
/* Fields that a plugin declares (settings, product, checkout, forms, parameters of queries) and the
 * check of values against them. One table gives checks, defaults, JSON Schema and documentation.
 * Immutable once read; any thread may check. */
#ifndef PV_CONFIG_FIELDS_H
#define PV_CONFIG_FIELDS_H

#include "core/config/problem.h"

#include <jansson.h>
#include <regex.h>

/* The numbers of enum provost_type in plugin.h. */
enum pv_field_type {
    PV_T_STRING = 0,
    PV_T_TEXT = 1,
    PV_T_INT = 2,
    PV_T_NUMBER = 3,
    PV_T_BOOL = 4,
    PV_T_SIZE = 5,
    PV_T_DURATION = 6,
    PV_T_URL = 7,
    PV_T_EMAIL = 8,
    PV_T_HOSTNAME = 9,
    PV_T_IP = 10,
    PV_T_SELECT = 11,
    PV_T_LIST = 12,
    PV_T_MAP = 13,
    PV_T_POOL = 14,
    PV_T_JSON = 15,
};
#define PV_FIELD_TYPES 16

#define PV_F_REQUIRED (1u << 0)
#define PV_F_SECRET (1u << 1)
#define PV_F_IMMUTABLE (1u << 2)
#define PV_F_FILE (1u << 3)

struct pv_field {
    struct pv_str name;
    struct pv_str label;
    struct pv_str description; /* none: not given */
    struct pv_str fallback;    /* the default as text; none: there is none */
    struct pv_str *options;    /* PV_T_SELECT */
    size_t option_count;
    struct pv_str pattern; /* none: any text */
    regex_t regex;         /* compiled, when there is a pattern */
    bool has_regex;
    bool has_bounds;
    int64_t min;
    int64_t max;
    enum pv_field_type type;
    unsigned flags; /* PV_F_… */
};

struct pv_fields {
    struct pv_field *items;
    size_t count;
};

/* "size"; "?" for an unknown number. Static storage. */
const char *pv_field_type_name(int type);
const struct pv_field *pv_fields_find(const struct pv_fields *fields, struct pv_str name);

/* How problems of a check are named. Borrowed strings, static codes. */
struct pv_check_at {
    struct pv_str path;  /* of the object: "plugins.pdns-1.settings" or "/service/params" */
    char separator;      /* '.' or '/' between path and member */
    const char *unknown; /* codes: "unknown_param" */
    const char *invalid; /* "invalid_param" */
    const char *missing; /* "missing_param" */
};

#define PV_CHECK_PARTIAL (1u << 0) /* neither required fields nor defaults: an upgrade's params */

/* Checks a JSON object (NULL: an empty one) against fields and gives a new object in the form that
 * plugins get (sizes in bytes, durations in milliseconds, defaults filled in; the caller's
 * reference). Text is also taken for numbers, sizes and the like, as it would stand in the
 * configuration. PV_EINVAL: problems were added; PV_ENOMEM. */
int pv_fields_check(const json_t *given, const struct pv_fields *fields,
                    const struct pv_check_at *at, unsigned flags, struct pv_problems *problems,
                    json_t **ret_checked) PV_MUST_CHECK;

/* A JSON Schema ("type": "object" …) of the fields; the caller's reference, NULL when out of
 * memory. */
json_t *pv_fields_schema(const struct pv_fields *fields);

#endif
