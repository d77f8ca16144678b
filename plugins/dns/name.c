/* SPDX-License-Identifier: Apache-2.0 */
/* Names as RFC 1035 and 1123 have them, in ASCII (an internationalised name in its xn-- form). */
#include "plugins/dns/record.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int bad(char *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int bad(char *why, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, DNS_WHY_MAX, format, arguments);
    va_end(arguments);
    return DNS_BAD;
}

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static int check_label(const char *name, const char *label, size_t length, bool first,
                       enum dns_name_use use, char *why)
{
    if (length == 0) {
        return bad(why, "\"%s\" has an empty label (two dots in a row, or one at the start)", name);
    }
    if (length > 63) {
        return bad(why, "\"%.80s\" has a label of %zu characters; 63 are the most", name, length);
    }
    if (length == 1 && label[0] == '*') {
        if (first && (use == DNS_OWNER || use == DNS_SERVICE)) {
            return 0;
        }
        return bad(why, "\"%s\": \"*\" may only be the first label of a record's name", name);
    }
    for (size_t i = 0; i < length; i++) {
        if (is_alnum(label[i]) || label[i] == '-') {
            continue;
        }
        if (label[i] == '_' && use == DNS_SERVICE) {
            continue;
        }
        if (label[i] == '_') {
            return bad(why, "\"%s\" has an underscore, which names of hosts may not have", name);
        }
        return bad(why, "\"%s\" has the character \"%c\"; letters, digits and hyphens are allowed",
                   name, label[i]);
    }
    if (label[0] == '-' || label[length - 1] == '-') {
        return bad(why, "\"%s\" has a label that starts or ends with a hyphen", name);
    }
    return 0;
}

/* Lower case, without the last dot. */
static int fold(const char *text, char ret_name[DNS_NAME_MAX], char *why)
{
    size_t length = strlen(text);
    if (length > 0 && text[length - 1] == '.') {
        length--;
    }
    if (length == 0) {
        return bad(why, "a name is missing");
    }
    if (length > 253) {
        return bad(why, "\"%.60s…\" has %zu characters; a DNS name has at most 253", text, length);
    }
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x80) {
            return bad(why, "\"%s\" is not ASCII; write the name in its xn-- form", text);
        }
        if (c <= ' ' || c == 0x7f) {
            return bad(why, "a name has a space or a control character in it");
        }
        ret_name[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    }
    ret_name[length] = '\0';
    return 0;
}

static bool is_address(const char *name)
{
    unsigned char raw[16];
    return inet_pton(AF_INET, name, raw) == 1 || inet_pton(AF_INET6, name, raw) == 1;
}

static int check_zone(const char *name, char *why)
{
    const char *dot = strrchr(name, '.');
    if (dot == NULL) {
        return bad(why, "\"%s\" is a top-level domain; a zone needs a name such as example.com",
                   name);
    }
    if (dot[1 + strspn(dot + 1, "0123456789")] == '\0') {
        return bad(why, "\"%s\" does not end in a top-level domain", name);
    }
    return 0;
}

int dns_name_check(const char *text, enum dns_name_use use, char ret_name[DNS_NAME_MAX], char *why)
{
    char name[DNS_NAME_MAX];
    int error = fold(text, name, why);
    if (error != 0) {
        return error;
    }
    if (use != DNS_SERVICE && is_address(name)) {
        return bad(why, "\"%s\" is an address; a name is needed here", name);
    }
    const char *label = name;
    for (;;) {
        size_t length = strcspn(label, ".");
        error = check_label(name, label, length, label == name, use, why);
        if (error != 0) {
            return error;
        }
        if (label[length] == '\0') {
            break;
        }
        label += length + 1;
    }
    if (use == DNS_ZONE) {
        error = check_zone(name, why);
        if (error != 0) {
            return error;
        }
    }
    memcpy(ret_name, name, sizeof(name));
    return 0;
}

bool dns_name_within(const char *name, const char *zone)
{
    size_t name_length = strlen(name);
    size_t zone_length = strlen(zone);
    if (name_length < zone_length || strcmp(name + name_length - zone_length, zone) != 0) {
        return false;
    }
    return name_length == zone_length || name[name_length - zone_length - 1] == '.';
}

int dns_owner_check(const char *text, const char *zone, enum dns_name_use use,
                    char ret_name[DNS_NAME_MAX], char *why)
{
    if (text[0] == '\0' || strcmp(text, "@") == 0) {
        return dns_name_check(zone, DNS_ZONE, ret_name, why);
    }
    char name[DNS_NAME_MAX];
    int error = fold(text, name, why);
    if (error != 0) {
        return error;
    }
    bool absolute = text[strlen(text) - 1] == '.';
    if (absolute && !dns_name_within(name, zone)) {
        return bad(why, "\"%s\" is not in the zone %s", text, zone);
    }
    if (dns_name_within(name, zone)) {
        return dns_name_check(name, use, ret_name, why);
    }
    char full[2 * DNS_NAME_MAX];
    snprintf(full, sizeof(full), "%s.%s", name, zone);
    return dns_name_check(full, use, ret_name, why);
}
