/* SPDX-License-Identifier: Apache-2.0 */
/* Grants: what the host of an instance may reach beyond HTTP, DNS and its data folder, and how they
 * go with what its plugin declares. The rules of the configuration, and of whoever else starts a
 * host. Pure. */
#ifndef PV_CONFIG_GRANTS_H
#define PV_CONFIG_GRANTS_H

#include "core/config/fields.h"

#define PV_GRANT_KINDS 4
#define PV_GRANT_PATHS_MAX 64 /* of one kind; PV_REACH_PATHS_MAX */

struct pv_grant_kind {
    const char *name;    /* as it is configured: "exec" */
    unsigned need;       /* PV_NEEDS_… */
    const char *does;    /* "the plugin …": "starts programs" */
    const char *example; /* of a path */
    bool must_exist;     /* a socket may come later */
};

/* read, write, exec, unix_sockets. */
extern const struct pv_grant_kind pv_grant_kinds[PV_GRANT_KINDS];

/* One kind, against what the plugin needs: `given`, whether anything is said of it; `count`, how
 * many paths are granted; `how`, what to write for one path, and for none. PV_EINVAL with the
 * sentence. */
int pv_grant_check(const struct pv_grant_kind *kind, unsigned needs, bool given, size_t count,
                   const char *how, struct pv_err *err) PV_MUST_CHECK;
/* A path of that kind (NUL-terminated). PV_EINVAL with the sentence. */
int pv_grant_check_path(const struct pv_grant_kind *kind, struct pv_str path,
                        struct pv_err *err) PV_MUST_CHECK;
/* The file that a setting names, which is readable without a grant: its field says so, and whoever
 * wrote the settings wants it. *ret_path: none where the field is no such one, or its value is in
 * the data folder. Borrowed. PV_EINVAL when there is no such file. */
int pv_grant_setting(const struct pv_field *field, const json_t *settings, const char **ret_path,
                     struct pv_err *err) PV_MUST_CHECK;

#endif
