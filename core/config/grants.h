/* SPDX-License-Identifier: Apache-2.0 */
/* Grants: what the host of an instance may reach beyond HTTP, DNS and its data folder, and how they
 * go with what its plugin declares. The rules of the configuration, and of whoever else starts a
 * host. Pure. */
#ifndef PV_CONFIG_GRANTS_H
#define PV_CONFIG_GRANTS_H

#include "core/config/describe.h"

#define PV_GRANT_KINDS 4
#define PV_GRANT_PATHS_MAX 64 /* of one kind, with files that settings name; PV_REACH_PATHS_MAX */

struct pv_grant_kind {
    const char *name;    /* as it is configured: "exec" */
    unsigned need;       /* PV_NEEDS_… */
    const char *does;    /* "the plugin …": "starts programs" */
    const char *example; /* of a path */
    bool must_exist;     /* a socket may come later */
};

/* read, write, exec, unix_sockets: the order of enum pv_reach_kind. */
extern const struct pv_grant_kind pv_grant_kinds[PV_GRANT_KINDS];

/* One kind, against what the plugin needs: `given`, whether anything is said of it; `count`, how
 * many paths are granted; `how`, what to write for one path, and for none. PV_EINVAL with the
 * sentence. */
int pv_grant_check(const struct pv_grant_kind *kind, unsigned needs, bool given, size_t count,
                   const char *how, struct pv_err *err) PV_MUST_CHECK;
/* A path of that kind (NUL-terminated). PV_EINVAL with the sentence. */
int pv_grant_check_path(const struct pv_grant_kind *kind, struct pv_str path,
                        struct pv_err *err) PV_MUST_CHECK;

/* What is said of one instance. */
struct pv_grants_ask {
    bool confined;              /* false: it may do what its user may, and grants say nothing */
    bool given[PV_GRANT_KINDS]; /* whether anything is said of a kind: nothing is granted, too */
    struct pv_strs paths[PV_GRANT_KINDS]; /* NUL-terminated */
    const struct pv_plugin *plugin;
    const json_t *settings; /* checked */
    struct pv_arena *arena; /* of what is granted */
    /* What to write to grant a path of a kind, and to grant none. */
    void (*how)(const struct pv_grant_kind *kind, char *out, size_t out_size);
    /* Something is wrong with what is said of a kind, or with a setting that names a file. */
    void (*wrong_kind)(void *ctx, const struct pv_grant_kind *kind, const char *text);
    void (*wrong_setting)(void *ctx, const struct pv_field *field, const char *text);
    void *ctx;
};

/* What the host may so reach: paths by their kind, as they were given and kept by whoever gave
 * them; and to be read, files that settings name, without a grant: their fields say so, and whoever
 * wrote the settings wants it. This decides for provostd and for `provost plugin`.
 * PV_EINVAL: all that is wrong was told; PV_ENOMEM. */
int pv_grants_settle(const struct pv_grants_ask *ask,
                     struct pv_strs ret_granted[PV_GRANT_KINDS]) PV_MUST_CHECK;

#endif
