/* SPDX-License-Identifier: Apache-2.0 */
/* Strict JSON of requests: one pass over the bytes makes a flat list of values that borrow from
 * them, keep the text of numbers, and know where they stood. jansson keeps neither; it stays the
 * judge in the unit tests, which compare verdicts. One thread at a time. */
#ifndef PV_API_JSON_H
#define PV_API_JSON_H

#include "core/base/arena.h"
#include "core/base/buf.h"

#define PV_JSON_MAX_DEPTH 32
#define PV_JSON_MAX_VALUES 131072   /* keys count too: at most 5 MiB of values a document */
#define PV_JSON_MAX_NUMBER 64       /* characters of one number */
#define PV_JSON_NO_PLACE UINT32_MAX /* start and end of a value that stands in no source */

enum pv_json_type {
    PV_JSON_NULL,
    PV_JSON_FALSE,
    PV_JSON_TRUE,
    PV_JSON_NUMBER,
    PV_JSON_STRING,
    PV_JSON_ARRAY,
    PV_JSON_OBJECT,
};

struct pv_json {
    struct pv_str text; /* strings: decoded; numbers: as sent; else none */
    uint32_t start;     /* the bytes [start, end) of the source, with quotes and brackets */
    uint32_t end;
    uint32_t next;  /* index of what comes after it and all it holds */
    uint32_t count; /* elements or members */
    enum pv_json_type type;
};

/* values[0] is the document; an array's elements follow it, an object's members follow it as a key
 * (a string) and a value each. */
struct pv_json_doc {
    struct pv_str source; /* borrowed */
    struct pv_json *values;
    size_t count;
    size_t size;
    struct pv_arena strings; /* those that had escapes */
};

/* Where something stands: bytes from 0; lines, and characters of the line, from 1. */
struct pv_json_position {
    size_t offset;
    size_t line;
    size_t column;
};

/* Borrows `source` (less than 4 GiB) until done. PV_ESYNTAX (malformed: also bytes that are not
 * UTF-8, NUL even when escaped, half a surrogate pair, a key twice in an object, a number beyond
 * int64 or double), PV_ETOOBIG (too deep, too many values), PV_ENOMEM; then err has the sentence,
 * *ret_offset the place, and there is nothing to free. */
int pv_json_parse(struct pv_json_doc *doc, struct pv_str source, size_t *ret_offset,
                  struct pv_err *err) PV_MUST_CHECK;
/* Frees; legal for a zeroed doc and twice. */
void pv_json_done(struct pv_json_doc *doc);

struct pv_json_position pv_json_position(struct pv_str source, size_t offset);
/* "an object", "a string": for sentences. Static storage. */
const char *pv_json_type_name(enum pv_json_type type);
/* A member's value, or NULL: it is not there, or `object` is no object. */
const struct pv_json *pv_json_get(const struct pv_json_doc *doc, const struct pv_json *object,
                                  const char *key);
/* The value's bytes as they were sent. */
struct pv_str pv_json_raw(const struct pv_json_doc *doc, const struct pv_json *value);

/* Walks an array or object, in the order of the source. */
struct pv_json_iter {
    const struct pv_json_doc *doc;
    uint32_t at;
    uint32_t left;
    bool object;
};
struct pv_json_iter pv_json_iter(const struct pv_json_doc *doc, const struct pv_json *value);
/* false at the end. *ret_key is NULL in an array. */
bool pv_json_next(struct pv_json_iter *iter, const struct pv_json **ret_key,
                  const struct pv_json **ret_value);

/* The object's keys, sorted by byte (a key twice: in the order of the source); free with pv_free.
 * NULL: out of memory. */
const struct pv_json **pv_json_sorted_keys(const struct pv_json_doc *doc,
                                           const struct pv_json *object);

/* Appends the canonical form: no spaces, keys sorted by byte, numbers as sent, strings with the
 * fewest escapes. Members of the outermost object that stand in `skip` are left out. PV_ENOMEM,
 * PV_ETOOBIG. */
int pv_json_canonical(const struct pv_json_doc *doc, const struct pv_json *value,
                      const char *const *skip, size_t skip_count, struct pv_buf *out) PV_MUST_CHECK;

#endif
