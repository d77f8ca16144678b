/* SPDX-License-Identifier: Apache-2.0 */
/* The typed table of options: one description gives the check, the default, the place in a struct,
 * the manual and the JSON Schema. Tables are static. */
#ifndef PV_CONFIG_OPTIONS_H
#define PV_CONFIG_OPTIONS_H

#include "core/config/check.h"

/* Kinds beyond enum pv_field_type. What stands at the option's offset:
 * texts, PV_O_PATH: struct pv_str; INT, SIZE, DURATION: int64_t; NUMBER: double; BOOL: bool;
 * SELECT: int, the option's index; LIST: struct pv_option_list; PV_O_GROUP: the group's struct;
 * PV_O_ENTRIES, PV_O_ITEMS: struct pv_option_entries; PV_O_NODE: const struct pv_node *. */
enum pv_option_kind {
    PV_O_PATH = 32, /* a file name; a relative one is below the file's folder */
    PV_O_GROUP,     /* a mapping of fixed members */
    PV_O_ENTRIES,   /* a mapping of names to entries */
    PV_O_ITEMS,     /* a list of mappings */
    PV_O_NODE,      /* a mapping that is checked elsewhere */
};

struct pv_option {
    const char *name;
    int kind; /* enum pv_field_type or enum pv_option_kind */
    size_t offset;
    const char *fallback; /* as it would stand in the file; NULL: none */
    const char *options;  /* SELECT: "a|b" */
    int64_t min;          /* both 0: no bounds */
    int64_t max;
    bool required;
    const struct pv_option *sub; /* of a GROUP, of one entry or item; ends with {0} */
    size_t size; /* of the struct of an entry or item, which begins with pv_option_head */
    const char *shown_default; /* in the manual, where the default is worked out */
    const char *doc;           /* one or more sentences */
};

struct pv_option_list {
    struct pv_str *items;
    size_t count;
};

struct pv_option_entries {
    void *items;
    size_t count;
};

/* How every entry and item begins. */
struct pv_option_head {
    struct pv_str name;         /* the key; "0", "1", … of items */
    const struct pv_node *node; /* what was given */
    struct pv_str path;         /* "plugins.pdns-1" */
};

struct pv_options_run {
    struct pv_problems *problems;
    struct pv_arena *arena; /* of everything that is stored */
    struct pv_str base_dir; /* of relative paths and references */
    bool keep_unknown;      /* members that no option names are no problem */
};

/* Reads a mapping (NULL: nothing given) into `out`, which is zeroed. PV_EINVAL: problems were
 * added, and what could be read is in `out`. */
int pv_options_read(struct pv_options_run *run, const struct pv_option *table,
                    const struct pv_node *node, struct pv_str path, void *out) PV_MUST_CHECK;
/* The place of a member, of its mapping where it was not given. */
struct pv_place pv_options_place(const struct pv_node *node, const char *member);

/* The table of the whole file, and of what clients of the daemon read. */
extern const struct pv_option pv_file_options[];
extern const struct pv_option pv_client_options[];

#endif
