/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that check the settings share. */
#ifndef PLUGINS_HTTP_CHECK_H
#define PLUGINS_HTTP_CHECK_H

#include "plugins/http/http.h"

/* What a call of the settings is for: it may have other members. */
enum http_kind {
    HTTP_STEP = 1,
    HTTP_POLL = 2,
    HTTP_LOOKUP = 4,
    HTTP_UNDO = 8,
    HTTP_QUERY = 16,
    HTTP_SIGNAL = 32,
};

struct http_check {
    const json_t *settings;
    char *error;
    size_t error_size;
};

/* Says what is wrong where; returns HTTP_BAD. */
int http_check_fail(struct http_check *check, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* path + "." + member */
void http_check_path(char out[HTTP_PATH_MAX], const char *path, const char *member);
void http_check_index(char out[HTTP_PATH_MAX], const char *path, size_t index);
/* Has the object only keys of this list (ends with NULL)? */
int http_check_keys(struct http_check *check, const char *path, const json_t *object,
                    const char *const *keys);

/* check_call.c: one call with all that belongs to it. known: the names it may use. */
int http_check_call(struct http_check *check, const char *path, const json_t *call,
                    enum http_kind kind, const json_t *known);
/* A list of calls: names, and each call. */
int http_check_calls(struct http_check *check, const char *path, const json_t *calls,
                     enum http_kind kind, size_t most, const json_t *known);

/* known.c; the caller's references. */
json_t *http_known_fields(const json_t *fields);
json_t *http_known_base(const json_t *settings);
/* Adds the names that a call keeps, with all that belongs to it. */
void http_known_kept(json_t *into, const json_t *call);

#endif
