/* SPDX-License-Identifier: Apache-2.0 */
/* A YAML file as a tree in which every value knows its line and column. Owns its texts, which may
 * be secrets: they are wiped when the tree is freed. One thread. */
#ifndef PV_CONFIG_NODE_H
#define PV_CONFIG_NODE_H

#include "core/config/problem.h"

enum pv_node_kind { PV_NODE_NULL, PV_NODE_TEXT, PV_NODE_LIST, PV_NODE_MAP };

struct pv_node {
    enum pv_node_kind kind;
    struct pv_str key;         /* as a member of a mapping */
    struct pv_place key_place; /* where the key is; the file is borrowed from the reader */
    struct pv_str text;        /* PV_NODE_TEXT */
    bool plain;                /* the text stands there without quotes */
    struct pv_place place;
    struct pv_node *first; /* members or elements, in the file's order */
    struct pv_node *last;
    struct pv_node *next;
    size_t count;
};

#define PV_YAML_MAX_BYTES (4u * 1024 * 1024)
#define PV_YAML_MAX_DEPTH 32

/* Parses one document. file is borrowed while the tree lives. An empty file is an empty mapping.
 * Keys that are there twice, anchors, aliases and tags are problems. PV_EINVAL, PV_ENOMEM. */
int pv_yaml_parse(struct pv_str file, struct pv_str bytes, struct pv_problems *problems,
                  struct pv_node **ret_root) PV_MUST_CHECK;
void pv_node_free(struct pv_node *node);
/* The member of a mapping; NULL when there is none, or node is NULL or no mapping. */
struct pv_node *pv_node_get(const struct pv_node *node, const char *key);
/* Moves the members of `from` into `into` (both mappings), two levels deep; what is given in both
 * is a problem. `from` is freed. */
void pv_node_merge(struct pv_node *into, struct pv_node *from, struct pv_problems *problems);

#endif
