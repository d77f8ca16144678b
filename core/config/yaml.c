/* SPDX-License-Identifier: Apache-2.0 */
/* libyaml's events into a tree of nodes. */
#include "core/base/alloc.h"
#include "core/base/secret.h"
#include "core/config/node.h"

#include <string.h>
#include <yaml.h>

struct reader {
    yaml_parser_t parser;
    struct pv_str file;
    struct pv_problems *problems;
    struct pv_node *open[PV_YAML_MAX_DEPTH]; /* collections that have begun */
    size_t depth;
    struct pv_node *root;
    /* the key that waits for its value, of open[depth - 1] */
    char *key[PV_YAML_MAX_DEPTH];
    size_t key_len[PV_YAML_MAX_DEPTH];
    struct pv_place key_place[PV_YAML_MAX_DEPTH];
};

static void free_text(struct pv_str text)
{
    if (text.ptr) {
        char *bytes = (char *)(uintptr_t)text.ptr; /* the tree's own memory */
        pv_wipe(bytes, text.len);
        pv_free(bytes);
    }
}

void pv_node_free(struct pv_node *node)
{
    while (node) {
        struct pv_node *next = node->next;
        pv_node_free(node->first);
        free_text(node->key);
        free_text(node->text);
        pv_free(node);
        node = next;
    }
}

struct pv_node *pv_node_get(const struct pv_node *node, const char *key)
{
    if (!node || node->kind != PV_NODE_MAP) {
        return NULL;
    }
    for (struct pv_node *at = node->first; at; at = at->next) {
        if (pv_str_eq_c(at->key, key)) {
            return at;
        }
    }
    return NULL;
}

static struct pv_place place_of(const struct reader *reader, yaml_mark_t mark)
{
    return (struct pv_place){reader->file, (unsigned)mark.line + 1, (unsigned)mark.column + 1};
}

static int syntax(struct reader *reader, yaml_mark_t mark, const char *text)
{
    struct pv_place place = place_of(reader, mark);
    pv_problem_add(reader->problems, &place, PV_STR(""), "syntax", "%s", text);
    return PV_EINVAL;
}

static void append(struct pv_node *parent, struct pv_node *node)
{
    if (parent->last) {
        parent->last->next = node;
    } else {
        parent->first = node;
    }
    parent->last = node;
    parent->count++;
}

/* Puts a node where it belongs: the root, an element, or the value of the waiting key. Takes it. */
static void place_node(struct reader *reader, struct pv_node *node)
{
    if (reader->depth == 0) {
        reader->root = node;
        return;
    }
    size_t top = reader->depth - 1;
    struct pv_node *parent = reader->open[top];
    if (parent->kind == PV_NODE_MAP) {
        node->key = (struct pv_str){reader->key[top], reader->key_len[top]};
        node->key_place = reader->key_place[top];
        reader->key[top] = NULL;
        const struct pv_node *twin = NULL;
        for (struct pv_node *at = parent->first; at && !twin; at = at->next) {
            twin = pv_str_eq(at->key, node->key) ? at : NULL;
        }
        if (twin) {
            pv_problem_add(reader->problems, &node->key_place, PV_STR(""), "duplicate_key",
                           "\"%.*s\" is given twice (first in line %u)", PV_STR_ARG(node->key),
                           twin->key_place.line);
        }
    }
    append(parent, node);
}

static struct pv_node *new_node(enum pv_node_kind kind, struct pv_place place)
{
    struct pv_node *node = pv_calloc(1, sizeof(*node));
    if (node) {
        node->kind = kind;
        node->place = place;
    }
    return node;
}

static bool is_null(const yaml_event_t *event)
{
    struct pv_str text = {(const char *)event->data.scalar.value, event->data.scalar.length};
    return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (text.len == 0 || pv_str_eq_c(text, "~") || pv_str_eq_c(text, "null"));
}

static int scalar(struct reader *reader, const yaml_event_t *event)
{
    const char *bytes = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;
    if (event->data.scalar.anchor) {
        return syntax(reader, event->start_mark, "anchors and aliases are not supported");
    }
    if (event->data.scalar.tag) {
        return syntax(reader, event->start_mark, "tags are not supported");
    }
    if (memchr(bytes, '\0', len)) {
        return syntax(reader, event->start_mark, "a NUL byte cannot be part of a value");
    }
    char *copy = pv_strndup(bytes, len);
    if (!copy) {
        return PV_ENOMEM;
    }
    size_t top = reader->depth - 1;
    if (reader->depth > 0 && reader->open[top]->kind == PV_NODE_MAP && !reader->key[top]) {
        reader->key[top] = copy;
        reader->key_len[top] = len;
        reader->key_place[top] = place_of(reader, event->start_mark);
        return PV_OK;
    }
    struct pv_node *node =
        new_node(is_null(event) ? PV_NODE_NULL : PV_NODE_TEXT, place_of(reader, event->start_mark));
    if (!node) {
        free_text((struct pv_str){copy, len});
        return PV_ENOMEM;
    }
    node->text = (struct pv_str){copy, len};
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    place_node(reader, node);
    return PV_OK;
}

