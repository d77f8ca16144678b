/* SPDX-License-Identifier: Apache-2.0 */
/* The check of one value against one field, and of an object against a table, with everything that
 * only the configuration needs: references, SECRET values kept apart, names of pools. */
#ifndef PV_CONFIG_CHECK_H
#define PV_CONFIG_CHECK_H

#include "core/base/secret.h"
#include "core/config/fields.h"
#include "core/config/value.h"

/* A value in the form that it is used in. Text borrows from the value that was checked. */
struct pv_scalar {
    enum { PV_SCALAR_TEXT, PV_SCALAR_INT, PV_SCALAR_REAL, PV_SCALAR_BOOL } kind;
    struct pv_str text;
    int64_t integer; /* numbers, bytes, milliseconds; the index of a SELECT's option */
    double real;
    bool boolean;
};

/* One value (no list, no map, no references) against a field; of a LIST or MAP, one of its texts.
 * PV_EINVAL with "expected …" in err, which does not hold the value. */
int pv_scalar_check(const struct pv_field *field, const struct pv_value *value,
                    struct pv_scalar *ret_scalar, struct pv_err *err) PV_MUST_CHECK;
/* The text of a value that is not shown in problems, kept with its references. */
struct pv_config_secret {
    struct pv_str field;
    enum pv_field_type type;
    struct pv_secret_part {
        struct pv_str key; /* of a MAP */
        struct pv_secret *text;
    } * parts; /* one; of a LIST or MAP as many as it has */
    size_t part_count;
};

struct pv_check {
    const struct pv_check_at *at;
    unsigned flags;
    struct pv_problems *problems;
    /* Of the configuration; zero elsewhere: */
    bool config;                   /* texts may hold references; SECRET values go to `secrets` */
    struct pv_str base_dir;        /* of relative ${file:…} */
    const char *const *pool_names; /* what a POOL may name */
    size_t pool_count;
    struct pv_arena *arena; /* of secrets; their texts are freed with pv_secrets_free */
    struct pv_config_secret *secrets;
    size_t secret_count;
    bool keep_unknown; /* unknown members are no problem: somebody else looks at them */
};

/* The value of one field. *ret_json stays NULL where it became a secret. PV_EINVAL: problems were
 * added; PV_ENOMEM. */
int pv_check_value(struct pv_check *check, const struct pv_field *field,
                   const struct pv_value *value, json_t **ret_json) PV_MUST_CHECK;
/* An object, as pv_fields_check. */
int pv_check_object(struct pv_check *check, const struct pv_value *given,
                    const struct pv_fields *fields, json_t **ret_checked) PV_MUST_CHECK;
/* "unknown key; did you mean …" for a member of the object. */
void pv_check_unknown(struct pv_problems *problems, const struct pv_check_at *at,
                      const struct pv_place *place, struct pv_str member, const char *const *known,
                      size_t known_count);
/* A problem with a member ("" : with the object itself). */
void pv_check_problem(struct pv_problems *problems, const struct pv_check_at *at,
                      const struct pv_place *place, struct pv_str member, const char *code,
                      const char *fmt, ...) PV_PRINTF(6, 7);
void pv_secrets_free(struct pv_config_secret *secrets, size_t count);

/* "2GiB", "1536" and "90s", "5m": the largest unit that divides the number. */
void pv_size_show(uint64_t bytes, char out[32]);
void pv_duration_show(int64_t ms, char out[32]);

#endif
