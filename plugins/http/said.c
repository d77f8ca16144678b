/* SPDX-License-Identifier: Apache-2.0 */
/* The backend's own sentence, cleaned for people. */
#include "plugins/http/answer.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const usual[] = {"/error",         "/message",         "/detail",
                                    "/error/message", "/errors/0/detail", "/errors/0/message",
                                    "/errors/0"};

static const char *text_at(const json_t *json, const char *pointer)
{
    const json_t *found = http_pointer_at(json, pointer);
    const char *text = json_is_string(found) ? json_string_value(found) : NULL;
    return text != NULL && text[0] != '\0' ? text : NULL;
}

static const char *find_text(const json_t *pointers, const json_t *json)
{
    const char *text = NULL;
    for (size_t i = 0; text == NULL && i < json_array_size(pointers); i++) {
        const char *pointer = json_string_value(json_array_get(pointers, i));
        text = pointer != NULL ? text_at(json, pointer) : NULL;
    }
    for (size_t i = 0; text == NULL && pointers == NULL && i < sizeof(usual) / sizeof(usual[0]);
         i++) {
        text = text_at(json, usual[i]);
    }
    return text;
}

/* Where the element that begins at "<" ends with all it holds, of those that hold no text; NULL:
 * it is another one. */
static const char *skip_element(const char *at)
{
    static const char *const silent[] = {"script", "style", "head"};
    for (size_t i = 0; i < sizeof(silent) / sizeof(silent[0]); i++) {
        size_t length = strlen(silent[i]);
        if (strncasecmp(at + 1, silent[i], length) == 0 && strchr(" >\t\r\n", at[length + 1])) {
            char end[16];
            snprintf(end, sizeof(end), "</%s", silent[i]);
            const char *close = strcasestr(at, end);
            return close != NULL ? close : at + strlen(at);
        }
    }
    return NULL;
}

static const struct {
    const char *name;
    char character;
} entities[] = {{"&amp;", '&'},  {"&lt;", '<'},   {"&gt;", '>'},
                {"&quot;", '"'}, {"&#39;", '\''}, {"&nbsp;", ' '}};

/* Copies without markup; runs of white space and control characters become one space. */
static void strip(const char *text, char out[HTTP_SAID_MAX])
{
    size_t length = 0;
    bool space = false;
    const char *at = text;
    while (at[0] != '\0' && length + 2 < HTTP_SAID_MAX) {
        bool tag = at[0] == '<' && (strchr("/!", at[1]) != NULL || (at[1] >= 'a' && at[1] <= 'z') ||
                                    (at[1] >= 'A' && at[1] <= 'Z'));
        if (tag && at[1] != '\0') {
            const char *after = skip_element(at);
            after = after != NULL ? after : at;
            const char *close = strchr(after, '>');
            at = close != NULL ? close + 1 : after + strlen(after);
            space = true;
            continue;
        }
        char c = at[0];
        size_t step = 1;
        for (size_t i = 0; c == '&' && i < sizeof(entities) / sizeof(entities[0]); i++) {
            if (strncmp(at, entities[i].name, strlen(entities[i].name)) == 0) {
                c = entities[i].character;
                step = strlen(entities[i].name);
                break;
            }
        }
        at += step;
        if ((unsigned char)c <= ' ' || c == 0x7F) {
            space = true;
            continue;
        }
        if (space && length > 0) {
            out[length++] = ' ';
        }
        space = false;
        out[length++] = c;
    }
    /* Not in the middle of a character. */
    if (at[0] != '\0') {
        while (length > 0 && ((unsigned char)out[length - 1] & 0xC0) == 0x80) {
            length--;
        }
        length -= length > 0 && ((unsigned char)out[length - 1] & 0x80) != 0 ? 1 : 0;
    }
    out[length] = '\0';
}

/* "API POST /x failed: HTTP 500: reason" → "reason"; and the whole of it, when there is no reason.
 */
static void drop_prefix(char out[HTTP_SAID_MAX])
{
    if (strncmp(out, "API ", 4) != 0) {
        return;
    }
    const char *failed = strstr(out, " failed: HTTP ");
    if (failed == NULL) {
        return;
    }
    const char *rest = failed + strlen(" failed: HTTP ");
    rest += strspn(rest, "0123456789");
    rest += strspn(rest, ":-. ");
    memmove(out, rest, strlen(rest) + 1);
}

void http_said(const json_t *pointers, const struct http_answer *answer, char out[HTTP_SAID_MAX])
{
    const char *text = answer->json != NULL ? find_text(pointers, answer->json) : answer->text;
    out[0] = '\0';
    if (text == NULL) {
        return;
    }
    strip(text, out);
    drop_prefix(out);
    if (answer->json == NULL && (out[0] == '{' || out[0] == '[')) {
        out[0] = '\0'; /* JSON that was cut short is nothing to read */
    }
    json_t *valid = json_string(out);
    if (valid == NULL) {
        out[0] = '\0'; /* no UTF-8 */
    }
    json_decref(valid);
}