static int begin(struct reader *reader, const yaml_event_t *event, enum pv_node_kind kind)
{
    bool map = kind == PV_NODE_MAP;
    if (map ? event->data.mapping_start.anchor : event->data.sequence_start.anchor) {
        return syntax(reader, event->start_mark, "anchors and aliases are not supported");
    }
    if (map ? event->data.mapping_start.tag : event->data.sequence_start.tag) {
        return syntax(reader, event->start_mark, "tags are not supported");
    }
    if (reader->depth == PV_YAML_MAX_DEPTH) {
        return syntax(reader, event->start_mark, "nested too deeply");
    }
    size_t top = reader->depth - 1;
    if (reader->depth > 0 && reader->open[top]->kind == PV_NODE_MAP && !reader->key[top]) {
        return syntax(reader, event->start_mark, "a key must be text");
    }
    struct pv_node *node = new_node(kind, place_of(reader, event->start_mark));
    if (!node) {
        return PV_ENOMEM;
    }
    place_node(reader, node);
    reader->open[reader->depth++] = node;
    return PV_OK;
}

static int handle(struct reader *reader, const yaml_event_t *event, bool *ret_end)
{
    switch (event->type) {
    case YAML_STREAM_END_EVENT:
        *ret_end = true;
        return PV_OK;
    case YAML_DOCUMENT_START_EVENT:
        return reader->root ? syntax(reader, event->start_mark, "more than one document in a file")
                            : PV_OK;
    case YAML_ALIAS_EVENT:
        return syntax(reader, event->start_mark, "anchors and aliases are not supported");
    case YAML_SCALAR_EVENT:
        return scalar(reader, event);
    case YAML_SEQUENCE_START_EVENT:
        return begin(reader, event, PV_NODE_LIST);
    case YAML_MAPPING_START_EVENT:
        return begin(reader, event, PV_NODE_MAP);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        reader->depth--;
        return PV_OK;
    default:
        return PV_OK;
    }
}

static int parser_failed(struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    if (parser->error == YAML_MEMORY_ERROR) {
        return PV_ENOMEM;
    }
    if (parser->error == YAML_READER_ERROR) {
        struct pv_place place = {reader->file, 0, 0};
        pv_problem_add(reader->problems, &place, PV_STR(""), "syntax", "byte %zu: %s",
                       parser->problem_offset, parser->problem);
        return PV_EINVAL;
    }
    struct pv_place place = place_of(reader, parser->problem_mark);
    pv_problem_add(reader->problems, &place, PV_STR(""), "syntax", "not valid YAML: %s%s%s",
                   parser->problem ? parser->problem : "unknown problem",
                   parser->context ? " " : "", parser->context ? parser->context : "");
    return PV_EINVAL;
}

static int read_all(struct reader *reader)
{
    bool end = false;
    while (!end) {
        yaml_event_t event;
        if (!yaml_parser_parse(&reader->parser, &event)) {
            return parser_failed(reader);
        }
        int status = handle(reader, &event, &end);
        if (event.type == YAML_SCALAR_EVENT) {
            pv_wipe(event.data.scalar.value, event.data.scalar.length);
        }
        yaml_event_delete(&event);
        if (status != PV_OK) {
            return status;
        }
    }
    return PV_OK;
}

int pv_yaml_parse(struct pv_str file, struct pv_str bytes, struct pv_problems *problems,
                  struct pv_node **ret_root)
{
    struct reader reader = {.file = file, .problems = problems};
    if (!yaml_parser_initialize(&reader.parser)) {
        return PV_ENOMEM;
    }
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)bytes.ptr, bytes.len);
    int status = read_all(&reader);
    yaml_parser_delete(&reader.parser);
    for (size_t i = 0; i < PV_YAML_MAX_DEPTH; i++) {
        free_text((struct pv_str){reader.key[i], reader.key_len[i]});
    }
    struct pv_place top = {file, 1, 1};
    if (status == PV_OK && (!reader.root || reader.root->kind == PV_NODE_NULL)) {
        pv_node_free(reader.root);
        reader.root = new_node(PV_NODE_MAP, top);
        status = reader.root ? PV_OK : PV_ENOMEM;
    }
    if (status == PV_OK && reader.root->kind != PV_NODE_MAP) {
        pv_problem_add(problems, &reader.root->place, PV_STR(""), "syntax",
                       "expected options such as \"listen: 127.0.0.1:7070\"");
        status = PV_EINVAL;
    }
    if (status != PV_OK) {
        pv_node_free(reader.root);
        return status;
    }
    *ret_root = reader.root;
    return PV_OK;
}

static void merge(struct pv_node *into, struct pv_node *from, struct pv_str path, unsigned levels,
                  struct pv_problems *problems)
{
    struct pv_node *node = from->first;
    from->first = NULL;
    from->last = NULL;
    while (node) {
        struct pv_node *next = node->next;
        node->next = NULL;
        struct pv_node *twin = NULL;
        for (struct pv_node *at = into->first; at && !twin; at = at->next) {
            twin = pv_str_eq(at->key, node->key) ? at : NULL;
        }
        if (!twin) {
            append(into, node);
        } else if (levels > 1 && twin->kind == PV_NODE_MAP && node->kind == PV_NODE_MAP) {
            merge(twin, node, node->key, levels - 1, problems);
            pv_node_free(node);
        } else {
            pv_problem_add(problems, &node->key_place, path, "duplicate_key",
                           "\"%.*s\" is given twice (first in %.*s, line %u)",
                           PV_STR_ARG(node->key), PV_STR_ARG(twin->key_place.file),
                           twin->key_place.line);
            pv_node_free(node);
        }
        node = next;
    }
}

void pv_node_merge(struct pv_node *into, struct pv_node *from, struct pv_problems *problems)
{
    merge(into, from, PV_STR(""), 2, problems);
    pv_node_free(from);
}
