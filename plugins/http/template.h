/* SPDX-License-Identifier: Apache-2.0 */
/* Templates of the http plugin: texts with {{names}}, and JSON trees of such texts. Needs no host;
 * any thread. A name is looked up in one JSON object, the scope: "service.ref" is the member "ref"
 * of its member "service". */
#ifndef PLUGINS_HTTP_TEMPLATE_H
#define PLUGINS_HTTP_TEMPLATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define HTTP_WHY_MAX 400
#define HTTP_NAME_MAX 160
#define HTTP_DEPTH_MAX 40
#define HTTP_NODES_MAX 100000

/* What the functions below return. */
enum http_error {
    HTTP_LEFT_OUT = 1, /* an optional name has no value: the member is left out */
    HTTP_BAD = -1,     /* the template, or a value that does not fit it; `why` says what */
    HTTP_NOMEM = -2,
    HTTP_MISSING = -3, /* a name has no value, and says no default */
};

/* How the values in a text are written. */
enum http_escape {
    HTTP_PLAIN,
    HTTP_SEGMENT, /* percent-encoded and never empty: a path must not become its parent's */
};

/* A text that grows; freed with http_text_done. */
struct http_text {
    char *ptr; /* NUL-terminated once something was put; NULL before */
    size_t length;
    size_t size;
    bool failed; /* no memory, or longer than HTTP_TEXT_MAX */
};
#define HTTP_TEXT_MAX ((size_t)4 * 1024 * 1024)

void http_text_put(struct http_text *text, const char *bytes, size_t length);
void http_text_put_c(struct http_text *text, const char *bytes);
void http_text_put_encoded(struct http_text *text, const char *bytes, size_t length);
void http_text_done(struct http_text *text);

/* The value of a name in a scope; borrowed. NULL where there is none, or where it is null. */
json_t *http_scope_at(const json_t *scope, const char *name);

/* Appends the text that the template stands for. 0 or enum http_error; never HTTP_LEFT_OUT: what is
 * optional and missing is the empty text. */
int http_template_text(const char *template, const json_t *scope, enum http_escape escape,
                       struct http_text *out, char why[HTTP_WHY_MAX]);
/* The value that a template stands for: of a text that is one {{name}} and nothing else, the value
 * itself with its type; otherwise a text. The caller's reference. */
int http_template_value(const char *template, const json_t *scope, json_t **ret_value,
                        char why[HTTP_WHY_MAX]);
/* The tree with every text in it replaced by its value. {"$for": "{{list}}", "$give": T} is the
 * list of T for each element, which is `item` in T. The caller's reference. */
int http_template_tree(const json_t *template, const json_t *scope, json_t **ret_tree,
                       char why[HTTP_WHY_MAX]);

/* Are the template's names known? `known` is an object: a member that is an object has these
 * members and no others, one that is null has any. HTTP_BAD with the sentence. */
int http_template_check(const char *template, const json_t *known, char why[HTTP_WHY_MAX]);
/* The same for a tree; `where` gets the path of the text within it ("" : the tree itself). */
int http_template_check_tree(const json_t *tree, const json_t *known, char where[HTTP_NAME_MAX],
                             char why[HTTP_WHY_MAX]);
/* Is one name known? */
int http_name_check(const char *name, const json_t *known, char why[HTTP_WHY_MAX]);

/* The key of `known` that is nearest to `word`, or NULL. */
const char *http_nearest(const char *word, const json_t *known);

#endif
