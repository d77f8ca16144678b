/* SPDX-License-Identifier: Apache-2.0 */
/* The content of TXT records: presentation form in and out (RFC 1035, section 5.1). */
#include "plugins/dns/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STRING_MAX 255

static int bad(char *why, const char *text)
{
    snprintf(why, DNS_WHY_MAX, "%s", text);
    return DNS_BAD;
}

/* The bytes of a text under way. */
struct bytes {
    unsigned char at[DNS_TXT_MAX];
    size_t length;
};

static int put(struct bytes *bytes, unsigned char c, char *why)
{
    if (bytes->length == DNS_TXT_MAX) {
        snprintf(why, DNS_WHY_MAX, "the text has more than %d bytes", DNS_TXT_MAX);
        return DNS_BAD;
    }
    bytes->at[bytes->length++] = c;
    return 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* After a backslash: \DDD, or the character itself. */
static int read_escape(const char **at, struct bytes *bytes, char *why)
{
    const char *c = *at;
    if (c[0] == '\0') {
        return bad(why, "the text ends in a backslash");
    }
    if (!is_digit(c[0])) {
        *at = c + 1;
        return put(bytes, (unsigned char)c[0], why);
    }
    if (!is_digit(c[1]) || !is_digit(c[2])) {
        return bad(why, "a backslash is followed by three decimal digits or one other character");
    }
    int value = (c[0] - '0') * 100 + (c[1] - '0') * 10 + (c[2] - '0');
    if (value > 255) {
        return bad(why, "the number after a backslash is at most 255");
    }
    *at = c + 3;
    return put(bytes, (unsigned char)value, why);
}

/* "one" "two": the strings are joined, as everybody reads them. */
static int read_quoted(const char *text, struct bytes *bytes, char *why)
{
    const char *at = text;
    while (*at != '\0') {
        if (*at != '"') {
            return bad(why, "outside the quotation marks there may only be blanks");
        }
        at++;
        while (*at != '"') {
            int error = 0;
            if (*at == '\0') {
                return bad(why, "a quotation mark is not closed");
            }
            if (*at == '\\') {
                at++;
                error = read_escape(&at, bytes, why);
            } else {
                error = put(bytes, (unsigned char)*at, why);
                at++;
            }
            if (error != 0) {
                return error;
            }
        }
        at++;
        at += strspn(at, " \t");
    }
    return 0;
}

static int read_plain(const char *text, struct bytes *bytes, char *why)
{
    for (const char *at = text; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        if (c < ' ' || c == 0x7f) {
            return bad(why, "the text has a line break or another control character in it");
        }
        int error = put(bytes, c, why);
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

static char *write_quoted(const struct bytes *bytes)
{
    size_t strings = bytes->length / STRING_MAX + 1;
    char *content = malloc(bytes->length * 4 + strings * 3 + 1);
    if (content == NULL) {
        return NULL;
    }
    char *to = content;
    *to++ = '"';
    for (size_t i = 0; i < bytes->length; i++) {
        unsigned char c = bytes->at[i];
        if (i > 0 && i % STRING_MAX == 0) {
            memcpy(to, "\" \"", 3);
            to += 3;
        }
        if (c == '"' || c == '\\') {
            *to++ = '\\';
            *to++ = (char)c;
        } else if (c < ' ' || c >= 0x7f) {
            *to++ = '\\';
            *to++ = (char)('0' + c / 100);
            *to++ = (char)('0' + c / 10 % 10);
            *to++ = (char)('0' + c % 10);
        } else {
            *to++ = (char)c;
        }
    }
    *to++ = '"';
    *to = '\0';
    return content;
}

int dns_txt_check(const char *text, char **ret_content, char *why)
{
    struct bytes bytes = {.length = 0};
    int error = text[0] == '"' ? read_quoted(text, &bytes, why) : read_plain(text, &bytes, why);
    if (error != 0) {
        return error;
    }
    char *content = write_quoted(&bytes);
    if (content == NULL) {
        return DNS_NOMEM;
    }
    *ret_content = content;
    return 0;
}
